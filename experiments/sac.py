"""SAC as an RLlib algorithm: runners drive the next fragment while the learner learns from replay."""

from pathlib import Path
from typing import Any, cast

import numpy as np
from gymnasium import Space
from pydantic import Field
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from envs.errors import ConfigError
from envs.stacking import frame_stack, observation_bytes, observation_parts
from experiments.augmentation import random_shift
from experiments.config import ActorCriticOptions, RacingConfig
from experiments.plan import Plan
from experiments.replay.n_step_sequences import n_step_targets, stacked
from experiments.replay.ring import ReplayRing, ring_slack
from experiments.replay_algorithm import ReplayAlgorithm
from experiments.sac_learner import SACLearner
from models.sac_module import SACModule


class SACOptions(ActorCriticOptions):
    """The keys of `algo.training` for SAC."""

    batch_size: int = Field(ge=1)
    n_step: int = Field(ge=1)
    target_rate: float = Field(gt=0, le=1)  # the share by which targets move towards the critics at each update
    average_rate: float = Field(gt=0, le=1)  # as target_rate, for the averaged actor that is evaluated; 1: no average
    initial_alpha: float = Field(gt=0)
    target_entropy_per_action: float
    replay_capacity: int = Field(ge=1)  # decisions
    start_after_decisions: int = Field(ge=1)  # decisions at random before the first update
    updates_per_decision: float = Field(gt=0)
    # These two have defaults for runs that were begun before there were such keys, and are resumed.
    priority_exponent: float = Field(0.0, ge=0, le=1)  # alpha of prioritised replay; 0: uniform
    priority_correction: float = Field(0.0, ge=0, le=1)  # beta of its importance weights
    rollout_steps: int = Field(ge=1)  # decisions of each env between two exchanges with the learner
    weight_sync_every: int = Field(ge=1)  # exchanges between two deliveries of weights to the runners
    shift_pixels: int = Field(ge=0)  # random shift of images; 0 for none
    # A policy with a memory learns from sequences of slots in a row, after a run-up that only fills the memory.
    sequence_length: int = Field(32, ge=1)  # slots
    burn_in: int = Field(0, ge=0)  # slots


class SACConfig(RacingConfig):
    """RLlib config of `SAC`."""

    options_class = SACOptions
    overlaps_sampling = True

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or SAC)

    def check(self, plan: Plan) -> None:
        """Raise a ConfigError if learning would start before anything can be learnt from, or replay is too small."""
        if plan.num_learners > 1:
            raise ConfigError(
                f"ray.num_learners={plan.num_learners}: SAC learns in one process, from one replay; PPO's rollouts "
                "can be shared out. Leave it at 1."
            )
        options, streams = self.options, plan.num_env_runners * plan.envs_per_runner
        needed = streams * (options.n_step + 1)
        if options.start_after_decisions < needed:
            raise ConfigError(
                f"algo.training.start_after_decisions={options.start_after_decisions}: {streams} envs with n_step="
                f"{options.n_step} need at least {needed} decisions before one can be learnt from."
            )
        if options.replay_capacity < options.start_after_decisions:
            raise ConfigError(
                f"algo.training.replay_capacity={options.replay_capacity}: expected at least start_after_decisions="
                f"{options.start_after_decisions}."
            )

    @property
    def run_up(self) -> int:
        """Slots before those that a policy with a memory learns from: no fewer than a stack needs to fill."""
        return max(int(self.options.burn_in), frame_stack(self.env_config) - 1)

    def check_memory(self, plan: Plan) -> None:
        """Raise a ConfigError if batches are not made of whole sequences, or too few decisions are there to begin."""
        options = self.options
        if options.batch_size % options.sequence_length:
            raise ConfigError(
                f"algo.training.batch_size={options.batch_size}: a policy with a memory learns from sequences of "
                f"algo.training.sequence_length={options.sequence_length} slots; expected a multiple of it."
            )
        if options.priority_exponent:
            raise ConfigError(
                f"algo.training.priority_exponent={options.priority_exponent}: sequences for a policy with a memory "
                "are drawn uniformly; expected 0."
            )
        streams = plan.num_env_runners * plan.envs_per_runner
        needed = streams * (self.run_up + options.sequence_length + 1)
        if options.start_after_decisions < needed:
            raise ConfigError(
                f"algo.training.start_after_decisions={options.start_after_decisions}: {streams} envs need at least "
                f"{needed} decisions before each has a sequence of sequence_length={options.sequence_length} slots "
                f"after a run-up of {self.run_up}."
            )

    def replay_bytes(self, space: Space) -> int:
        """Return the size of the replay ring's files, less than a hundredth of it left out: actions, rewards, flags."""
        kept = self.options.replay_capacity + ring_slack(self.options.replay_capacity)
        return int(kept * observation_bytes(space))

    def module_options(self) -> dict[str, Any]:
        """Return the RLModule's `model_config`."""
        return super().module_options() | {"initial_alpha": self.options.initial_alpha}

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """Return the spec of our module."""
        return self.module_spec(SACModule)

    def get_default_learner_class(self) -> type[SACLearner]:
        """Return our learner."""
        return SACLearner


