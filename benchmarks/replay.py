"""`python -m benchmarks.replay`: what a batch from the replay ring costs, against RLlib's and TorchRL's buffers.

All hold decisions of 4 stacked frames of 64x64 grey, n-step 3; a batch is observation, next observation, action and
n-step reward as arrays. One thread, wall-clock, medians over interleaved rounds. The peers' buffers hold fewer
decisions, which is in their favour: RLlib's keeps stacked frames in Python lists; TorchRL's stacks and next stacks in a
memory map, summed over n steps as they are added, so that drawing is only reading. (TorchRL can hold single frames and
draw slices of them: that took longer, and leaves out the ends of episodes.) TorchRL takes part where it is installed
(`pip install -e .[bench]`).
"""

import argparse
import json
import logging
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from benchmarks.setting import is_installed, spread, table
from experiments.fragment import Fragment
from experiments.replay.ring import ReplayRing

SIZE, STACK, N_STEP, GAMMA = 64, 4, 3, 0.99
NUM_STREAMS, STEPS, EPISODE = 16, 100, 250  # envs, decisions a fragment, decisions an episode
BATCHES = (128, 256)
SINCE_A_CHECKPOINT = 10_000  # decisions: two minutes of SAC
RING, RLLIB, TORCHRL = "ring", "RLlib's EpisodeReplayBuffer", "TorchRL's TensorDictReplayBuffer"


