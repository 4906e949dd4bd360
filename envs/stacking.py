"""Stacks of frames, made where frames are read: envs emit single ones, so each crosses a process once."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.errors import ConfigError

IMAGE = "image"  # the name of an observation that is an image and nothing else
VECTOR = "vector"  # the name of an observation that is a vector and nothing else


def observation_parts(space: spaces.Space[Any]) -> tuple[dict[str, spaces.Box], dict[str, spaces.Box]]:
    """Return the images and the vectors of an observation space, by name.

    An image is a Box `(H, W, C)` uint8, a vector a Box `(D,)` of floats. A bare Box counts as `image` or `vector`, a
    Dict goes by its own names.

    Raises:
        ConfigError: a part is neither.
    """
    boxes = dict(space.spaces) if isinstance(space, spaces.Dict) else {_bare_name(space): space}
    images: dict[str, spaces.Box] = {}
    vectors: dict[str, spaces.Box] = {}
    for name, box in boxes.items():
        if isinstance(box, spaces.Box) and box.dtype == np.uint8 and len(box.shape) == 3:
            images[name] = box
        elif isinstance(box, spaces.Box) and np.issubdtype(box.dtype, np.floating) and len(box.shape) == 1:
            vectors[name] = box
        else:
            raise ConfigError(
                f"Expected observations to be images, Box (H, W, C) uint8, or vectors, Box (D,) of floats; "
                f"{name!r} is {box}. Change the env's observation space or wrap the env."
            )
    return images, vectors


def observation_bytes(space: spaces.Space[Any]) -> int:
    """Return how many bytes one observation takes where it is kept: images of uint8, vectors of float32."""
    images, vectors = observation_parts(space)
    return sum(box.shape[0] * 4 for box in vectors.values()) + sum(int(np.prod(box.shape)) for box in images.values())


def frame_stack(config: Mapping[str, Any]) -> int:
    """Return how many frames a policy of this env sees at once; an env's config may leave it out: one."""
    return int(config.get("frame_stack", 1))


def as_parts(observation: Any) -> dict[str, Any]:
    """Return an observation (one or a batch) by name, with the names that `observation_parts` gives its space."""
    if isinstance(observation, Mapping):
        return dict(observation)
    return {IMAGE if observation.dtype == np.uint8 else VECTOR: observation}


def stacked_space(space: spaces.Space[Any], k: int) -> spaces.Space[Any]:
    """Return `space` with every image `(H, W, C)` made `(H, W, C * k)`; vectors and the structure stay.

    Raises:
        ConfigError: `k` is below 1, or a part of the space is neither image nor vector.
    """
    _check_depth(k)
    images, vectors = observation_parts(space)
    stacked = {
        name: spaces.Box(np.tile(box.low, (1, 1, k)), np.tile(box.high, (1, 1, k)), dtype=np.uint8)
        for name, box in images.items()
    }
    if isinstance(space, spaces.Dict):
        return spaces.Dict({name: stacked[name] if name in stacked else vectors[name] for name in space.spaces})
    return stacked.get(IMAGE, space)


class FrameStacker:
    """Keep the last `k` frames of `num_envs` envs; at an episode's first frame all `k` are that frame.

    Args:
        num_envs: N.
        k: frames in a stack, at least 1.
        images: the boxes of single frames, name -> `(H, W, C)` uint8.

    Raises:
        ConfigError: `k` is below 1.
    """

    def __init__(self, num_envs: int, k: int, images: Mapping[str, spaces.Box]) -> None:
        _check_depth(k)
        self.num_envs = num_envs
        self.k = k
        # A ring: the newest frame overwrites the oldest, nothing is shifted.
        self._slots = {name: np.zeros((k, num_envs, *box.shape), np.uint8) for name, box in images.items()}
        self._newest = 0
        self._is_empty = True

    def push(
        self, images: Mapping[str, npt.NDArray[np.uint8]], is_first: npt.NDArray[np.bool_]
    ) -> dict[str, npt.NDArray[np.uint8]]:
        """Add one frame of every env and return the stacks.

        Args:
            images: name -> `(N, H, W, C)` uint8.
            is_first: `(N,)`, where the frame is the first of an episode. The very first push is, everywhere.

        Returns:
            name -> `(N, H, W, C * k)` uint8, newest frame last; new arrays, which later pushes leave alone.
        """
        self._newest = (self._newest + 1) % self.k
        first = np.arange(self.num_envs) if self._is_empty else np.flatnonzero(is_first)
        self._is_empty = False
        for name, slots in self._slots.items():
            slots[self._newest] = images[name]
            for env in first:
                slots[:, env] = images[name][env]
        return {name: self._stack(slots) for name, slots in self._slots.items()}

    def history(self) -> dict[str, npt.NDArray[np.uint8]]:
        """Return the k - 1 frames before the newest one: name -> `(k - 1, N, H, W, C)` uint8, oldest first, copied.

        Called after the push of what the policy sees at a fragment's step 0, these are the rows `0 … k-2` of
        `Fragment.images`. Frames of an earlier episode are not among them: where fewer than k - 1 frames precede the
        newest in its episode, the remaining rows repeat the episode's first frame. The stack that a reader builds
        with `age` never looks at those rows.
        """
        order = self._oldest_first()[:-1]
        return {name: slots[order] for name, slots in self._slots.items()}

    def _oldest_first(self) -> list[int]:
        return [(self._newest + 1 + j) % self.k for j in range(self.k)]

    def _stack(self, slots: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        return np.concatenate([slots[slot] for slot in self._oldest_first()], axis=-1)


def _bare_name(space: spaces.Space[Any]) -> str:
    return IMAGE if space.dtype == np.uint8 else VECTOR


def _check_depth(k: int) -> None:
    if isinstance(k, bool) or not isinstance(k, int) or k < 1:
        raise ConfigError(f"Expected env.frame_stack to be a whole number of frames, at least 1, got {k!r}.")
