"""The env runner: drives `N` envs with the current policy and returns dense fragments of single frames."""

from pathlib import Path
from typing import TYPE_CHECKING, Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
import ray
import torch
from ray.rllib.core import DEFAULT_MODULE_ID
from ray.rllib.core.columns import Columns
from ray.rllib.env import INPUT_ENV_SINGLE_SPACES, INPUT_ENV_SPACES
from ray.rllib.env.env_runner import EnvRunner
from ray.rllib.utils.checkpoints import Checkpointable

from envs.action_coding import action_coding
from envs.factory import make_vector_env
from envs.stacking import FrameStacker, as_parts, frame_stack, observation_parts
from experiments.allocation import keep_memory
from experiments.deterministic import leave_compiler_out
from experiments.episode_accounts import EpisodeAccounts
from experiments.fragment import Fragment
from experiments.fragment_rows import FragmentRows
from experiments.logs import log_to
from experiments.spaces import module_space
from models.memory import Memory

if TYPE_CHECKING:
    from experiments.profiling.calls import CallProfile, ProcessProfile

MODULE_STATE = "rl_module"


class RacingEnvRunner(EnvRunner, Checkpointable):
    """Steps a vector env and records what the learner needs, nothing else.

    RLlib's own runner keeps one episode object an env, and passes every step through a dozen connectors. Here a step
    writes one row of preallocated arrays; frames are stacked for the policy but leave the runner single.
    """

    # RLlib types these as optional; after the constructor they are there.
    config: Any
    env: Any
    module: Any

    def __init__(self, *, config: Any, **kwargs: Any) -> None:
        """Build envs and policy, on one thread: runners share their machine with each other and the learner."""
        torch.set_num_threads(1)
        if config.log_file is not None:
            log_to(Path(config.log_file))
        leave_compiler_out()
        super().__init__(config=config, **kwargs)
        keep_memory()
        self._stack = frame_stack(self.config.env_config)
        self.num_envs = self.config.num_envs_per_env_runner
        self._started = False
        self._profile: CallProfile | None = None
        self._age = np.zeros(self.num_envs, np.int32)
        self._done = np.zeros(self.num_envs, bool)
        self.make_env()
        self.make_module()

    def make_env(self) -> None:
        """Build the envs; their tracks are chosen when sampling starts, which knows how far training is."""
        self._build_env(start=0)

    def _build_env(self, start: int) -> None:
        if self.env is not None:
            self.env.close()
        self.env = make_vector_env(
            self.config.env_config,
            num_envs=self.num_envs,
            training=True,
            seed=self.config.seed,
            runner=max(self.worker_index - 1, 0),  # remote ones count from 1
            num_runners=max(self.config.num_env_runners, 1),
            start=start,
        )
        images, vectors = observation_parts(self.env.single_observation_space)
        self._vector_dims = {name: box.shape[0] for name, box in vectors.items()}
        self._stacker = FrameStacker(self.num_envs, self._stack, images)
        self._coding = action_coding(self.env.single_action_space)

    def get_spaces(self) -> dict[str, tuple[gym.Space, gym.Space]]:
        """Return the env's spaces and those that the RLModule sees: a dict of stacked images and vectors."""
        single = (self.env.single_observation_space, self.env.single_action_space)
        return {
            INPUT_ENV_SPACES: (self.env.observation_space, self.env.action_space),
            INPUT_ENV_SINGLE_SPACES: single,
            DEFAULT_MODULE_ID: (module_space(single[0], self._stack), single[1]),
        }

    def make_module(self) -> None:
        """Build the policy without what only the learner needs."""
        self.module = self.config.get_rl_module_spec(spaces=self.get_spaces(), inference_only=True).build()
        self.module.eval()

    def sample(  # type: ignore[override] # RLlib leaves the arguments to each runner
        self,
        *,
        num_steps: int,
        start: int,
        random_actions: bool = False,
        weights: ray.ObjectRef | None = None,
        sequence_length: int | None = None,
        noise: float = 1.0,
    ) -> Fragment:
        """Take `num_steps` steps in every env.

        Args:
            num_steps: Steps of the vector env.
            start: Decisions that training had taken when this was asked for. When the runner is new (at the start,
                after a resume or a crash), it decides the tracks and the random numbers, so that no run repeats them.
            random_actions: Draw actions uniformly instead of asking the policy.
            weights: The policy to drive with; None for the one that is here.
            sequence_length: Send the state of a policy with a memory before every so many steps; None: not at all.
            noise: How wide the policy's distributions are, see `ActionHead`.
        """
        if weights is not None:
            self.module.set_state(ray.get(weights))
        if not self._started:
            self._begin(start)
        self.module.actor.head.noise = noise
        rows = FragmentRows(num_steps, self.num_envs, self._stacker, self._vector_dims, self._coding.dim)
        for step in range(num_steps):
            rows.write_observation(step, self._observation, self._age)
            if self._state is not None and sequence_length is not None and step % sequence_length == 0:
                rows.add_state(self._state.numpy())
            actions = self._random_actions(rows, step) if random_actions else self._act(rows, step)
            resetting = self._done
            observation, rewards, terminated, truncated, infos = self.env.step(self._coding.to_env(actions))
            rows.write_step(step, rewards, terminated, truncated, ~resetting)
            self._done = terminated | truncated
            self._age = np.where(resetting, 0, self._age + 1).astype(np.int32)
            self._accounts.add(rewards, infos, ~resetting, self._done)
            self._observe(observation)
        rows.write_observation(num_steps, self._observation, self._age)
        if self.module.drives_with_critic and not random_actions:
            with torch.no_grad():
                rows.add_values(self.module.values(self._seen(), self._memory()).numpy())
        return rows.fragment(*self._accounts.take())

    def _begin(self, start: int) -> None:
        """Start all episodes anew on tracks that no other runner, and no earlier part of this run, has driven."""
        self._build_env(start)
        seeds = np.random.SeedSequence([self.config.seed, self.worker_index, start])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        self._random = np.random.default_rng(seeds)
        self._age = np.zeros(self.num_envs, np.int32)
        self._done = np.zeros(self.num_envs, bool)
        self._accounts = EpisodeAccounts(self.num_envs)
        size = (self.num_envs, self.module.state_dim)
        self._state = torch.zeros(size) if self.module.state_dim else None
        observation, _ = self.env.reset()
        self._observe(observation)
        self._started = True

    def _observe(self, observation: Any) -> None:
        self._observation = as_parts(observation)
        images = {name: part for name, part in self._observation.items() if name not in self._vector_dims}
        vectors = {name: part for name, part in self._observation.items() if name in self._vector_dims}
        self._stacked = {**self._stacker.push(images, self._age == 0), **vectors}

    def _seen(self) -> dict[str, torch.Tensor]:
        return {name: torch.from_numpy(part) for name, part in self._stacked.items()}

    def _memory(self) -> Memory | None:
        if self._state is None:
            return None
        return Memory.of_one_step(self._state, torch.from_numpy(self._age == 0))

    def _act(self, rows: FragmentRows, step: int) -> npt.NDArray[np.float32]:
        """Ask the policy for actions, and write what it decided."""
        with torch.no_grad():
            driven = self.module.forward_exploration({Columns.OBS: self._seen(), Columns.STATE_IN: self._memory()})
        self._state = driven.pop(Columns.STATE_OUT, None)
        out = {name: part.numpy() for name, part in driven.items()}
        rows.write_decision(step, out[Columns.ACTIONS], out[Columns.ACTION_LOGP])
        if self.module.drives_with_critic:
            rows.add_values(out[Columns.VF_PREDS])
        return out[Columns.ACTIONS]

    def _random_actions(self, rows: FragmentRows, step: int) -> npt.NDArray[np.float32]:
        """Draw actions uniformly, and write them."""
        actions, log_probs = self._coding.random(self._random, self.num_envs)
        rows.write_decision(step, actions, log_probs)
        return actions

    def start_profile(self) -> None:
        """Begin to profile this process."""
        from experiments.profiling.calls import CallProfile  # pyinstrument: only where it is asked for

        self._profile = CallProfile(f"runner_{self.worker_index}")
        self._profile.start()

    def take_profile(self, num_functions: int) -> "ProcessProfile | None":
        """Stop profiling and return what was found; None if this runner replaced the one that began."""
        if self._profile is None:
            return None
        self._profile.stop()
        profile, self._profile = self._profile, None
        return profile.result(num_functions)

    def assert_healthy(self) -> None:
        """Check that envs and policy stand."""
        assert self.env is not None
        assert self.module is not None

    def get_metrics(self) -> dict[str, Any]:
        """Return nothing: what there is to know travels in the fragments."""
        return self.metrics.reduce()

    def get_state(self, components: Any = None, *, not_components: Any = None, **kwargs: Any) -> dict[str, Any]:
        """Return the policy's weights."""
        return {MODULE_STATE: self.module.get_state()}

    def set_state(self, state: dict[str, Any]) -> None:
        """Take over a policy's weights, given as they are or by reference."""
        weights = state.get(MODULE_STATE)
        if weights is not None:
            weights = ray.get(weights) if isinstance(weights, ray.ObjectRef) else weights
            self.module.set_state(weights.get(DEFAULT_MODULE_ID, weights))

    def get_ctor_args_and_kwargs(self) -> tuple[tuple, dict[str, Any]]:
        """Return what rebuilds this runner."""
        return (), {"config": self.config}

    def get_checkpointable_components(self) -> list[tuple[str, Any]]:
        """Return the policy, the only part with a state."""
        return [(MODULE_STATE, self.module)]

    def stop(self) -> None:
        """Close the envs."""
        if self.env is not None:
            self.env.close()
