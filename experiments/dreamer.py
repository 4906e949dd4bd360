"""DreamerV3 as an RLlib algorithm: runners drive from a world model's states while the learner dreams."""

import logging
from pathlib import Path
from typing import Any, cast

from gymnasium import Space
from ray.rllib.core.rl_module.rl_module import RLModuleSpec

from envs.errors import ConfigError
from envs.stacking import frame_stack, observation_bytes, observation_parts
from experiments import folders
from experiments.config import RacingConfig
from experiments.dream_film import write_dream
from experiments.dreamer_learner import DreamerLearner
from experiments.dreamer_options import DreamerOptions
from experiments.plan import Plan
from experiments.replay.ring import ring_slack
from experiments.replay.sequence_replay import SequenceReplay
from experiments.replay_algorithm import ReplayAlgorithm
from models.dreamer_module import DreamerModule

logger = logging.getLogger(__name__)

_KEPT_BYTES, _SENT_BYTES = 2, 4  # of each number of a state: float16 in replay, float32 from runners
_SAID_EVERY = 1000  # updates
_FILMED = 4  # sequences


class DreamerConfig(RacingConfig):
    """RLlib config of `Dreamer`."""

    options_class = DreamerOptions
    overlaps_sampling = True
    takes_discrete = True

    def __init__(self, algo_class: type | None = None) -> None:
        super().__init__(algo_class=algo_class or Dreamer)

    def check(self, plan: Plan) -> None:
        """Raise a ConfigError if sequences, replay, ratio and envs do not go together."""
        options, streams = self.options, plan.num_env_runners * plan.envs_per_runner
        if plan.num_learners > 1:
            raise ConfigError(
                f"ray.num_learners={plan.num_learners}: DreamerV3 learns in one process, from one replay. Leave it at "
                "1."
            )
        options.check(streams)

    def check_memory(self, plan: Plan) -> None:
        """Raise a ConfigError if frames are stacked."""
        if frame_stack(self.env_config) > 1:
            raise ConfigError(
                f"env.frame_stack={frame_stack(self.env_config)}: the world model remembers by itself, and its replay "
                "holds single frames. Leave it at 1."
            )

    def replay_bytes(self, space: Space) -> int:
        """Return the size of the replay's files, less than a hundredth of it left out: actions, rewards, flags."""
        kept = self.options.replay_capacity + ring_slack(self.options.replay_capacity)
        return int(kept * (observation_bytes(space) + _KEPT_BYTES * self._state_dim))

    def fragment_bytes(self, space: Space) -> int:
        """Return the size of what a runner sends at a time, states included."""
        num_states = self.rollout_steps * self.num_envs_per_env_runner
        return super().fragment_bytes(space) + _SENT_BYTES * num_states * self._state_dim

    @property
    def _state_dim(self) -> int:
        """Numbers of a state; 0 for a model that is none of ours, which is refused later."""
        return int(self.encoder.get("deter", 0) + self.encoder.get("latents", 0))

    def module_options(self) -> dict[str, Any]:
        """Return the RLModule's `model_config`."""
        return {
            "encoder": self.encoder,
            "precision": self.precision,
            "head": self.options.head,
            "shared_encoder": True,
        }

    def get_default_rl_module_spec(self) -> RLModuleSpec:
        """Return the spec of our module."""
        return self.module_spec(DreamerModule)

    def get_default_learner_class(self) -> type[DreamerLearner]:
        """Return our learner."""
        return DreamerLearner


class Dreamer(ReplayAlgorithm):
    """DreamerV3."""

    replay: SequenceReplay
    _sequence_length = 1  # runners send their state before every slot

    @classmethod
    def get_default_config(cls) -> DreamerConfig:
        """Return the config class that belongs to this algorithm."""
        return DreamerConfig()

    def setup(self, config: Any) -> None:
        """Build runners and learner."""
        super().setup(config)
        self._learnt_states: tuple[Any, Any] | None = None

    @property
    def updates_per_decision(self) -> float:
        """Updates for each decision received."""
        return float(self.config.options.train_ratio / self.config.options.slots_per_update)

    def start_replay(self, folder: Path, may_be_lost: bool = False) -> None:
        """Open the replay in this folder."""
        self._is_replay_lost = may_be_lost and not folder.exists()
        options, config = self.config.options, self.config
        single, _ = self.spaces["__env_single__"]
        images, vectors = observation_parts(single)
        self.replay = SequenceReplay(
            folder,
            images={name: cast(tuple[int, int, int], box.shape) for name, box in images.items()},
            vectors={name: box.shape[0] for name, box in vectors.items()},
            action_dim=self.learner.net.actor.action_dim,
            state_dim=self.learner.net.state_dim,
            capacity=options.replay_capacity,
            num_streams=config.num_env_runners * config.num_envs_per_env_runner,
            length=options.sequence_length,
            seed=config.seed,
        )

    def set_lr(self) -> None:
        """Let the learning rate rise over the first updates."""
        share = (self.updates + 1) / (self.config.options.warmup_updates + 1)
        self.learner.set_lr(min(1.0, share) * self.scheduled_lr())

    def learn_once(self) -> dict[str, Any]:
        """Learn from one batch of sequences."""
        self.set_lr()
        batch = self.replay.sample(self.config.options.batch_size)
        losses: dict[str, Any] = self.learner_group.update(batch=batch)[0]
        # Those of the update before: to wait for this one's here would let a GPU idle.
        self._keep_states()
        self._learnt_states = batch["places"], losses.pop("states")
        return losses

    def _learn(self) -> None:
        """Make the updates that are due, and say what ratio came of it: only then do all decisions count that do."""
        before = self.updates
        super()._learn()
        if self.updates == before:
            return
        options = self.config.options
        ratio = self.updates * options.slots_per_update / self._decisions_counted
        self.losses["train_ratio"] = ratio
        if self.updates // _SAID_EVERY > before // _SAID_EVERY:
            logger.info(
                "%d updates of %d slots each: %.4g slots for each of %d decisions (algo.training.train_ratio=%g).",
                self.updates,
                options.slots_per_update,
                ratio,
                self._decisions_counted,
                options.train_ratio,
            )

    def _keep_states(self) -> None:
        if self._learnt_states is not None:
            places, states = self._learnt_states
            self.replay.update_states(places, states.cpu().numpy())
            self._learnt_states = None

    def film(self, folder: Path) -> None:
        """Leave a video of real, reconstructed and imagined pictures, where there is something to show."""
        net = self.learner.net
        if self.updates and self.replay.has_sequences and net.world_model.image is not None:
            path = folder / folders.DREAMS / f"frames_{self.frames:012d}.mp4"
            write_dream(net, self.replay.peek(_FILMED), self.learner._device, path)

    def training_state(self) -> dict[str, Any]:
        """Return all that training goes on from; of the replay only its index: the data lies in the run folder."""
        self._keep_states()
        return super().training_state()