def fragments(num_decisions: int, random: np.random.Generator) -> list[Fragment]:
    """Return fragments of random pictures; every env's episode ends after `EPISODE` decisions (truncated)."""
    made = []
    shape = (STEPS, NUM_STREAMS)
    previous = np.zeros((STACK, NUM_STREAMS, SIZE, SIZE, 1), np.uint8)
    for start in range(0, num_decisions // NUM_STREAMS, STEPS):
        images = np.concatenate([previous, random.integers(0, 256, (STEPS, *previous.shape[1:]), np.uint8)])
        previous = images[-STACK:]
        age = (start + np.arange(STEPS + 1)) % (EPISODE + 1)  # the last observation has a slot of its own
        is_last = np.broadcast_to((age[:-1] == EPISODE)[:, np.newaxis], shape)
        made.append(
            Fragment(
                images={"image": images},
                vectors={},
                age=np.repeat(age[:, np.newaxis], NUM_STREAMS, axis=1).astype(np.int32),
                actions=random.uniform(-1, 1, (*shape, 2)).astype(np.float32),
                log_probs=np.zeros(shape, np.float32),
                rewards=random.normal(size=shape).astype(np.float32),
                terminated=np.zeros(shape, bool),
                truncated=np.broadcast_to((age[:-1] == EPISODE - 1)[:, np.newaxis], shape).copy(),
                valid=~is_last,
                frames=4 * STEPS * NUM_STREAMS,
            )
        )
    return made


def ring(folder: Path, num_decisions: int) -> ReplayRing:
    """Return a ring that is full."""
    random = np.random.default_rng(0)
    replay = ReplayRing(
        folder,
        images={"image": (SIZE, SIZE, 1)},
        vectors={},
        action_dim=2,
        capacity=num_decisions,
        num_streams=NUM_STREAMS,
        frame_stack=STACK,
        n_step=N_STEP,
        gamma=GAMMA,
        seed=0,
    )
    repeated = fragments(EPISODE * (EPISODE + 1) // STEPS * STEPS, random)  # memory for one round, used again
    added = 0
    with tqdm(total=num_decisions, desc="filling the ring", unit="decision") as bar:
        while added < num_decisions:
            for fragment in repeated:
                replay.add(fragment, 0)
                added += fragment.rewards.size
                bar.update(fragment.rewards.size)
                if added >= num_decisions:
                    break
    return replay


def rllib_buffer(num_decisions: int) -> Callable[[int], None]:
    """Return how to draw a batch, as arrays, from RLlib's buffer with as many decisions."""
    from ray.rllib.env.single_agent_episode import SingleAgentEpisode
    from ray.rllib.utils.replay_buffers.episode_replay_buffer import EpisodeReplayBuffer

    random = np.random.default_rng(0)
    buffer = EpisodeReplayBuffer(capacity=num_decisions)
    for _ in tqdm(range(num_decisions // EPISODE), desc="filling RLlib's buffer", unit="episode"):
        observations = random.integers(0, 256, (EPISODE + 1, SIZE, SIZE, STACK), np.uint8)
        buffer.add(
            SingleAgentEpisode(
                observations=list(observations),
                actions=list(random.uniform(-1, 1, (EPISODE, 2)).astype(np.float32)),
                rewards=list(random.normal(size=EPISODE)),
                truncated=True,
                len_lookback_buffer=0,
            )
        )

    def draw(size: int) -> None:
        episodes: Any = buffer.sample(num_items=size, n_step=N_STEP, gamma=GAMMA, sample_episodes=True)
        for part in ("get_observations", "get_actions", "get_rewards"):
            np.stack([getattr(episode, part)(0) for episode in episodes])
        np.stack([episode.get_observations(-1) for episode in episodes])

    return draw


def torchrl_buffer(folder: Path, num_decisions: int) -> Any:
    """Return TorchRL's buffer with as many decisions."""
    import torch
    from tensordict import TensorDict
    from torchrl.data import LazyMemmapStorage, TensorDictReplayBuffer
    from torchrl.envs.transforms import MultiStepTransform

    logging.getLogger("torchrl").setLevel(logging.WARNING)
    torch.set_num_threads(1)
    buffer = TensorDictReplayBuffer(
        storage=LazyMemmapStorage(num_decisions, scratch_dir=str(folder), ndim=2),
        transform=MultiStepTransform(n_steps=N_STEP, gamma=GAMMA),
    )
    shape = (NUM_STREAMS, EPISODE)
    frames = torch.randint(0, 256, (NUM_STREAMS, EPISODE + 1, STACK, SIZE, SIZE), dtype=torch.uint8)
    ends = torch.zeros(*shape, 1, dtype=torch.bool)
    ends[:, -1] = True
    following = {
        "observation": frames[:, 1:],
        "reward": torch.randn(*shape, 1),
        "done": ends,
        "truncated": ends,
        "terminated": torch.zeros_like(ends),
    }
    episodes = TensorDict(
        {
            "observation": frames[:, :-1],
            "action": 2.0 * torch.rand(*shape, 2) - 1.0,
            "next": TensorDict(following, shape),
        },
        shape,
    )
    for _ in tqdm(range(-(-num_decisions // episodes.numel())), desc="filling TorchRL's buffer", unit="round"):
        buffer.extend(episodes)
    return buffer


def index_times(folder: Path, num_slots: int) -> str:
    """Say how long the index of a ring with as many slots takes, first after filling it, then as at a checkpoint."""
    replay = ring(folder, num_slots)
    times = []
    for _ in range(2):
        began = time.perf_counter()
        state = replay.state()
        times.append(time.perf_counter() - began)
        if len(times) == 1:
            for fragment in fragments(SINCE_A_CHECKPOINT, np.random.default_rng(1)):
                replay.add(fragment, 0)
    return (
        f"index of a ring with {len(replay):,} decisions, flushing included: {times[0]:.2f} s just filled, "
        f"{times[1]:.2f} s with {SINCE_A_CHECKPOINT:,} more since; {len(json.dumps(state)):,} characters"
    )


def median_ms(draw: Callable[[int], object], size: int, seconds: float) -> float:
    """Return the median time of a draw."""
    draw(size)
    times, began = [], time.perf_counter()
    while time.perf_counter() - began < seconds:
        start = time.perf_counter()
        draw(size)
        times.append(time.perf_counter() - start)
    return statistics.median(times) * 1e3


def main() -> None:
    """Fill, draw and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--decisions", type=int, default=200_000, help="in the ring")
    parser.add_argument("--rllib-decisions", type=int, default=20_000, help="in RLlib's buffer: 0.4 GB of memory")
    parser.add_argument("--torchrl-decisions", type=int, default=48_000, help="in TorchRL's buffer: 1.6 GB of files")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--index", type=int, help="slots of a ring whose index is timed: 500000 takes 2.4 GB of files")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        replay = ring(Path(folder) / "ring", options.decisions)
        draws: dict[str, Callable[[int], object]] = {RING: replay.sample}
        held = [f"the ring: {len(replay):,} decisions of {replay.nbytes_per_decision:,} bytes"]
        draws[RLLIB] = rllib_buffer(options.rllib_decisions)
        held.append(f"RLlib's: {options.rllib_decisions:,} of {STACK * SIZE**2:,} bytes, Python's objects not counted")
        if is_installed("torchrl"):
            torchrl = torchrl_buffer(Path(folder) / "torchrl", options.torchrl_decisions)
            draws[TORCHRL] = torchrl.sample
            row = torchrl[:1].exclude("index")
            held.append(f"TorchRL's: {len(torchrl):,} of {row.bytes() // row.numel():,} bytes")
        times: dict[tuple[str, int], list[float]] = {}
        for _ in tqdm(range(options.rounds), desc="rounds"):
            for name, draw in draws.items():
                for size in BATCHES:
                    times.setdefault((name, size), []).append(median_ms(draw, size, 1.0))
        began = time.perf_counter()
        replay.state()
        state_s = time.perf_counter() - began
        rows = [
            [
                name,
                str(size),
                spread(values, 2),
                f"{statistics.median(values) / statistics.median(times[RING, size]):.1f}",
            ]
            for (name, size), values in times.items()
        ]
        print(table(["replay", "batch", "ms a batch (median)", "lowest … highest", "it / the ring"], rows))
        print(f"\n{'; '.join(held)}")
        print(f"flushing and indexing the ring: {state_s:.2f} s")
        if options.index:
            print(index_times(Path(folder) / "index", options.index))


if __name__ == "__main__":
    main()
