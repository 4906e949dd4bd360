"""What the arguments of `TrackmaniaEnv` choose: a game, a trajectory, what is observed of it, and a task on it."""

from collections.abc import Callable, Mapping
from typing import Any

from envs.arguments import build_section, check_choice, check_range
from envs.errors import ConfigError
from envs.remote.addresses import parse_address
from envs.trackmania import actions, games, tasks
from envs.trackmania.edges_preset import EdgeSettings, EdgesPreset
from envs.trackmania.images import Picture
from envs.trackmania.layouts import TMRL11, Layout, layout_of
from envs.trackmania.presets import FULL, LIDAR, FullPreset, LidarPreset, LidarProgressPreset, Preset
from envs.trackmania.real_time_settings import RealTimeSettings
from envs.trackmania.reward_progress import ProgressRewardSettings
from envs.trackmania.reward_tmrl import TmrlRewardSettings
from envs.trackmania.road import Road, load_road
from envs.trackmania.trajectory import Trajectory, load_trajectory

LIDAR_PROGRESS, EDGES = "lidar_progress", "edges"
OBSERVATIONS = (FULL, LIDAR, LIDAR_PROGRESS, EDGES)
AUTO = "auto"
OWN = "the twin's own"

Arguments = Mapping[str, Any]  # all of `TrackmaniaEnv`, by name, of the right types


def check_arguments(arguments: Arguments) -> None:
    """Refuse values that are out of range; files, addresses and sections are checked where they are read.

    Raises:
        ConfigError: says which, and what there is to choose from.
    """
    check_choice("obs", arguments["obs"], OBSERVATIONS)
    check_choice("reward", arguments["reward"], tasks.REWARDS)
    check_choice("actions", arguments["actions"], actions.CHOICES)
    check_choice("controls", arguments["controls"], games.CONTROLS)
    check_range("sleep_at_reset_s", arguments["sleep_at_reset_s"], 0.0, 60.0)
    check_range("countdown_s", arguments["countdown_s"], 0.0, 60.0)
    check_range("connect_timeout_s", arguments["connect_timeout_s"], 0.1)
    check_range("stalled_s", arguments["stalled_s"], 0.05)
    check_range("actions_in_obs", arguments["actions_in_obs"], 0)
    check_range("image_history", arguments["image_history"], 1)
    check_range("half_width_m", arguments["half_width_m"], 0.1)
    if isinstance(arguments["twin"], str):
        check_choice("twin", arguments["twin"], (games.LOCKSTEP,))


def game_settings(arguments: Arguments) -> games.GameSettings:
    """Return what the game is found with.

    Raises:
        ConfigError: there are several hosts, or one is no address, or the layout is unknown.
    """
    hosts = arguments["hosts"]
    hosts = [hosts] if isinstance(hosts, str) else list(hosts)
    if len(hosts) != 1:
        raise ConfigError(
            f"Expected env.hosts of one game, got {hosts}: window and gamepad are this machine's. Serve the games of "
            "other machines with python -m envs.serve env=trackmania, and drive them with env=remote."
        )
    host, port = parse_address(hosts[0], "env.hosts")
    layout = None if arguments["layout"] == AUTO else layout_of(arguments["layout"])
    obs = arguments["obs"]
    screen = FULL if obs == FULL else LIDAR if obs in (LIDAR, LIDAR_PROGRESS) else None
    if screen is None and arguments["render_mode"] is not None and arguments["twin"]:
        screen = FULL
    return games.GameSettings(
        host=host,
        port=port,
        layout=layout,
        controls=arguments["controls"],
        window_title=arguments["window_title"],
        screen=screen,
        sleep_at_reset_s=arguments["sleep_at_reset_s"],
        stalled_s=arguments["stalled_s"],
    )


def chosen_game(settings: games.GameSettings, arguments: Arguments) -> games.Game:
    """Return the real game, or a twin of it."""
    twin, twin_game = arguments["twin"], arguments["twin_game"] or {}
    if not twin:
        return games.real_game(settings)
    return (games.lockstep_twin if twin == games.LOCKSTEP else games.served_twin)(settings, twin_game)


def own_trajectory(game: games.Game) -> Trajectory | None:
    """Return the trajectory that the game itself knows: a twin does."""
    return None if game.trajectory is None else Trajectory(game.trajectory, source=OWN)


def chosen_trajectory(arguments: Arguments, game: games.Game) -> Trajectory | None:
    """Return the file's trajectory, else the game's own, else none."""
    file = arguments["trajectory"]
    return own_trajectory(game) if file is None else load_trajectory(file)


def chosen_preset(
    arguments: Arguments, layout: Layout | None, game: games.Game, trajectory: Trajectory | None
) -> Preset:
    """Return what is observed.

    Args:
        arguments: of the env.
        layout: of records; None: identified later.
        game: may know the road's edges.
        trajectory: that the road lies along.

    Raises:
        ConfigError: `obs=edges` lacks a layout or a trajectory, or a file is not what it should be.
    """
    obs, history = arguments["obs"], arguments["image_history"]
    edge = build_section(EdgeSettings, arguments["edge"])
    if obs == FULL:
        size = arguments["image_size"]
        return FullPreset(layout or TMRL11, Picture(size, size, grayscale=arguments["grayscale"]), history)
    if obs != EDGES:
        return (LidarPreset if obs == LIDAR else LidarProgressPreset)(history=history)
    if layout is None:
        raise ConfigError("env.obs=edges has other numbers for other layouts: set env.layout, not auto.")
    return EdgesPreset(layout, _road(arguments, game, trajectory), edge)


def _road(arguments: Arguments, game: games.Game, trajectory: Trajectory | None) -> Road:
    if trajectory is None:
        raise ConfigError("env.obs=edges needs env.trajectory: the road is seen along it.")
    points, file = trajectory.points, arguments["edges"]
    if file is None and game.edges is not None:
        return Road.between(points, *game.edges)
    return load_road(points, file, arguments["half_width_m"])


def chosen_task(arguments: Arguments, game: games.Game) -> Callable[[Trajectory | None], tasks.Task]:
    """Return what makes the task on a trajectory, and raises a ConfigError where there is none."""
    tmrl: TmrlRewardSettings = build_section(TmrlRewardSettings, arguments["tmrl"])
    progress: ProgressRewardSettings = build_section(ProgressRewardSettings, arguments["progress"])

    def make(trajectory: Trajectory | None) -> tasks.Task:
        if trajectory is None:
            raise ConfigError(
                "env=trackmania has no trajectory to pay rewards along. Record one on the map with python -m "
                "envs.record env=trackmania and name it in env.trajectory, or choose env.twin=lockstep."
            )
        if arguments["reward"] == tasks.TMRL:
            return tasks.TmrlTask(trajectory, tmrl)
        is_road_known = arguments["edges"] is not None or game.edges is not None
        half_width_m = _road(arguments, game, trajectory).half_width_m if is_road_known else None
        return tasks.ProgressTask(trajectory, progress, half_width_m)

    return make


def step_settings(arguments: Arguments) -> RealTimeSettings:
    """Return the rhythm of steps, under rtgym's names."""
    return RealTimeSettings(
        time_step_duration=arguments["step_s"],
        start_obs_capture=arguments["capture_s"],
        time_step_timeout_factor=arguments["elasticity"],
        ep_max_length=arguments["episode_steps"],
        act_in_obs=arguments["actions_in_obs"] > 0,
        act_buf_len=max(arguments["actions_in_obs"], 1),
        wait_on_done=arguments["wait_on_done"],
    )
