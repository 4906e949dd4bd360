"""Sides of an end-to-end benchmark, each in a process of its own: no threads or memory of one are left to another."""

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Self

from tqdm import tqdm

from benchmarks.setting import is_installed, spread, table

OURS, DUMMY, PROCESSES = "ours", "DummyVecEnv", "SubprocVecEnv"


@dataclass(frozen=True)
class Window:
    """What was done in a stretch of time, from a side's own counters."""

    decisions: int
    updates: int
    seconds: float
    setting: str

    def print(self) -> None:
        """Tell `Side.measure` in another process."""
        print(json.dumps(asdict(self)))

    @classmethod
    def parse(cls, line: str) -> Self:
        """Read what `print` wrote."""
        return cls(**json.loads(line))


@dataclass(frozen=True)
class Side:
    """One of what is compared.

    Attributes:
        name: As in the table.
        words: What its process is called with, so that it ends with `Window.print`.
        environment: What its environment has beside this one's.
    """

    name: str
    words: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)

    def measure(self) -> Window:
        """Run the side and wait for it.

        Raises:
            RuntimeError: It failed; its own words stand above.
        """
        command = [sys.executable, *self.words]
        done = subprocess.run(command, env=os.environ | self.environment, stdout=subprocess.PIPE, text=True)
        if done.returncode:
            raise RuntimeError(
                f"{self.name}: {' '.join(command)} ended with {done.returncode}; its error stands above."
            )
        return Window.parse(done.stdout.splitlines()[-1])


def sb3_sides(words: Sequence[str], vectors: Sequence[str], threads: Sequence[int]) -> list[Side]:
    """Return stable-baselines3 with each of its vector envs and numbers of threads, where it is installed."""
    if not is_installed("stable_baselines3"):
        return []
    return [
        Side(f"stable-baselines3, {vector}, threads: {n}", [*words, "--side", vector, "--threads", str(n)])
        for vector in vectors
        for n in threads
    ]


def measure_in_rounds(sides: Sequence[Side], rounds: int) -> dict[str, list[Window]]:
    """Return the windows of each side by name, one a round."""
    windows: dict[str, list[Window]] = {side.name: [] for side in sides}
    with tqdm(total=rounds * len(sides), desc="sides", unit="side") as bar:
        for _ in range(rounds):
            for side in sides:
                windows[side.name].append(side.measure())
                bar.update()
    return windows


def rate(windows: Sequence[Window]) -> float:
    """Return the median of decisions a second."""
    return statistics.median(window.decisions / window.seconds for window in windows)


def against(windows: dict[str, list[Window]], name: str) -> str:
    """Return the median, and the lowest … highest, of how fast ours is by a side of the same round."""
    ours, theirs = ([w.decisions / w.seconds for w in windows[side]] for side in (OURS, name))
    ratios = sorted(our / their for our, their in zip(ours, theirs, strict=True))
    return f"{statistics.median(ratios):.2f} ({ratios[0]:.2f} … {ratios[-1]:.2f})"


def comparison(algorithm: str, windows: dict[str, list[Window]]) -> str:
    """Return a Markdown table of all sides, and how much faster ours is than stable-baselines3 at its best."""
    rows = [
        [
            name,
            spread([window.decisions / window.seconds for window in measured], 1),
            f"{statistics.median(window.updates / window.seconds for window in measured):.1f}",
            f"{statistics.median(window.updates / window.decisions for window in measured):.3f}",
            f"{rate(windows[OURS]) / rate(measured):.2f}",
        ]
        for name, measured in windows.items()
    ]
    header = [algorithm, "decisions/s (median)", "lowest … highest", "updates/s", "updates a decision", "ours / it"]
    lines = [table(header, rows), "", f"Ours: {windows[OURS][0].setting}."]
    peers = [name for name in windows if name.startswith("stable-baselines3")]
    if peers:
        best = max(peers, key=lambda name: rate(windows[name]))
        ratio = rate(windows[OURS]) / rate(windows[best])
        lines.append(f"Ours is {ratio:.2f} times as fast as {best}, the best of these.")
    return "\n".join(lines)
