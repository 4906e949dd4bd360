"""Whether an exported policy acts as its checkpoint: both are asked about the same observations."""

import logging
from collections.abc import Generator
from contextlib import closing
from dataclasses import dataclass
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.vector.utils import batch_space

from envs.errors import ConfigError
from envs.factory import make_vector_env
from experiments.drive import Policy
from experiments.policy_description import PolicyDescription

logger = logging.getLogger(__name__)

TOLERANCE = 1e-4  # in units of the action box: sums in another order move float32 by a thousandth of that
_NUM_ENVS, _NUM_DECISIONS = 8, 32  # 256 observations
_SEED = 0
_NEW_EPISODE = 0.1  # chance that a random observation begins an episode

# Yields observations `(N, …)` and where episodes begin `(N,)`; is sent the actions.
_Moments = Generator[tuple[Any, npt.NDArray[np.bool_]], npt.NDArray[Any], None]


@dataclass(frozen=True)
class Comparison:
    """How far an exported policy is from its checkpoint.

    Attributes:
        difference: Largest of all actions' components, in units of the env's action box; NaN if an action is. Of
            choices the largest difference of their numbers: one that is another lies beyond the tolerance.
        num_observations: How many were asked about.
        source: Where the observations come from, for people.
    """

    difference: float
    num_observations: int
    source: str

    @property
    def is_close(self) -> bool:
        """Whether the difference lies within the tolerance; NaN does not."""
        return self.difference <= TOLERANCE


def compare(exported: Policy, checkpoint: Policy, description: PolicyDescription) -> Comparison:
    """Let the checkpoint drive the policy's own env, and ask both what they do; each keeps frames and state itself.

    Where the env cannot be had here (its simulator does not run), observations are drawn at random from its space.
    """
    try:
        envs = make_vector_env(description.env, num_envs=_NUM_ENVS, training=False)
    except (ConfigError, OSError, gym.error.Error) as error:
        logger.warning("The env cannot be driven here (%s): observations are random.", error)
        difference = _largest_difference(exported, checkpoint, _random_moments(description.observation_space))
        return Comparison(difference, _NUM_ENVS * _NUM_DECISIONS, "random observations")
    with closing(envs):
        difference = _largest_difference(exported, checkpoint, _driven_moments(envs))
    return Comparison(difference, _NUM_ENVS * _NUM_DECISIONS, f"observations of {description.training['env']}")


def _largest_difference(exported: Policy, checkpoint: Policy, moments: _Moments) -> float:
    exported.start(_NUM_ENVS)
    checkpoint.start(_NUM_ENVS)
    largest = 0.0
    observation, is_first = next(moments)
    for _ in range(_NUM_DECISIONS):
        actions = checkpoint.act(observation, is_first)
        largest = float(np.maximum(largest, np.abs(exported.act(observation, is_first) - actions).max()))
        observation, is_first = moments.send(actions)
    return largest


def _driven_moments(envs: gym.vector.VectorEnv[Any, Any, Any]) -> _Moments:
    observation, _ = envs.reset(seed=_SEED)
    is_first, is_over = np.ones(_NUM_ENVS, np.bool_), np.zeros(_NUM_ENVS, np.bool_)
    while True:
        actions = yield observation, is_first
        observation, _, terminated, truncated, _ = envs.step(actions)
        is_first, is_over = is_over, terminated | truncated  # they reset themselves one step after an episode's end


def _random_moments(space: gym.Space[Any]) -> _Moments:
    batched = batch_space(space, _NUM_ENVS)
    batched.seed(_SEED)
    random = np.random.default_rng(_SEED)
    is_first = np.ones(_NUM_ENVS, np.bool_)
    while True:
        yield batched.sample(), is_first
        is_first = random.random(_NUM_ENVS) < _NEW_EPISODE
