"""Steps of real time that keep their mean rate: late ones are made up for, and those that are too late are counted."""

import time
from collections.abc import Callable


class RealTimeClock:
    """Wait for the ends of steps of equal length.

    Steps are elastic: whoever comes late, by no more than the elasticity, finds the next step as much shorter, so that
    the rate holds in the mean. Whoever comes later than that has overrun: time begins anew at that moment, because
    hurrying through many steps would drive the game with actions for the past.

    Args:
        step_s: length of a step.
        elasticity: lateness that is made up for, in steps.
        now: seconds; for tests, and for clocks that run faster.
        sleep: waits for seconds.

    Attributes:
        steps: ends of steps that were waited for.
        overruns: those at which time began anew.
        worst_lateness_s: of all.

    Source: elastic time-steps of rtgym (Bouteiller, https://github.com/yannbouteiller/rtgym); there a time-out only
    warns, here it is counted.
    """

    def __init__(
        self,
        step_s: float,
        *,
        elasticity: float = 1.0,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        if not step_s > 0 or not elasticity >= 0:
            raise ValueError(f"Expected step_s above 0 and elasticity at least 0, got {step_s} and {elasticity}.")
        self.step_s, self._elasticity = step_s, elasticity
        self._now, self._sleep = now, sleep
        self._due: float | None = None
        self.steps = self.overruns = 0
        self.worst_lateness_s = 0.0

    @property
    def due_s(self) -> float | None:
        """When the running step ends; None before the first."""
        return self._due

    def begin(self) -> None:
        """Let the first step begin now: after a reset, or a pause that is nobody's lateness."""
        self._due = self._now() + self.step_s

    def wait(self) -> float:
        """Wait for the end of the running step, at which the next one begins; return the lateness, 0 if in time."""
        if self._due is None:
            self.begin()
        assert self._due is not None
        self.steps += 1
        late = self._now() - self._due
        if late <= 0:
            self._sleep(-late)
            late = 0.0
        self.worst_lateness_s = max(self.worst_lateness_s, late)
        if late > self._elasticity * self.step_s:
            self.overruns += 1
            self.begin()
        else:
            self._due += self.step_s
        return late
