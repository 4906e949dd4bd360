"""Train RLlib's own PPO or SAC on the cars of a Roblox game, or of twins: `python -m examples.roblox.rllib_train`.

The suite's own `python run.py env=roblox` is faster and does more; this is for those who come from RLlib.
"""

import argparse
import logging
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import ray.tune
from gymnasium.envs.registration import VectorizeMode
from ray.rllib.algorithms.algorithm_config import AlgorithmConfig
from ray.rllib.algorithms.ppo import PPOConfig
from ray.rllib.algorithms.sac import SACConfig
from ray.rllib.env.env_errors import StepFailedRecreateEnvError

from envs.errors import SimulatorUnavailable
from envs.native_vector import Step
from envs.roblox.vector import RobloxVectorEnv

ENV = "chicane-roblox"


class RllibRoblox(RobloxVectorEnv):
    """The cars, with the one error that RLlib answers by building the env anew: the port and the game outlive it."""

    def step(self, actions: npt.NDArray[Any]) -> Step:
        """Step every car.

        Raises:
            StepFailedRecreateEnvError: no game came back within `reconnect_timeout_s`.
        """
        try:
            return super().step(np.asarray(actions))
        except SimulatorUnavailable as error:
            raise StepFailedRecreateEnvError(str(error)) from error


def make_cars(context: Mapping[str, Any]) -> RllibRoblox:
    """Return the vector env that RLlib asks for: its config holds `num_envs` beside the env's own keys."""
    arguments = dict(context)
    return RllibRoblox(arguments.pop("num_envs"), **arguments)


def build_config(algo: str, *, cars: int, env: dict[str, Any]) -> AlgorithmConfig:
    """Return a config of RLlib's PPO or SAC over `cars` cars.

    Args:
        algo: `ppo` or `sac`.
        cars: of one runner.
        env: arguments of `RobloxEnv`.
    """
    ray.tune.register_env(ENV, make_cars)
    config: Any = PPOConfig() if algo == "ppo" else SACConfig()
    config = config.environment(ENV, env_config=env)
    config = config.env_runners(
        num_env_runners=0,
        num_envs_per_env_runner=cars,
        gym_env_vectorize_mode=VectorizeMode.VECTOR_ENTRY_POINT,
        sample_timeout_s=1800.0,  # somebody has to start the game
        rollout_fragment_length=64 if algo == "ppo" else 1,
    )
    config = config.fault_tolerance(restart_failed_sub_environments=True)
    if algo == "ppo":
        return config.training(  # type: ignore[no-any-return]
            train_batch_size_per_learner=64 * cars, minibatch_size=256, num_epochs=4, lr=3e-4
        )
    return config.training(  # type: ignore[no-any-return]
        train_batch_size_per_learner=256, num_steps_sampled_before_learning_starts=1000, actor_lr=3e-4, critic_lr=3e-4
    )


def main() -> None:
    """Train for some iterations, and print the mean return of each."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--algo", choices=("ppo", "sac"), default="ppo")
    parser.add_argument("--cars", type=int, default=20)
    parser.add_argument("--iterations", type=int, default=100)
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--lockstep", action="store_true", help="twins in this process, instead of a game")
    chosen = parser.parse_args()
    logging.basicConfig(level=logging.INFO)
    env: dict[str, Any] = {"twin": "lockstep", "games": 1} if chosen.lockstep else {"port": chosen.port}
    algorithm = build_config(chosen.algo, cars=chosen.cars, env=env | {"episode_steps": 1500}).build_algo()
    for iteration in range(chosen.iterations):
        runners = algorithm.train()["env_runners"]
        logging.info("%d: return %s", iteration, runners.get("episode_return_mean", "none yet"))
    algorithm.stop()


if __name__ == "__main__":
    main()
