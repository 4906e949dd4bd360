"""`python -m benchmarks.memory WORDS`: the memory of `python run.py WORDS` while it trains, and whether it grows.

Every few seconds the processes of the run are looked at: `private` is what belongs to a process alone, `mapped` what
it shares: the replay's files, Ray's shared memory, libraries. After the run: a table by time, and for each kind of
process the slope of a line through what came after `--settled` seconds. Linux only.
"""

import argparse
import contextlib
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import psutil

from benchmarks.setting import table

KINDS = {"ray::Trial": "trial", "ray::RacingEnvRunner": "runners", "ray::Evaluator": "evaluator", "run.py": "driver"}
OTHERS = "Ray's own"
MB = 1e6


@dataclass(frozen=True)
class Sample:
    """Bytes of one kind of process at one moment."""

    seconds: float
    private: int
    mapped: int


def kind_of(process: psutil.Process) -> str:
    """Return what a process of a run is."""
    line = " ".join(process.cmdline())
    return next((kind for words, kind in KINDS.items() if words in line), OTHERS)


def look(root: psutil.Process, seconds: float) -> dict[str, Sample]:
    """Return the memory of a run's processes now, by kind."""
    private: dict[str, int] = {}
    mapped: dict[str, int] = {}
    for process in [root, *root.children(recursive=True)]:
        try:
            kind, memory = kind_of(process), process.memory_info()
        except psutil.NoSuchProcess:
            continue
        private[kind] = private.get(kind, 0) + memory.rss - memory.shared
        mapped[kind] = mapped.get(kind, 0) + memory.shared
    return {kind: Sample(seconds, private[kind], mapped[kind]) for kind in private}


def watch(words: list[str], every_s: float) -> dict[str, list[Sample]]:
    """Run the command to its end and return what was seen of each kind of process."""
    seen: dict[str, list[Sample]] = {}
    began = time.monotonic()
    run = subprocess.Popen([sys.executable, "run.py", *words], cwd=Path(__file__).parent.parent)
    while True:
        try:
            run.wait(every_s)
        except subprocess.TimeoutExpired:
            with contextlib.suppress(psutil.NoSuchProcess):  # it has ended just now
                for kind, sample in look(psutil.Process(run.pid), time.monotonic() - began).items():
                    seen.setdefault(kind, []).append(sample)
        else:
            return seen


def slope(samples: list[Sample], settled_s: float) -> tuple[float, float]:
    """Return how private and mapped memory grow after `settled_s`, in MB an hour."""
    late = [sample for sample in samples if sample.seconds >= settled_s]
    if len(late) < 3:
        return float("nan"), float("nan")
    hours = [sample.seconds / 3600 for sample in late]
    private, mapped = ([getattr(sample, name) / MB for sample in late] for name in ("private", "mapped"))
    return float(np.polyfit(hours, private, 1)[0]), float(np.polyfit(hours, mapped, 1)[0])


def main() -> None:
    """Run, watch and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("words", nargs="+", help="of `python run.py`; its final evaluation counts too, if there is one")
    parser.add_argument("--every", type=float, default=10.0, help="seconds between two looks")
    parser.add_argument("--settled", type=float, default=600.0, help="seconds after which nothing should grow")
    parser.add_argument("--rows", type=int, default=12, help="of the table")
    options = parser.parse_args()
    seen = watch(options.words, options.every)
    if "trial" not in seen:
        parser.error(f"the run ended before it trained for {options.every:.0f} s")
    kinds = sorted(seen, key=lambda kind: -seen[kind][-1].private)
    trial = seen["trial"]
    rows = []
    for moment in trial[:: max(1, len(trial) // options.rows)]:
        cells = []
        for kind in kinds:
            sample = min(seen[kind], key=lambda other: abs(other.seconds - moment.seconds))
            cells.append(f"{sample.private / MB:,.0f} + {sample.mapped / MB:,.0f}")
        rows.append([f"{moment.seconds:,.0f}", *cells])
    print(table(["seconds", *(f"{kind}, MB private + mapped" for kind in kinds)], rows))
    for kind in kinds:
        private, mapped = slope(seen[kind], options.settled)
        print(f"{kind}, after {options.settled:.0f} s: {private:+.1f} MB private an hour, {mapped:+.1f} mapped")


if __name__ == "__main__":
    main()
