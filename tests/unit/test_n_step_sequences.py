"""N-step targets and stacks along sequences, against the plainest loops and the runner's own stacker."""

import gymnasium as gym
import numpy as np
import pytest

from envs.stacking import FrameStacker
from experiments.replay.n_step_sequences import n_step_targets, stacked


def random_sequences(seed, num_sequences=40, length=12):
    """Streams as the ring gives them: after an episode's last decision stands one slot that is not valid."""
    random = np.random.default_rng(seed)
    valid = np.ones((num_sequences, length), bool)
    terminated = np.zeros_like(valid)
    for row in range(num_sequences):
        t = random.integers(0, 4)
        while t < length:
            terminated[row, t] = random.random() < 0.5
            if t + 1 < length:
                valid[row, t + 1] = False
            t += 2 + random.integers(0, 5)
    rewards = np.where(valid, random.normal(size=valid.shape), 0.0).astype(np.float32)
    return rewards, terminated & valid, valid


def slow_target(rewards, terminated, valid, t, n_step, gamma):
    """Return sum, discount and slot ahead of one decision, step by step."""
    total, m = 0.0, 0
    while True:
        total += gamma**m * rewards[t + m]
        m += 1
        if terminated[t + m - 1]:
            return total, 0.0, t + m
        if m == n_step or t + m == len(valid) or not valid[t + m]:
            return total, gamma**m, t + m


@pytest.mark.parametrize("n_step", [1, 3, 20])
def test_targets_equal_a_slow_reference(n_step):
    rewards, terminated, valid = random_sequences(n_step)
    found = n_step_targets(rewards, terminated, valid, n_step=n_step, gamma=0.9)
    for b, t in zip(*np.nonzero(valid), strict=True):
        total, discount, ahead = slow_target(rewards[b], terminated[b], valid[b], t, n_step, 0.9)
        assert found["rewards"][b, t] == pytest.approx(total, rel=1e-5, abs=1e-6)
        assert found["discounts"][b, t] == pytest.approx(discount, rel=1e-5)
        assert found["ahead"][b, t] == ahead
    assert {name: array.dtype for name, array in found.items()} == {
        "rewards": np.float32,
        "discounts": np.float32,
        "ahead": np.int64,
    }


def test_targets_by_hand():
    """Two decisions that end truncated, the last observation, one that goes on past the sequence; gamma 1/2, n 3."""
    rewards = np.array([[1, 2, 0, 4]], np.float32)
    valid = np.array([[True, True, False, True]])
    found = n_step_targets(rewards, np.zeros((1, 4), bool), valid, n_step=3, gamma=0.5)
    assert found["rewards"][0, [0, 1, 3]].tolist() == [1 + 0.5 * 2, 2, 4]
    assert found["discounts"][0, [0, 1, 3]].tolist() == [0.25, 0.5, 0.5]
    assert found["ahead"][0, [0, 1, 3]].tolist() == [2, 2, 4]


@pytest.mark.parametrize("channels", [1, 3])
def test_stacks_are_those_of_the_runner(channels):
    random = np.random.default_rng(0)
    num_envs, length, k = 3, 9, 4
    frames = random.integers(0, 256, (num_envs, length, 2, 2, channels)).astype(np.uint8)
    is_first = random.random((num_envs, length)) < 0.3
    is_first[:, 0] = True
    stacker = FrameStacker(num_envs, k, {"image": gym.spaces.Box(0, 255, (2, 2, channels), np.uint8)})
    expected = [stacker.push({"image": frames[:, t]}, is_first[:, t])["image"] for t in range(length)]
    assert np.array_equal(stacked(frames, is_first, k), np.stack(expected, axis=1))


def test_a_sequence_that_begins_amid_an_episode_repeats_its_own_first_frame():
    frames = np.arange(4, dtype=np.uint8).reshape(1, 4, 1, 1, 1)
    is_first = np.zeros((1, 4), bool)
    assert stacked(frames, is_first, 3)[0, :, 0, 0].tolist() == [[0, 0, 0], [0, 0, 1], [0, 1, 2], [1, 2, 3]]
    assert stacked(frames, is_first, 1) is frames
