"""Comparisons of trials that never were: groups, baselines, tracks, thresholds, curves, verdicts and what mattered."""

import numpy as np
import pytest

from envs.errors import ConfigError
from experiments.comparison.bootstrap import Bootstrap
from experiments.comparison.comparison import compare
from experiments.comparison.curves import FRAMES, MINUTES, group_curve
from experiments.comparison.drawings.gallery import draw_all
from experiments.comparison.drawings.look import spread
from experiments.comparison.drawings.parallel import make_scale
from experiments.comparison.groups import (
    choose_baseline,
    choose_keys,
    choose_tracks,
    find_mixtures,
    find_survivors,
    make_groups,
)
from experiments.comparison.history import curve_of
from experiments.comparison.importance import measure_importance
from experiments.comparison.report import render
from experiments.comparison.results import Curve, Evaluation, TrialResult
from experiments.comparison.selection import Selection
from experiments.comparison.settings import check_words
from experiments.comparison.table import GAIN, LOSS, NOISE, make_rows
from experiments.comparison.thresholds import default_threshold, frames_to_threshold
from experiments.comparison.values import parse, say, short_keys
from experiments.comparison.words import basis, finding, number, reached

LR, CLIP = "algo.training.lr", "algo.training.clip"


@pytest.fixture
def make_trial():
    """Return a function that makes a trial: settings, returns while training (every 100 frames, 10 s) and scores."""
    made = []

    def make(assigned=None, *, curve=(), scores=None, first_seed=10_000, state="finished", defaults=None, **tags):
        number = len(made)
        frames = 100.0 * np.arange(1, len(curve) + 1)
        made.append(number)
        texts = {key: str(value) for key, value in (assigned or {}).items()}
        return TrialResult(
            run_id=f"{number:032x}",
            name=f"{number:05}",
            state=state,
            tags={"env": "carracing", "model": "cnn", "algo": "ppo", "seed": "0", **tags},
            params={**(defaults or {}), **texts},
            curve=Curve(frames, np.array(curve, float), frames / 10),
            assigned=texts,
            defaults=defaults or {},
            evaluation=None if scores is None else Evaluation(first_seed, np.array(scores, float)),
        )

    return make


def grouped(trials, keys=(LR,)):
    return make_groups(trials, list(keys), choose_tracks(trials)[0])


def labels(groups):
    return [group.label for group in groups]


# Values and names


@pytest.mark.parametrize(
    ("text", "value", "said"),
    [
        ("3e-05", 3e-05, "3e-05"),
        ("0.00031234", 0.00031234, "0.000312"),
        ("3", 3, "3"),
        ("True", True, "True"),
        ("None", None, "null"),
        ("[64, 64]", [64, 64], "[64, 64]"),
        ("cnn", "cnn", "cnn"),
        (None, None, "\N{EN DASH}"),
    ],
)
def test_values_come_back_from_text(text, value, said):
    assert parse(text) == value
    assert say(text) == said


def test_keys_are_as_short_as_they_can_be():
    keys = [LR, "model.hidden", "algo.training.head.hidden", "seed"]
    assert list(short_keys(keys).values()) == ["lr", "model.hidden", "head.hidden", "seed"]


# Groups


def test_trials_are_grouped_by_what_was_swept_but_the_seed(make_trial):
    trials = [make_trial({LR: lr, "seed": seed}) for seed in (0, 1) for lr in (1e-3, 3e-4, 1e-2)]
    assert choose_keys(trials, None, num_sweeps=1) == [LR]
    groups = grouped(trials)
    assert labels(groups) == ["lr=0.0003", "lr=0.001", "lr=0.01"]  # by size, not by the alphabet
    assert [len(group.trials) for group in groups] == [2, 2, 2]


def test_runs_without_a_sweep_are_grouped_by_env_model_and_algo(make_trial):
    trials = [make_trial(algo="ppo"), make_trial(algo="sac"), make_trial(algo="sac")]
    keys = choose_keys(trials, None, num_sweeps=3)
    assert keys == ["env", "model", "algo"]
    assert labels(grouped(trials, keys)) == ["algo=ppo", "algo=sac"]


