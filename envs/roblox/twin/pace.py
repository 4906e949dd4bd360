"""How a game's clock follows real time: when its next tick is due, and what time it should be in the game."""

_BEHIND_S = 0.25  # real time that is made up for; who is later lets the lost time be


class Pace:
    """Relate real time to a game's; all times are seconds.

    Args:
        speed: game time by real time.

    Attributes:
        times_slow: how often real time was lost.
    """

    def __init__(self, speed: float) -> None:
        self._speed = speed
        self._game_s = self._real_s = 0.0
        self.times_slow = 0

    def restart(self, game_s: float, real_s: float) -> None:
        """Let it be now, in real time, what it is on the game's clock."""
        self._game_s, self._real_s = game_s, real_s

    def due_s(self, game_s: float) -> float:
        """Return when, in real time, a time of the game's clock comes."""
        return self._real_s + (game_s - self._game_s) / self._speed

    def target_s(self, next_tick_s: float, real_s: float) -> float:
        """Return what the game's clock should show; one that is far behind its next tick is not hurried beyond it."""
        target_s = self._game_s + (real_s - self._real_s) * self._speed
        if target_s - next_tick_s <= _BEHIND_S * self._speed:
            return target_s
        self.times_slow += 1
        self.restart(next_tick_s, real_s)
        return next_tick_s
