"""Advantages, stacked reads of fragments, and augmentation, against slow and obvious references."""

from types import SimpleNamespace

import gymnasium as gym
import numpy as np
import pytest
import torch

from envs.stacking import FrameStacker
from experiments.advantages import generalised_advantages
from experiments.augmentation import random_shift
from experiments.fragment import Fragment
from experiments.frame_table import FrameTable, as_channels


def slots(rewards, terminated=(), truncated=()):
    """Slots as a fragment has them; `terminated` and `truncated` list (step, env)."""
    rewards = np.asarray(rewards, np.float32)
    flags = {name: np.zeros(rewards.shape, bool) for name in ("terminated", "truncated")}
    for name, where in (("terminated", terminated), ("truncated", truncated)):
        for step, env in where:
            flags[name][step, env] = True
    return SimpleNamespace(rewards=rewards, **flags)


def advantages_by_sum(fragment, values, gamma, gae_lambda):
    """GAE as written: each advantage is the discounted sum of the errors up to its episode's end."""
    steps, envs = fragment.rewards.shape
    advantages = np.zeros((steps, envs))
    for env in range(envs):
        for start in range(steps):
            for step in range(start, steps):
                next_value = 0.0 if fragment.terminated[step, env] else values[step + 1, env]
                error = fragment.rewards[step, env] + gamma * next_value - values[step, env]
                advantages[start, env] += (gamma * gae_lambda) ** (step - start) * error
                if fragment.terminated[step, env] or fragment.truncated[step, env]:
                    break
    return advantages


@pytest.mark.parametrize(
    ("ends", "expected"),
    [
        # gamma = lambda = 1/2, values 1, 2, 3, 4. Errors: 1 + 2/2 - 1 = 1, 2 + 3/2 - 2 = 1.5, 4 + 4/2 - 3 = 3.
        ({}, [1 + (1.5 + 3 / 4) / 4, 1.5 + 3 / 4, 3]),
        # The end is worth nothing: the middle error is 2 - 2 = 0, and nothing flows back over it.
        ({"terminated": [(1, 0)]}, [1 + 0, 0, 3]),
        # Stopped by us: the middle error bootstraps from the value of the final observation, 3, in the next slot.
        ({"truncated": [(1, 0)]}, [1 + 1.5 / 4, 1.5, 3]),
        # Both at once: the task ended.
        ({"terminated": [(1, 0)], "truncated": [(1, 0)]}, [1, 0, 3]),
    ],
)
def test_advantages_by_hand(ends, expected):
    values = np.array([[1], [2], [3], [4]], np.float32)
    fragment = slots([[1], [2], [4]], **ends)
    ours = generalised_advantages(fragment, values, gamma=0.5, gae_lambda=0.5, reward_scale=1.0)
    np.testing.assert_allclose(ours[:, 0], expected)


@pytest.mark.parametrize("seed", range(5))
def test_advantages_agree_with_the_sum(seed):
    random = np.random.default_rng(seed)
    shape = (30, 4)
    ends = random.choice(["goes on", "terminated", "truncated"], shape, p=[0.8, 0.1, 0.1])
    fragment = slots(
        random.normal(size=shape),
        terminated=np.argwhere(ends == "terminated"),
        truncated=np.argwhere(ends == "truncated"),
    )
    values = random.normal(size=(31, 4)).astype(np.float32)
    ours = generalised_advantages(fragment, values, gamma=0.97, gae_lambda=0.9, reward_scale=1.0)
    np.testing.assert_allclose(ours, advantages_by_sum(fragment, values, 0.97, 0.9), rtol=1e-4, atol=1e-5)


def test_rewards_are_scaled_and_values_are_not():
    values = np.array([[3], [5]], np.float32)
    ours = generalised_advantages(slots([[20]]), values, gamma=0.5, gae_lambda=0.9, reward_scale=0.1)
    np.testing.assert_allclose(ours, [[20 * 0.1 + 0.5 * 5 - 3]])


def test_what_follows_a_reset_slot_does_not_reach_the_episode_before():
    """Slot 1 ends an episode, slot 2 only resets, slot 3 begins the next: whatever stands there, 0 and 1 stay."""
    found = []
    for reward in (0, 1000):
        fragment = slots([[1], [1], [0], [reward]], truncated=[(1, 0)])
        values = np.array([[1], [1], [1], [reward], [reward]], np.float32)
        found.append(generalised_advantages(fragment, values, gamma=0.9, gae_lambda=0.9, reward_scale=1.0))
    np.testing.assert_array_equal(found[0][:2], found[1][:2])


