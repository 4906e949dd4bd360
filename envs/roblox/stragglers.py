"""When a step is over: all cars that are there are ready, or the first one was so long ago that the others are late."""

import math
from collections.abc import Callable, Sequence

from envs.roblox.settings import PairingSettings
from envs.roblox.slot import Slot


class Stragglers:
    """Decides when a step is over."""

    def __init__(self, slots: Sequence[Slot], settings: PairingSettings, now: Callable[[], float]) -> None:
        self._slots, self._settings, self._now = slots, settings, now
        self._first_ready_s = math.inf
        self._waits_for_driven = any(slot.is_here and not slot.is_done for slot in slots)

    @property
    def has_ready(self) -> bool:
        """Whether a car was ready."""
        return self._first_ready_s < math.inf

    def is_over(self) -> bool:
        """Whether all cars that are there are ready, or the first one was so long ago that the others are late."""
        waiting = late = 0
        for slot in self._slots:
            if self._is_ready(slot):
                # Who has just begun may be ready at once, and says nothing about when the next tick is due.
                if not slot.is_done or not self._waits_for_driven:
                    self._first_ready_s = min(self._first_ready_s, self._now())
            elif slot.is_here:
                waiting += 1
            else:
                late += 1
        if waiting or not self.has_ready:
            return self._now() >= self._first_ready_s + self._settings.straggler_s
        return True

    def _is_ready(self, slot: Slot) -> bool:
        if slot.is_done:
            return slot.car.has_begun and not slot.car.fold.has_end
        return slot.car.fold.has_end or slot.car.fresh >= self._settings.min_ticks
