"""`python -m benchmarks.ppo_loop`: PPO as a plain loop without RLlib, the yardstick for what the suite's own costs.

The env, networks and schedule of a run's config (algo=ppo), written for nothing but speed: processes that drive share
memory with the learner, so that neither frames nor weights travel, and values are computed where the driver has the
features anyway. It counts nothing, saves nothing and survives nothing.
"""

import argparse
import contextlib
import time
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
import torch
from torch import multiprocessing, nn

from benchmarks.ours import plan_of
from benchmarks.setting import run_config
from envs.contract import unsquash
from envs.factory import make_vector_env
from envs.stacking import FrameStacker, as_parts, frame_stack, observation_parts
from experiments.allocation import keep_memory
from experiments.plan import Plan
from experiments.spaces import module_space
from models.actor import Actor
from models.heads import ValueHead

DEADLINE_S = 120.0  # of a rollout


class Network(nn.Module):
    """Actor and value head on one encoder."""

    def __init__(self, config: dict[str, Any], observation_space: Any, action_space: Any) -> None:
        super().__init__()
        training = config["algo"]["training"]
        self.actor = Actor(
            observation_space=observation_space,
            action_space=action_space,
            encoder=config["model"],
            head=training["head"],
        )
        self.critic = ValueHead(feature_dim=self.actor.encoder.feature_dim, hidden=training["critic_hidden"])


@dataclass
class Rollout:
    """What one process drives, in shared memory: `T` steps of `N` envs, as in `experiments.fragment.Fragment`."""

    frames: torch.Tensor  # (k - 1 + T + 1, N, H, W, C) uint8
    age: torch.Tensor  # (T + 1, N) int64, decisions since the episode's first observation
    actions: torch.Tensor  # (T, N, A)
    log_probs: torch.Tensor  # (T, N)
    values: torch.Tensor  # (T + 1, N)
    rewards: torch.Tensor  # (T, N)
    ends: torch.Tensor  # (T, N) bool
    terminated: torch.Tensor  # (T, N) bool
    valid: torch.Tensor  # (T, N) bool

    @classmethod
    def shared(cls, steps: int, envs: int, stack: int, frame: tuple[int, ...], action_dim: int) -> Self:
        """Allocate one."""
        size = (steps, envs)
        made = cls(
            frames=torch.zeros((stack + steps, envs, *frame), dtype=torch.uint8),
            age=torch.zeros((steps + 1, envs), dtype=torch.int64),
            actions=torch.zeros((*size, action_dim)),
            log_probs=torch.zeros(size),
            values=torch.zeros((steps + 1, envs)),
            rewards=torch.zeros(size),
            ends=torch.zeros(size, dtype=torch.bool),
            terminated=torch.zeros(size, dtype=torch.bool),
            valid=torch.zeros(size, dtype=torch.bool),
        )
        for tensor in vars(made).values():
            tensor.share_memory_()
        return made


def drive(
    config: dict[str, Any], worker: int, workers: int, net: Network, rollout: Rollout, go: Any, done: Any
) -> None:
    """Fill the rollout each time that `go` is released, until the process is ended."""
    torch.set_num_threads(1)
    torch.manual_seed(worker)
    keep_memory()
    steps, envs = rollout.rewards.shape
    env: Any = make_vector_env(config["env"], num_envs=envs, training=True, seed=0, runner=worker, num_runners=workers)
    images, _ = observation_parts(env.single_observation_space)
    (name,) = images
    stacker = FrameStacker(envs, frame_stack(config["env"]), images)
    low, high = env.single_action_space.low, env.single_action_space.high
    frame = as_parts(env.reset()[0])[name]
    age, is_over = np.zeros(envs, np.int64), np.zeros(envs, bool)
    stacked = stacker.push({name: frame}, age == 0)[name]
    into = {part: tensor.numpy() for part, tensor in vars(rollout).items()}
    while True:
        go.acquire()
        context = stacker.history()[name]
        into["frames"][: len(context)] = context
        for step in range(steps + 1):
            into["frames"][len(context) + step], into["age"][step] = frame, age
            with torch.inference_mode():
                features = net.actor.encoder({name: torch.from_numpy(stacked)})
                rollout.values[step] = net.critic(features)
                if step == steps:
                    break
                policy = net.actor.head(features)
                actions = policy.sample()
                rollout.log_probs[step] = policy.log_prob(actions)
            into["actions"][step] = actions.numpy()
            observation, into["rewards"][step], terminated, truncated, _ = env.step(
                unsquash(into["actions"][step], low, high)
            )
            into["valid"][step], into["terminated"][step] = ~is_over, terminated
            age = np.where(is_over, 0, age + 1)
            is_over = terminated | truncated
            into["ends"][step] = is_over
            frame = as_parts(observation)[name]
            stacked = stacker.push({name: frame}, age == 0)[name]
        done.release()


