"""Trials through Ray Tune: who proposes them, who schedules them, who writes down what they report."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from experiments import folders
from experiments.cluster import ClusterRoom, start_ray
from experiments.cluster_stop import open_stop_desk
from experiments.progress import LiveLine
from experiments.tracker import RunHandle, Tracker
from tune.disk import DiskWatch
from tune.history import reported
from tune.interrupt import Interrupt
from tune.preparation import Preparation, make_scheduler
from tune.records import TrialRecord, TrialRecords
from tune.sweep_trials import SweepTrials

_TUNE_ENVIRONMENT = {
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial has no return before its first episode
    "RAY_AIR_NEW_OUTPUT": "0",
}


@dataclass(frozen=True)
class Execution:
    """What trains the trials of a run that are to be trained.

    Attributes:
        preparation: The run.
        run_folder: Where it is.
        records: Of its trials.
        given: What every trial is told beside its config, see `SweepTrials`.
        tracker: Where runs are tracked.
        run: The run there.
        known: Run ids of trials from before a resume, by name.
        children: Filled with the runs of the trials, by name.
        line: The live line.
        disk: Notices when the disk fills.
        interrupt: Notices ctrl-C.
    """

    preparation: Preparation
    run_folder: Path
    records: TrialRecords
    given: Mapping[str, Any]
    tracker: Tracker
    run: RunHandle
    known: dict[str, str]
    children: dict[str, RunHandle]
    line: LiveLine
    disk: DiskWatch
    interrupt: Interrupt

    def train(self) -> None:
        """Let Ray Tune train what is to be trained; start Ray, or join the cluster, and leave it."""
        trials = SweepTrials(self.preparation, self.run_folder, self.records, self.given)
        waiting = trials.to_train()
        if not waiting and trials.is_exhausted:
            return
        slots, address = self.preparation.slots, self._config["ray"].get("address")
        # Before the import: Tune reads these once. What it would log, save and catch, `Trial` and `Recorder` do.
        os.environ |= _TUNE_ENVIRONMENT | {"TUNE_MAX_PENDING_TRIALS_PG": str(slots.num_concurrent)}
        start_ray(self.preparation.largest, slots.num_cpus, slots.num_gpus, slots.num_concurrent, address)
        desk = None if address is None else open_stop_desk(self.run_folder / folders.STOP_REQUEST)
        self.interrupt.listen()
        import ray

        scheduler = make_scheduler(self._config, self.preparation.space)
        self._recall(scheduler, waiting)
        try:
            self._tuner(scheduler, trials, waiting).fit()
        finally:
            self.line.close()
            del desk
            ray.shutdown()

    def _tuner(self, scheduler: Any, trials: SweepTrials, waiting: list[TrialRecord]) -> Any:
        import ray.tune

        from experiments.trial import Trial
        from tune.callbacks import Recorder
        from tune.source import TrialSource
        from tune.waiting import WaitWatch

        num_concurrent, num_total = self.preparation.slots.num_concurrent, self.preparation.num_total
        if getattr(scheduler, "side_by_side", False):  # a population, of which those without room take turns
            scheduler.set_room(num_concurrent >= num_total)
            num_concurrent = num_total
        source = TrialSource(
            waiting=waiting,
            trials=trials,
            say=self.line.note,
            num_concurrent=num_concurrent,
            stop_request=self.run_folder / folders.STOP_REQUEST,
            room=self._growing_room(),
        )
        recorder = Recorder(
            tracker=self.tracker,
            run=self.run,
            known=self.known,
            children=self.children,
            config=self._config | {"run_folder": str(self.run_folder)},
            records=self.records,
            line=self.line,
            disk=self.disk,
            observe=trials.observe,
            stop_reason=getattr(scheduler, "reason", lambda frames: f"by Ray Tune, at {frames:,} frames"),
        )
        tune_config = ray.tune.TuneConfig(
            search_alg=source,
            scheduler=scheduler,
            trial_name_creator=lambda trial: trial.trial_id.rpartition("_")[2],
            trial_dirname_creator=lambda trial: trial.trial_id.rpartition("_")[2],
        )
        run_config = ray.tune.RunConfig(
            name=folders.TRIALS,
            storage_path=self._tune_storage(),
            callbacks=[recorder, WaitWatch(self.preparation.largest, self.line.note)],
            checkpoint_config=ray.tune.CheckpointConfig(checkpoint_at_end=False),
            failure_config=ray.tune.FailureConfig(max_failures=self._config["tuner"]["max_failures"]),
            verbose=0,
        )
        return ray.tune.Tuner(Trial, tune_config=tune_config, run_config=run_config)

    @property
    def _config(self) -> dict[str, Any]:
        return self.preparation.base

    def _growing_room(self) -> ClusterRoom | None:
        """Return what tells of nodes that join later, where nobody said how much of them to use."""
        settings = self._config["ray"]
        is_limited = settings["num_cpus"] is not None or self._config["tuner"]["num_concurrent"] is not None
        return None if settings.get("address") is None or is_limited else ClusterRoom(self.preparation.largest)

    def _tune_storage(self) -> str:
        """Return where Ray Tune keeps what paused trials hand over: where all nodes can read it."""
        storage = self._config["paths"].get("storage")
        if self._config["ray"].get("address") is None or not storage:
            return str(self.run_folder)
        base, mark, options = storage.partition("?")
        return "/".join([base.rstrip("/"), *self.run_folder.parts[-2:]]) + mark + options

    def _recall(self, scheduler: Any, waiting: list[TrialRecord]) -> None:
        """Let the scheduler know what trials reported before the run was resumed."""
        if scheduler is None:
            return
        from experiments.trial import objective_metrics

        for record in self.records:
            rows = reported(
                self.run_folder / folders.TRIALS / record.name,
                objective_metrics(self._config),
                whole=record not in waiting,
            )
            scheduler.recall(f"trial_{record.name}", rows)