def test_experiments_tell_runs_of_equal_groups_apart(make_trial):
    trials = [make_trial(experiment="tuned"), make_trial()]
    keys = choose_keys(trials, None, num_sweeps=2)
    assert labels(grouped(trials, keys)) == ["experiment=tuned", "experiment=\N{EN DASH}"]


def test_any_tag_or_parameter_groups_and_endings_do(make_trial):
    trials = [make_trial({LR: 1e-3}, host="a"), make_trial({LR: 1e-2}, host="b")]
    assert choose_keys(trials, ["lr", "host"], num_sweeps=1) == [LR, "host"]
    with pytest.raises(ConfigError, match=r"group_by=hosts: no trial has .*Swept were algo.training.lr.*near are host"):
        choose_keys(trials, ["hosts"], num_sweeps=1)


def test_long_names_give_way_to_the_trials(make_trial):
    trials = [make_trial({LR: 1e-4 * k, CLIP: 0.1, "algo.training.gamma": 0.9 + k / 100}) for k in (1, 2)]
    groups = grouped(trials, [LR, CLIP, "algo.training.gamma"])
    assert labels(groups) == ["lr=0.0001, gamma=0.91", "lr=0.0002, gamma=0.92"]  # the clip is the same
    trials = [make_trial({LR: 1.2345e-4 * k, "algo.training.entropy_coeff": 0.123 * k}) for k in (1, 2)]
    groups = grouped(trials, [LR, "algo.training.entropy_coeff"])
    assert labels(groups) == ["trial 00002", "trial 00003"]
    assert groups[0].description == "lr=0.000123, entropy_coeff=0.123"


def test_values_that_round_alike_stay_apart(make_trial):
    assert labels(grouped([make_trial({LR: 0.00030001}), make_trial({LR: 0.00030002})])) == [
        "lr=0.00030001",
        "lr=0.00030002",
    ]


def test_a_group_of_unlike_trials_is_told(make_trial):
    trials = [make_trial({LR: 1, CLIP: clip}) for clip in (0.1, 0.2)]
    (note,) = find_mixtures(grouped(trials))
    assert "algo.training.clip (0.1, 0.2)" in note
    assert find_mixtures(grouped(trials, [LR, CLIP])) == []


def test_scores_of_survivors_are_told(make_trial):
    trials = [
        make_trial({LR: 1}, scores=[5]),
        make_trial({LR: 1}, state="stopped: asha"),
        make_trial({LR: 2}, scores=[5]),
    ]
    (note,) = find_survivors(grouped(trials))
    assert "lr=1 (1 of 2)" in note
    assert "lr=2" not in note


# Tracks


def test_the_tracks_of_most_trials_count(make_trial):
    trials = [
        make_trial({LR: 1}, scores=[1, 2, 3]),
        make_trial({LR: 1}, scores=[4, 5, 6, 7], first_seed=9_999),  # drove one more, in front
        make_trial({LR: 1}, scores=[9, 9], first_seed=20_000),
        make_trial({LR: 1}, scores=[1, 1, 1]),
    ]
    tracks, (note,) = choose_tracks(trials)
    assert tracks == range(10_000, 10_003)
    assert "Trial 00002 was scored on tracks 20000 to 20001, not on tracks 10000 to 10002" in note
    (group,) = grouped(trials)
    assert group.scores.tolist() == [[1, 2, 3], [5, 6, 7], [1, 1, 1]]
    assert len(group.trials) == 4


# The baseline


def test_the_baseline_is_what_the_config_says(make_trial):
    defaults = {LR: "0.0003", "choices.model": "cnn"}
    trials = [
        make_trial({LR: lr, "model": m}, scores=[1], defaults=defaults) for lr in (0.0003, 0.1) for m in ("cnn", "vit")
    ]
    group, reason = choose_baseline(grouped(trials, [LR, "model"]), None)
    assert group.label == "lr=0.0003, model=cnn"
    assert "config" in reason


