"""How long to wait between attempts to reach a game."""

import random
from collections.abc import Iterator
from dataclasses import dataclass


@dataclass(frozen=True)
class Backoff:
    """Waits that double, with jitter, so that many runners do not come back at the same moment.

    Attributes:
        first_s: seconds before the second attempt.
        most_s: no wait is longer.
        attempts: in all.

    Source: "full jitter" in AWS's "Exponential Backoff And Jitter" (Brooker, 2015); here at least half of each wait
    is kept, so that a game that is just starting gets its time.
    """

    first_s: float = 0.1
    most_s: float = 5.0
    attempts: int = 8

    def waits(self) -> Iterator[float]:
        """Return the seconds to wait before each attempt but the first."""
        wait = self.first_s
        for _ in range(self.attempts - 1):
            yield wait * random.uniform(0.5, 1.0)
            wait = min(2.0 * wait, self.most_s)
