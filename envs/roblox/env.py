"""`env=roblox`: cars of Roblox racing games that connect to the suite, or of their twin."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from envs.arguments import check_choice, check_types
from envs.capacity import Capacity
from envs.findings import Finding
from envs.roblox.actions import FULL
from envs.roblox.infos import MAX_SPEED_MPS
from envs.roblox.widths import AUTO, CAR16

LOCKSTEP = "lockstep"
_MANY = 1 << 16


class RobloxEnv(gym.Env[Any, Any]):
    """Drive one car; `RobloxVectorEnv` drives many, which is what these games are made for.

    The suite is the server: games connect to `ws://HOST:PORT/ws/NAME` from Roblox Studio, whenever they want. Rewards
    are the game's, unchanged. A game that is lost ends the episode as truncated, `info["fault"]` says why; the reset
    after it waits until a game is back.

    Args:
        host: where to listen.
        port: of the first runner; runner w listens at this plus w. 0: any free one.
        hub: whether the first runner hands games that it has no seat for on to the others: one port for all.
        token: that games bring as `?token=…`; None: the environment variable CHICANE_TOKEN, or none.
        model_id: the NAME that games must bring; None: any.
        games: that cars are spread over, at most; None: one, of twins in lock-step one for each car.
        cars: of an env within a game, at most; a game has as many envs as its cars need.
        dialect: `v0`, `v1`, `v2`, or `auto`: found out.
        obs_preset: `car16`, `cart5`, or `auto`: the first observation decides, which a game must send first.
        actions: `full`: [steer, pedal, nitro]; `pedal`: [steer, pedal]; `game`: [throttle, steering, nitro]; all -1..1.
        twin: False: the real game; True: twins that connect in real time; `lockstep`: twins whose time waits.
        twin_game: of the twin: other arguments of `envs.roblox.twin.game.RobloxGame`.
        speed: game time by real time, for twins; all times below are game time.
        collisions: whether cars of one env collide.
        step_timeout_s: until a step without any tick is given up.
        straggler_ms: after the first car is ready, until the others are not waited for.
        min_ticks: of each car after an action; 2 makes sure that the last one was made after it.
        auto_freeze_s: without a step, until the game is frozen.
        ping_s: without a command, until a ping.
        no_tick_timeout_s: without a tick, until the connection is closed.
        connect_timeout_s: until all games and cars are there, at a reset.
        reconnect_timeout_s: without any game, until a step gives up.
        strict_width: whether observations of another width than declared are an error.
        episode_steps: after which an episode is truncated; None: only the game ends episodes.
        episode_laps: likewise.
        track_episodes: of a twin in lock-step: episodes of each of its cars until the next track.
        max_speed_mps: what a velocity of 1 means, for `info["speed_mps"]`.
        traffic: file to record all messages in; runner and number are added to its name, none is overwritten.
        training: changes nothing here.
        render_mode: None, or `rgb_array` with a twin in lock-step: its track from above.

    Raises:
        ConfigError: an argument has the wrong type or value, or the port is taken.
    """

    vector_env = "envs.roblox.vector.RobloxVectorEnv"
    files = ("traffic",)
    metadata = {"render_modes": ["rgb_array"], "render_fps": 15}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 8000,
        hub: bool = False,
        token: str | None = None,
        model_id: str | None = None,
        games: int | None = None,
        cars: int = 5,
        dialect: str = AUTO,
        obs_preset: str = CAR16,
        actions: str = FULL,
        twin: bool | str = False,
        twin_game: Mapping[str, Any] | None = None,
        speed: float = 1.0,
        collisions: bool = False,
        step_timeout_s: float = 2.0,
        straggler_ms: float = 150.0,
        min_ticks: int = 1,
        auto_freeze_s: float = 0.5,
        ping_s: float = 5.0,
        no_tick_timeout_s: float = 5.0,
        connect_timeout_s: float = 1800.0,
        reconnect_timeout_s: float = 120.0,
        strict_width: bool = False,
        episode_steps: int | None = None,
        episode_laps: int | None = None,
        track_episodes: int = 10,
        max_speed_mps: float = MAX_SPEED_MPS,
        traffic: str | None = None,
        training: bool = False,
        render_mode: str | None = None,
    ) -> None:
        given = {name: value for name, value in locals().items() if name != "self"}
        check_types(type(self), given)
        if render_mode is not None:
            check_choice("render_mode", render_mode, self.metadata["render_modes"])
        self.render_mode = given.pop("render_mode")
        from envs.roblox.vector import RobloxVectorEnv  # it reads this class's signature

        self.cars = RobloxVectorEnv(1, **given)
        self.observation_space: spaces.Space[Any] = self.cars.single_observation_space
        self.action_space: spaces.Space[Any] = self.cars.single_action_space
        self._is_running = False
        self._camera: Any = None  # brings OpenCV, where it is wanted

    @classmethod
    def capacity(cls, arguments: Mapping[str, Any]) -> Capacity:
        """As many cars as anybody wants; in real time one env after the other, for each waits for its own ticks."""
        if arguments.get("twin") == LOCKSTEP:
            return Capacity(_MANY, _MANY)
        return Capacity(_MANY if arguments.get("twin") else None, 1)

    @classmethod
    def known_spaces(cls, arguments: Mapping[str, Any]) -> tuple[spaces.Space[Any], spaces.Space[Any]] | None:
        """Return observation and action space of a live game, which is not to be looked for twice: v0 connects once.

        None: only the game can tell, or it is a twin.

        Raises:
            ConfigError: an argument has the wrong value.
        """
        from envs.roblox.choices import options_of, spaces_of

        options = options_of(arguments)
        return None if options.twin else spaces_of(options)

    @classmethod
    def longest_wait_s(cls, arguments: Mapping[str, Any]) -> float:
        """Return how long a runner may wait for games, real seconds: until they come, and until they come back.

        Raises:
            ConfigError: an argument has the wrong value.
        """
        from envs.roblox.choices import options_of

        return options_of(arguments).longest_wait_s

    @classmethod
    def leave(cls) -> None:
        """Stop listening at the ports that closed envs of this process left open for those that may follow."""
        from envs.roblox.hubs import end_all

        end_all()

    @classmethod
    def diagnose(cls, arguments: Mapping[str, Any], seconds: float) -> list[Finding]:
        """Wait for a game and look at it; see `envs.roblox.doctor`."""
        from envs.roblox.doctor import diagnose

        return diagnose(arguments, seconds)

    def reset(self, *, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Begin an episode; a twin in lock-step drives on the track of `seed`, or of a drawn one.

        Raises:
            SimulatorUnavailable: no game came within `connect_timeout_s`.
        """
        super().reset(seed=seed)
        observations, infos = self.cars.reset(seed=None if seed is None else [seed], options=options)
        self._is_running = True
        return observations[0], _only(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Drive one decision.

        Raises:
            ResetNeeded: there is no running episode.
            ValueError: the action is not finite, or of another shape.
            SimulatorUnavailable: no game came back.
        """
        if not self._is_running:
            raise ResetNeeded("RobloxEnv has no running episode: call reset() before the first step and after ends.")
        observations, rewards, terminated, truncated, infos = self.cars.step(np.asarray(action, np.float32)[None])
        self._is_running = not (terminated[0] or truncated[0])
        return observations[0], float(rewards[0]), bool(terminated[0]), bool(truncated[0]), _only(infos)

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Return a picture, `(H, W, 3)` uint8, with `render_mode="rgb_array"`: blank where there is no twin to see."""
        if self.render_mode is None:
            return None
        if self._camera is None:
            from envs.roblox.picture import Camera

            self._camera = Camera()
        picture: npt.NDArray[np.uint8] = self._camera.picture(self.cars.world)
        return picture

    @property
    def road_edges(self) -> npt.NDArray[np.float64] | None:
        """Left and right edge of a lock-stepped twin's road, `(2, N, 2)`, metres; None: not known."""
        return self.cars.world.road_edges_m(0)

    def close(self) -> None:
        """Let go of the game; a second call does nothing."""
        self._is_running = False
        if hasattr(self, "cars"):
            self.cars.close()


def _only(infos: Mapping[str, Any]) -> dict[str, Any]:
    """Return the info of a vector env's only slot, with Python's own types."""
    return {
        name: value[0].item() if isinstance(value[0], np.generic) else value[0]
        for name, value in infos.items()
        if not name.startswith("_") and infos[f"_{name}"][0]
    }
