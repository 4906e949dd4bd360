"""A game's message taken apart: one entry a car, and what is about the connection; pure, and safe with any JSON."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.roblox import messages

Vector = npt.NDArray[np.float32]


@dataclass
class Entry:
    """What one tick says about one car; everything is finite, `nonfinite` counts what was not and became 0.

    Attributes:
        obs: `(n,)` float32, as wide as the game made it; None: absent.
        reward: of this tick.
        terminated: the episode ended by itself.
        truncated: the episode was ended.
        last_observation: `(n,)`, the last one before the end (v2).
        info: additions of newer games: `lap`, `progress`, `lap_time`.
        reason: addition: why it ended.
        tick: addition: the game's tick number.
        action_id: addition: how many actions the car has taken.
        nonfinite: numbers that were none.
        malformed: parts that were of another type than they should be.
    """

    obs: Vector | None = None
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    last_observation: Vector | None = None
    info: dict[str, float] = field(default_factory=dict)
    reason: str | None = None
    tick: int | None = None
    action_id: int | None = None
    nonfinite: int = 0
    malformed: int = 0

    @property
    def is_end(self) -> bool:
        """Whether an episode ended in this tick."""
        return self.terminated or self.truncated

    @property
    def tells_way(self) -> bool:
        """Whether the game says how far the car has come."""
        return "progress" in self.info and "lap" in self.info


@dataclass
class Tick:
    """One message of a game.

    Attributes:
        entries: by car id; not known yet whose.
        pong_s: the time that a PING brought, sent back; None: there was none.
        hello: what the game says of itself; None: nothing.
        number: of the tick, where the game counts (`__tick`); None: it does not.
        is_list: an empty Luau table, `[]`: no car is driven now.
        malformed: parts that were neither an entry nor anything else that is known.
    """

    entries: dict[str, Entry] = field(default_factory=dict)
    pong_s: float | None = None
    hello: dict[str, Any] | None = None
    number: int | None = None
    is_list: bool = False
    malformed: int = 0

    @property
    def is_tick(self) -> bool:
        """Whether the game's clock went on: it is no mere answer."""
        return self.is_list or bool(self.entries) or (self.pong_s is None and self.hello is None)


def read_tick(value: Any) -> Tick:
    """Return what a decoded message says. Anything is read; what it should not be is counted."""
    if isinstance(value, list):
        return Tick(is_list=True, malformed=int(len(value) > 0))
    if not isinstance(value, Mapping):
        return Tick(is_list=True, malformed=1)
    tick = Tick()
    for key, part in value.items():
        if key.startswith(messages.CONTROL):
            _read_control(tick, key, part)
        elif isinstance(part, Mapping):
            tick.entries[key] = read_entry(part)
        else:
            tick.malformed += 1
    return tick


def read_entry(value: Mapping[str, Any]) -> Entry:
    """Return a car's entry."""
    entry = Entry()
    entry.obs = _vector(value.get(messages.OBS), entry)
    entry.last_observation = _vector(value.get(messages.LAST_OBSERVATION), entry)
    entry.reward = _number(value.get(messages.REWARD, 0.0), entry)
    entry.terminated = value.get(messages.TERMINATED) in (True, 1)
    entry.truncated = value.get(messages.TRUNCATED) in (True, 1)
    info, reason, tick = (value.get(key) for key in (messages.INFO, messages.REASON, messages.TICK))
    if isinstance(info, Mapping):
        entry.info = {str(name): _number(part, entry) for name, part in info.items() if _is_number(part)}
    entry.reason = reason if isinstance(reason, str) else None
    entry.tick, entry.action_id = _whole(tick), _whole(value.get(messages.ACTION_ID))
    return entry


def _read_control(tick: Tick, key: str, part: Any) -> None:
    if key == messages.PONG:
        time_s = part.get(messages.TIME, part.get("id")) if isinstance(part, Mapping) else None
        tick.pong_s = _number(time_s, Entry()) if _is_number(time_s) else math.nan
    elif key == messages.HELLO:
        tick.hello = dict(part) if isinstance(part, Mapping) else {}
    elif key == messages.TICK_NUMBER:
        tick.number = _whole(part)


def _vector(value: Any, entry: Entry) -> Vector | None:
    if value is None:
        return None
    if not isinstance(value, list | tuple | np.ndarray):
        entry.malformed += 1
        return None
    try:
        array = np.asarray(value, np.float64)
    except (TypeError, ValueError, OverflowError):
        array = np.array([float(one) if _is_number(one) else math.nan for one in value], np.float64)
    if array.ndim != 1:
        entry.malformed += 1
        return None
    with np.errstate(over="ignore"):  # beyond float32 is not finite either
        vector = array.astype(np.float32)
    is_finite = np.isfinite(vector)
    if not is_finite.all():
        entry.nonfinite += int((~is_finite).sum())
        vector = np.where(is_finite, vector, np.float32(0.0))
    return vector


def _number(value: Any, entry: Entry) -> float:
    if not _is_number(value):
        entry.malformed += 1
        return 0.0
    if not math.isfinite(value):
        entry.nonfinite += 1
        return 0.0
    return float(value)


def _whole(value: Any) -> int | None:
    """Return a count, which Luau may have written as 3.0; None: it is none."""
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _is_number(value: Any) -> bool:
    if isinstance(value, bool) or not isinstance(value, int | float | np.floating | np.integer):
        return False
    return not isinstance(value, int) or -(2**1000) < value < 2**1000  # a larger one is no float
