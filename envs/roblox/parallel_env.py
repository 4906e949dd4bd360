"""The same cars as a PettingZoo `ParallelEnv`, for those who come from there: `pip install -e .[pettingzoo]`."""

from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envs.roblox.vector import RobloxVectorEnv

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise ImportError(f"RobloxParallelEnv needs PettingZoo ({error}): pip install -e .[pettingzoo].") from error

Observation = npt.NDArray[np.float32]
Steps = tuple[
    dict[str, Observation], dict[str, float], dict[str, bool], dict[str, bool], dict[str, dict[str, Any]]
]  # fmt: skip


class RobloxParallelEnv(ParallelEnv[str, Observation, npt.NDArray[np.float32]]):
    """Drive N cars, each an agent: `car_0` … `car_{N-1}`.

    In the game a car whose episode ends begins the next one by itself; an agent is done then, and gone until `reset`.
    Its car is given zero actions meanwhile.

    Args:
        num_cars: N.
        arguments: of `envs.roblox.env.RobloxEnv`: `twin="lockstep", games=1` drives all in one twin.

    Raises:
        ConfigError: an argument has the wrong type or value, or the port is taken.
    """

    metadata = {"name": "chicane_roblox_v0", "render_modes": [], "is_parallelizable": True}  # noqa: RUF012 (PettingZoo's)

    def __init__(self, num_cars: int = 5, **arguments: Any) -> None:
        self.vector_env = RobloxVectorEnv(num_cars, **arguments)
        self.render_mode = None
        self.possible_agents = [f"car_{number}" for number in range(num_cars)]
        self.agents: list[str] = []
        vector = self.vector_env
        self.observation_spaces = {name: vector.single_observation_space for name in self.possible_agents}
        self.action_spaces = {name: vector.single_action_space for name in self.possible_agents}

    def observation_space(self, agent: str) -> gym.Space[Any]:
        """Return what an agent sees: a box of as many numbers as its vehicle shows."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> gym.Space[Any]:
        """Return what an agent may do, in the order of `actions`."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Begin an episode with every car, and wait for those that are not there.

        Args:
            seed: of the first car; the others count up.
            options: of the vector env.
        """
        observations, infos = self.vector_env.reset(seed=seed, options=options)
        self.agents = list(self.possible_agents)
        rows = range(len(self.agents))
        return (
            {self.agents[row]: observations[row].copy() for row in rows},
            {self.agents[row]: _info_of(infos, row) for row in rows},
        )

    def step(self, actions: Mapping[str, npt.NDArray[np.float32]]) -> Steps:
        """Drive every agent one decision; those whose episodes end are gone from `agents` after it.

        Args:
            actions: of each agent in `agents`; without one, a car gets zeros.
        """
        shape = self.vector_env.single_action_space.shape or ()
        driven = np.zeros((len(self.possible_agents), *shape), np.float32)
        rows = {name: self.possible_agents.index(name) for name in self.agents}
        for name, row in rows.items():
            if name in actions:
                driven[row] = actions[name]
        observations, rewards, terminated, truncated, infos = self.vector_env.step(driven)
        self.agents = [name for name, row in rows.items() if not (terminated[row] or truncated[row])]
        return (
            {name: observations[row].copy() for name, row in rows.items()},
            {name: float(rewards[row]) for name, row in rows.items()},
            {name: bool(terminated[row]) for name, row in rows.items()},
            {name: bool(truncated[row]) for name, row in rows.items()},
            {name: _info_of(infos, row) for name, row in rows.items()},
        )

    def render(self) -> None:
        """Show nothing: the game has a window of its own."""

    def close(self) -> None:
        """Let go of the games; a second call does nothing."""
        self.vector_env.close()


def _info_of(infos: Mapping[str, Any], row: int) -> dict[str, Any]:
    """Return one car's info out of a vector env's: `_NAME` says which cars have NAME."""
    names = [name for name in infos if not name.startswith("_")]
    return {name: infos[name][row] for name in names if f"_{name}" not in infos or infos[f"_{name}"][row]}