def test_else_the_baseline_is_the_group_in_the_middle(make_trial):
    trials = [make_trial({LR: lr}, scores=[score]) for lr, score in ((1, 50), (2, 10), (3, 30))]
    trials.append(make_trial({LR: 4}, curve=[99], state="stopped: asha"))  # not scored: no baseline
    assert choose_baseline(grouped(trials), None)[0].label == "lr=3"


@pytest.mark.parametrize("word", ["lr=0.001", "algo.training.lr=0.001", "0.001", 0.001, "1e-3", "lr=1e-3"])
def test_the_baseline_may_be_named_by_its_values(make_trial, word):
    groups = grouped([make_trial({LR: lr}) for lr in (0.001, 0.01)])
    assert choose_baseline(groups, word)[0].label == "lr=0.001"


def test_a_baseline_that_is_none_or_several_is_refused(make_trial):
    groups = grouped([make_trial({LR: lr, CLIP: 0.1}) for lr in (0.001, 0.01)], [LR, CLIP])
    with pytest.raises(ConfigError, match=r"(?s)baseline=cnn means no group.*lr=0.001.*lr=0.01"):
        choose_baseline(groups, "cnn")
    with pytest.raises(ConfigError, match=r"baseline=0\.1 means 2 groups"):
        choose_baseline(groups, "0.1")


# Verdicts


def rows_of(trials, baseline, keys=(LR,)):
    groups = grouped(trials, keys)
    reference = next(group for group in groups if group.label == baseline)
    return {row.group.label: row for row in make_rows(groups, reference, None, Bootstrap(2000))}, reference


def test_verdicts(make_trial):
    rng = np.random.default_rng(0)
    hard = rng.normal(0, 50, 60)
    means = {"1": [800, 805, 795], "2": [900, 905, 895], "3": [700, 705, 695], "4": [803, 808, 790]}
    trials = [make_trial({LR: lr}, scores=hard + mean) for lr, those in means.items() for mean in those]
    rows, baseline = rows_of(trials, "lr=1")
    assert {label: row.contrast and row.contrast.verdict for label, row in rows.items()} == {
        "lr=2": GAIN,
        "lr=4": NOISE,
        "lr=1": None,
        "lr=3": LOSS,
    }
    assert list(rows) == ["lr=2", "lr=4", "lr=1", "lr=3"]  # the best first
    assert rows["lr=2"].contrast.gain.value == pytest.approx(100)
    assert rows["lr=2"].contrast.improvement.value == 1.0
    assert finding(list(rows.values()), baseline).startswith("lr=2 brings +100 a drive")


def test_seeds_that_differ_make_noise_of_what_tracks_alone_call_a_gain(make_trial):
    hard = np.random.default_rng(0).normal(0, 10, 60)
    means = {"1": [760, 800, 840], "2": [800, 830, 880]}
    trials = [make_trial({LR: lr}, scores=hard + mean) for lr, those in means.items() for mean in those]
    rows, baseline = rows_of(trials, "lr=1")
    assert rows["lr=2"].contrast.verdict == NOISE
    assert finding(list(rows.values()), baseline).startswith("No gain beyond noise")
    single, baseline = rows_of([trials[1], trials[4]], "lr=1")
    assert single["lr=2"].contrast.verdict == GAIN
    assert "single seed" in finding(list(single.values()), baseline)


def test_among_many_groups_a_gain_has_to_be_clearer(make_trial):
    rng = np.random.default_rng(1)
    ours = rng.normal(0, 1, 100)
    ours = (ours - ours.mean()) / ours.std() + 0.25  # 2.5 standard errors above zero: beyond 95 %, within 99.7 %
    alone = [make_trial({LR: 1}, scores=np.zeros(100)), make_trial({LR: 2}, scores=ours)]
    assert rows_of(alone, "lr=1")[0]["lr=2"].contrast.verdict == GAIN
    others = [make_trial({LR: 3 + k}, scores=rng.permutation(ours) - 0.25) for k in range(19)]
    row = rows_of([*alone, *others], "lr=1")[0]["lr=2"]
    assert row.contrast.verdict == NOISE
    assert row.contrast.gain.low > 0


