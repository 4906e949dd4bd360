"""What a served game says: from values to lines, and blocks of bytes after them. No sockets here."""

import base64
import json
import time
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson

from envs.remote.messages import MessageError, Request
from envs.remote.snapshot import Told
from envs.remote.view import BINARY, View

_OPTIONS = orjson.OPT_SERIALIZE_NUMPY | orjson.OPT_NON_STR_KEYS | orjson.OPT_APPEND_NEWLINE


def line(fields: dict[str, Any]) -> bytes:
    """Return one JSON object as a line; NumPy's values as plain ones, what is not finite as null."""
    try:
        return orjson.dumps(fields, default=_plain, option=_OPTIONS)
    except TypeError:  # an env's info may hold whole numbers beyond 64 bits, or text that is no UTF-8
        return json.dumps(fields, default=_plain).encode() + b"\n"


def error(reason: MessageError, *, is_negotiated: bool) -> bytes:
    """Return the answer to a message that could not be obeyed; the first version has only words."""
    fields: dict[str, Any] = {"type": "ERROR", "message": str(reason)}
    if is_negotiated:
        fields["code"] = reason.code
        if reason.game_id is not None:
            fields["game_id"] = reason.game_id
        if reason.request is not None:
            fields["req"] = reason.request
    return line(fields)


def state_v1(told: Told) -> bytes:
    """Return a STATE of version 1: eight keys, in the original's order."""
    snapshot, delivery = told.snapshot, told.delivery
    frame = None if snapshot.picture is None else base64.b64encode(snapshot.picture.tobytes()).decode()
    rejected = {"rejected_actions": told.rejected_actions} if told.rejected_actions else {}
    return line(
        {
            "type": "STATE",
            "game_id": told.game_id,
            "frame": frame,
            "frame_shape": None if snapshot.picture is None else snapshot.picture.shape,
            "telemetry": snapshot.telemetry,
            "reward": delivery.reward,
            "done": delivery.is_end,
            "info": {**delivery.info, **rejected},
        }
    )


def state(told: Told, view: View, request: Request) -> bytes:
    """Return a STATE of version 2, with its blocks."""
    fields, blocks = _state(told, view)
    return line(_with(request, {"type": "STATE", **fields})) + b"".join(blocks)


def states(all_told: list[Told], errors: Mapping[int, MessageError], view: View, request: Request) -> bytes:
    """Return the STATES of a batch, with the blocks of all in their order."""
    fields, blocks = [], []
    for told in all_told:
        one, its_blocks = _state(told, view)
        fields.append(one)
        blocks += its_blocks
    failed = {str(game_id): {"code": one.code, "message": str(one)} for game_id, one in errors.items()}
    return line(_with(request, {"type": "STATES", "states": fields, "errors": failed})) + b"".join(blocks)


def answer(kind: str, request: Request, **fields: Any) -> bytes:
    """Return any other answer."""
    return line(_with(request, {"type": kind, **fields}))


def _with(request: Request, fields: dict[str, Any]) -> dict[str, Any]:
    return fields if request is None else {**fields, "req": request}


def _state(told: Told, view: View) -> tuple[dict[str, Any], list[bytes]]:
    snapshot, delivery = told.snapshot, told.delivery
    blocks: list[bytes] = []
    fields: dict[str, Any] = {"game_id": told.game_id, "frame": None, "frame_shape": None}
    if view.obs:
        observation = snapshot.observation
        named = observation if isinstance(observation, Mapping) else {"obs": observation}
        fields["obs"] = {name: _array(np.asarray(part), view, blocks) for name, part in named.items()}
    elif view.has_pictures and snapshot.picture is not None:
        frame = view.framed(snapshot.picture)
        packed = _array(frame, view, blocks)
        fields |= {"frame": packed.get("data"), "frame_shape": frame.shape, "frame_codec": packed["codec"]}
        if view.encoding == BINARY:
            fields["frame_bytes"] = packed["bytes"]
    rejected = {"rejected_actions": told.rejected_actions} if told.rejected_actions else {}
    fields |= {
        "telemetry": snapshot.telemetry,
        "reward": delivery.reward,
        "done": delivery.is_end,
        "info": {**delivery.info, **rejected} if rejected else delivery.info,
        "terminated": delivery.terminated,
        "truncated": delivery.truncated,
        "tick": snapshot.tick,
        "episode": snapshot.episode,
        "ticks": delivery.ticks,
        "seed": snapshot.seed,
        "track_id": snapshot.track_id,
        "t_sim": snapshot.t_sim,
        "t_wall": snapshot.t_wall,
        "age_s": max(0.0, time.time() - snapshot.t_wall),
        "reset": told.is_reset,
        "ends_dropped": delivery.ends_dropped,
    }
    return fields, blocks


def _array(array: npt.NDArray[Any], view: View, blocks: list[bytes]) -> dict[str, Any]:
    """Return how an array is told; its bytes go to `blocks` if they follow the line."""
    data, codec = view.encoded(np.ascontiguousarray(array))
    fields: dict[str, Any] = {"dtype": str(array.dtype), "shape": array.shape, "codec": codec}
    if view.encoding == BINARY:
        blocks.append(data)
        return {**fields, "bytes": len(data)}
    return {**fields, "data": base64.b64encode(data).decode()}


def _plain(value: Any) -> Any:
    """Return what orjson cannot tell by itself: arrays of another layout as lists, anything else in words."""
    if isinstance(value, np.ndarray | np.generic):
        return value.tolist()
    return str(value)[:200]
