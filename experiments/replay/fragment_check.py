"""Holds a fragment against its contract before it is stored: a wrong one would be sampled, unseen, for hours."""

import numpy as np

from experiments.fragment import Fragment


def check_fragment(
    fragment: Fragment,
    *,
    images: dict[str, tuple[int, int, int]],
    vectors: dict[str, int],
    action_dim: int,
    frame_stack: int,
    state_dim: int = 0,
) -> None:
    """Check shapes, types and episode boundaries.

    Args:
        fragment: what came from a runner.
        images: name -> `(H, W, C)` that is expected.
        vectors: name -> D that is expected.
        action_dim: A that is expected.
        frame_stack: k that is expected.
        state_dim: S of the states that are expected before every slot; 0: none are needed.

    Raises:
        ValueError: the fragment breaks `Fragment`'s contract or has other observations.
    """
    num_steps, num_envs = fragment.rewards.shape
    if num_steps < 1:
        raise ValueError("A fragment has at least one step; this one has none.")
    if set(fragment.images) != set(images) or set(fragment.vectors) != set(vectors):
        raise ValueError(
            f"Expected fragments with the images {sorted(images)} and the vectors {sorted(vectors)}; got "
            f"{sorted(fragment.images)} and {sorted(fragment.vectors)}. Runners and learner need the same env config."
        )
    per_step = (num_steps, num_envs)
    expected = {
        **{f"images[{n}]": ((frame_stack + num_steps, num_envs, *shape), np.uint8) for n, shape in images.items()},
        **{f"vectors[{n}]": ((num_steps + 1, num_envs, dim), np.float32) for n, dim in vectors.items()},
        "age": ((num_steps + 1, num_envs), np.int32),
        "actions": ((*per_step, action_dim), np.float32),
        "rewards": (per_step, np.float32),
        "terminated": (per_step, np.bool_),
        "truncated": (per_step, np.bool_),
        "valid": (per_step, np.bool_),
    }
    arrays = {
        **{f"images[{n}]": array for n, array in fragment.images.items()},
        **{f"vectors[{n}]": array for n, array in fragment.vectors.items()},
        **{n: getattr(fragment, n) for n in ("age", "actions", "rewards", "terminated", "truncated", "valid")},
    }
    if state_dim:
        expected["states"] = ((*per_step, state_dim), np.float32)
        arrays["states"] = np.empty(0) if fragment.states is None else fragment.states
    for name, (shape, dtype) in expected.items():
        if arrays[name].shape != shape or arrays[name].dtype != dtype:
            raise ValueError(
                f"Expected {name} of a fragment as {np.dtype(dtype)} {shape}; got {arrays[name].dtype} "
                f"{arrays[name].shape}. See experiments.fragment.Fragment."
            )
    _check_boundaries(fragment)


def _check_boundaries(fragment: Fragment) -> None:
    valid, age = fragment.valid, fragment.age
    done = (fragment.terminated | fragment.truncated) & valid
    wrong_age = (age[1:] != np.where(valid, age[:-1] + 1, 0)).any(axis=0) | (age[0] < 0)
    # A reset follows the end of an episode and nothing else.
    wrong_reset = (done[:-1] == valid[1:]).any(axis=0) if len(valid) > 1 else np.zeros_like(wrong_age)
    # NaN rewards reach every weight of the networks within one update.
    wrong_reward = ~np.isfinite(fragment.rewards).all(axis=0)
    problems = {
        "ages do not count up and restart after a reset": wrong_age,
        "a reset does not follow an episode's end, or an end is not followed by one": wrong_reset,
        "rewards are not finite": wrong_reward,
    }
    for problem, is_wrong in problems.items():
        if is_wrong.any():
            raise ValueError(
                f"A fragment breaks its contract in the envs {np.flatnonzero(is_wrong).tolist()}: {problem}. "
                "See experiments.fragment.Fragment."
            )