def test_what_was_not_scored_stays_in_the_table(make_trial):
    trials = [
        make_trial({LR: 1}, scores=[5.0] * 40, curve=[5]),
        make_trial({LR: 2}, curve=[3], state="stopped: asha"),
        make_trial({LR: 3}, state="failed: no memory"),
    ]
    rows, baseline = rows_of(trials, "lr=1")
    assert [row.scores is None for row in rows.values()] == [False, True, True]
    text = " ".join(basis(list(rows.values()), range(10_000, 10_040)))
    assert "3 trials in 3 groups; 1 scored, 1 stopped early, 1 failed." in text
    assert "the same 40 tracks (seeds 10000 to 10039)" in text
    assert "say nothing about what another seed would bring" in text
    assert "Only lr=1 was scored" in finding(list(rows.values()), baseline)


# Curves and thresholds


def test_of_two_stretches_of_a_resumed_trial_the_later_counts():
    rows = [(5, 200, 9.0, 60.0), (1, 100, 1.0, 10.0), (2, 200, 2.0, 20.0), (3, 300, 3.0, 30.0), (4, 150, 8.0, 50.0)]
    curve = curve_of(rows)
    assert curve.frames.tolist() == [100, 150, 200]
    assert curve.returns.tolist() == [1, 8, 9]
    assert curve.wall_s.tolist() == [10, 50, 60]
    assert curve_of([]).is_empty


def test_the_mean_goes_as_far_as_all_trials_and_the_rest_on_its_own(make_trial):
    (group,) = grouped(
        [
            make_trial({LR: 1}, curve=[0, 10, 20, 30]),
            make_trial({LR: 1}, curve=[10, 20], state="stopped: asha"),
            make_trial({LR: 1}, curve=[50], state="failed: crash"),
        ]
    )
    curve = group_curve(group, FRAMES)
    assert curve.num_trials == 2
    assert (curve.x[0], curve.x[-1]) == (100, 200)
    assert (curve.mean[0], curve.mean[-1]) == (5, 15)
    assert (curve.low[-1], curve.high[-1]) == (10, 20)
    rest, failed = curve.rests
    assert rest[0].tolist() == [200, 300, 400]
    assert rest[1].tolist() == [10, 20, 30]
    assert failed[1].tolist() == [50]
    assert curve.ends == [(200, 20, False), (100, 50, True)]
    assert group_curve(group, MINUTES).x[-1] == pytest.approx(20 / 60)


def test_frames_to_a_threshold(make_trial):
    def median(*curves):
        (group,) = grouped([make_trial({LR: 1}, curve=curve) for curve in curves])
        return frames_to_threshold(group, 10.0)

    rising, quick, never = [1, 5, 10, 20], [12, 3], [1, 2, 3, 4, 5, 6]
    assert (median(rising, rising, quick).frames, median(rising, rising, quick).is_censored) == (300, False)
    assert (median(rising, quick).frames, median(rising, quick).num_reached) == (200, 2)
    result = median(rising, never, never)
    assert (result.frames, result.is_censored, result.num_reached) == (600, True, 1)  # two needed more than 600
    assert reached(result, 3) == ("> 600", "1 of 3")
    assert median(rising, rising, never).frames == 300  # the median is known without the third
    assert median([]).frames is None


def test_the_threshold_is_nine_tenths_of_the_best(make_trial):
    trials = [make_trial({LR: 1}, curve=[90, 100]), make_trial({LR: 2}, curve=[300], state="stopped: asha")]
    trials.append(make_trial({LR: 2}, curve=[50]))
    assert default_threshold(grouped(trials)) == pytest.approx(90)  # a trial that was stopped early is no end
    assert default_threshold(grouped([make_trial({LR: 1}, curve=[-100])])) == pytest.approx(-110)
    assert default_threshold(grouped([make_trial({LR: 1})])) is None


# What mattered


