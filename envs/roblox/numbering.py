"""Numbers of ticks, where a game tells them (`__tick`): which tick came twice, and how many did not come; pure."""

from envs.roblox.ticks import Tick


class TickNumbers:
    """Follow the numbers of one connection.

    Empty ticks (`[]`) are counted by the game and have no number; so nobody can tell whether one of them came twice.
    """

    def __init__(self) -> None:
        self._last: int | None = None
        self._empty = 0  # ticks since it

    def is_repeated(self, tick: Tick) -> bool:
        """Whether this tick was taken before: it says nothing new, and its rewards have been counted."""
        return tick.number is not None and tick.number == self._last

    def take(self, tick: Tick) -> int:
        """Note a tick, and return how many before it did not come; a game that counts anew has lost none."""
        if tick.number is None:
            self._empty += int(tick.is_list)
            return 0
        missed = 0 if self._last is None else tick.number - self._last - 1 - self._empty
        self._last, self._empty = tick.number, 0
        return max(missed, 0)
