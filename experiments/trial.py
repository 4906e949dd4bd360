"""One trial as Ray Tune sees it: an RLlib algorithm, its checkpoints, its stop, and the metrics that leave it."""

import logging
import time
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psutil
import ray.tune
import torch
from ray.tune.execution.placement_groups import PlacementGroupFactory

from experiments import folders, metrics
from experiments.algorithm import build_config
from experiments.checkpoints import newest_whole_checkpoint, write_checkpoint
from experiments.commit import current_commit
from experiments.evaluator import BackgroundEvaluation
from experiments.logs import log_to
from experiments.plan import Plan
from experiments.policy import save_policy
from experiments.policy_description import PolicyDescription
from experiments.racing_algorithm import RacingAlgorithm
from experiments.runs import write_config

if TYPE_CHECKING:
    from experiments.profiling.training import TrainingProfile

logger = logging.getLogger(__name__)

STATE = "state.pt"
_REPORT_EVERY_S = 3.0
_CLAIM_S = 60.0


class Trial(ray.tune.Trainable):
    """Trains one configuration.

    Its config is a run's plain config, with `plan` (a `Plan`'s fields), `run_folder` and `started_at` (seconds since
    the epoch, when the command began) beside it. What Tune would do about checkpoints, resuming and stopping happens
    here instead: a trial whose folder holds a checkpoint goes on from the newest whole one, whatever ended it.
    """

    algorithm: RacingAlgorithm

    @classmethod
    def default_resource_request(cls, config: dict[str, Any]) -> PlacementGroupFactory:
        """Book the main process and each runner."""
        plan = Plan(**config["plan"])
        main: dict[str, float] = {"CPU": plan.process_cpus}
        if plan.num_gpus:
            main["GPU"] = plan.num_gpus
        return PlacementGroupFactory([main, *[{"CPU": plan.process_cpus} for _ in range(plan.num_env_runners)]])

    def setup(self, config: dict[str, Any]) -> None:
        """Build the algorithm, and go on from the newest checkpoint where there is one."""
        self._config = config
        self._folder = trial_folder(config, self.trial_id)
        self._folder.mkdir(parents=True, exist_ok=True)
        # The process of a driver that was killed may take some seconds to follow it.
        self._claim = folders.claim(self._folder, _CLAIM_S)
        write_config(self._folder, config)
        self._stop_request = Path(config["run_folder"]) / folders.STOP_REQUEST
        plan = Plan(**config["plan"])
        torch.set_num_threads(plan.learner_threads)
        log = Path(config["run_folder"]) / folders.LOG
        log_to(log)
        rllib = build_config(config, plan).use_log(str(log))
        # Without our storage it would leave an empty folder in the home directory.
        self.algorithm = cast(type[RacingAlgorithm], rllib.algo_class)(rllib, storage=self._storage)
        self.algorithm.is_stopping = self._stop_request.exists
        self.algorithm.start_replay(self._folder / folders.REPLAY)
        self._description = self._describe_policy()
        self._earlier_s = 0.0  # wall time of the segments before this command
        self._resumed_at_frames = self._restore()
        self._saved_s = self._elapsed_s
        evaluation = config["evaluation"]
        self._evaluation = BackgroundEvaluation(
            description=self._description,
            every_s=evaluation["every_s"],
            seeds=list(range(evaluation["first_seed"], evaluation["first_seed"] + evaluation["episodes"])),
        )
        self._process = psutil.Process()
        self._profile = self._start_profile()

    def step(self) -> dict[str, Any]:
        """Train until there is something to report, and save if it is time."""
        began, frames = time.perf_counter(), self.algorithm.frames
        with self._profile.period() if self._profile is not None else nullcontext():
            while not self._is_finished and time.perf_counter() - began < _REPORT_EVERY_S:
                self.algorithm.train()
        seconds = time.perf_counter() - began
        report: dict[str, Any] = self.algorithm.report()
        report[metrics.FRAMES_PER_S] = (self.algorithm.frames - frames) / seconds
        report[metrics.OVERHEAD_S] = max(0.0, seconds - report[metrics.SAMPLE_S] - report[metrics.LEARN_S])
        report[metrics.RSS_GB] = self._process.memory_info().rss / 1e9
        report[metrics.WALL_S] = self._elapsed_s
        report |= self._evaluation.poll(self._elapsed_s, self._actor_weights())
        ends = self._stop_request.exists() or self._is_finished
        notes: list[str] = []
        if ends or self._elapsed_s - self._saved_s >= self._config["checkpoint"]["every_s"]:
            notes += self._try_save(must=ends)
        if self._profile is not None:
            notes += self._profile.end_period(report, is_last=ends)
        notes += [*self.algorithm.notes, *self._evaluation.notes]
        self.algorithm.notes, self._evaluation.notes = [], []
        return report | {"done": ends, "resumed_at_frames": self._resumed_at_frames, "notes": notes}

    def cleanup(self) -> None:
        """End the algorithm's processes."""
        self._evaluation.close()
        self.algorithm.stop()
        self._claim.release()

    @property
    def _elapsed_s(self) -> float:
        return self._earlier_s + time.time() - self._config["started_at"]

    @property
    def _is_finished(self) -> bool:
        algorithm, limits = self.algorithm, self._config["stop"]
        reached = {"frames": algorithm.frames, "wall_s": self._elapsed_s, "return_mean": algorithm.return_mean}
        return any(limits[name] is not None and value >= limits[name] for name, value in reached.items())

    def _start_profile(self) -> "TrainingProfile | None":
        if not self._config.get("profile", False):  # runs from before there was this key are resumed without it
            return None
        from experiments.profiling.training import TrainingProfile  # pyinstrument: only where it is asked for

        return TrainingProfile(self._folder / folders.PROFILE, self.algorithm)

    def _actor_weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach().cpu() for name, tensor in self.algorithm.learner.policy.state_dict().items()}

    def _describe_policy(self) -> PolicyDescription:
        observation_space, action_space = self.algorithm.spaces["__env_single__"]
        return PolicyDescription(
            env=self._config["env"],
            observation_space=observation_space,
            action_space=action_space,
            encoder=self._config["model"],
            head=self._config["algo"]["training"]["head"],
            training={"seed": self._config["seed"], "commit": current_commit(), **self._config["choices"]},
        )

    def _try_save(self, must: bool) -> list[str]:
        """Save; a disk that is full now may not be later, so only the last checkpoint must succeed."""
        try:
            self._save()
        except OSError as error:
            if must:
                raise
            self._saved_s = self._elapsed_s
            logger.exception("Not saved.")
            return [f"The checkpoint could not be written ({error}); training goes on, the one before it stays."]
        return []

    def _save(self) -> None:
        description = replace(
            self._description, training=self._description.training | {"frames": self.algorithm.frames}
        )
        state = {"trial": {"wall_s": self._elapsed_s}, "algorithm": self.algorithm.training_state()}

        def write(folder: Path) -> None:
            torch.save(state, folder / STATE)
            save_policy(folder, self._actor_weights(), description)

        path = write_checkpoint(
            self._folder / folders.CHECKPOINTS, self.algorithm.frames, write, self._config["checkpoint"]["keep"]
        )
        self._saved_s = self._elapsed_s
        logger.info("Saved %s.", path)

    def _restore(self) -> int:
        """Go on from the newest checkpoint, if there is one; returns the frames that lie behind."""
        checkpoint = newest_whole_checkpoint(self._folder / folders.CHECKPOINTS)
        if checkpoint is None:
            return 0
        state = torch.load(checkpoint / STATE, weights_only=True, map_location="cpu")
        self._earlier_s = state["trial"]["wall_s"]
        self.algorithm.restore_training_state(state["algorithm"])
        logger.info("Going on from %s.", checkpoint)
        return self.algorithm.frames


def trial_folder(config: dict[str, Any], trial_id: str) -> Path:
    """Return the folder of a trial; trials are numbered in the order that the sweep makes them."""
    return Path(config["run_folder"]) / folders.TRIALS / trial_id.rpartition("_")[2]
