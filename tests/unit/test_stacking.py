"""Stacks of frames against the definition in `experiments.fragment`, and the spaces they make."""

import numpy as np
import pytest
from gymnasium import spaces

from envs.errors import ConfigError
from envs.stacking import FrameStacker, as_parts, observation_parts, stacked_space

IMAGE = spaces.Box(0, 255, (4, 5, 3), np.uint8)
VECTOR = spaces.Box(-1.0, 1.0, (7,), np.float32)


def stream(num_slots, num_envs, seed=0):
    """Make random frames `(slots, N, H, W, C)` and the age of each slot, with episodes of random lengths."""
    random = np.random.default_rng(seed)
    frames = random.integers(0, 256, (num_slots, num_envs, *IMAGE.shape), dtype=np.uint8)
    age = np.zeros((num_slots, num_envs), int)
    for slot in range(1, num_slots):
        age[slot] = np.where(random.random(num_envs) < 0.3, 0, age[slot - 1] + 1)
    return frames, age


@pytest.mark.parametrize("k", [1, 2, 4])
def test_stack_holds_the_frames_that_a_fragment_defines(k):
    frames, age = stream(40, 3)
    stacker = FrameStacker(3, k, {"image": IMAGE})
    for slot in range(40):
        stacks = stacker.push({"image": frames[slot]}, age[slot] == 0)["image"]
        for env in range(3):
            wanted = [frames[slot - min(j, age[slot, env]), env] for j in reversed(range(k))]
            np.testing.assert_array_equal(stacks[env], np.concatenate(wanted, axis=-1))


@pytest.mark.parametrize("start", [0, 1, 2, 17])
def test_history_is_the_context_that_rebuilds_a_fragments_stacks(start):
    k, num_steps = 4, 6
    frames, age = stream(40, 3)
    stacker = FrameStacker(3, k, {"image": IMAGE})
    stacks = {}
    for slot in range(40):
        stacks[slot] = stacker.push({"image": frames[slot]}, age[slot] == 0)["image"]
        if slot == start:
            context = stacker.history()["image"]
    assert context.shape == (k - 1, 3, *IMAGE.shape)
    rows = np.concatenate([context, frames[start : start + num_steps + 1]])
    for step in range(num_steps + 1):
        for env in range(3):
            lags = [min(j, age[start + step, env]) for j in reversed(range(k))]
            stack = np.concatenate([rows[k - 1 + step - lag, env] for lag in lags], axis=-1)
            np.testing.assert_array_equal(stack, stacks[start + step][env])


def test_history_without_depth_is_empty():
    stacker = FrameStacker(2, 1, {"image": IMAGE})
    stacker.push({"image": np.zeros((2, *IMAGE.shape), np.uint8)}, np.array([True, True]))
    assert stacker.history()["image"].shape == (0, 2, *IMAGE.shape)


def test_returned_stacks_and_history_do_not_change_later():
    stacker = FrameStacker(1, 2, {"image": IMAGE})
    ones = np.ones((1, *IMAGE.shape), np.uint8)
    stack = stacker.push({"image": ones}, np.array([True]))["image"]
    history = stacker.history()["image"]
    ones[:] = 7
    for _ in range(3):
        stacker.push({"image": ones}, np.array([False]))
    assert (stack == 1).all()
    assert (history == 1).all()


def test_the_first_push_begins_episodes_everywhere():
    stacker = FrameStacker(2, 3, {"image": IMAGE})
    stack = stacker.push({"image": np.full((2, *IMAGE.shape), 9, np.uint8)}, np.array([False, False]))["image"]
    assert (stack == 9).all()


def test_several_images_are_stacked_by_name():
    small = spaces.Box(0, 255, (2, 2, 1), np.uint8)
    stacker = FrameStacker(1, 2, {"front": IMAGE, "rear": small})
    frames = {"front": np.zeros((1, 4, 5, 3), np.uint8), "rear": np.ones((1, 2, 2, 1), np.uint8)}
    stacks = stacker.push(frames, np.array([True]))
    assert {name: stack.shape for name, stack in stacks.items()} == {"front": (1, 4, 5, 6), "rear": (1, 2, 2, 2)}


def test_stacked_space_of_a_bare_image_is_a_bare_image():
    assert stacked_space(IMAGE, 4) == spaces.Box(0, 255, (4, 5, 12), np.uint8)
    assert stacked_space(VECTOR, 4) == VECTOR


def test_stacked_space_of_a_dict_stacks_images_only():
    space = spaces.Dict({"image": IMAGE, "telemetry": VECTOR})
    wanted = spaces.Dict({"image": spaces.Box(0, 255, (4, 5, 6), np.uint8), "telemetry": VECTOR})
    assert stacked_space(space, 2) == wanted


@pytest.mark.parametrize("k", [0, -1, 2.0, True])
def test_a_wrong_depth_is_refused(k):
    with pytest.raises(ConfigError, match=r"env\.frame_stack"):
        stacked_space(IMAGE, k)
    with pytest.raises(ConfigError, match=r"env\.frame_stack"):
        FrameStacker(1, k, {"image": IMAGE})


def test_parts_of_spaces():
    assert observation_parts(IMAGE) == ({"image": IMAGE}, {})
    assert observation_parts(VECTOR) == ({}, {"vector": VECTOR})
    both = spaces.Dict({"front": IMAGE, "telemetry": VECTOR})
    assert observation_parts(both) == ({"front": IMAGE}, {"telemetry": VECTOR})


@pytest.mark.parametrize(
    "space",
    [
        spaces.Discrete(3),
        spaces.Box(0, 1, (4, 4, 3), np.float32),
        spaces.Box(0, 255, (4,), np.uint8),
        spaces.Tuple([IMAGE]),
        spaces.Dict({"nested": spaces.Dict({"image": IMAGE})}),
    ],
)
def test_other_spaces_are_refused(space):
    with pytest.raises(ConfigError, match="images, Box"):
        observation_parts(space)


def test_observations_by_name_agree_with_their_spaces():
    for space in (IMAGE, VECTOR, spaces.Dict({"front": IMAGE, "telemetry": VECTOR})):
        space.seed(0)
        images, vectors = observation_parts(space)
        parts = as_parts(space.sample())
        assert set(parts) == set(images) | set(vectors)
        assert all(parts[name] in box for name, box in (images | vectors).items())
