"""Read a pickled NumPy array of (N, 3) points without unpickling: opcodes are followed, nothing is ever called.

A pickle is a program. This reader knows the few instructions that NumPy's arrays are written with, keeps everything
they build as inert descriptions, and refuses the first instruction or name that it does not know.

Source: the array reductions of NumPy 1 and 2, pickle protocols 3 to 5.
"""

import pickletools
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

_RECONSTRUCT = ("numpy.core.multiarray _reconstruct", "numpy._core.multiarray _reconstruct")
_FROM_BUFFER = ("numpy.core.numeric _frombuffer", "numpy._core.numeric _frombuffer")
_ARRAY, _DTYPE = "numpy ndarray", "numpy dtype"
_BY_PROTOCOL = {
    3: {*_RECONSTRUCT, _ARRAY, _DTYPE},
    4: {*_RECONSTRUCT, _ARRAY, _DTYPE},
    5: {*_RECONSTRUCT, *_FROM_BUFFER, _ARRAY, _DTYPE},
}
_CONSTANTS = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False, "EMPTY_TUPLE": ()}
_LITERALS = {
    *("BININT", "BININT1", "BININT2", "LONG1"),
    *("BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"),
    *("BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"),
}
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_MARK = object()


@dataclass
class _Name:
    """A global that the pickle names."""

    text: str


@dataclass
class _Made:
    """What a call would make."""

    callee: str
    arguments: tuple[Any, ...]
    state: Any = None


def read_pickled_array(data: bytes) -> npt.NDArray[np.floating[Any]]:
    """Return the array `(N, 3)` of f4 or f8 that `data` describes.

    Raises:
        ValueError: it describes anything else; says what.
    """
    try:
        made = _follow(data)
    except (IndexError, TypeError) as error:  # the program takes from an empty stack, or what is no tuple
        raise ValueError(f"its instructions do not fit together ({error})") from error
    return _array(made)


def _follow(data: bytes) -> Any:
    stack: list[Any] = []
    memo: dict[Any, Any] = {}
    allowed: set[str] = set()
    for opcode, argument, _ in pickletools.genops(data):
        name = opcode.name
        if name == "PROTO":
            if argument not in _BY_PROTOCOL:
                raise ValueError(f"it is written with pickle protocol {argument}, expected 3, 4 or 5")
            allowed = _BY_PROTOCOL[argument]
        elif name in _LITERALS:
            stack.append(argument)
        elif name in _CONSTANTS:
            stack.append(_CONSTANTS[name])
        elif name == "MARK":
            stack.append(_MARK)
        elif name in _TUPLES:
            _pack(stack, len(stack) - _TUPLES[name])
        elif name == "TUPLE":
            mark = len(stack) - 1 - stack[::-1].index(_MARK)
            del stack[mark]
            _pack(stack, mark)
        elif name in ("BINPUT", "LONG_BINPUT"):
            memo[argument] = stack[-1]
        elif name == "MEMOIZE":
            memo[len(memo)] = stack[-1]
        elif name in ("BINGET", "LONG_BINGET"):
            if argument not in memo:
                raise ValueError(f"it refers to a value {argument} that it has not made")
            stack.append(memo[argument])
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            if name == "STACK_GLOBAL":
                attribute, module = stack.pop(), stack.pop()
                argument = f"{module} {attribute}"
            if argument not in allowed:
                raise ValueError(f"it names {argument!r}, which no array of numbers needs")
            stack.append(_Name(argument))
        elif name == "REDUCE":
            arguments, callee = stack.pop(), stack.pop()
            if not isinstance(callee, _Name) or not isinstance(arguments, tuple):
                raise ValueError("it calls what is no name")
            stack.append(_Made(callee.text, arguments))
        elif name == "BUILD":
            state = stack.pop()
            if not isinstance(stack[-1], _Made) or stack[-1].state is not None:
                raise ValueError("it changes what it has not just made")
            stack[-1].state = state
        elif name == "STOP":
            if len(stack) != 1:
                raise ValueError("it leaves several values")
            return stack[0]
        elif name != "FRAME":
            raise ValueError(f"it has the instruction {name}, which no array of numbers needs")
    raise ValueError("it has no end")


def _pack(stack: list[Any], begin: int) -> None:
    """Replace what is on the stack from `begin` on by a tuple of it."""
    if begin < 0 or _MARK in stack[begin:]:
        raise ValueError("its instructions do not fit together (a tuple of what is not there)")
    items = tuple(stack[begin:])
    del stack[begin:]
    stack.append(items)


def _array(made: Any) -> npt.NDArray[np.floating[Any]]:
    if isinstance(made, _Made) and made.callee in _RECONSTRUCT:
        kind = made.arguments[0] if made.arguments else None
        is_array = isinstance(kind, _Name) and kind.text == _ARRAY and made.arguments[1:] == ((0,), b"b")
        if is_array and isinstance(made.state, tuple) and len(made.state) == 5 and made.state[0] == 1:
            _, shape, dtype, is_fortran, payload = made.state
            if isinstance(is_fortran, bool):
                return _from(payload, dtype, shape, "F" if is_fortran else "C")
    elif isinstance(made, _Made) and made.callee in _FROM_BUFFER and len(made.arguments) == 4 and made.state is None:
        payload, dtype, shape, order = made.arguments
        if order in ("C", "F"):
            return _from(payload, dtype, shape, order)
    raise ValueError("it is no NumPy array")


def _from(payload: Any, dtype: Any, shape: Any, order: Any) -> npt.NDArray[np.floating[Any]]:
    number = _number(dtype)
    is_shape = isinstance(shape, tuple) and len(shape) == 2 and all(type(size) is int and size >= 0 for size in shape)
    if not is_shape or shape[1] != 3:
        raise ValueError(f"its shape is {shape}, expected (N, 3)")
    if not isinstance(payload, bytes | bytearray):
        raise ValueError("its payload is no bytes")
    if len(payload) != shape[0] * 3 * number.itemsize:
        raise ValueError(
            f"its payload has {len(payload)} bytes, expected {shape[0] * 3 * number.itemsize} for {shape} of {number}"
        )
    return np.frombuffer(bytes(payload), number).reshape(shape, order=order)


def _number(dtype: Any) -> np.dtype[Any]:
    """Return the dtype that `dtype('f8', False, True)` with its state describes."""
    is_dtype = isinstance(dtype, _Made) and dtype.callee == _DTYPE and dtype.arguments[:1] in (("f4",), ("f8",))
    if not is_dtype or not isinstance(dtype.state, tuple) or dtype.state[2:] != (None, None, None, -1, -1, 0):
        raise ValueError("its numbers are neither f4 nor f8")
    if dtype.state[:2] not in ((3, "<"), (3, "=")):
        raise ValueError(f"its byte order is {dtype.state[1]!r}, expected '<'")
    return np.dtype(f"<{dtype.arguments[0]}")
