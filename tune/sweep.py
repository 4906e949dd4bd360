"""One execution of a run, new or resumed: Ray Tune trains its trials, they are evaluated, all of it is tracked."""

import json
import logging
import os
import platform
import socket
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from envs.app import FAILED, INTERRUPTED, OK, ROOT
from experiments import folders
from experiments.checkpoints import latest_checkpoint
from experiments.cluster import ClusterRoom, is_job, start_ray
from experiments.cluster_stop import open_stop_desk
from experiments.commit import current_commit
from experiments.logs import console_through
from experiments.progress import LiveLine
from experiments.registry.contest import MIN_TRACKS
from experiments.runs import read_config
from experiments.tracker import RunHandle, Tracker
from models.encoder import build
from tune import records as states
from tune.conclusion import evaluate_trials, lead_to_single_trial, report_failures, score_metrics
from tune.disk import DiskWatch
from tune.history import reported
from tune.interrupt import Interrupt
from tune.preparation import Preparation, make_scheduler, modes
from tune.records import TrialRecord, TrialRecords
from tune.sweep_line import SweepLine, best_record
from tune.sweep_trials import SweepTrials

logger = logging.getLogger(__name__)

_TRACKING_FLUSH_S = 20.0
_MLFLOW_PORT = 5001


class Sweep:
    """A run of one trial or many.

    Args:
        preparation: What it is.
        run_folder: Where it is.
        records: Of its trials.
        started_at: Seconds since the epoch, when the command began.
    """

    def __init__(self, preparation: Preparation, run_folder: Path, records: TrialRecords, started_at: float) -> None:
        self._preparation, self._folder, self._records = preparation, run_folder, records
        self._config, self._started_at = preparation.base, started_at
        self._line = self._live_line()
        self._interrupt = Interrupt(run_folder / folders.STOP_REQUEST, self._line.note)
        self._disk = DiskWatch(run_folder, self._stop_for_disk)
        self._children: dict[str, RunHandle] = {}

    def run(self) -> int:
        """Train, evaluate and report."""
        tracker: Tracker = build(self._config["tracking"], Tracker)
        with closing(tracker), console_through(self._line.note):
            known = self._known_runs()
            parent = tracker.start_run(
                name=self._title(),
                tags=self._tags() | {"folder": str(self._folder)},
                params={key: value for key, value in self._config.items() if key != "words"},
                run_id=known.get("run"),
            )
            code = FAILED
            try:
                with self._interrupt.handled():
                    self._train(tracker, parent, known.get("trials", {}))
                code = self._conclude(tracker, parent, known.get("trials", {}))
            except KeyboardInterrupt:  # the second ctrl-C, or one during the evaluation: what was saved is saved
                code = INTERRUPTED
            finally:
                self._finish_runs(tracker, parent, code)
                tracker.close(_TRACKING_FLUSH_S)
        print(self._next_commands(code, tracker.page()), flush=True)
        return code

    def _train(self, tracker: Tracker, parent: RunHandle, known: dict[str, str]) -> None:
        """Let Ray Tune train what is to be trained."""
        # Before the import: Tune reads these once. What it would log, save and catch, `Trial` and `Recorder` do.
        slots, num_total = self._preparation.slots, self._preparation.num_total
        os.environ |= {
            "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
            "TUNE_DISABLE_SIGINT_HANDLER": "1",
            "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",  # a trial has no return before its first episode
            "TUNE_MAX_PENDING_TRIALS_PG": str(max(slots.num_concurrent, 1)),
            "RAY_AIR_NEW_OUTPUT": "0",
        }
        trials = SweepTrials(self._preparation, self._folder, self._records, self._given())
        waiting = trials.to_train()
        if not waiting and trials.is_exhausted:
            return
        address = self._config["ray"].get("address")
        start_ray(self._preparation.largest, slots.num_cpus, slots.num_gpus, slots.num_concurrent, address)
        desk = None if address is None else open_stop_desk(self._folder / folders.STOP_REQUEST)
        self._interrupt.listen()
        import ray
        import ray.tune

        from experiments.trial import Trial
        from tune.callbacks import Recorder
        from tune.source import TrialSource

        scheduler = make_scheduler(self._config, self._preparation.space)
        self._recall(scheduler, waiting)
        is_population = getattr(scheduler, "side_by_side", False)
        if is_population:
            scheduler.set_room(slots.num_concurrent >= num_total)
        recorder = Recorder(
            tracker=tracker,
            run=parent,
            known=known,
            children=self._children,
            config=self._config | {"run_folder": str(self._folder)},
            records=self._records,
            line=self._line,
            disk=self._disk,
            observe=trials.observe,
            stop_reason=getattr(scheduler, "reason", lambda frames: f"by Ray Tune, at {frames:,} frames"),
        )
        source = TrialSource(
            waiting=waiting,
            trials=trials,
            say=self._line.note,
            num_concurrent=num_total if is_population else slots.num_concurrent,
            stop_request=self._folder / folders.STOP_REQUEST,
            room=self._growing_room(),
        )
        tuner = ray.tune.Tuner(
            Trial,
            tune_config=ray.tune.TuneConfig(
                search_alg=source,
                scheduler=scheduler,
                trial_name_creator=lambda trial: trial.trial_id.rpartition("_")[2],
                trial_dirname_creator=lambda trial: trial.trial_id.rpartition("_")[2],
            ),
            run_config=ray.tune.RunConfig(
                name=folders.TRIALS,
                storage_path=self._tune_storage(),
                callbacks=[recorder],
                checkpoint_config=ray.tune.CheckpointConfig(checkpoint_at_end=False),
                failure_config=ray.tune.FailureConfig(max_failures=self._config["tuner"]["max_failures"]),
                verbose=0,
            ),
        )
        try:
            tuner.fit()
        finally:
            self._line.close()
            del desk
            ray.shutdown()

    def _growing_room(self) -> ClusterRoom | None:
        """Return what tells of nodes that join later, where nobody said how much of them to use."""
        settings = self._config["ray"]
        is_limited = settings["num_cpus"] is not None or self._config["tuner"]["num_concurrent"] is not None
        return None if settings.get("address") is None or is_limited else ClusterRoom(self._preparation.largest)

    def _tune_storage(self) -> str:
        """Return where Ray Tune keeps what paused trials hand over: where all nodes can read it."""
        storage = self._config["paths"].get("storage")
        if self._config["ray"].get("address") is None or not storage:
            return str(self._folder)
        base, mark, options = storage.partition("?")
        return "/".join([base.rstrip("/"), *self._folder.parts[-2:]]) + mark + options

    def _recall(self, scheduler: Any, waiting: list[TrialRecord]) -> None:
        """Let the scheduler know what trials reported before the run was resumed."""
        if scheduler is None:
            return
        from experiments.trial import objective_metrics

        for record in self._records:
            rows = reported(
                self._folder / folders.TRIALS / record.name,
                objective_metrics(self._config),
                whole=record not in waiting,
            )
            scheduler.recall(f"trial_{record.name}", rows)

    def _conclude(self, tracker: Tracker, parent: RunHandle, known: dict[str, str]) -> int:
        """Evaluate what was trained to its end, unless the run was interrupted."""
        lead_to_single_trial(self._folder)
        report_failures(self._records, self._folder)
        if self._disk.reason is not None:
            print(f"error: {self._disk.reason}", file=sys.stderr)
            return FAILED
        if self._interrupt.is_requested:
            return INTERRUPTED

        def run_of(record: TrialRecord) -> RunHandle:
            """Return the trial's run, opening that of a trial that ended before the run was resumed."""
            if record.name not in self._children:
                self._children[record.name] = tracker.start_run(
                    name=f"trial {record}", tags={}, params={}, parent_id=parent, run_id=known.get(record.name)
                )
                tracker.finish(self._children[record.name], "FINISHED")  # it had ended: what follows is added to it
            return self._children[record.name]

        scores = evaluate_trials(self._config, self._folder, self._records, tracker, run_of)
        finished = self._records.in_state(states.FINISHED)
        best = best_record(finished, modes(self._config["tuner"])[0]) or next(iter(finished), None)
        if best is not None and best.name in scores:
            prefix = "best" if len(self._records) > 1 else "score"
            tracker.log(parent, score_metrics(scores[best.name], prefix), step=best.frames)
            self._register(best, scores[best.name], tracker, run_of(best))
        lead_to_single_trial(self._folder)
        if len(self._records) > 1:
            summary = self._summary(best)
            tracker.tag(parent, {"mlflow.note.content": summary})
            print(summary, flush=True)
        is_scored = bool(scores) or not finished or self._config["evaluation"]["final_episodes"] == 0
        return OK if is_scored and self._records.in_state(states.FINISHED, states.STOPPED) else FAILED

    def _register(self, record: TrialRecord, evaluation: dict[str, Any], tracker: Tracker, run: RunHandle) -> None:
        """Make a policy that was scored on enough tracks a version in the model registry."""
        if not self._config["evaluation"].get("register", False) or evaluation["episodes"] < MIN_TRACKS:
            return
        trial = self._folder / folders.TRIALS / record.name
        policy = latest_checkpoint(trial / folders.CHECKPOINTS)
        tracker.register(run, policy, evaluation, read_config(trial), lambda verdict: print(verdict, flush=True))

    def _summary(self, best: TrialRecord | None) -> str:
        counts = {state: len(self._records.in_state(state)) for state in states.STATES}
        said = ", ".join(f"{count} {state}" for state, count in counts.items() if count)
        lines = [f"Trials:     {said}"]
        if best is not None:
            folder = self._folder / folders.TRIALS / best.name
            trained = "no episode" if best.first_objective is None else f"{best.first_objective:.1f}"
            lines.append(f"Best:       {best}: {trained} in training, {folder}")
        return "\n".join(lines)

    def _finish_runs(self, tracker: Tracker, parent: RunHandle, code: int) -> None:
        """End the runs of trials that did not end by themselves, and the sweep's."""
        for name, handle in self._children.items():
            if self._records[name].state in (states.RUNNING, states.WAITING):
                tracker.finish(handle, "KILLED")
        tracker.finish(parent, {OK: "FINISHED", INTERRUPTED: "KILLED"}.get(code, "FAILED"))

    def _live_line(self) -> LiveLine:
        stop = self._config["stop"]
        if not self._preparation.is_sweep:
            return LiveLine(sys.stderr, stop_frames=stop["frames"], stop_wall_s=stop["wall_s"])
        return SweepLine(sys.stderr, self._records, self._preparation.num_total, modes(self._config["tuner"])[0])

    def _stop_for_disk(self, reason: str) -> None:
        self._line.note(reason)
        (self._folder / folders.STOP_REQUEST).touch()  # it takes no block of the disk, only a name

    def _title(self) -> str:
        """Return what tells this run from others in the first words that a narrow column shows."""
        chosen = self._config["choices"]
        seed = f"s{self._config['seed']}" if not self._preparation.is_sweep else "sweep"
        words = [chosen["algo"], chosen["env"], seed, chosen["experiment"], chosen["debug"]]
        when = "_".join(self._folder.name.split("_")[:2])
        return " ".join([*(word for word in words if word is not None), when])

    def _tags(self) -> dict[str, str]:
        chosen = {group: word for group, word in self._config["choices"].items() if word is not None}
        kind = "sweep" if self._preparation.is_sweep else "run"
        made_with = self._made_with() | self._preparation.size.tags()
        return {**chosen, "seed": str(self._config["seed"]), "kind": kind, **made_with}

    def _given(self) -> dict[str, Any]:
        """Return what trials are told beside their configs; a sweep's count their wall time from their own start."""
        started_at = None if self._preparation.is_sweep else self._started_at
        return {"run_folder": str(self._folder), "started_at": started_at, **self._made_with()}

    def _made_with(self) -> dict[str, str]:
        return {"commit": current_commit(), "host": platform.node()}

    def _known_runs(self) -> dict[str, Any]:
        path = self._folder / folders.MLFLOW_RUN
        return json.loads(path.read_text()) if path.exists() else {}

    def _next_commands(self, code: int, page: str | None) -> str:
        uri = self._config["paths"]["mlflow_uri"]
        is_default = Path(self._config["paths"]["outputs"]) == ROOT / "outputs"
        resume = f"python run.py resume={folders.LATEST if is_default else self._folder}"
        if is_job():
            outputs = self._config["paths"]["outputs"]
            resume = f"ray job submit --working-dir . -- python run.py resume={self._folder} paths.outputs={outputs}"
        lines = [f"Run folder: {self._folder}"]
        if code == INTERRUPTED or self._disk.reason is not None:
            lines.append(f"Go on:      {resume}")
        if code == OK:
            longer = [f"stop.{name}={2 * value}" for name, value in self._config["stop"].items() if value is not None]
            lines.append(f"Train on:   {resume} {' '.join(longer)}")
        if len(self._records) > 1 and code == OK:
            sweep = folders.LATEST if is_default else self._folder
            lines.append(f"Compare:    python -m experiments.compare sweep={sweep}")
        port = _free_port(_MLFLOW_PORT)
        lines.append(f"MLflow:     mlflow ui --backend-store-uri {uri} --port {port}")
        if page is not None:
            lines.append(f"            http://127.0.0.1:{port}/{page}")
        return "\n".join(lines)


def _free_port(first: int) -> int:
    """Return the first port from `first` on that nobody on this machine listens on."""
    for port in range(first, first + 100):
        with socket.socket() as probe:
            if probe.connect_ex(("127.0.0.1", port)) != 0:
                return port
    return first
