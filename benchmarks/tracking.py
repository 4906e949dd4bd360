"""`python -m benchmarks.tracking`: what a result of a trial costs the driver, with 1, 16 and 128 trials at once.

Recorded results are fed to what the driver runs for each: ASHA's decision and our `Recorder` (progress.csv, MLflow in
the background, the trial's record, the live line), against Ray's own `MLflowLoggerCallback`. A trial reports every 3 s,
so that 128 of them leave 23 ms for each result. `kept up` is how many results a second the background writer brought
into the store, until the last of them was there.
"""

import argparse
import io
import logging
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.setting import table
from experiments import metrics
from experiments.tracking import MlflowTracker
from experiments.trial import END, NOTES, OBJECTIVE, RESUMED_AT_FRAMES
from tune.asha import Asha
from tune.callbacks import Recorder
from tune.disk import DiskWatch
from tune.records import TrialRecords
from tune.space.space import SearchSpace
from tune.sweep_line import SweepLine

_STOP_FRAMES = 10**9


def result(trial: int, number: int) -> dict[str, Any]:
    """Return what a trial reports, with as many metrics as PPO on CarRacing has."""
    rng = np.random.default_rng([trial, number])
    row = {name: float(rng.uniform(1, 1000)) for name in metrics.ALL}
    row |= {f"{metrics.LEARNER_PREFIX}{name}": float(rng.uniform()) for name in ("loss", "entropy", "kl", "clip", "lr")}
    row[metrics.FRAMES] = 15_000 * (number + 1)
    return row | {END: None, NOTES: [], RESUMED_AT_FRAMES: 0, OBJECTIVE: row[metrics.RETURN_MEAN]}


@dataclass(eq=False)
class RecordedTrial:
    """What callbacks and schedulers look at of a Tune trial."""

    number: int
    last_result: dict[str, Any] = field(default_factory=dict)

    @property
    def trial_id(self) -> str:
        """As our sweeps name trials."""
        return f"trial_{self.number:05}"

    @property
    def config(self) -> dict[str, Any]:
        """The keys that are looked at."""
        config = {"assigned": {"algo.training.lr": 1e-3}, "choices": {"env": "carracing"}, "seed": 0}
        return config | {"commit": "c", "host": "h"}

    def __str__(self) -> str:
        """As Ray's callback names runs."""
        return self.trial_id


def feed(on_result: Callable[[Any, dict[str, Any]], None], trials: list[RecordedTrial], num_each: int) -> list[float]:
    """Report in turns, and return the seconds of every report."""
    seconds = []
    for number in range(num_each):
        for index, trial in enumerate(trials):
            row = result(index, number)
            began = time.perf_counter()
            on_result(trial, row)
            seconds.append(time.perf_counter() - began)
    return seconds


def ours(folder: Path, num_trials: int, num_each: int) -> tuple[list[float], float]:
    """Measure `Recorder` with ASHA; return seconds of each result, and results a second that reached the store."""
    records = TrialRecords(folder)
    for _ in range(num_trials):
        (folder / "trials" / records.add({"algo.training.lr": 1e-3}).name).mkdir(parents=True)
    tracker = MlflowTracker(uri=f"sqlite:///{folder}/mlflow.db", artifact_root=str(folder / "a"), experiment="sweep")
    parent = tracker.start_run(name="sweep", tags={}, params={})
    scheduler = Asha(
        grace_frames=10**6,
        reduction_factor=3,
        brackets=1,
        stop_frames=_STOP_FRAMES,
        mode="max",
        space=SearchSpace.parse({}, [], {}),
        seed=0,
    )
    recorder = Recorder(
        tracker=tracker,
        run=parent,
        known={},
        children={},
        config={"run_folder": str(folder)},
        records=records,
        line=SweepLine(io.StringIO(), records, num_trials, "max"),
        disk=DiskWatch(folder, print),
        observe=lambda record: None,
        stop_reason=lambda frames: "",
    )
    trials = [RecordedTrial(number) for number in range(num_trials)]
    for trial in trials:
        scheduler.on_trial_add(None, trial)
        recorder.on_trial_start(0, [], trial)

    def on_result(trial: Any, row: dict[str, Any]) -> None:
        scheduler.on_trial_result(None, trial, row)
        recorder.on_trial_result(0, [], trial, row)

    tracker.flush(60.0)
    began = time.perf_counter()
    seconds = feed(on_result, trials, num_each)
    tracker.flush(600.0)
    rate = num_trials * num_each / (time.perf_counter() - began)
    tracker.close()
    return seconds, rate


def rays(folder: Path, num_trials: int, num_each: int) -> list[float]:
    """Measure Ray's `MLflowLoggerCallback` on the same store."""
    from ray.air.integrations.mlflow import MLflowLoggerCallback

    uri = f"sqlite:///{folder}/mlflow.db"
    callback = MLflowLoggerCallback(tracking_uri=uri, registry_uri=uri, experiment_name="sweep")
    callback.setup()
    trials = [RecordedTrial(number) for number in range(num_trials)]
    for trial in trials:
        callback.log_trial_start(trial)

    def on_result(trial: Any, row: dict[str, Any]) -> None:
        callback.log_trial_result(0, trial, row | {"timesteps_total": row[metrics.FRAMES], "training_iteration": 1})

    return feed(on_result, trials, num_each)


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--trials", type=int, nargs="+", default=[1, 16, 128])
    parser.add_argument("--results", type=int, default=1280, help="of all trials together")
    parser.add_argument("--peer-results", type=int, default=256, help="of all trials together, for Ray's callback")
    arguments = parser.parse_args()
    os.environ |= {"MLFLOW_DISABLE_TELEMETRY": "true"}
    logging.getLogger("alembic").setLevel(logging.ERROR)
    rows = []
    for num_trials in arguments.trials:
        with tempfile.TemporaryDirectory() as one, tempfile.TemporaryDirectory() as other:
            seconds, rate = ours(Path(one), num_trials, max(1, arguments.results // num_trials))
            peer = rays(Path(other), num_trials, max(1, arguments.peer_results // num_trials))
        mine, theirs = statistics.median(seconds), statistics.median(peer)
        rows.append(
            [
                str(num_trials),
                f"{1e3 * mine:.2f} ms",
                f"{1e3 * np.percentile(seconds, 99):.2f} ms",
                f"{rate:.0f} results/s",
                f"{1e3 * theirs:.1f} ms",
                f"{theirs / mine:.0f}",
            ]
        )
    print(table(["trials", "ours, median", "99th percentile", "kept up", "Ray's callback, median", "ratio"], rows))


if __name__ == "__main__":
    main()
