"""How long the parts of steps take: means, deviations and percentiles of the last ones."""

from collections import deque

import numpy as np

# The six that rtgym's `benchmarks` reports, by its names.
STEP, JOIN, INFERENCE, SEND, CAPTURE, TIME_STEP = (
    "step_duration",
    "join_duration",
    "inference_duration",
    "send_control_duration",
    "retrieve_obs_duration",
    "time_step_duration",
)
NAMES = (TIME_STEP, STEP, JOIN, INFERENCE, SEND, CAPTURE)
_KEPT = 2000  # steps
_PERCENTILES = (50, 95, 99)


class Timings:
    """Durations by name."""

    def __init__(self) -> None:
        self._durations: dict[str, deque[float]] = {name: deque(maxlen=_KEPT) for name in NAMES}

    def add(self, name: str, duration_s: float) -> None:
        """Note one."""
        self._durations[name].append(duration_s)

    def pairs(self) -> dict[str, tuple[float, float]]:
        """Return name -> mean and standard deviation, seconds; names without a duration are left out."""
        return {name: (float(np.mean(kept)), float(np.std(kept))) for name, kept in self._durations.items() if kept}

    def percentiles(self) -> dict[str, tuple[float, float, float]]:
        """Return name -> the 50th, 95th and 99th percentile, seconds."""
        return {
            name: tuple(float(value) for value in np.percentile(kept, _PERCENTILES))  # type: ignore[misc]
            for name, kept in self._durations.items()
            if kept
        }
