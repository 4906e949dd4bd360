"""What was under way when a car was reset belongs to the episode before, and is passed over."""

from collections import deque

NO_ANSWER_S = 1.0  # without an answer, nothing is under way any more
_SAME_S = 1e-3  # games may write times with fewer digits


class Answers:
    """How long a game of an old dialect took to show that it had heard a command; pings it does not answer.

    Attributes:
        recent_s: the last ones.
    """

    def __init__(self) -> None:
        self.recent_s: deque[float] = deque(maxlen=8)

    def add(self, latency_s: float) -> None:
        """Count one: from the command to the first tick that shows it."""
        self.recent_s.append(latency_s)

    def add_since(self, sent_s: float | None, now_s: float) -> None:
        """Count a command of `sent_s`, which shows now; None: it has shown before."""
        if sent_s is not None:
            self.add(now_s - sent_s)

    @property
    def longest_s(self) -> float:
        """The longest of the last ones, a second at most; 0 without any."""
        return min(max(self.recent_s, default=0.0), NO_ANSWER_S)


class Restart:
    """One car's reset on its way.

    A v2 game answers the ping behind its reset: what came before the answer is old. Of the others, as much is passed
    over as comes within the time that they take to answer, one tick at least.
    """

    def __init__(self) -> None:
        self._is_open = False
        self._sent_s: float | None = None
        self._ping_s: float | None = None
        self._until_s, self._ticks = 0.0, 0

    @property
    def is_open(self) -> bool:
        """Whether a reset is to be sent, or under way."""
        return self._is_open

    def begin(self) -> None:
        """Pass over everything until the reset, which is to be sent, has taken effect."""
        self._is_open, self._sent_s, self._ticks = True, None, 0

    def end(self) -> None:
        """Pass over nothing."""
        self._is_open = False

    def sent(self, now_s: float, longest_s: float, *, is_pinged: bool) -> None:
        """Note that the reset is on its way.

        Args:
            now_s: the time.
            longest_s: that the game takes to answer, where it answers no pings.
            is_pinged: a ping of this time is behind it.
        """
        self._sent_s, self._until_s = now_s, now_s + longest_s
        self._ping_s = now_s if is_pinged else None

    def answered(self, pong_s: float) -> None:
        """Take the answer to a ping."""
        if self._sent_s is not None and self._ping_s is not None and pong_s >= self._ping_s - _SAME_S:
            self._is_open = False

    def passes_over(self, now_s: float) -> bool:
        """Return whether a tick that comes now is an old one, and count it."""
        if not self._is_open or self._sent_s is None:
            return self._is_open
        self._ticks += 1
        if self._ping_s is None:
            self._is_open = self._ticks == 1 or now_s < self._until_s
        else:
            self._is_open = now_s - self._sent_s < NO_ANSWER_S
        return self._is_open
