"""Cars that are to begin anew: the game is told those that want it, and those that were not seen for long do."""

import logging
from collections.abc import Sequence
from typing import Any

from envs.roblox import messages
from envs.roblox.car import MOST_RESPAWNS, Car
from envs.roblox.counters import Counters
from envs.roblox.widths import V0

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
    if car.seen_s is None:
        return
    unseen_s = now_s - max(car.seen_s, moving_s)
    if unseen_s < (RETRY_S if car.is_absent else NO_SHOW_S):
        return
    counters.respawns += 1
    car.end("stale", now_s)
    car.wants_reset, car.respawns = True, car.respawns + 1
    if car.respawns == MOST_RESPAWNS:
        logger.error(
            "%s of env %s did not appear after %d respawns; the other cars go on. Has the track as many spawn "
            "points as cars (env.cars)?",
            car.id,
            car.env_id,
            MOST_RESPAWNS,
        )


def reset_commands(env_id: str, env: Sequence[Car], dialect: str, now_s: float) -> list[dict[str, Any]]:
    """Return the command, if any, that resets those cars of an env that want it, and note that it was sent."""
    cars = [car for car in env if car.wants_reset]
    if not cars:
        return []
    for car in cars:
        car.sent(now_s, is_reset=True)
    name = messages.RESET if dialect == V0 else messages.RESET_AGENTS
    return [messages.agents_command(name, env_id, [car.id for car in cars])]
