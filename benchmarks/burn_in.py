"""`python -m benchmarks.burn_in`: what a recurrent SAC loses when replay does not store states, by the run-up's length.

A sequence out of replay begins amid an episode. Its state may be zeros, or the one that the runner had there, with the
weights of that time. Either way a run-up with today's weights brings it closer to the true state, which today's weights
have after the whole episode. As in R2D2 the measure is how far Q is off after the run-up, |Q - Q_true|, here in
standard deviations of Q_true over all decisions. Weights of earlier in the run stand for states stored then.

Source: Kapturowski et al., "Recurrent Experience Replay in Distributed Reinforcement Learning" (2019), figure 1.
"""

import argparse
import copy
from typing import Any

import numpy as np
import torch
from tqdm import tqdm

from benchmarks.ours import started_algorithm
from benchmarks.setting import run_config, table
from experiments.fragment import Fragment
from experiments.frame_table import FrameTable
from models.memory import Memory
from models.sac_module import SACModule

RUN_UPS = (0, 1, 2, 4, 8, 16, 32)  # slots
SNAPSHOTS = (0.25, 0.5, 0.75, 0.95)  # of the training, where states are taken to be stored
NUM_DECISIONS = 1000  # that are looked at


class Episodes:
    """The slots of a fragment as `(N, T)` sequences, and where their episodes began."""

    def __init__(self, fragment: Fragment) -> None:
        num_steps, num_envs = fragment.rewards.shape
        slots = torch.arange(num_steps * num_envs).reshape(num_steps, num_envs).T
        self.observation = {
            name: part.unflatten(0, slots.shape)
            for name, part in FrameTable([fragment], torch.device("cpu")).read(slots.flatten()).items()
        }
        self.is_first = torch.from_numpy(fragment.age[:-1].T == 0)
        self.actions = torch.from_numpy(np.moveaxis(fragment.actions, 0, 1))
        self.age = torch.from_numpy(fragment.age[:-1].T.astype(np.int64))
        # Decisions whose episode began in here: only of these the true state is known.
        is_known = self.age <= torch.arange(num_steps)
        self.decisions = torch.nonzero(torch.from_numpy(fragment.valid.T) & is_known)

    def states(self, net: SACModule) -> torch.Tensor:
        """Return the critics' states `(N, T + 1, S)` before each slot, with these weights, from the episodes' begin."""
        state = torch.zeros(len(self.is_first), net.critic_encoder.state_dim)
        states = [state]
        for t in range(self.is_first.shape[1]):
            one = {name: part[:, t] for name, part in self.observation.items()}
            _, after = net.critic_encoder.encode(one, Memory.of_one_step(state, self.is_first[:, t]))
            assert after is not None
            state = after
            states.append(state)
        return torch.stack(states, dim=1)

    def values(self, net: SACModule, at: torch.Tensor, run_up: int, states: torch.Tensor | None) -> torch.Tensor:
        """Return Q `(M,)` of decisions `at` `(M, 2)`, a run-up after these states, or after zeros where None."""
        envs, last = at.T
        slots = last[:, None] - torch.arange(run_up, -1, -1)
        rows = {name: part[envs[:, None], slots].flatten(0, 1) for name, part in self.observation.items()}
        begin = torch.zeros(len(at), net.critic_encoder.state_dim) if states is None else states[envs, slots[:, 0]]
        features, _ = net.critic_encoder.encode(rows, Memory(begin, self.is_first[envs[:, None], slots]))
        return net.critic(features.unflatten(0, slots.shape)[:, -1], self.actions[envs, last]).mean(0)


@torch.no_grad()
def measure(config: dict[str, Any], decisions: int, steps: int) -> list[list[str]]:
    """Train, drive on, and return the rows of the table."""
    nets: dict[float, SACModule] = {}
    with started_algorithm(config) as started, tqdm(total=decisions, unit="decision") as bar:
        trained: Any = started.algorithm
        while trained.decisions < decisions:
            with torch.enable_grad():
                trained.train()
            bar.update(trained.decisions - bar.n)
            share = trained.decisions / decisions
            nets |= {s: copy.deepcopy(trained.learner.net) for s in SNAPSHOTS if share >= s and s not in nets}
        now = copy.deepcopy(trained.learner.net)
        trained.collect_fragments()  # what was asked for before
        trained.request_fragments(steps)
        (fragment,) = trained.collect_fragments().values()
    episodes = Episodes(fragment)
    at = episodes.decisions[episodes.age[tuple(episodes.decisions.T)] >= max(RUN_UPS)]
    at = at[torch.randperm(len(at), generator=torch.Generator().manual_seed(0))[:NUM_DECISIONS]]
    true = episodes.values(now, at, 0, episodes.states(now))
    stored = {"zeros": None} | {f"stored at {s:.0%} of training": episodes.states(net) for s, net in nets.items()}
    rows = []
    for name, states in stored.items():
        errors = [(episodes.values(now, at, k, states) - true).abs().mean() / true.std() for k in RUN_UPS]
        rows.append([name, *[f"{float(error):.3f}" for error in errors]])
    return rows


def main() -> None:
    """Train, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=12_000, help="of training")
    parser.add_argument("--steps", type=int, default=256, help="driven afterwards in each env, to measure on")
    parser.add_argument("words", nargs="*", default=["env=dummy_memory"], help="of the run, beside model and algorithm")
    options = parser.parse_args()
    config = run_config(*options.words, "model=cnn_lstm", "algo=sac", "ray.num_env_runners=1")
    rows = measure(config, options.decisions, options.steps)
    print(table(["state before the run-up", *[f"run-up {k}" for k in RUN_UPS]], rows))


if __name__ == "__main__":
    main()