class PPOLoop:
    """The learner, with its drivers.

    Args:
        config: A run's.
        workers: Processes that drive.
        envs: Of each.
        threads: Of the learner.
        precision: Of the encoder, as in `experiments.plan.Plan`.
    """

    def __init__(
        self, config: dict[str, Any], *, workers: int, envs: int, threads: int, precision: str = "float32"
    ) -> None:
        keep_memory()
        torch.set_num_threads(threads)
        torch.manual_seed(0)
        self._options = config["algo"]["training"]
        probe: Any = make_vector_env(config["env"], num_envs=1, training=True)
        single, action_space = probe.single_observation_space, probe.single_action_space
        probe.close()
        ((self._name, frame),) = observation_parts(single)[0].items()
        self._stack = frame_stack(config["env"])
        self._net = Network(config, module_space(single, self._stack), action_space)
        self._net.share_memory()
        self._net.actor.encoder.precision = getattr(torch, precision)
        self._optimizer = torch.optim.Adam(self._net.parameters(), lr=self._options["lr"], fused=True)
        context = multiprocessing.get_context("spawn")
        sizes = (self._options["rollout_steps"], envs, self._stack, tuple(frame.low.shape), action_space.shape[0])
        self._rollouts = [Rollout.shared(*sizes) for _ in range(workers)]
        self._go = [context.Semaphore(0) for _ in range(workers)]
        self._done = context.Semaphore(0)
        self._drivers = [
            context.Process(target=drive, args=(config, w, workers, self._net, rollout, go, self._done), daemon=True)
            for w, (rollout, go) in enumerate(zip(self._rollouts, self._go, strict=True))
        ]
        for driver in self._drivers:
            driver.start()
        self.sample_s, self.learn_s = 0.0, 0.0

    def iterate(self) -> tuple[int, int]:
        """Drive one rollout, learn from it, and return its decisions and the updates made."""
        began = time.perf_counter()
        for go in self._go:
            go.release()
        for _ in self._drivers:
            if not self._done.acquire(timeout=DEADLINE_S):
                raise TimeoutError(f"A driver did not fill its rollout within {DEADLINE_S:.0f} s; its error is above.")
        driven = time.perf_counter()
        decisions = self._learn()
        self.sample_s += driven - began
        self.learn_s += time.perf_counter() - driven
        return decisions

    def close(self) -> None:
        """End the drivers."""
        for driver in self._drivers:
            driver.terminate()
            driver.join()

    def _learn(self) -> tuple[int, int]:
        options = self._options
        frames = torch.cat([rollout.frames.flatten(0, 1) for rollout in self._rollouts])
        parts = [self._flat(rollout) for rollout in self._rollouts]
        offsets = [n * rollout.frames[:, :, 0, 0, 0].numel() for n, rollout in enumerate(self._rollouts)]
        rows = torch.cat([part.pop("rows") + offset for part, offset in zip(parts, offsets, strict=True)])
        batch = {name: torch.cat([part[name] for part in parts]) for name in parts[0]}
        batch["advantages"] = (batch["advantages"] - batch["advantages"].mean()) / (batch["advantages"].std() + 1e-8)
        updates = 0
        for _ in range(options["epochs"]):
            for chosen in torch.randperm(len(rows)).split(options["minibatch_size"]):
                stacks = frames[rows[chosen]].permute(0, 2, 3, 1, 4).flatten(3)
                self._update({self._name: stacks}, {name: part[chosen] for name, part in batch.items()})
                updates += 1
        return len(rows), updates

    def _flat(self, rollout: Rollout) -> dict[str, torch.Tensor]:
        """Return a rollout's valid steps in one row: the frames of each stack, and what PPO learns from."""
        options = self._options
        going_on = options["gamma"] * (~rollout.terminated) * rollout.values[1:]
        errors = options["reward_scale"] * rollout.rewards + going_on - rollout.values[:-1]
        kept = options["gamma"] * options["gae_lambda"] * (~rollout.ends)
        advantages = torch.empty_like(errors)
        running = torch.zeros_like(errors[0])
        for step in range(len(errors) - 1, -1, -1):
            running = errors[step] + kept[step] * running
            advantages[step] = running
        steps, envs = errors.shape
        back = torch.arange(self._stack - 1, -1, -1)
        step_of = torch.arange(steps)[:, None, None] - torch.minimum(back, rollout.age[:-1, :, None])
        rows = (self._stack - 1 + step_of) * envs + torch.arange(envs)[None, :, None]
        return {
            "rows": rows[rollout.valid],
            "actions": rollout.actions[rollout.valid],
            "log_probs": rollout.log_probs[rollout.valid],
            "advantages": advantages[rollout.valid],
            "returns": (advantages + rollout.values[:-1])[rollout.valid],
        }

    def _update(self, observation: dict[str, torch.Tensor], batch: dict[str, torch.Tensor]) -> None:
        options = self._options
        features = self._net.actor.encoder(observation)
        policy, values = self._net.actor.head(features), self._net.critic(features)
        ratio = (policy.log_prob(batch["actions"]) - batch["log_probs"]).exp()
        clipped = ratio.clamp(1.0 - options["clip"], 1.0 + options["clip"])
        loss = -torch.minimum(ratio * batch["advantages"], clipped * batch["advantages"]).mean()
        loss = loss + 0.5 * options["value_coeff"] * (values - batch["returns"]).square().mean()
        loss = loss - options["entropy_coeff"] * policy.entropy().mean()
        self._optimizer.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self._net.parameters(), options["max_grad_norm"], foreach=True)
        self._optimizer.step()


@contextlib.contextmanager
def started_loop(config: dict[str, Any], plan: Plan) -> Iterator[PPOLoop]:
    """Start the loop with as many processes, envs and threads as a run has; end its processes afterwards."""
    loop = PPOLoop(
        config,
        workers=plan.num_env_runners,
        envs=plan.envs_per_runner,
        threads=plan.learner_threads,
        precision=plan.precision,
    )
    try:
        yield loop
    finally:
        loop.close()


def main() -> None:
    """Run the loop for a while and print where its time goes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=30.0)
    options = parser.parse_args()
    config = run_config("env=carracing", "model=cnn", "algo=ppo")
    plan = plan_of(config)
    with started_loop(config, plan) as loop:
        loop.iterate()
        loop.sample_s = loop.learn_s = 0.0
        began, decisions = time.perf_counter(), 0
        while (seconds := time.perf_counter() - began) < options.seconds:
            decisions += loop.iterate()[0]
    shares = f"driving {loop.sample_s / seconds:.0%}, learning {loop.learn_s / seconds:.0%}"
    print(f"{plan}: {decisions / seconds:,.0f} decisions/s; {shares}")


if __name__ == "__main__":
    main()
