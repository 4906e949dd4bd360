"""`env=trackmania`: TrackMania 2020 through TMRL's plugin, or its twin; TMRL's observations and reward, or ours."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import EzPickle

from envs.arguments import build_section, check_choice, check_range, check_types
from envs.capacity import Capacity
from envs.errors import ConfigError
from envs.findings import Finding
from envs.remote.addresses import parse_address
from envs.trackmania import actions as action_choices
from envs.trackmania import games, tasks
from envs.trackmania.capture import TITLE
from envs.trackmania.edges_preset import EdgeSettings, EdgesPreset
from envs.trackmania.images import Picture
from envs.trackmania.interface import TrackmaniaInterface
from envs.trackmania.layouts import TMRL11, layout_of
from envs.trackmania.presets import FULL, LIDAR, FullPreset, LidarPreset, LidarProgressPreset, Preset
from envs.trackmania.real_time_env import RealTimeEnv, RealTimeSettings
from envs.trackmania.reward_progress import ProgressRewardSettings
from envs.trackmania.reward_tmrl import TmrlRewardSettings
from envs.trackmania.road import HALF_WIDTH_M, Road, load_road
from envs.trackmania.trajectory import Trajectory, load_trajectory
from envs.trackmania.views import DictView

LIDAR_PROGRESS, EDGES = "lidar_progress", "edges"
OBSERVATIONS = (FULL, LIDAR, LIDAR_PROGRESS, EDGES)
AUTO = "auto"
OWN = "the twin's own"


class TrackmaniaEnv(gym.Env[Any, Any], EzPickle):
    """Drive TrackMania in real time: 20 decisions a second, each captured at the end of a step, as TMRL does.

    Observations are dicts; `compat` is the same env with TMRL's tuples, actions and order of events. Whoever drives
    this env, `step` returns what was captured while the action before the last was applied: the game does not wait. A
    link that is lost ends the episode as truncated, `info["fault"]` says why, and the next reset connects again.

    Args:
        obs: `full` (pictures), `lidar`, `lidar_progress`, or `edges` (telemetry and road edges, no pictures).
        scaling: of vectors of the first three: `raw`, TMRL's numbers; `tmrl`, as its networks get them; `scaled`.
        reward: `tmrl`, exactly, or `progress`.
        actions: `full`: [steer, throttle, brake]; `pedal`: [steer, pedal]; `game`: [gas, brake, steer] in [-1, 1].
        trajectory: file of the line that rewards are paid along: our npz or TMRL's reward.pkl; None: the twin's own.
        edges: file of the road's edges, for `obs=edges`; None: `half_width_m` beside the trajectory.
        half_width_m: of the road, without a file.
        hosts: `HOST:PORT` of the plugin, one game.
        layout: of its records, or `auto`.
        controls: `gamepad`, `keyboard` or `none`.
        window_title: of the game.
        twin: False: the real game; True: a twin in real time; `lockstep`: a twin whose time waits for the env.
        twin_game: arguments of the twin's game.
        step_s: length of a step.
        capture_s: after a step's begin.
        elasticity: lateness that is made up for, in steps.
        episode_steps: after which an episode is truncated.
        actions_in_obs: last actions that observations hold.
        sleep_at_reset_s: between a restart and the first look.
        wait_on_done: whether the step that ends an episode restarts the race.
        save_replays: whether each episode's end saves a ghost.
        connect_timeout_s: to reach the game, at the first reset and after losses.
        stalled_s: after which telemetry that stays the same is lost.
        image_size: pixels of `full`.
        grayscale: of `full`.
        image_history: pictures or lidar readings in TMRL's tuple.
        edge: `points`, `ahead_m`, `ahead_s`, `least_ahead_m`, see `EdgeSettings`.
        tmrl: of `reward=tmrl`, see `TmrlRewardSettings`.
        progress: of `reward=progress`, see `ProgressRewardSettings`.
        training: changes nothing here.
        render_mode: None or `rgb_array`, where there are pictures.

    Raises:
        ConfigError: an argument has the wrong type or value, or a file is not what it should be.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 20}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        *,
        obs: str = FULL,
        scaling: str = "raw",
        reward: str = tasks.PROGRESS,
        actions: str = action_choices.FULL,
        trajectory: str | None = None,
        edges: str | None = None,
        half_width_m: float = HALF_WIDTH_M,
        hosts: list[str] | str = "127.0.0.1:9000",
        layout: str = "TMRL11",
        controls: str = games.GAMEPAD,
        window_title: str = TITLE,
        twin: bool | str = False,
        twin_game: Mapping[str, Any] | None = None,
        step_s: float = 0.05,
        capture_s: float = 0.04,
        elasticity: float = 1.0,
        episode_steps: int = 1000,
        actions_in_obs: int = 2,
        sleep_at_reset_s: float = 1.5,
        wait_on_done: bool = True,
        save_replays: bool = False,
        connect_timeout_s: float = 30.0,
        stalled_s: float = 1.0,
        image_size: int = 64,
        grayscale: bool = True,
        image_history: int = 4,
        edge: Mapping[str, Any] | None = None,
        tmrl: Mapping[str, Any] | None = None,
        progress: Mapping[str, Any] | None = None,
        training: bool = False,
        render_mode: str | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        check_types(type(self), given)
        check_choice("obs", obs, OBSERVATIONS)
        check_choice("reward", reward, tasks.REWARDS)
        check_choice("actions", actions, action_choices.CHOICES)
        check_choice("controls", controls, games.CONTROLS)
        check_range("sleep_at_reset_s", sleep_at_reset_s, 0.0, 60.0)
        check_range("connect_timeout_s", connect_timeout_s, 0.1)
        check_range("stalled_s", stalled_s, 0.05)
        check_range("actions_in_obs", actions_in_obs, 0)
        check_range("image_history", image_history, 1)
        check_range("half_width_m", half_width_m, 0.1)
        if isinstance(twin, str):
            check_choice("twin", twin, (games.LOCKSTEP,))
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        EzPickle.__init__(self, **given)
        self.render_mode = render_mode
        self._arguments = given
        self._reward_settings = {
            tasks.TMRL: build_section(TmrlRewardSettings, tmrl),
            tasks.PROGRESS: build_section(ProgressRewardSettings, progress),
        }
        settings = _game_settings(given)
        self.game = _game(settings, twin, twin_game or {})
        self.trajectory = _trajectory(trajectory, self.game)
        preset = self._preset(settings, build_section(EdgeSettings, edge))
        self.interface = TrackmaniaInterface(
            self.game.connect,
            preset,
            self._task,
            self.game.time,
            connect_timeout_s=connect_timeout_s,
            pause_s=self.game.pause_s,
            save_replays=save_replays,
        )
        steps = RealTimeSettings(
            time_step_duration=step_s,
            start_obs_capture=capture_s,
            time_step_timeout_factor=elasticity,
            ep_max_length=episode_steps,
            act_in_obs=actions_in_obs > 0,
            act_buf_len=max(actions_in_obs, 1),
            wait_on_done=wait_on_done,
        )
        self.compat = RealTimeEnv(self.interface, steps, self.game.time)
        self._view = DictView(preset.names, preset.boxes, num_actions=actions_in_obs, scaling=scaling)
        self._actions = actions
        self.observation_space = self._view.space
        self.action_space = action_choices.action_space(actions)

    @classmethod
    def capacity(cls, arguments: Mapping[str, Any]) -> Capacity:
        """One game: its window, gamepad and plugin are this machine's. Twins are as many as anybody wants."""
        return Capacity(None, 1 << 16) if arguments.get("twin") else Capacity(1, 1)

    @classmethod
    def diagnose(cls, arguments: Mapping[str, Any], seconds: float) -> list[Finding]:
        """Look at the game, or at a twin, in sixteen ways; see `envs.trackmania.doctor`."""
        from envs.trackmania.doctor import diagnose  # it builds envs of this class

        return diagnose(arguments, seconds)

    @classmethod
    def record(cls, arguments: Mapping[str, Any], request: Mapping[str, Any]) -> str:
        """Record a trajectory or demonstrations; see `envs.trackmania.recording`."""
        from envs.trackmania.recording import record  # it builds envs of this class

        return record(arguments, request)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Restart the race; with a seed, a twin in lock-step begins from its very begin.

        Raises:
            SimulatorUnavailable: the game does not answer.
            ConfigError: there is no trajectory.
        """
        super().reset(seed=seed)
        observation, info = self.compat.reset(seed=seed, options=options)
        return self._view.of(observation), info

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Return what the running step captures, and start the next one, which sends `action`.

        Raises:
            ResetNeeded: there is no running episode; a RuntimeError too.
            ValueError: the action has another shape, or is not finite.
        """
        control = None if action is None else action_choices.to_game(action, self._actions)
        observation, reward, terminated, truncated, info = self.compat.step(control)
        return self._view.of(observation), reward, terminated, truncated, info

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Return the game's picture, `(H, W, 3)` uint8, red first, with `render_mode="rgb_array"`, else None."""
        parts = self.interface.parts
        if self.render_mode is None or parts is None:
            return None
        if parts.capture is None:
            return np.zeros((1, 1, 3), np.uint8)
        return np.ascontiguousarray(parts.capture.screenshot()[:, :, ::-1])

    def close(self) -> None:
        """Release the controls and hang up; a second call does nothing."""
        if hasattr(self, "compat"):
            self.compat.close()
            self.game.end()

    @property
    def drives_itself(self) -> bool:
        """Whether controls reach the game: a person drives where they do not."""
        return bool(self._arguments["twin"]) or self._arguments["controls"] != games.NONE

    @property
    def sees_lidar(self) -> bool:
        """Whether screenshots are to show road and borders, as the lidar needs them."""
        return self._arguments["obs"] in (LIDAR, LIDAR_PROGRESS)

    @property
    def own_trajectory(self) -> Trajectory | None:
        """The trajectory that the game itself knows: a twin does."""
        points = self.game.trajectory
        return None if points is None else Trajectory(points, source=OWN)

    # --- what code for rtgym reaches through `unwrapped`

    @property
    def default_action(self) -> Any:
        """What is sent while nobody acts, in the game's order."""
        return self.compat.default_action

    def wait(self) -> None:
        """Let the game be where nothing happens."""
        self.compat.wait()

    def benchmarks(self) -> dict[str, tuple[float, float]]:
        """Return mean and deviation of a step's parts, seconds."""
        return self.compat.benchmarks()

    def set_default_action(self, action: Any) -> None:
        """Choose what is sent while nobody acts, in the game's order."""
        self.compat.set_default_action(action)

    def set_time_step_duration(self, duration_s: float) -> None:
        """Choose the length of steps."""
        self.compat.set_time_step_duration(duration_s)

    def set_start_obs_capture(self, capture_s: float) -> None:
        """Choose when in a step its end is captured."""
        self.compat.set_start_obs_capture(capture_s)

    def set_ep_max_length(self, num_steps: float) -> None:
        """Choose after how many steps episodes are truncated."""
        self.compat.set_ep_max_length(num_steps)

    def _task(self) -> tasks.Task:
        if self.trajectory is None:
            raise ConfigError(
                "env=trackmania has no trajectory to pay rewards along. Record one on the map with python -m "
                "envs.record env=trackmania and name it in env.trajectory, or choose env.twin=lockstep."
            )
        if self._arguments["reward"] == tasks.TMRL:
            return tasks.TmrlTask(self.trajectory, self._reward_settings[tasks.TMRL])
        return tasks.ProgressTask(self.trajectory, self._reward_settings[tasks.PROGRESS])

    def _preset(self, settings: games.GameSettings, edge: EdgeSettings) -> Preset:
        arguments = self._arguments
        obs, history = arguments["obs"], arguments["image_history"]
        layout = settings.layout or TMRL11
        if obs == FULL:
            size = arguments["image_size"]
            return FullPreset(layout, Picture(size, size, grayscale=arguments["grayscale"]), history)
        if obs != EDGES:
            return (LidarPreset if obs == LIDAR else LidarProgressPreset)(history=history)
        if settings.layout is None:
            raise ConfigError("env.obs=edges has other numbers for other layouts: set env.layout, not auto.")
        return EdgesPreset(settings.layout, self._road(), edge)

    def _road(self) -> Road:
        if self.trajectory is None:
            raise ConfigError("env.obs=edges needs env.trajectory: the road is seen along it.")
        points, file = self.trajectory.points, self._arguments["edges"]
        if file is None and self.game.edges is not None:
            return Road.between(points, *self.game.edges)
        return load_road(points, file, self._arguments["half_width_m"])


def _game_settings(arguments: Mapping[str, Any]) -> games.GameSettings:
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


def _game(settings: games.GameSettings, twin: bool | str, twin_game: Mapping[str, Any]) -> games.Game:
    if not twin:
        return games.real_game(settings)
    return (games.lockstep_twin if twin == games.LOCKSTEP else games.served_twin)(settings, twin_game)


def _trajectory(file: str | None, game: games.Game) -> Trajectory | None:
    if file is not None:
        return load_trajectory(file)
    return None if game.trajectory is None else Trajectory(game.trajectory, source=OWN)
