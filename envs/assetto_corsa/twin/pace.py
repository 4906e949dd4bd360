"""How a game's clock follows real time, and when its next state is due."""

import time

from envs.assetto_corsa.twin.game import TwinGame
from envs.assetto_corsa.twin.world import SECOND_US

_BEHIND_S = 0.25  # real time that is made up for; beyond it, the game has been slow


class Pace:
    """Relate real time to a game's.

    Args:
        game: whose clock it is.
        speed: game time by real time; 0 in lock-step, which has no pace.

    Attributes:
        next_state_us: when the next state is due, on the game's clock.
        times_slow: how often real time was lost.
    """

    def __init__(self, game: TwinGame, speed: float) -> None:
        self._game, self._speed = game, speed
        self.next_state_us = game.state_period_us
        self.times_slow = 0
        self.restart()

    def restart(self) -> None:
        """Let it be now what it is on the game's clock."""
        self._began_s, self._first_us = time.monotonic(), self._game.time_us
        self.next_state_us = max(self.next_state_us, self._game.time_us)

    def until_s(self, time_us: float) -> float:
        """Return how long it is until a time of the game's clock, real seconds; negative: it is past."""
        return self._began_s + (time_us - self._first_us) / SECOND_US / self._speed - time.monotonic()

    def target_us(self, now_s: float) -> int:
        """Return what the game's clock should show; a game that is far behind is not hurried."""
        target = self._first_us + int((now_s - self._began_s) * self._speed * SECOND_US)
        if target - self._game.time_us <= _BEHIND_S * self._speed * SECOND_US:
            return target
        self.times_slow += 1
        self.restart()
        return self._game.time_us