def test_the_key_that_mattered_stands_out(make_trial):
    rng = np.random.default_rng(0)
    trials = []
    for k in range(24):
        lr, clip = float(10 ** rng.uniform(-5, -2)), float(rng.uniform(0.1, 0.4))
        state = "finished" if k % 2 else "stopped: asha"
        trials.append(make_trial({LR: lr, CLIP: clip, "seed": k}, curve=[0, -100 * abs(np.log10(lr) + 4)], state=state))
    found = measure_importance(trials)
    assert found.num_trials == 24
    assert [one.key for one in found.keys] == [LR, CLIP]
    assert found.keys[0].share > found.keys[0].chance
    assert found.keys[1].share < found.keys[1].chance
    assert sum(one.share for one in found.keys) == pytest.approx(1)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ([{}] * 9, "No key was swept"),
        ([{LR: 1 + k % 3, "seed": k} for k in range(9)], f"Only {LR} was varied"),
        ([{LR: k, CLIP: -k} for k in range(4)], "4 trials are too few"),
    ],
)
def test_where_nothing_can_be_said_of_importance_it_says_why(make_trial, settings, words):
    found = measure_importance([make_trial(one, curve=[1.0]) for one in settings])
    assert found.keys == []
    assert words in found.reason


# Pictures and words


def test_axes_of_parallel_coordinates():
    scale = make_scale(["0.001", "0.1", "0.01"])
    assert {text: round(place, 6) for text, place in scale.places.items()} == {"0.001": 0, "0.01": 0.5, "0.1": 1}
    scale = make_scale(["vit", None, "cnn"])
    assert scale.places == {"cnn": 0, "vit": 0.5, None: 1}
    assert make_scale(["3", "3"]).places == {"3": 0.5}


def test_labels_stay_apart_and_inside():
    assert spread([1.0, 5.0], 1, 0, 10) == [1.0, 5.0]
    assert spread([9.9, 9.8, 0.0], 2, 0, 10) == pytest.approx([10, 8, 0])
    assert spread([5, 5, 5], 20, 0, 10) == pytest.approx([0, 5, 10])
    assert spread([], 1, 0, 1) == []


@pytest.mark.parametrize(
    ("curves", "scores", "drawn"),
    [
        ([(), ()], [None, None], {"parallel"}),
        ([(1, 2), ()], [None, None], {"curves", "curves_time", "parallel"}),
        ([(5,), (5,)], [[3.0], None], {"scores", "curves", "curves_time", "profiles", "parallel"}),
        ([(1, 2), (3, 4)], [[3.0, 3.0], [3.0, 3.0]], {"scores", "curves", "curves_time", "profiles", "parallel"}),
    ],
    ids=["nothing", "one curve", "one point, one score", "all the same"],
)
def test_a_report_of_little(make_trial, tmp_path, curves, scores, drawn):
    trials = [
        make_trial({LR: lr}, curve=curve, scores=score, state="failed: crash" if score is None else "finished")
        for lr, curve, score in zip((1e-4, 1e-3), curves, scores, strict=True)
    ]
    comparison = compare(Selection("little", trials, tmp_path, None, 1))
    pictures = draw_all(comparison)
    assert {picture.name for picture in pictures if picture.pngs} == drawn
    page = render(comparison, pictures)
    assert "lr=0.0001" in page
    assert "lr=0.001" in page
    assert all(trial.state in page for trial in trials)


def test_names_in_a_report_are_no_markup(make_trial, tmp_path):
    trials = [make_trial({"model": f"<b>{k}</b>"}, curve=[1, 2]) for k in range(2)]
    page = render(compare(Selection("<script>", trials, tmp_path, None, 1)), [])
    assert "<script>" not in page
    assert "model=&lt;b&gt;1&lt;/b&gt;" in page


@pytest.mark.parametrize(("value", "said"), [(825.4, "825"), (-12.34, "-12.3"), (1.234, "1.23")])
def test_numbers_are_as_long_as_they_are_known(value, said):
    assert number(value) == said


def test_words_that_choose_runs():
    nothing = {"sweep": None, "name": None, "runs": None, "group_by": None}
    assert check_words(nothing)["sweep"] == "latest"
    with pytest.raises(ConfigError, match="sweep=latest and name=x: expected one of"):
        check_words(nothing | {"sweep": "latest", "name": "x"})
    with pytest.raises(ConfigError, match=r"group_by=\[\] chooses nothing"):
        check_words(nothing | {"group_by": []})
