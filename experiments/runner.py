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

from envs.contract import FAULT, FRAMES, LAP_TIME_S, OFF_TRACK, unsquash
from envs.factory import make_vector_env
from envs.stacking import FrameStacker, as_parts, frame_stack, observation_parts
from experiments.allocation import keep_memory
from experiments.fragment import EpisodeOutcome, Fragment
from experiments.logs import log_to
from experiments.spaces import module_space

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
        self, *, num_steps: int, start: int, random_actions: bool = False, weights: ray.ObjectRef | None = None
    ) -> Fragment:
        """Take `num_steps` steps in every env.

        Args:
            num_steps: Steps of the vector env.
            start: Decisions that training had taken when this was asked for. When the runner is new (at the start,
                after a resume or a crash), it decides the tracks and the random numbers, so that no run repeats them.
            random_actions: Draw actions uniformly instead of asking the policy.
            weights: The policy to drive with; None for the one that is here.
        """
        if weights is not None:
            self.module.set_state(ray.get(weights))
        if not self._started:
            self._begin(start)
        action_dim = self.env.single_action_space.shape[0]
        rows = _Rows(num_steps, self.num_envs, self._stacker, self._vector_dims, action_dim)
        low, high = self.env.single_action_space.low, self.env.single_action_space.high
        outcomes: list[EpisodeOutcome] = []
        frames = 0
        for step in range(num_steps):
            rows.write_observation(step, self._observation, self._age)
            actions = self._random_actions(rows, step) if random_actions else self._act(rows, step)
            resetting = self._done
            observation, rewards, terminated, truncated, infos = self.env.step(unsquash(actions, low, high))
            rows.write_step(step, rewards, terminated, truncated, ~resetting)
            self._done = terminated | truncated
            self._age = np.where(resetting, 0, self._age + 1).astype(np.int32)
            frames += self._count(rewards, infos, ~resetting, outcomes)
            self._observe(observation)
        rows.write_observation(num_steps, self._observation, self._age)
        if self.module.drives_with_critic and not random_actions:
            with torch.no_grad():
                rows.write_values(num_steps, self.module.values(self._seen()).numpy())
        return rows.fragment(frames, outcomes)

    def _begin(self, start: int) -> None:
        """Start all episodes anew on tracks that no other runner, and no earlier part of this run, has driven."""
        self._build_env(start)
        seeds = np.random.SeedSequence([self.config.seed, self.worker_index, start])
        torch.manual_seed(int(seeds.generate_state(1)[0]))
        self._random = np.random.default_rng(seeds)
        self._age = np.zeros(self.num_envs, np.int32)
        self._done = np.zeros(self.num_envs, bool)
        self._returns, self._frames = np.zeros(self.num_envs), np.zeros(self.num_envs, np.int64)
        self._decisions, self._off_track = np.zeros(self.num_envs, np.int64), np.zeros(self.num_envs, np.int64)
        self._lap_times: list[list[float]] = [[] for _ in range(self.num_envs)]
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

    def _act(self, rows: "_Rows", step: int) -> npt.NDArray[np.float32]:
        """Ask the policy for actions, and write what it decided."""
        with torch.no_grad():
            driven = self.module.forward_exploration({Columns.OBS: self._seen()})
        out = {name: part.numpy() for name, part in driven.items()}
        rows.write_decision(step, out[Columns.ACTIONS], out[Columns.ACTION_LOGP])
        if self.module.drives_with_critic:
            rows.write_values(step, out[Columns.VF_PREDS])
        return out[Columns.ACTIONS]

    def _random_actions(self, rows: "_Rows", step: int) -> npt.NDArray[np.float32]:
        """Draw actions uniformly, and write them."""
        size = (self.num_envs, *self.env.single_action_space.shape)
        actions = self._random.uniform(-1.0, 1.0, size).astype(np.float32)
        rows.write_decision(step, actions, np.full(self.num_envs, -size[1] * np.log(2.0), np.float32))
        return actions

    def _count(
        self,
        rewards: npt.NDArray[np.float64],
        infos: dict[str, Any],
        valid: npt.NDArray[np.bool_],
        outcomes: list[EpisodeOutcome],
    ) -> int:
        """Add one step to the episodes' accounts, close those that ended, and return the frames simulated."""
        frames = np.where(valid, infos.get(FRAMES, np.ones(self.num_envs, np.int64)), 0).astype(np.int64)
        self._frames += frames
        self._returns += np.where(valid, rewards, 0.0)
        self._decisions += valid
        self._off_track += valid & np.asarray(infos.get(OFF_TRACK, False), bool)
        for env in np.flatnonzero(valid & infos.get(f"_{LAP_TIME_S}", np.zeros(self.num_envs, bool))):
            self._lap_times[env].append(float(infos[LAP_TIME_S][env]))
        outcomes.extend(self._close_episode(int(env), infos) for env in np.flatnonzero(self._done & valid))
        return int(frames.sum())

    def _close_episode(self, env: int, infos: dict[str, Any]) -> EpisodeOutcome:
        fault = str(infos[FAULT][env]) if FAULT in infos and infos[f"_{FAULT}"][env] else None
        outcome = EpisodeOutcome(
            episode_return=float(self._returns[env]),
            frames=int(self._frames[env]),
            decisions=int(self._decisions[env]),
            off_track_share=float(self._off_track[env] / max(1, self._decisions[env])),
            lap_times_s=tuple(self._lap_times[env]),
            fault=fault,
        )
        self._returns[env] = self._frames[env] = self._decisions[env] = self._off_track[env] = 0
        self._lap_times[env] = []
        return outcome

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


