"""The arguments of `RobloxEnv`, checked, and the world that they lead to."""

import importlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from envs.arguments import check_choice, check_range
from envs.errors import ConfigError
from envs.roblox import actions as action_choices
from envs.roblox.env import LOCKSTEP
from envs.roblox.lockstep import LockstepWorld
from envs.roblox.roster import MOST_CARS
from envs.roblox.settings import GameSettings, PairingSettings
from envs.roblox.widths import AUTO, DIALECTS, PRESETS, V2, width_of
from envs.roblox.worlds import World

_TWIN = "envs.roblox.twin"


@dataclass(frozen=True)
class Options:
    """Arguments of `RobloxEnv`, under the same names; see there."""

    host: str
    port: int
    hub: bool
    token: str | None
    model_id: str | None
    games: int | None
    cars: int
    dialect: str
    obs_preset: str
    actions: str
    twin: bool | str
    twin_game: Mapping[str, Any]
    speed: float
    collisions: bool
    step_timeout_s: float
    straggler_ms: float
    min_ticks: int
    auto_freeze_s: float
    ping_s: float
    no_tick_timeout_s: float
    connect_timeout_s: float
    reconnect_timeout_s: float
    strict_width: bool
    episode_steps: int | None
    episode_laps: int | None
    track_episodes: int
    max_speed_mps: float
    traffic: str | None

    def check(self) -> None:
        """Refuse values that cannot be.

        Raises:
            ConfigError: names the key and what it may be.
        """
        check_range("port", self.port, 0, 65535)
        check_choice("dialect", self.dialect, (*DIALECTS, AUTO))
        check_choice("obs_preset", self.obs_preset, PRESETS)
        check_choice("actions", self.actions, action_choices.CHOICES)
        if isinstance(self.twin, str):
            check_choice("twin", self.twin, (LOCKSTEP,))
        check_range("cars", self.cars, 1, MOST_CARS)
        for name in ("games", "episode_steps", "episode_laps"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1)
        check_range("track_episodes", self.track_episodes, 1)
        check_range("speed", self.speed, 0.1, 1000.0)
        check_range("min_ticks", self.min_ticks, 1, 15)
        check_range("straggler_ms", self.straggler_ms, 0.0, 10_000.0)
        for name in ("step_timeout_s", "auto_freeze_s", "ping_s", "no_tick_timeout_s"):
            check_range(name, getattr(self, name), 0.05, 3600.0)
        for name in ("connect_timeout_s", "reconnect_timeout_s"):
            check_range(name, getattr(self, name), 0.1, 86400.0)
        check_range("max_speed_mps", self.max_speed_mps, 0.1, 1000.0)
        if self.ping_s >= 20.0:
            raise ConfigError(f"env.ping_s={self.ping_s:g}: games close a connection that is silent for 20 s.")
        if self.traffic is not None and self.twin == LOCKSTEP:
            raise ConfigError("env.traffic records what is said over sockets: choose env.twin=true, or a game.")
        taken = [name for name in ("dialect", "vehicle", "seed") if name in self.twin_game]
        if taken:
            raise ConfigError(f"env.twin_game has {', '.join(taken)}: say env.dialect, env.obs_preset or a seed.")

    @property
    def width(self) -> int | None:
        """How wide observations are; None: only the game can tell."""
        return width_of(self.obs_preset, self.dialect)

    @property
    def longest_wait_s(self) -> float:
        """How long a reset and a step may wait for games, real seconds; twins in lock-step are always there."""
        if self.twin == LOCKSTEP:
            return 0.0
        return (self.connect_timeout_s + self.reconnect_timeout_s) / self.speed

    def game_settings(self) -> GameSettings:
        """Return how games are treated."""
        return GameSettings(
            dialect=self.dialect,
            obs_preset=self.obs_preset,
            collisions=self.collisions,
            auto_freeze_s=self.auto_freeze_s,
            ping_s=self.ping_s,
            no_tick_timeout_s=self.no_tick_timeout_s,
            strict_width=self.strict_width,
        )

    def pairing_settings(self) -> PairingSettings:
        """Return how long steps wait."""
        return PairingSettings(
            step_timeout_s=self.step_timeout_s,
            straggler_s=self.straggler_ms / 1000.0,
            min_ticks=self.min_ticks,
            connect_timeout_s=self.connect_timeout_s,
            reconnect_timeout_s=self.reconnect_timeout_s,
        )

    def twin_arguments(self) -> dict[str, Any]:
        """Return what `RobloxGame` is built with, without its seed."""
        vehicle = {} if self.obs_preset == AUTO else {"vehicle": self.obs_preset}
        dialect = V2 if self.dialect == AUTO else self.dialect
        return vehicle | {"dialect": dialect} | dict(self.twin_game)


def cars_of(num_envs: int, games: int, cars: int) -> list[list[int]]:
    """Return, for each game, how many cars each of its envs has: as even as can be, `cars` at most in an env.

    There are no more games than cars.
    """
    games = min(games, num_envs)
    shares = [num_envs // games + (game < num_envs % games) for game in range(games)]
    return [[min(cars, share - first) for first in range(0, share, cars)] for share in shares]


def open_world(options: Options, num_envs: int, *, runner: int, seeds: Sequence[int]) -> World:
    """Return where `num_envs` cars drive.

    Args:
        options: arguments of the env.
        num_envs: cars.
        runner: index of the runner, which listens at `port` plus it.
        seeds: of twins' tracks, one a car; a game is on that of its first one.

    Raises:
        ConfigError: the port is taken, or an option does not go with another.
    """
    if options.twin == LOCKSTEP:
        layout = cars_of(num_envs, options.games or num_envs, options.cars)
        firsts = [sum(sum(one) for one in layout[:game]) for game in range(len(layout))]
        return LockstepWorld(
            layout,
            options.game_settings(),
            twin_class("game", "RobloxGame"),
            options.twin_arguments(),
            [seeds[first] for first in firsts],
        )
    from envs.roblox.hub_world import HubWorld  # the web server: half a second, spared to those who lock-step

    layout = cars_of(num_envs, options.games or 1, options.cars)
    return HubWorld(layout, options, runner=runner, seed=seeds[0])


def twin_class(module: str, name: str) -> Callable[..., Any]:
    """Return a class of the twin.

    Raises:
        ConfigError: it does not import.
    """
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(f"{_TWIN}.{module}"), name)
    except ImportError as error:
        raise ConfigError(f"env.twin needs {_TWIN}.{module}, which does not import ({error}).") from error
    return found
