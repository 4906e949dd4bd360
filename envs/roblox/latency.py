"""Latencies as `GET /latency` tells them: of a window of the last samples."""

from collections import deque

import numpy as np

WINDOW = 2000  # samples


class LatencyTracker:
    """Latencies of one kind."""

    def __init__(self) -> None:
        self._recent_s: deque[float] = deque(maxlen=WINDOW)
        self._total = self._timeouts = 0

    def add(self, latency_s: float) -> None:
        """Count one."""
        self._recent_s.append(latency_s)
        self._total += 1

    def add_timeout(self) -> None:
        """Count one that did not come in time."""
        self._timeouts += 1

    def summary(self) -> dict[str, float]:
        """Return `samples`, `total`, `timeouts` and, with samples, mean, percentiles and the greatest, in ms."""
        counts: dict[str, float] = {
            "samples": len(self._recent_s),
            "total": self._total,
            "timeouts": self._timeouts,
        }
        if not self._recent_s:
            return counts
        recent_ms = 1000.0 * np.array(self._recent_s)
        p50, p90, p99 = (float(value) for value in np.percentile(recent_ms, (50, 90, 99)))
        mean, most = float(recent_ms.mean()), float(recent_ms.max())
        return counts | {"mean_ms": mean, "p50_ms": p50, "p90_ms": p90, "p99_ms": p99, "max_ms": most}
