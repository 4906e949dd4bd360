"""The keys of `algo.training` for DreamerV3, and which of them go together."""

from typing import Any

from pydantic import Field

from envs.errors import ConfigError
from experiments.config import ScheduledOptions


class DreamerOptions(ScheduledOptions):
    """The keys of `algo.training` for DreamerV3."""

    lr_end: float = Field(0.0, ge=0)  # runs from before the rate could fall have neither …
    lr_decay_frames: int | None = Field(None, gt=0)  # … and go on with a constant one
    warmup_updates: int = Field(ge=0)  # over which the learning rate rises from 0
    agc: float = Field(gt=0)  # adaptive gradient clipping: longest gradient of a tensor, in its own lengths
    gamma: float = Field(gt=0, lt=1)  # discount per decision
    return_lambda: float = Field(ge=0, le=1)
    horizon: int = Field(ge=1)  # imagined decisions
    imagine_last: int | None = Field(ge=2)  # slots of each sequence that dreams set in at, the last ones; null: all
    entropy_coeff: float = Field(ge=0)
    free_nats: float = Field(ge=0)
    dynamics_coeff: float = Field(ge=0)
    representation_coeff: float = Field(ge=0)
    replay_value_coeff: float = Field(ge=0)
    replay_value_gradient: bool  # whether the critic's loss on what was driven reaches the world model
    slow_rate: float = Field(gt=0, le=1)  # by which the critic's average follows it
    batch_size: int = Field(ge=1)  # sequences
    sequence_length: int = Field(ge=2)  # slots
    train_ratio: float = Field(gt=0)  # slots learnt from, over and over, for each decision
    replay_capacity: int = Field(ge=1)  # decisions
    start_after_decisions: int = Field(ge=1)  # decisions at random before the first update
    rollout_steps: int = Field(ge=1)  # decisions of each env between two exchanges with the learner
    weight_sync_every: int = Field(ge=1)  # exchanges between two deliveries of weights to the runners
    head: dict[str, Any]  # `_target_` and sizes of the policy

    @property
    def slots_per_update(self) -> int:
        """Slots that one update learns from."""
        return self.batch_size * self.sequence_length

    def check(self, streams: int) -> None:
        """Raise a ConfigError if sequences, replay, ratio and so many envs do not go together."""
        if (self.imagine_last or 0) > self.sequence_length:
            raise ConfigError(
                f"algo.training.imagine_last={self.imagine_last}: a sequence has only sequence_length="
                f"{self.sequence_length} slots. Choose fewer, or null: all."
            )
        self._check_replay(streams)
        self._check_ratio()

    def _check_replay(self, streams: int) -> None:
        needed = streams * (self.sequence_length + 1)
        if self.replay_capacity < needed:
            raise ConfigError(
                f"algo.training.replay_capacity={self.replay_capacity}: {streams} envs need at least {needed} "
                f"decisions to hold one sequence of sequence_length={self.sequence_length} each, and the slot before "
                "it. Ask for more, for shorter sequences or for fewer envs."
            )
        if not needed <= self.start_after_decisions <= self.replay_capacity:
            raise ConfigError(
                f"algo.training.start_after_decisions={self.start_after_decisions}: expected at least {needed}, a "
                f"sequence of sequence_length={self.sequence_length} and the slot before it for each of {streams} "
                f"envs, and at most replay_capacity={self.replay_capacity}."
            )

    def _check_ratio(self) -> None:
        least = self.slots_per_update / self.replay_capacity
        if self.train_ratio < least:
            raise ConfigError(
                f"algo.training.train_ratio={self.train_ratio:g}: an update learns from {self.slots_per_update} "
                f"slots (batch_size x sequence_length), so that replay would forget all its {self.replay_capacity} "
                f"decisions between two updates. Expected at least {least:.2g}."
            )
