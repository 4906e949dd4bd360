"""How old a state is, from the game's clock and ours, which are not the same."""

_DRIFT = 5e-4  # s for each s, that two clocks may drift apart


class StateAge:
    """Estimate ages from when states were made, on the game's clock, and when they were read, on ours.

    The state that came quickest tells how far the clocks are apart; what takes longer has waited. Ages are against that
    one: what every state takes is in none of them.
    """

    def __init__(self) -> None:
        self._apart_s: float | None = None
        self._read_s = 0.0

    def forget(self) -> None:
        """Begin anew: with another game, or a clock that was set back."""
        self._apart_s = None

    def see(self, made_s: float, read_s: float) -> None:
        """Take notice of a state that was made and read at these times, each on its clock."""
        apart = read_s - made_s
        if self._apart_s is None:
            self._apart_s = apart
        else:
            self._apart_s = min(apart, self._apart_s + _DRIFT * max(read_s - self._read_s, 0.0))
        self._read_s = read_s

    def of(self, made_s: float, now_s: float) -> float:
        """Return how old a state is now, seconds, 0 or more."""
        return 0.0 if self._apart_s is None else max(now_s - made_s - self._apart_s, 0.0)