class SAC(ReplayAlgorithm):
    """Soft actor-critic."""

    replay: ReplayRing

    @classmethod
    def get_default_config(cls) -> SACConfig:
        """Return the config class that belongs to this algorithm."""
        return SACConfig()

    def setup(self, config: Any) -> None:
        """Build runners and learner."""
        super().setup(config)
        self._shifts = np.random.default_rng(self.config.seed)

    def start_replay(self, folder: Path, may_be_lost: bool = False) -> None:
        """Open the replay ring in this folder."""
        self._is_replay_lost = may_be_lost and not folder.exists()
        options, config = self.config.options, self.config
        single, _ = self.spaces["__env_single__"]
        images, vectors = observation_parts(single)
        self.replay = ReplayRing(
            folder,
            images={name: cast(tuple[int, int, int], box.shape) for name, box in images.items()},
            vectors={name: box.shape[0] for name, box in vectors.items()},
            action_dim=self.spaces[DEFAULT_MODULE_ID][1].shape[0],
            capacity=options.replay_capacity,
            num_streams=config.num_env_runners * config.num_envs_per_env_runner,
            frame_stack=frame_stack(config.env_config),
            n_step=options.n_step,
            gamma=options.gamma,
            seed=config.seed,
            priority_exponent=options.priority_exponent,
            priority_correction=options.priority_correction,
        )

    def learn_once(self) -> dict[str, Any]:
        """Learn from one batch of transitions, or of sequences where the policy has a memory."""
        batch = self._drawn_sequences() if self.learner.net.state_dim else self._drawn_transitions()
        places = batch.pop("places", None)
        losses: dict[str, Any] = self.learner_group.update(batch=batch)[0]
        if places is not None:
            self.replay.update_priorities(places, losses.pop("td_errors").cpu().numpy())
        return losses

    def _drawn_transitions(self) -> dict[str, Any]:
        batch = self.replay.sample(self.config.options.batch_size)
        for part in ("obs", "next_obs"):
            batch[part] = {name: self._augmented(values) for name, values in batch[part].items()}
        return batch

    def _drawn_sequences(self) -> dict[str, Any]:
        """Draw sequences; of one all images are shifted alike."""
        options, run_up = self.config.options, self.config.run_up
        num_sequences = options.batch_size // options.sequence_length
        batch = self.replay.sample_sequences(num_sequences, run_up + options.sequence_length)
        obs = {name: self._augmented(values) for name, values in batch["obs"].items()}
        for name, values in obs.items():
            if values.ndim == 5:
                obs[name] = stacked(values, batch["is_first"], frame_stack(self.config.env_config))
        steps = {name: batch[name] for name in ("rewards", "terminated", "valid")}
        batch |= {"obs": obs, "run_up": run_up}
        return batch | n_step_targets(**steps, n_step=options.n_step, gamma=options.gamma)

    def _augmented(self, values: Any) -> Any:
        is_image = values.ndim == 5
        return random_shift(values, self.config.options.shift_pixels, self._shifts) if is_image else values

    def training_state(self) -> dict[str, Any]:
        """Return all that training goes on from; of the replay only its index: the data lies in the run folder."""
        return super().training_state() | {"shifts": self._shifts.bit_generator.state}

    def restore_training_state(self, state: dict[str, Any]) -> None:
        """Take over what `training_state` returned; what runners are driving just now is dropped."""
        self._shifts.bit_generator.state = state["shifts"]
        super().restore_training_state(state)
