"""One trial as Ray Tune sees it: what it books, how it reports, stops, fails, pauses and takes over others' weights."""

import json
import logging
import math
import time
import uuid
from pathlib import Path
from typing import Any

import ray
import ray.tune
from ray.tune.execution.placement_groups import PlacementGroupFactory

from experiments import folders, metrics
from experiments.cluster_stop import stop_watch
from experiments.logs import log_to
from experiments.plan import Plan
from experiments.runs import write_config
from experiments.training import Training

logger = logging.getLogger(__name__)

_CLAIM_S = 60.0
_CLAIM_ON_CLUSTER_S = 150.0  # NFSv4 keeps the locks of a node that died for 90 s
_POINTER = "trial.json"  # in Tune's checkpoints: which trial's own checkpoints are meant
_ADOPTED_FILE = "adopted"  # in a trial's folder: the last such checkpoint that it took over

# In a trial's config, where it took over another's weights: whose, and when.
ADOPTED = "adopted"
# Keys of a report that are no metrics, for the driver.
END, NOTES, RESUMED_AT_FRAMES, OBJECTIVE = "end", "notes", "resumed_at_frames", "objective"
# How a trial ended, as it says itself in END; None while it goes on. A failure begins with FAILED.
FINISHED, INTERRUPTED, FAILED = "finished", "interrupted", "failed: "


class Trial(ray.tune.Trainable):
    """Trains one configuration.

    Its config is a run's plain config, with `plan` (a `Plan`'s fields), `run_folder` and `started_at` (seconds since
    the epoch, when the command began; None: now) beside it. What Tune would do about checkpoints, resuming and limits
    happens in `Training`: a trial whose folder holds a checkpoint goes on from the newest whole one, whatever ended it.

    A failure of its own is reported and ends it: to try again would not help. Where Ray lost one of its processes, the
    error reaches Tune, which starts it again (`tuner.max_failures`).
    """

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> PlacementGroupFactory:
        """Book the main process and each runner."""
        plan = Plan(**config["plan"])
        return PlacementGroupFactory(plan.bundles(), strategy=plan.placement.upper())

    def setup(self, config: dict[str, Any]) -> None:
        """Build the training, and go on from the newest checkpoint where there is one."""
        self._training: Training | None = None
        self._failure: str | None = None
        self._notes: list[str] = []
        self._seen: dict[str, float] = {}  # the newest value of each metric of the objective
        self._is_stopping = stop_watch(config["ray"], Path(config["run_folder"]) / folders.STOP_REQUEST)
        self._folder = trial_folder(config, self.trial_id)
        self._folder.mkdir(parents=True, exist_ok=True)
        # The process of a driver that was killed may take some seconds to follow it.
        is_local = config["ray"].get("address") is None
        self._claim = folders.claim(self._folder, _CLAIM_S if is_local else _CLAIM_ON_CLUSTER_S)
        log = Path(config["run_folder"]) / folders.LOG
        log_to(log)
        if self._is_stopping():  # asked to stop while it was waiting for its turn
            return
        try:
            write_config(self._folder, config)
            self._training = Training(
                config,
                self._folder,
                log=log,
                started_at=config["started_at"] or time.time(),
                is_stopping=self._is_stopping,
                storage=self._storage,
            )
        except ray.exceptions.RayError:
            raise
        except Exception as error:
            self._fail(error)

    def step(self) -> dict[str, Any]:
        """Train until there is something to report."""
        if self._training is None:
            end: str | None = INTERRUPTED if self._failure is None else self._failure
            return {"done": True, END: end, NOTES: [], RESUMED_AT_FRAMES: 0}
        try:
            report, notes = self._training.advance()
        except ray.exceptions.RayError:
            raise
        except Exception as error:
            return {"done": True, END: self._fail(error), NOTES: [], RESUMED_AT_FRAMES: 0}
        end = None
        if self._training.is_finished:
            end = FINISHED
        elif self._is_stopping():
            end = INTERRUPTED
        outcome = {"done": end is not None, END: end, NOTES: [*self._notes, *notes]}
        self._notes = []
        return report | outcome | self._objective(report) | {RESUMED_AT_FRAMES: self._training.resumed_at_frames}

    def cleanup(self) -> None:
        """Save, where Tune ends a trial that would have gone on, and end the algorithm's processes."""
        if self._training is not None:
            if self._failure is None:
                self._save_last()
            self._training.close()
        self._claim.release()

    def save_checkpoint(self, checkpoint_dir: str) -> None:
        """Save, and tell Tune where: so a population pauses, and hands over its best."""
        assert self._training is not None
        try:
            self._training.save_for_others()
        except OSError as error:  # it goes on from the checkpoint before this one
            logger.exception("Not saved.")
            self._notes.append(f"The checkpoint could not be written ({error}).")
        pointer = {"trial": str(self._folder), "id": uuid.uuid4().hex}
        (Path(checkpoint_dir) / _POINTER).write_text(json.dumps(pointer), encoding="utf-8")

    def load_checkpoint(self, checkpoint: dict[str, Any] | str | None) -> None:
        """Take over the weights of the trial that Tune says, once: after a pause it is this one, which has them.

        Where that fails, the other has pruned its checkpoint meanwhile, say, the trial goes on with its own weights.
        """
        pointer = json.loads((Path(str(checkpoint)) / _POINTER).read_text(encoding="utf-8"))
        other, done = Path(pointer["trial"]), self._folder / _ADOPTED_FILE
        if self._training is None or other == self._folder:
            return
        if done.exists() and done.read_text(encoding="utf-8") == pointer["id"]:
            return
        try:
            self._training.adopt(other)
            done.write_text(pointer["id"], encoding="utf-8")
        except (OSError, ValueError, RuntimeError) as error:
            logger.exception("Not taken over.")
            self._notes.append(
                f"The weights of {other.name} could not be taken over ({error}); it goes on with its own."
            )

    def _objective(self, report: dict[str, Any]) -> dict[str, Any]:
        """Return what the tuner compares: the newest values of its metrics, once there are all of them."""
        wanted = objective_metrics(self.config)
        self._seen |= {name: report[name] for name in wanted if math.isfinite(report.get(name, math.nan))}
        if len(self._seen) < len(wanted):
            return {}
        values = [self._seen[name] for name in wanted]
        return {OBJECTIVE: values[0] if len(values) == 1 else values}

    def _save_last(self) -> None:
        assert self._training is not None
        try:
            self._training.save_for_others()
        except Exception:  # whoever stopped the trial goes on without; its checkpoint before this one stays
            logger.exception("The last moments of %s were not saved.", self._folder)

    def _fail(self, error: Exception) -> str:
        logger.error("Trial %s failed.", self._folder.name, exc_info=error)
        self._failure = f"{FAILED}{type(error).__name__}: {error}"
        if self._training is not None:
            self._training.close()
            self._training = None
        return self._failure


def objective_metrics(config: dict[str, Any]) -> list[str]:
    """Return the metrics that the tuner compares trials by; several where it looks for a Pareto front."""
    metric = config["tuner"].get("metric", metrics.RETURN_MEAN)  # runs from before there were sweeps have none
    return [metric] if isinstance(metric, str) else list(metric)


def trial_folder(config: dict[str, Any], trial_id: str) -> Path:
    """Return the folder of a trial; trials are numbered in the order that the sweep makes them."""
    return Path(config["run_folder"]) / folders.TRIALS / trial_id.rpartition("_")[2]