def stream(num_slots, num_envs, k, seed, channels=1):
    """An unbroken stream of slots with episodes' ends: frames, ages, vectors, and the stacks that a policy saw."""
    random = np.random.default_rng(seed)
    frames = random.integers(0, 256, (num_slots, num_envs, 3, 2, channels), np.uint8)
    vectors = random.normal(size=(num_slots, num_envs, 2)).astype(np.float32)
    is_first = random.random((num_slots, num_envs)) < 0.25
    is_first[0] = True
    stacker = FrameStacker(num_envs, k, {"image": gym.spaces.Box(0, 255, (3, 2, channels), np.uint8)})
    ages, stacks, histories = [], [], []
    age = np.zeros(num_envs, np.int32)
    for step in range(num_slots):
        age = np.where(is_first[step], 0, age + 1).astype(np.int32)
        stacks.append(stacker.push({"image": frames[step]}, is_first[step])["image"])
        histories.append(stacker.history()["image"])
        ages.append(age)
    return frames, vectors, np.array(ages), np.array(stacks), histories


def cut(start, steps, frames, vectors, ages, histories):
    """The fragment of `steps` slots from `start` on; its last row is the slot after them."""
    rows = slice(start, start + steps + 1)
    parts = {name: None for name in Fragment.__dataclass_fields__}
    images = {"image": np.concatenate([histories[start], frames[rows]])}
    return Fragment(**parts | {"images": images, "vectors": {"vector": vectors[rows]}, "age": ages[rows]})


@pytest.mark.parametrize("k", [1, 2, 4])
@pytest.mark.parametrize("channels", [1, 3])
def test_stacks_are_read_as_the_policy_saw_them(k, channels):
    first = stream(21, 3, k, seed=k, channels=channels)
    second = stream(9, 2, k, seed=k + 10, channels=channels)
    cuts = [(first, 0, 8), (first, 8, 12), (second, 0, 8)]  # consecutive ones, and another runner's
    fragments = [cut(start, steps, *parts[:3], parts[4]) for parts, start, steps in cuts]
    stacks = np.concatenate(
        [p[3][start : start + steps + 1].reshape(-1, 3, 2, k * channels) for p, start, steps in cuts]
    )
    vectors = np.concatenate([p[1][start : start + steps + 1].reshape(-1, 2) for p, start, steps in cuts])
    table = FrameTable(fragments, torch.device("cpu"))
    chosen = torch.from_numpy(np.random.default_rng(0).permutation(len(stacks)))
    read = table.read(chosen)
    np.testing.assert_array_equal(read["image"].numpy(), stacks[chosen])
    np.testing.assert_array_equal(read["vector"].numpy(), vectors[chosen])


def test_the_newest_frame_comes_last():
    stack = torch.arange(2 * 4 * 3 * 2 * 3).reshape(2, 4, 3, 2, 3)
    channels = as_channels(stack)
    assert channels.shape == (2, 3, 2, 12)
    for frame in range(4):
        assert torch.equal(channels[..., 3 * frame : 3 * frame + 3], stack[:, frame])


def test_no_shift_changes_nothing():
    images = np.random.default_rng(0).integers(0, 256, (3, 2, 5, 5, 1), np.uint8)
    np.testing.assert_array_equal(random_shift(images, 0, np.random.default_rng(1)), images)


@pytest.mark.parametrize("channels", [1, 3])
def test_a_shift_is_one_crop_of_the_stack_with_its_border_repeated(channels):
    random = np.random.default_rng(2)
    images = random.integers(0, 256, (200, 2, 6, 5, channels), np.uint8)
    shifted = random_shift(images, 2, random)
    assert shifted.dtype == np.uint8
    seen = set()
    for stack, moved in zip(images, shifted, strict=True):
        matches = []
        for down in range(-2, 3):
            for right in range(-2, 3):  # pixel (y, x) shows what lies at (y + down, x + right), or the nearest border
                y = np.clip(np.arange(6) + down, 0, 5)
                x = np.clip(np.arange(5) + right, 0, 4)
                if np.array_equal(moved, stack[:, y][:, :, x]):
                    matches.append((down, right))
        assert len(matches) == 1  # the same for all frames of the stack
        seen.add(matches[0])
    assert len(seen) == 25  # every shift occurs, each stack its own


@pytest.mark.parametrize("shape", [(9, 4), (3, 11), (2, 1), (1, 2)])
def test_shifts_of_colour_images_are_crops_of_numpys_padding(shape):
    images = np.random.default_rng(3).integers(0, 256, (20, 2, *shape, 3), np.uint8)
    shifted = random_shift(images, 2, np.random.default_rng(4))
    padded = np.pad(images, ((0, 0), (0, 0), (2, 2), (2, 2), (0, 0)), mode="edge")
    height, width = shape
    for row, (down, right) in enumerate(np.random.default_rng(4).integers(0, 5, (20, 2))):
        np.testing.assert_array_equal(shifted[row], padded[row, :, down : down + height, right : right + width])
