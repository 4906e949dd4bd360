"""What our RLlib algorithms share: how runners are asked for fragments, what is counted, and what is saved."""

import logging
import time
from collections import deque
from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
from ray.rllib.algorithms.algorithm import Algorithm
from ray.rllib.core import COMPONENT_LEARNER, COMPONENT_RL_MODULE, DEFAULT_MODULE_ID

from experiments import metrics
from experiments.fragment import EpisodeOutcome, Fragment
from experiments.learner_peers import LearnerPeers
from experiments.link_account import LinkAccount
from experiments.plan import Plan

logger = logging.getLogger(__name__)

_POLL_S = 1.0  # pause between two looks at whether the run was asked to stop
_RETURN_WINDOW = 100  # finished episodes that the running mean looks back on


class RacingAlgorithm(Algorithm):
    """An RLlib `Algorithm` that counts environment frames, and whose whole state is plain.

    A subclass implements `training_step` with `request_fragments` and `collect_fragments`, sets `losses`, and may add
    to `training_state` and `restore_training_state`.
    """

    lr_factor = 1.0  # on the scheduled learning rate

    # RLlib types these as optional; after `setup` they are there.
    config: Any
    env_runner_group: Any
    learner_group: Any
    spaces: Any

    def setup(self, config: Any) -> None:
        """Build runners and learner."""
        self.frames = 0
        self.decisions = 0
        self.updates = 0
        self.runner_restarts = 0
        self.losses: dict[str, float] = {}
        self.notes: list[str] = []  # what the user should hear of, until the trial reports it
        self.is_stopping: Callable[[], bool] = lambda: False  # whether to wait for runners no longer
        self._asked: set[int] = set()
        self._outcomes: deque[EpisodeOutcome] = deque(maxlen=_RETURN_WINDOW)
        self._link, self._link_before = LinkAccount(), LinkAccount()
        self._weights: ray.ObjectRef | None = None
        self._seconds = {metrics.SAMPLE_S: 0.0, metrics.LEARN_S: 0.0}
        self._peers: LearnerPeers | None = None
        super().setup(config)

    def start_peers(self, plan: Plan) -> None:
        """Start the trial's further learners, where the plan has any."""
        if plan.num_learners > 1:
            spaces = {DEFAULT_MODULE_ID: self.spaces[DEFAULT_MODULE_ID]}
            self._peers = LearnerPeers(self.config, spaces, plan, self.learner)
            self._peers.synchronise()

    def cleanup(self) -> None:
        """End all processes."""
        if self._peers is not None:
            self._peers.close()
        super().cleanup()

    @property
    def learner(self) -> Any:
        """The `RacingLearner` in this process."""
        return self.learner_group._learner

    def request_fragments(
        self, num_steps: int, *, random_actions: bool = False, sequence_length: int | None = None
    ) -> None:
        """Ask every healthy runner for its next fragment, see `RacingEnvRunner.sample`; does not wait."""
        arguments = {
            "num_steps": num_steps,
            "start": self.decisions,
            "random_actions": random_actions,
            "sequence_length": sequence_length,
            "weights": self._weights,
            "noise": self.learner.noise,
        }
        self._asked = set(self.env_runner_group.healthy_worker_ids())
        self.env_runner_group.foreach_env_runner_async(
            lambda runner: runner.sample(**arguments), tag="sample", healthy_only=True
        )

    def collect_fragments(self) -> dict[int, Fragment]:
        """Wait for the fragments that were asked for, by runner, and count what is in them.

        A runner that died is left out, one that does not answer in time (`env_runners.sample_timeout_s`) is killed;
        both are replaced before the next step, a bounded number of times.

        Raises:
            RuntimeError: No runner answered and none is left that could.
        """
        began = time.perf_counter()
        deadline = began + self.config.sample_timeout_s
        ready: dict[int, Fragment] = {}
        while waited_for := self._asked & set(self.env_runner_group.healthy_worker_ids()) - ready.keys():
            if time.perf_counter() > deadline:
                self._kill_hung(waited_for)
                break
            if self.is_stopping():
                break
            ready |= dict(self.env_runner_group.fetch_ready_async_reqs(tags="sample", timeout_seconds=_POLL_S))
        self.count_seconds(metrics.SAMPLE_S, began)
        if not ready and not self.is_stopping():
            self._wait_for_a_runner()
        for fragment in ready.values():
            self.frames += fragment.frames
            self.decisions += fragment.decisions
            self._outcomes.extend(fragment.outcomes)
            self._link.add(fragment.link)
            faults = {outcome.fault for outcome in fragment.outcomes} - {None}
            self.notes += [f"An episode ended by a fault: {fault}" for fault in sorted(map(str, faults))]
        return dict(sorted(ready.items()))

    def _kill_hung(self, runners: set[int]) -> None:
        """Kill runners that hang in an env; Ray restarts them."""
        for runner in sorted(runners):
            self.notes.append(
                f"Env runner {runner} did not answer within {self.config.sample_timeout_s:.0f} s "
                "(algo.env_runners.sample_timeout_s) and is restarted."
            )
            logger.warning(self.notes[-1])
            ray.kill(self.env_runner_group._worker_manager.actors()[runner], no_restart=False)

    def _wait_for_a_runner(self) -> None:
        """Give runners that Ray is restarting the time to come back."""
        deadline = time.monotonic() + self.config.env_runner_restore_timeout_s
        while time.monotonic() < deadline:
            if self.restore_env_runners(self.env_runner_group) or self.env_runner_group.num_healthy_remote_workers():
                return
            time.sleep(0.2)
        raise RuntimeError(
            f"None of the {self.config.num_env_runners} env runners answered within "
            f"{self.config.env_runner_restore_timeout_s:.0f} s, after {self.runner_restarts} restarts. Their last "
            "error stands above in the log; run with ray.num_env_runners=1 to see it alone."
        )

    def restore_env_runners(self, env_runner_group: Any) -> list[int]:
        """Take restarted runners back into service with the current weights."""
        restored = super().restore_env_runners(env_runner_group)
        self.runner_restarts += len(restored)
        if restored:
            self.notes.append(
                f"Env runner {', '.join(map(str, restored))} was replaced after a crash; training goes on."
            )
            logger.warning(self.notes[-1])
        return restored

    def publish_weights(self) -> None:
        """Let the next request carry the current policy to the runners."""
        state = self.learner_group.get_state(
            components=f"{COMPONENT_LEARNER}/{COMPONENT_RL_MODULE}", inference_only=True
        )
        self._weights = ray.put(state[COMPONENT_LEARNER][COMPONENT_RL_MODULE][DEFAULT_MODULE_ID])

    def set_lr(self) -> None:
        """Set the learning rate that belongs to the frames so far."""
        self.learner.set_lr(self.scheduled_lr())

    def scheduled_lr(self) -> float:
        """Return the learning rate that belongs to the frames so far."""
        options = self.config.options
        progress = self.progress(options.lr_decay_frames)
        return float(self.lr_factor * (options.lr + progress * (options.lr_end - options.lr)))

    def progress(self, decay_frames: int | None) -> float:
        """Return how far along a schedule training is: from 0 to 1 after `decay_frames`; None: always at 0."""
        return 0.0 if decay_frames is None else min(1.0, self.frames / decay_frames)

    def count_seconds(self, name: str, began: float) -> None:
        """Add the time since `began` to a timer."""
        self._seconds[name] += time.perf_counter() - began

    def report(self) -> dict[str, float]:
        """Return what is known of the training so far; timers cover the time since the last report."""
        seconds, self._seconds = self._seconds, dict.fromkeys(self._seconds, 0.0)
        known: dict[str, float] = {
            metrics.FRAMES: self.frames,
            metrics.DECISIONS: self.decisions,
            metrics.UPDATES: self.updates,
            metrics.RUNNER_RESTARTS: self.runner_restarts,
            **seconds,
            f"{metrics.LEARNER_PREFIX}lr": self.learner.lr,
            **{metrics.LEARNER_PREFIX + name: value for name, value in self.losses.items()},
        }
        if self._outcomes:
            laps = [lap for outcome in self._outcomes for lap in outcome.lap_times_s]
            known[metrics.RETURN_MEAN] = self.return_mean
            known[metrics.RETURN_MEDIAN] = float(np.median([outcome.episode_return for outcome in self._outcomes]))
            known[metrics.EPISODE_FRAMES_MEAN] = float(np.mean([outcome.frames for outcome in self._outcomes]))
            known[metrics.OFF_TRACK_SHARE] = float(np.mean([outcome.off_track_share for outcome in self._outcomes]))
            known[metrics.FINISH_RATE] = float(np.mean([bool(outcome.lap_times_s) for outcome in self._outcomes]))
            if laps:
                known[metrics.LAP_TIME_S] = float(np.mean(laps))
        return known | self._link_report()

    def _link_report(self) -> dict[str, float]:
        """Return what links to remote games were like, if there are any."""
        before, now = self._link_before, self._link
        self._link_before = replace(now)
        if now.decisions == before.decisions:
            return {}
        return {
            metrics.LINK_AGE_S: (now.age_s - before.age_s) / (now.decisions - before.decisions),
            metrics.LINK_SKIPPED: now.skipped,
            metrics.LINK_RECONNECTS: now.reconnects,
        }

    @property
    def return_mean(self) -> float:
        """Mean return of the last finished episodes; minus infinity before the first."""
        returns = [outcome.episode_return for outcome in self._outcomes]
        return float(np.mean(returns)) if returns else float("-inf")

    def training_state(self) -> dict[str, Any]:
        """Return all that training goes on from: tensors and plain values, nothing that needs unpickling."""
        return {
            "frames": self.frames,
            "decisions": self.decisions,
            "updates": self.updates,
            "runner_restarts": self.runner_restarts,
            "outcomes": [asdict(outcome) for outcome in self._outcomes],
            "torch_random": torch.get_rng_state(),
            "cuda_random": torch.cuda.get_rng_state_all(),
            "learner": self.learner.training_state(),
        }

    def restore_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned, and let the runners have the policy."""
        self.frames, self.decisions = state["frames"], state["decisions"]
        self.updates, self.runner_restarts = state["updates"], state["runner_restarts"]
        self._outcomes.clear()
        self._outcomes.extend(EpisodeOutcome(**row) for row in state["outcomes"])
        torch.set_rng_state(state["torch_random"])
        if len(state["cuda_random"]) == torch.cuda.device_count():
            torch.cuda.set_rng_state_all(state["cuda_random"])
        self.restore_learner(state["learner"])

    def restore_learner(self, state: dict[str, Any]) -> None:
        """Take over the weights and the optimiser of `Learner.training_state`, in all processes."""
        self.learner.restore_training_state(state)
        if self._peers is not None:
            self._peers.synchronise()
        self.publish_weights()

    def start_replay(self, folder: Path, may_be_lost: bool = False) -> None:
        """Tell the algorithm where it may keep replay; one without replay needs nothing.

        Args:
            folder: Where.
            may_be_lost: Whether to go on without what a checkpoint says was there, on another node say, with a note.
        """

    def film(self, folder: Path) -> None:
        """Leave a video of what the algorithm thinks, beside an evaluation; most have nothing to show."""
