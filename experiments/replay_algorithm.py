"""What algorithms that learn from replay share: runners drive the next fragment while the learner learns."""

import time
from typing import Any

from experiments import metrics
from experiments.racing_algorithm import RacingAlgorithm


class ReplayAlgorithm(RacingAlgorithm):
    """An algorithm that learns from the replay of all that was driven.

    Each step hands the fragments that runners drove meanwhile to the replay, asks for the next, and makes exactly
    `updates_per_decision` updates for each decision received. The order of these is fixed, whatever takes longer, so
    that with one runner a run is reproducible.

    A subclass opens `replay` in `start_replay` (and says in `_is_replay_lost` whether what it had held is gone), and
    implements `learn_once`. Its options have `start_after_decisions`, `rollout_steps` and `weight_sync_every`.
    """

    replay: Any
    _is_replay_lost = False
    _sequence_length: int | None = None  # as `request_fragments` has it
    _decisions_counted = 0  # that updates were made for

    def setup(self, config: Any) -> None:
        """Build runners and learner."""
        super().setup(config)
        self._updates_due = 0.0
        self._learns_from = self.config.options.start_after_decisions  # decisions
        self._exchanges = 0
        self._is_asked = False

    @property
    def updates_per_decision(self) -> float:
        """Updates for each decision received."""
        return float(self.config.options.updates_per_decision)

    def learn_once(self) -> dict[str, Any]:
        """Learn from one batch and return the losses, still on the device."""
        raise NotImplementedError

    def training_step(self) -> None:
        """Exchange fragments for weights with the runners, and learn while they drive."""
        options = self.config.options
        if not self._is_asked:
            self._ask()
        fragments = self.collect_fragments()
        for runner, fragment in fragments.items():
            self.replay.add(fragment, first_stream=(runner - 1) * self.config.num_envs_per_env_runner)
        self._exchanges += 1
        if self._exchanges % options.weight_sync_every == 0:
            self.publish_weights()
        self._ask()
        if self.decisions >= self._learns_from:
            received = sum(fragment.decisions for fragment in fragments.values())
            self._decisions_counted += received
            self._updates_due += self.updates_per_decision * received
            self._learn()

    def _ask(self) -> None:
        options = self.config.options
        self.request_fragments(
            options.rollout_steps,
            random_actions=self.decisions < options.start_after_decisions,
            sequence_length=self._sequence_length,
        )
        self._is_asked = True

    def _learn(self) -> None:
        began = time.perf_counter()
        losses: dict[str, Any] = {}
        self.set_lr()
        while self._updates_due >= 1.0:
            losses = self.learn_once()
            self._updates_due -= 1.0
            self.updates += 1
        self.learner.check_gradients()
        if losses:
            self.losses = {name: float(value) for name, value in losses.items()}
        self.count_seconds(metrics.LEARN_S, began)

    def training_state(self) -> dict[str, Any]:
        """Return all that training goes on from; of the replay only its index: the data lies in the run folder."""
        return super().training_state() | {
            "updates_due": self._updates_due,
            "learns_from": self._learns_from,
            "decisions_counted": self._decisions_counted,
            "replay": self.replay.state(),
        }

    def restore_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned; what runners are driving just now is dropped."""
        self._updates_due = state["updates_due"]
        self._learns_from = state.get("learns_from", self._learns_from)  # older checkpoints have none
        self._decisions_counted = state.get("decisions_counted", 0)
        super().restore_training_state(state)
        if not self._is_replay_lost:
            self.replay.restore(state["replay"])
        elif self.decisions:
            self._learns_from = self.decisions + self.config.options.start_after_decisions
            self.notes.append(
                f"The replay of {self.decisions:,} decisions stayed on another node: the policy fills a new one, and "
                f"learning goes on after {self.config.options.start_after_decisions:,} decisions."
            )
