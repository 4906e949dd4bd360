"""What an env shows of a remote game: observations and infos out of states, and out of faults."""

from collections.abc import Callable
from typing import Any

import gymnasium as gym
import numpy as np

from envs import contract
from envs.remote.seats import Fault
from envs.remote.session import State
from envs.remote.spaces import assembled

Step = tuple[Any, float, bool, bool, dict[str, Any]]

_NOTHING_YET = {
    contract.SPEED_MPS: 0.0,
    contract.PROGRESS: 0.0,
    contract.LAP: 0,
    contract.OFF_TRACK: False,
    contract.FRAMES: 0,
}


class Sight:
    """Turn what is heard of one game into what `Env.step` and `Env.reset` return.

    Args:
        space: of observations.
        ticks: of a decision.
        is_free: the game runs freely, so that a state may tell of several steps of the env.
        link: returns seconds of half a round trip, and games got back so far.
    """

    def __init__(
        self, space: gym.Space[Any], ticks: int, *, is_free: bool, link: Callable[[], tuple[float, int]]
    ) -> None:
        self._space, self._ticks, self._is_free, self._link = space, ticks, is_free, link
        self._last: Any = None
        self._last_info: dict[str, Any] = _NOTHING_YET

    def step(self, heard: State | Fault) -> Step:
        """Return what a decision came to; a fault ends the episode as truncated, with what was seen last."""
        if isinstance(heard, Fault):
            info = {name: self._last_info.get(name, value) for name, value in _NOTHING_YET.items()}
            info |= {contract.FRAMES: 0, contract.FAULT: heard.reason, **self._link_info(0.0, 0)}
            return self._last, 0.0, False, True, info
        observation, info = self.begin(heard)
        return observation, float(heard.reward), bool(heard.terminated), bool(heard.truncated), info

    def begin(self, state: State) -> tuple[Any, dict[str, Any]]:
        """Return observation and info of a state."""
        self._last = assembled(self._space, state.observation)
        info = {name: _as_array(value) if isinstance(value, list) else value for name, value in state.info.items()}
        skipped = 0 if state.reset else max(0, state.ticks - self._ticks)
        if self._is_free and not state.reset:  # its info is that of the last tick alone
            info[contract.FRAMES] = int(info.get(contract.FRAMES, 1)) * state.ticks
        self._last_info = info | self._link_info(float(state.age_s or 0.0), skipped)
        return self._last, self._last_info

    def _link_info(self, age_s: float, skipped: int) -> dict[str, Any]:
        half_round_trip_s, reconnects = self._link()
        return {
            contract.LINK_AGE_S: age_s + half_round_trip_s if self._is_free else 0.0,  # in lock-step, games wait
            contract.LINK_SKIPPED: skipped,
            contract.LINK_RECONNECTS: reconnects,
        }


def _as_array(values: list[Any]) -> Any:
    """Return the array that a list was where the game is; a list that was none stays one."""
    try:
        array = np.array(values)
    except ValueError:
        return values
    return values if array.dtype == object else array
