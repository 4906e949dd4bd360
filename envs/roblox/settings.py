"""How games are treated, and how long steps wait for them."""

from dataclasses import dataclass

from envs.roblox.widths import AUTO, CAR16


@dataclass(frozen=True)
class GameSettings:
    """How games are treated; times are the game's seconds.

    Attributes:
        dialect: `auto`, `v0`, `v1` or `v2`.
        obs_preset: `car16`, `cart5` or `auto`.
        collisions: whether cars of one env collide (v1, v2).
        auto_freeze_s: without a step, after which the game is frozen (v1, v2) or its cars get zero actions (v0).
        ping_s: without a command, after which a ping is sent.
        no_tick_timeout_s: without a tick, after which the connection is closed.
        strict_width: whether observations of another width are an error.
    """

    dialect: str = AUTO
    obs_preset: str = CAR16
    collisions: bool = False
    auto_freeze_s: float = 0.5
    ping_s: float = 5.0
    no_tick_timeout_s: float = 5.0
    strict_width: bool = False


@dataclass(frozen=True)
class PairingSettings:
    """Times are the game's.

    Attributes:
        step_timeout_s: until a step without any tick is given up.
        straggler_s: after the first car is ready, until the others are not waited for.
        min_ticks: of each car after an action: 2 makes sure that the last one was made after it.
        connect_timeout_s: until all games and cars are there, at a reset.
        reconnect_timeout_s: without any game, after which a step gives up.
    """

    step_timeout_s: float = 2.0
    straggler_s: float = 0.15
    min_ticks: int = 1
    connect_timeout_s: float = 1800.0
    reconnect_timeout_s: float = 120.0
