"""`python -m benchmarks.replay`: what a batch from the replay ring costs, against RLlib's episode buffer.

Both hold the same decisions of 4 stacked frames of 64x64 grey, n-step 3; a batch is observation, next observation,
action and n-step reward as arrays. One thread, wall-clock, medians over interleaved rounds. RLlib's buffer holds fewer
decisions (it keeps stacked frames in Python lists), which is in its favour.
"""

import argparse
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from tqdm import tqdm

from experiments.fragment import Fragment
from experiments.replay import ReplayRing

SIZE, STACK, N_STEP, GAMMA = 64, 4, 3, 0.99
NUM_STREAMS, STEPS, EPISODE = 16, 100, 250  # envs, decisions a fragment, decisions an episode
BATCHES = (128, 256)


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
        episodes = buffer.sample(num_items=size, n_step=N_STEP, gamma=GAMMA, sample_episodes=True)
        for part in ("get_observations", "get_actions", "get_rewards"):
            np.stack([getattr(episode, part)(0) for episode in episodes])
        np.stack([episode.get_observations(-1) for episode in episodes])

    return draw


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
    parser.add_argument("--rllib-decisions", type=int, default=20_000, help="in RLlib's buffer")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        replay = ring(Path(folder), options.decisions)
        draws = {"ring": replay.sample, "RLlib's EpisodeReplayBuffer": rllib_buffer(options.rllib_decisions)}
        times: dict[tuple[str, int], list[float]] = {}
        for _ in range(options.rounds):
            for name, draw in draws.items():
                for size in BATCHES:
                    times.setdefault((name, size), []).append(median_ms(draw, size, 1.0))
        began = time.perf_counter()
        replay.state()
        state_s = time.perf_counter() - began
        print("| replay | batch | ms a batch (median) | lowest … highest | RLlib's / it |")
        print("|---|---|---|---|---|")
        for (name, size), values in times.items():
            middle = statistics.median(values)
            peer = statistics.median(times["RLlib's EpisodeReplayBuffer", size])
            print(f"| {name} | {size} | {middle:.2f} | {min(values):.2f} … {max(values):.2f} | {peer / middle:.0f} |")
        print(
            f"\n{replay.nbytes_per_decision} bytes a decision; flushing and indexing {len(replay):,}: {state_s:.2f} s"
        )


if __name__ == "__main__":
    main()
