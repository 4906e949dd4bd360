"""One training from its folder to its reports: the algorithm, its checkpoints, evaluations and limits."""

import logging
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import psutil
import torch

from experiments import folders, metrics
from experiments.algorithm import build_config
from experiments.checkpoint_mirror import CheckpointMirror
from experiments.checkpoints import newest_whole_checkpoint, write_checkpoint
from experiments.commit import current_commit
from experiments.evaluator import BackgroundEvaluation
from experiments.plan import Plan
from experiments.policy import save_policy
from experiments.policy_description import PolicyDescription
from experiments.racing_algorithm import RacingAlgorithm
from models.actor_module import policy_space

if TYPE_CHECKING:
    from experiments.profiling.training import TrainingProfile

logger = logging.getLogger(__name__)

STATE = "state.pt"
_REPORT_EVERY_S = 3.0
_LAST_COPY_S = 300.0  # for the last checkpoint to reach the storage


class Training:
    """Trains one configuration, going on from the newest whole checkpoint in its folder where there is one.

    Args:
        config: A run's plain config with `plan` (a `Plan`'s fields) beside it.
        folder: Of the trial.
        log: The file that runners log to.
        started_at: Seconds since the epoch from which wall time counts.
        is_stopping: Whether the run was asked to stop.
        storage: Ray Tune's, for RLlib.
    """

    def __init__(
        self,
        config: dict[str, Any],
        folder: Path,
        *,
        log: Path,
        started_at: float,
        is_stopping: Callable[[], bool],
        storage: Any = None,
    ) -> None:
        self._config, self._folder, self._started_at, self._is_stopping = config, folder, started_at, is_stopping
        plan = Plan(**config["plan"])
        torch.set_num_threads(plan.learner_threads)
        rllib = build_config(config, plan).use_log(str(log))
        # Without our storage it would leave an empty folder in the home directory.
        self.algorithm = cast(type[RacingAlgorithm], rllib.algo_class)(rllib, storage=storage)
        self.algorithm.is_stopping = is_stopping
        self.algorithm.start_peers(plan)
        storage_uri = config["paths"].get("storage")
        self._mirror = CheckpointMirror(storage_uri, folder) if storage_uri else None
        self._pushed: Path | None = None  # the last checkpoint whose copying was begun
        # A trial that Ray moved to another node finds its checkpoints on the storage, but no replay.
        self.algorithm.start_replay(folder / folders.REPLAY, may_be_lost=self._mirror is not None)
        self._description = self._describe_policy()
        self._earlier_s = 0.0  # wall time of the segments before this command
        self.resumed_at_frames = self._restore()
        self._saved_s = self._elapsed_s
        evaluation = config["evaluation"]
        self._evaluation = BackgroundEvaluation(
            description=self._description,
            every_s=evaluation["every_s"],
            seeds=list(range(evaluation["first_seed"], evaluation["first_seed"] + evaluation["episodes"])),
        )
        self._process = psutil.Process()
        self._profile = self._start_profile()

    def advance(self) -> tuple[dict[str, Any], list[str]]:
        """Train until there is something to report, save if it is time; return metrics and what the user should hear.

        Raises:
            OSError: The last checkpoint could not be written.
        """
        began, frames = time.perf_counter(), self.algorithm.frames
        with self._profile.period() if self._profile is not None else nullcontext():
            while not self.is_finished and time.perf_counter() - began < _REPORT_EVERY_S:
                self.algorithm.train()
        seconds = time.perf_counter() - began
        report: dict[str, Any] = self.algorithm.report()
        report[metrics.FRAMES_PER_S] = (self.algorithm.frames - frames) / seconds
        report[metrics.OVERHEAD_S] = max(0.0, seconds - report[metrics.SAMPLE_S] - report[metrics.LEARN_S])
        report[metrics.RSS_GB] = self._process.memory_info().rss / 1e9
        report[metrics.WALL_S] = self._elapsed_s
        evaluated = self._evaluation.poll(self._elapsed_s, self._actor_weights())
        report |= evaluated
        ends = self._is_stopping() or self.is_finished
        notes: list[str] = []
        if ends or self._elapsed_s - self._saved_s >= self._config["checkpoint"]["every_s"]:
            notes += self._try_save(must=ends)
        if evaluated or ends:
            self._film()
        if self._profile is not None:
            notes += self._profile.end_period(report, is_last=ends)
        notes += [*self.algorithm.notes, *self._evaluation.notes]
        self.algorithm.notes, self._evaluation.notes = [], []
        return report, notes

    @property
    def is_finished(self) -> bool:
        """Whether a limit of the config's `stop` is reached."""
        algorithm, limits = self.algorithm, self._config["stop"]
        reached = {"frames": algorithm.frames, "wall_s": self._elapsed_s, "return_mean": algorithm.return_mean}
        return any(limits[name] is not None and value >= limits[name] for name, value in reached.items())

    def save(self, replace_same: bool = False) -> Path:
        """Write a checkpoint of this moment, unless there is one, and return it.

        Args:
            replace_same: Whether to write it even so: weights may change without a frame being driven.
        """
        description = replace(
            self._description, training=self._description.training | {"frames": self.algorithm.frames}
        )
        state = {
            "trial": {"wall_s": self._elapsed_s, "saved_at": time.time()},
            "algorithm": self.algorithm.training_state(),
        }

        def write(folder: Path) -> None:
            torch.save(state, folder / STATE)
            save_policy(folder, self._actor_weights(), description)

        path = write_checkpoint(
            self._folder / folders.CHECKPOINTS,
            self.algorithm.frames,
            write,
            self._config["checkpoint"]["keep"],
            replace_same=replace_same,
        )
        self._saved_s = self._elapsed_s
        logger.info("Saved %s.", path)
        # What is there already is not written again: whoever is killed meanwhile would leave half of it.
        if self._mirror is not None and (replace_same or path != self._pushed):
            self._mirror.push(path, self._config["checkpoint"]["keep"])
            self._pushed = path
        return path

    def save_for_others(self) -> None:
        """Write a checkpoint and wait until the storage has it: a process that goes on from it may be on another node.

        Raises:
            OSError: It could not be written or copied, or copying takes too long.
        """
        path = self.save()
        if self._mirror is None:
            return
        try:
            self._mirror.wait(_LAST_COPY_S)
        except TimeoutError as error:
            raise TimeoutError(
                f"{path} did not reach {self._config['paths']['storage']} within {_LAST_COPY_S:.0f} s"
            ) from error

    def adopt(self, other: Path) -> None:
        """Take over weights and optimiser of another trial's newest checkpoint, and save; frames and replay stay ours.

        Args:
            other: The other trial's folder.

        Raises:
            FileNotFoundError: It has no checkpoint.
        """
        if self._mirror is not None:  # it may train on another node
            CheckpointMirror(self._config["paths"]["storage"], other).pull_newest(other / folders.CHECKPOINTS)
        checkpoint = newest_whole_checkpoint(other / folders.CHECKPOINTS)
        if checkpoint is None:
            raise FileNotFoundError(f"{other} has no checkpoint to take over.")
        state = torch.load(checkpoint / STATE, weights_only=True, map_location="cpu")
        self.algorithm.restore_learner(state["algorithm"]["learner"])
        logger.info("Took over weights and optimiser of %s.", checkpoint)
        self.save(replace_same=True)

    def close(self) -> None:
        """End the algorithm's processes."""
        self._evaluation.close()
        self.algorithm.stop()
        if self._mirror is not None:
            self._mirror.close()

    @property
    def _elapsed_s(self) -> float:
        return self._earlier_s + time.time() - self._started_at

    def _start_profile(self) -> "TrainingProfile | None":
        if not self._config.get("profile", False):  # runs from before there was this key are resumed without it
            return None
        from experiments.profiling.training import TrainingProfile  # pyinstrument: only where it is asked for

        return TrainingProfile(self._folder / folders.PROFILE, self.algorithm)

    def _actor_weights(self) -> dict[str, torch.Tensor]:
        return {name: tensor.detach().cpu() for name, tensor in self.algorithm.learner.policy.state_dict().items()}

    def _describe_policy(self) -> PolicyDescription:
        observation_space, action_space = self.algorithm.spaces["__env_single__"]
        if privileged := self.algorithm.learner.net.privileged:
            observation_space = policy_space(observation_space, privileged)
        return PolicyDescription(
            env=self._config["env"],
            observation_space=observation_space,
            action_space=action_space,
            encoder=self._config["model"],
            head=self._config["algo"]["training"]["head"],
            training={"seed": self._config["seed"], "commit": current_commit(), **self._config["choices"]},
        )

    def _film(self) -> None:
        """Film what the algorithm thinks; a disk that is full is told of by the next checkpoint."""
        try:
            self.algorithm.film(self._folder)
        except OSError:
            logger.exception("Nothing was filmed.")

    def _try_save(self, must: bool) -> list[str]:
        """Save; a disk that is full now may not be later, so only the last checkpoint must succeed."""
        try:
            if must:
                self.save_for_others()
            else:
                self.save()
        except OSError as error:
            if must:
                raise
            self._saved_s = self._elapsed_s
            logger.exception("Not saved.")
            return [f"The checkpoint could not be written ({error}); training goes on, the one before it stays."]
        return []

    def _restore(self) -> int:
        """Go on from the newest checkpoint, if there is one; returns the frames that lie behind."""
        if self._mirror is not None:
            self._mirror.pull_newest(self._folder / folders.CHECKPOINTS)
        checkpoint = newest_whole_checkpoint(self._folder / folders.CHECKPOINTS)
        if checkpoint is None:
            return 0
        state = torch.load(checkpoint / STATE, weights_only=True, map_location="cpu")
        self._earlier_s = state["trial"]["wall_s"]
        # Where Tune starts a lost process anew, the command's own time until this checkpoint is among the earlier.
        self._started_at = max(self._started_at, state["trial"].get("saved_at", 0.0))
        self.algorithm.restore_training_state(state["algorithm"])
        logger.info("Going on from %s.", checkpoint)
        return self.algorithm.frames
