"""The names of all metrics, once. Their x-axis is environment frames."""

RETURN_MEAN = "train/return_mean"
RETURN_MEDIAN = "train/return_median"
EPISODE_FRAMES_MEAN = "train/episode_frames_mean"
FRAMES = "train/frames"
DECISIONS = "train/decisions"
FRAMES_PER_S = "train/frames_per_s"
UPDATES = "train/updates"
SAMPLE_S = "time/sample_s"
LEARN_S = "time/learn_s"
OVERHEAD_S = "time/overhead_s"
WALL_S = "time/wall_s"
LEARNER_PREFIX = "learner/"
EVAL_RETURN_MEAN = "eval/return_mean"
EVAL_RETURN_P10 = "eval/return_p10"
LAP_TIME_S = "racing/lap_time_s"
FINISH_RATE = "racing/finish_rate"
OFF_TRACK_SHARE = "racing/off_track_share"
LINK_AGE_S = "link/age_s"  # of remote games: mean over the decisions since the last report
LINK_SKIPPED = "link/skipped"  # ticks that nobody saw, since the process began
LINK_RECONNECTS = "link/reconnects"  # games lost and got back, since the process began
RSS_GB = "system/rss_gb"
RUNNER_RESTARTS = "system/runner_restarts"

ALL = tuple(sorted(value for name, value in globals().items() if name.isupper() and name != "LEARNER_PREFIX"))
