"""Cars that are to begin anew: the game is told those that want it, and those that were not seen for long do."""

import logging
from collections.abc import Sequence
from typing import Any

from envs.roblox import messages
from envs.roblox.car import MOST_RESPAWNS, Car
from envs.roblox.counters import Counters
from envs.roblox.widths import V0, V2

logger = logging.getLogger(__name__)

NO_SHOW_S = 10.0  # without an entry, a car is respawned
RETRY_S = 60.0  # between further ones


def respawn_if_unseen(car: Car, counters: Counters, moving_s: float, now_s: float) -> None:
    """Have a car reset that has had no entry for long, and end its episode.

    Args:
        car: which.
        counters: of its game.
        moving_s: since when the game has not been frozen.
        now_s: the time.
    """
    if car.seen_s is None or now_s - car.seen_s < NO_SHOW_S:
        return
    unseen_s = now_s - max(car.seen_s, moving_s)
    if unseen_s < (RETRY_S if car.is_absent else NO_SHOW_S):
        return
    car.end("stale", now_s)
    car.respawns += 1
    if car.respawns != MOST_RESPAWNS + 1:
        counters.respawns += 1
        car.wants_reset = True
        return
    counters.given_up += 1
    logger.error(
        "%s of env %s did not appear after %d respawns; the other cars go on. Has the track as many spawn points as "
        "cars (env.cars)?",
        car.id,
        car.env_id,
        MOST_RESPAWNS,
    )


def reset_commands(envs: Sequence[tuple[str, Sequence[Car]]], dialect: str, now_s: float) -> list[dict[str, Any]]:
    """Return the commands that reset those cars that want it, and note that they were sent.

    A v2 game gets a ping behind them where an episode was ended from here: its answer parts old ticks from new ones.

    Args:
        envs: ids with cars.
        dialect: of the game.
        now_s: the time.
    """
    name = messages.RESET if dialect == V0 else messages.RESET_AGENTS
    wanted = [(env_id, [car for car in env if car.wants_reset]) for env_id, env in envs]
    commands = [messages.agents_command(name, env_id, [car.id for car in cars]) for env_id, cars in wanted if cars]
    is_pinged = dialect == V2 and any(car.is_restarted for _, cars in wanted for car in cars)
    for _, cars in wanted:
        for car in cars:
            car.sent(now_s, is_reset=True, is_pinged=is_pinged)
    return [*commands, messages.ping_command(now_s)] if is_pinged else commands
