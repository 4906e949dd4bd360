"""One execution of a run, new or resumed: Ray Tune trains its trials, they are evaluated, all of it is tracked."""

import json
import logging
import sys
from contextlib import closing
from pathlib import Path
from typing import Any

from envs.app import FAILED, INTERRUPTED, OK
from experiments import folders
from experiments.checkpoints import latest_checkpoint
from experiments.logs import console_through
from experiments.progress import LiveLine
from experiments.registry.contest import MIN_TRACKS
from experiments.runs import read_config
from experiments.tracker import RunHandle, Tracker
from models.encoder import build
from tune import records as states
from tune.conclusion import evaluate_trials, lead_to_single_trial, report_failures, score_metrics
from tune.descriptions import made_with, summary, tags, title
from tune.disk import DiskWatch
from tune.execution import Execution
from tune.interrupt import Interrupt
from tune.next_commands import next_commands
from tune.preparation import Preparation, modes
from tune.records import TrialRecord, TrialRecords
from tune.sweep_line import SweepLine, best_record
from tune.sweep_note import sweep_note

logger = logging.getLogger(__name__)

_TRACKING_FLUSH_S = 20.0


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
                name=title(self._preparation, self._folder),
                tags=tags(self._preparation, self._folder),
                params={key: value for key, value in self._config.items() if key != "words"},
                run_id=known.get("run"),
            )
            self._describe(tracker, parent)
            code = FAILED
            try:
                with self._interrupt.handled():
                    self._train(tracker, parent, known.get("trials", {}))
                code = self._conclude(tracker, parent, known.get("trials", {}))
            except KeyboardInterrupt:  # the second ctrl-C, or one during the evaluation: what was saved is saved
                code = INTERRUPTED
            finally:
                self._describe(tracker, parent)
                self._finish_runs(tracker, parent, code)
                tracker.close(_TRACKING_FLUSH_S)
        is_sweep = len(self._records) > 1
        said = next_commands(self._config, self._folder, code=code, is_sweep=is_sweep, page=tracker.page())
        print(said, flush=True)
        return code

    def _train(self, tracker: Tracker, parent: RunHandle, known: dict[str, str]) -> None:
        """Let Ray Tune train what is to be trained."""
        Execution(
            preparation=self._preparation,
            run_folder=self._folder,
            records=self._records,
            given=self._given(),
            tracker=tracker,
            run=parent,
            known=known,
            children=self._children,
            line=self._line,
            disk=self._disk,
            interrupt=self._interrupt,
        ).train()

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
        best = self._best()
        if best is not None and best.name in scores:
            prefix = "best" if len(self._records) > 1 else "score"
            tracker.log(parent, score_metrics(scores[best.name], prefix), step=best.frames)
            self._register(best, scores[best.name], tracker, run_of(best))
        lead_to_single_trial(self._folder)
        if len(self._records) > 1:
            print(summary(self._records, best, self._folder, self._config["tuner"]), flush=True)
        is_scored = bool(scores) or best is None or self._config["evaluation"]["final_episodes"] == 0
        return OK if is_scored and self._records.in_state(states.FINISHED, states.STOPPED) else FAILED

    def _best(self) -> TrialRecord | None:
        """Return the best trial of those that finished."""
        finished = self._records.in_state(states.FINISHED)
        return best_record(finished, modes(self._config["tuner"])[0]) or next(iter(finished), None)

    def _describe(self, tracker: Tracker, parent: RunHandle) -> None:
        """Let the run of a sweep say what it searches, and how far it is."""
        if self._preparation.is_sweep:
            note = sweep_note(self._preparation, self._records, self._best(), self._folder)
            tracker.tag(parent, {"mlflow.note.content": note})

    def _register(self, record: TrialRecord, evaluation: dict[str, Any], tracker: Tracker, run: RunHandle) -> None:
        """Make a policy that was scored on enough tracks a version in the model registry."""
        if not self._config["evaluation"].get("register", False) or evaluation["episodes"] < MIN_TRACKS:
            return
        trial = self._folder / folders.TRIALS / record.name
        policy = latest_checkpoint(trial / folders.CHECKPOINTS)
        tracker.register(run, policy, evaluation, read_config(trial), lambda verdict: print(verdict, flush=True))

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

    def _given(self) -> dict[str, Any]:
        """Return what trials are told beside their configs; a sweep's count their wall time from their own start."""
        started_at = None if self._preparation.is_sweep else self._started_at
        return {"run_folder": str(self._folder), "started_at": started_at, **made_with()}

    def _known_runs(self) -> dict[str, Any]:
        path = self._folder / folders.MLFLOW_RUN
        return json.loads(path.read_text()) if path.exists() else {}
