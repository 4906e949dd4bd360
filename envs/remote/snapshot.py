"""A served game at one moment, and what a reader is told of it."""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.remote.fold import Delivery


@dataclass(eq=False)
class Snapshot:
    """One moment of a game.

    Attributes:
        observation: the env's own.
        info: the env's own.
        tick: of the game, over all episodes; it never falls.
        episode: counts from 1.
        steps: ticks of this episode.
        total_reward: of this episode.
        seed: with which the episode was begun, if any.
        track_id: 16 hex digits, see `World.track_id`.
        t_sim: seconds simulated in this episode.
        t_wall: Unix seconds.
        telemetry: filled when somebody looks.
        picture: `(H, W, 3)` uint8; drawn when somebody looks.
    """

    observation: Any
    info: dict[str, Any]
    tick: int
    episode: int
    steps: int
    total_reward: float
    seed: int | None
    track_id: str | None
    t_sim: float
    t_wall: float
    telemetry: dict[str, Any] = field(default_factory=dict)
    picture: npt.NDArray[np.uint8] | None = None


@dataclass(frozen=True)
class Told:
    """What one reader is told by one answer.

    Attributes:
        game_id: number of the game.
        delivery: the ticks since the last answer; its observation is a `Snapshot`.
        is_reset: the answer begins an episode.
        rejected_actions: that this reader has sent so far.
    """

    game_id: int
    delivery: Delivery
    is_reset: bool = False
    rejected_actions: int = 0

    @property
    def snapshot(self) -> Snapshot:
        """The moment that the answer shows."""
        snapshot = self.delivery.observation
        assert isinstance(snapshot, Snapshot)
        return snapshot