class _Rows:
    """The arrays of a fragment while it is being filled."""

    def __init__(
        self, num_steps: int, num_envs: int, stacker: FrameStacker, vector_dims: dict[str, int], action_dim: int
    ) -> None:
        size = (num_steps, num_envs)
        self._images: dict[str, npt.NDArray[np.uint8]] = {}
        for name, history in stacker.history().items():
            self._context = len(history)
            rows = np.empty((self._context + num_steps + 1, *history.shape[1:]), np.uint8)
            rows[: self._context] = history
            self._images[name] = rows
        self._vectors = {n: np.empty((num_steps + 1, num_envs, d), np.float32) for n, d in vector_dims.items()}
        self._age = np.empty((num_steps + 1, num_envs), np.int32)
        self._actions = np.empty((*size, action_dim), np.float32)
        self._log_probs, self._rewards = np.empty(size, np.float32), np.empty(size, np.float32)
        self._values: npt.NDArray[np.float32] | None = None
        self._values_size = (num_steps + 1, num_envs)
        self._terminated, self._truncated, self._valid = (np.empty(size, bool) for _ in range(3))

    def write_observation(self, row: int, observation: dict[str, Any], age: npt.NDArray[np.int32]) -> None:
        for name, rows in self._images.items():
            rows[self._context + row] = observation[name]
        for name, vectors in self._vectors.items():
            vectors[row] = observation[name]
        self._age[row] = age

    def write_decision(self, row: int, actions: npt.NDArray[np.float32], log_probs: npt.NDArray[np.float32]) -> None:
        self._actions[row], self._log_probs[row] = actions, log_probs

    def write_values(self, row: int, values: npt.NDArray[np.float32]) -> None:
        if self._values is None:
            self._values = np.empty(self._values_size, np.float32)
        self._values[row] = values

    def write_step(
        self,
        row: int,
        rewards: npt.NDArray[np.float64],
        terminated: npt.NDArray[np.bool_],
        truncated: npt.NDArray[np.bool_],
        valid: npt.NDArray[np.bool_],
    ) -> None:
        self._rewards[row] = rewards
        self._terminated[row], self._truncated[row], self._valid[row] = terminated, truncated, valid

    def fragment(self, frames: int, outcomes: list[EpisodeOutcome]) -> Fragment:
        return Fragment(
            images=self._images,
            vectors=self._vectors,
            age=self._age,
            actions=self._actions,
            log_probs=self._log_probs,
            values=self._values,
            rewards=self._rewards,
            terminated=self._terminated,
            truncated=self._truncated,
            valid=self._valid,
            frames=frames,
            outcomes=outcomes,
        )
