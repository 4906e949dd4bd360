"""`env=trackmania`: TrackMania 2020 through TMRL's plugin, or its twin; TMRL's observations and reward, or ours."""

import contextlib
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.utils import EzPickle

from envs.arguments import check_choice, check_types
from envs.capacity import Capacity
from envs.findings import Finding
from envs.trackmania import actions as action_choices
from envs.trackmania import choices, games, tasks
from envs.trackmania.interface import TrackmaniaInterface
from envs.trackmania.presets import FULL, LIDAR
from envs.trackmania.race import COUNTDOWN_S, RaceWatch
from envs.trackmania.real_time_env import RealTimeEnv
from envs.trackmania.road import HALF_WIDTH_M
from envs.trackmania.rtgym_handles import RtgymHandles
from envs.trackmania.starts import StartWatch
from envs.trackmania.views import DictView


class TrackmaniaEnv(RtgymHandles, gym.Env[Any, Any], EzPickle):
    """Drive TrackMania in real time: 20 decisions a second, each captured at the end of a step, as TMRL does.

    Observations are dicts; `compat` is the same env with TMRL's tuples, actions and order of events. Whoever drives
    this env, `step` returns what was captured while the action before the last was applied: the game does not wait. A
    link that is lost ends the episode as truncated, `info["fault"]` says why, and the next reset connects again.

    Args:
        obs: `full` (pictures), `lidar`, `lidar_progress`, or `edges` (telemetry and road edges, no pictures).
        scaling: of vectors of the first three: `raw`, TMRL's numbers; `tmrl`, as its networks get them; `scaled`.
        reward: `tmrl`, exactly, or `progress`.
        actions: `full`: [steer, throttle, brake]; `pedal`, `drive`: [steer, pedal]; `game`: [gas, brake, steer].
        trajectory: file of the line that rewards are paid along: our npz or TMRL's reward.pkl; None: the twin's own.
        edges: file of the road's edges, for `obs=edges`; None: `half_width_m` beside the trajectory.
        half_width_m: of the road, without a file.
        hosts: `HOST:PORT` of the plugin, one game.
        layout: of its records, or `auto`.
        controls: `gamepad`, `keyboard`, `loopback`: a twin of `python -m envs.twin` at `hosts`, or `none`: a person
            drives, also in a twin; resets wait until the car is put to the trajectory's start, and a restart ends an
            episode as truncated.
        window_title: of the game.
        twin: False: the real game; True: a twin in real time; `lockstep`: a twin whose time waits for the env.
        twin_game: arguments of the twin's game.
        step_s: length of a step.
        capture_s: after a step's begin.
        elasticity: lateness that is made up for, in steps.
        episode_steps: after which an episode is truncated.
        actions_in_obs: last actions that observations hold.
        sleep_at_reset_s: between a restart and the first look.
        countdown_s: from a restart until the car may move: lap times without a race clock count from its end.
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

    files = ("trajectory", "edges", "twin_game.trajectory")
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
        window_title: str = "Trackmania",
        twin: bool | str = False,
        twin_game: Mapping[str, Any] | None = None,
        step_s: float = 0.05,
        capture_s: float = 0.04,
        elasticity: float = 1.0,
        episode_steps: int = 1000,
        actions_in_obs: int = 2,
        sleep_at_reset_s: float = 1.5,
        countdown_s: float = COUNTDOWN_S,
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
        choices.check_arguments(given)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        EzPickle.__init__(self, **given)
        self.render_mode, self._arguments, self._actions = render_mode, given, actions
        settings = choices.game_settings(given)
        self.game = choices.chosen_game(settings, given)
        with contextlib.ExitStack() as undone:  # a twin that serves ends if nobody will drive it
            undone.callback(self.game.end)
            make_task = choices.chosen_task(given, self.game)
            self.trajectory = choices.chosen_trajectory(given, self.game)
            preset = choices.chosen_preset(given, settings.layout, self.game, self.trajectory)
            self.interface = TrackmaniaInterface(
                self.game.connect,
                preset,
                lambda: make_task(self.trajectory),
                self.game.time,
                connect_timeout_s=connect_timeout_s,
                pause_s=self.game.pause_s,
                watch=RaceWatch(countdown_s=countdown_s),
                save_replays=save_replays,
                starts=None if self.drives_itself or self.trajectory is None else StartWatch(self.trajectory.points[0]),
            )
            self.compat = RealTimeEnv(self.interface, choices.step_settings(given), self.game.time)
            self._view = DictView(preset.names, preset.boxes, num_actions=actions_in_obs, scaling=scaling)
            undone.pop_all()
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
        return bool(self._arguments["controls"] != games.NONE)

    @property
    def sees_lidar(self) -> bool:
        """Whether screenshots are to show road and borders, as the lidar needs them."""
        return self._arguments["obs"] in (LIDAR, choices.LIDAR_PROGRESS)
