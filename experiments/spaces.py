"""Spaces: what a policy sees of an env's, and how they are written to files that are read without unpickling."""

from typing import Any

import gymnasium as gym
import numpy as np

from envs.stacking import observation_parts, stacked_space


def module_space(space: gym.Space, frame_stack: int) -> gym.spaces.Dict:
    """Return the space that a policy sees: a dict of stacked images and vectors by name."""
    images, vectors = observation_parts(stacked_space(space, frame_stack))
    return gym.spaces.Dict({**images, **vectors})


def space_to_json(space: gym.Space) -> dict[str, Any]:
    """Describe a box or a dict of boxes.

    Raises:
        TypeError: The space is of another kind.
    """
    if isinstance(space, gym.spaces.Dict):
        return {"dict": {name: space_to_json(part) for name, part in space.spaces.items()}}
    if not isinstance(space, gym.spaces.Box):
        raise TypeError(f"Expected a Box or a Dict of boxes, got {space}.")
    return {
        "box": {
            "shape": list(space.shape),
            "dtype": str(space.dtype),
            "low": _bound_to_json(space.low),
            "high": _bound_to_json(space.high),
        }
    }


def space_from_json(data: dict[str, Any]) -> gym.Space:
    """Rebuild a space that `space_to_json` described."""
    if "dict" in data:
        return gym.spaces.Dict({name: space_from_json(part) for name, part in data["dict"].items()})
    box = data["box"]
    dtype = np.dtype(box["dtype"])
    low, high = (np.broadcast_to(np.asarray(box[bound], dtype), box["shape"]) for bound in ("low", "high"))
    return gym.spaces.Box(low, high, tuple(box["shape"]), dtype.type)


def actions_to_json(space: gym.Space) -> dict[str, Any]:
    """Describe a box of actions, or a choice of one.

    Raises:
        TypeError: The space is of another kind.
    """
    if isinstance(space, gym.spaces.Discrete):
        return {"discrete": {"n": int(space.n), "start": int(space.start)}}
    return space_to_json(space)


def actions_from_json(data: dict[str, Any]) -> gym.Space:
    """Rebuild a space that `actions_to_json` described.

    Raises:
        ValueError: There is nothing to choose from.
    """
    if "discrete" not in data:
        return space_from_json(data)
    num, start = int(data["discrete"]["n"]), int(data["discrete"]["start"])
    if num < 1:
        raise ValueError(f"its actions are one of {num}")
    return gym.spaces.Discrete(num, start=start)


def _bound_to_json(bound: np.ndarray) -> Any:
    """Shorten a bound that is the same everywhere to one number."""
    return bound.flat[0].item() if np.all(bound == bound.flat[0]) else bound.tolist()
