"""Spaces in words that JSON has, so that a client builds policies for a game it has never seen."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces

from envs.errors import ProtocolError

_MAX_SIZE = 1 << 24  # elements of a box: more is no observation of a game, but an attack on memory
_MAX_PARTS = 64
_DTYPES = ("uint8", "int8", "int16", "int32", "int64", "float16", "float32", "float64")


def describe(space: spaces.Space[Any]) -> dict[str, Any]:
    """Return `space` as plain values. A bound that is the same everywhere is one number, an infinite one null.

    Raises:
        ProtocolError: a space of this kind cannot be told.
    """
    if isinstance(space, spaces.Box):
        low, high = _bound(space.low), _bound(space.high)
        return {"kind": "box", "dtype": str(space.dtype), "shape": list(space.shape), "low": low, "high": high}
    if isinstance(space, spaces.Discrete):
        return {"kind": "discrete", "n": int(space.n), "start": int(space.start)}
    if isinstance(space, spaces.Dict):
        return {"kind": "dict", "parts": {name: describe(part) for name, part in space.spaces.items()}}
    raise ProtocolError(f"Expected a Box, a Discrete or a Dict of boxes to serve, got {space}.")


def build(description: Any) -> spaces.Space[Any]:
    """Return the space that `describe` described.

    Raises:
        ProtocolError: it is no description, or of something larger than an observation can be.
    """
    try:
        return _build(description)
    except (KeyError, TypeError, ValueError, OverflowError, AssertionError) as error:
        shown = repr(description)[:120]
        raise ProtocolError(f"Expected the description of a space, got {shown}: {error}.") from error


def parts(space: spaces.Space[Any]) -> dict[str, spaces.Box]:
    """Return the boxes of an observation by name; one that is not in a Dict is `obs`.

    Raises:
        ProtocolError: a part is no box.
    """
    found = dict(space.spaces) if isinstance(space, spaces.Dict) else {"obs": space}
    boxes = {name: part for name, part in found.items() if isinstance(part, spaces.Box)}
    if len(boxes) < len(found):
        raise ProtocolError(f"Expected observations that are boxes, or a Dict of boxes, to serve, got {space}.")
    return boxes


def assembled(space: spaces.Space[Any], arrays: Mapping[str, Any]) -> Any:
    """Return the observation of `space` that was told by name; the other way round than `parts`.

    Raises:
        ProtocolError: an array is missing, or of another form.
    """
    boxes = parts(space)
    for name, box in boxes.items():
        array = arrays.get(name)
        if array is None or array.shape != box.shape or array.dtype != box.dtype:
            came = "nothing" if array is None else f"{array.dtype} {array.shape}"
            raise ProtocolError(f"Expected observation {name!r} as {box.dtype} {box.shape}, got {came}.")
    return {name: arrays[name] for name in boxes} if isinstance(space, spaces.Dict) else arrays["obs"]


def _bound(values: Any) -> Any:
    flat = [float(value) if np.isfinite(value) else None for value in np.ravel(values)]
    first = flat[0] if flat else None
    return first if all(value == first for value in flat) else flat


def _build(description: dict[str, Any]) -> spaces.Space[Any]:
    kind = description["kind"]
    if kind == "discrete":
        return spaces.Discrete(int(description["n"]), start=int(description["start"]))
    if kind == "dict":
        inner = description["parts"]
        if len(inner) > _MAX_PARTS:
            raise ValueError(f"{len(inner)} parts")
        return spaces.Dict({str(name): _build_box(part) for name, part in inner.items()})
    return _build_box(description)


def _build_box(description: dict[str, Any]) -> spaces.Box:
    if description["kind"] != "box" or description["dtype"] not in _DTYPES:
        raise ValueError(f"no box of {', '.join(_DTYPES)}")
    shape = tuple(int(size) for size in description["shape"])
    if min(shape, default=1) < 0 or float(np.prod([float(size) for size in shape])) > _MAX_SIZE:
        raise ValueError(f"no shape of an observation: {shape}")
    dtype = np.dtype(description["dtype"]).type
    low, high = _filled(description["low"], shape, -np.inf), _filled(description["high"], shape, np.inf)
    return spaces.Box(low.astype(dtype), high.astype(dtype), shape, dtype)


def _filled(bound: Any, shape: tuple[int, ...], infinite: float) -> Any:
    if isinstance(bound, list):
        return np.array([infinite if value is None else float(value) for value in bound]).reshape(shape)
    return np.full(shape, infinite if bound is None else float(bound))
