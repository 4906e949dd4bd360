"""Steps a second of several ways to drive a game, in turns."""

import statistics
import time
from collections.abc import Callable, Mapping

Run = Callable[[int], None]  # drives so many steps


def step_rate(steps: int, run: Run) -> tuple[float, float]:
    """Return steps a second by the wall clock and by process time."""
    began, busy = time.perf_counter(), time.process_time()
    run(steps)
    return steps / (time.perf_counter() - began), steps / (time.process_time() - busy)


def step_rates(kinds: Mapping[str, tuple[Run, int]], rounds: int, step_s: float) -> list[list[str]]:
    """Measure each kind once a round, and return a table's rows.

    Args:
        kinds: what drives, and how many steps a round, by name.
        rounds: of all kinds.
        step_s: of the game.

    Returns:
        Name, median (lowest … highest) by the wall clock, median by process time, and times real time.
    """
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in kinds}
    for _ in range(rounds):
        for name, (run, steps) in kinds.items():
            found[name].append(step_rate(steps, run))
    rows = []
    for name, rates in found.items():
        wall, busy = (sorted(side) for side in zip(*rates, strict=True))
        middle = statistics.median(wall)
        around = f"{middle:,.0f} ({wall[0]:,.0f} … {wall[-1]:,.0f})"
        rows.append([name, around, f"{statistics.median(busy):,.0f}", f"{middle * step_s:,.0f}"])
    return rows
