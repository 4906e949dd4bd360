"""What newer games add to a car's entry, put to use: which tick it is of, and how many actions it knew."""

from envs.roblox.ticks import Entry

_MOST_LATE = 15  # ticks, a second: a game whose count lags for longer counts otherwise


class Echo:
    """One car's ticks and actions, in one connection.

    `tick` grows; who says the same one again, or an older one, repeats himself. `action_id` is the number of ACTIONs
    that the car has taken since it was first spawned: an entry that knows the last one was certainly made after it.
    """

    def __init__(self) -> None:
        self._tick: int | None = None
        self._sent = self._lost = self._late = 0

    def acted(self) -> None:
        """Note that an action is on its way."""
        self._sent, self._late = self._sent + 1, 0

    def is_repeated(self, entry: Entry) -> bool:
        """Return whether this entry was heard before."""
        if entry.tick is None:
            return False
        if self._tick is not None and entry.tick <= self._tick:
            return True
        self._tick = entry.tick
        return False

    def is_fresh(self, entry: Entry) -> bool:
        """Return whether the entry was made after the last action, as far as it says."""
        if entry.action_id is None:
            return True
        unknown = self._sent - entry.action_id
        self._lost = max(min(self._lost, unknown), 0)  # actions that never arrive are not waited for
        if unknown <= self._lost:
            return True
        self._late += 1
        if self._late >= _MOST_LATE:
            self._lost, self._late = unknown, 0
            return True
        return False
