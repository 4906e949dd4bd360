"""`env=remote_original`: drive a game of the original CarRacing socket server, which knows neither seeds nor ends."""

import logging
import time
from collections.abc import Mapping
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from envs import contract
from envs.arguments import check_range, check_types
from envs.capacity import Capacity
from envs.findings import Finding
from envs.remote.addresses import parse_address
from envs.remote.backoff import Backoff
from envs.remote.diagnosis import diagnose
from envs.remote.gates import HostsGate
from envs.remote.racing_client import RacingGameClient, StateTuple

FINAL_UNKNOWN = "final_unknown"  # True in the info of an end that the server did not show
_POLL_S = 0.004  # a fifth of the server's step
_SHAPE = (96, 96, 3)

log = logging.getLogger(__name__)


class OriginalServerEnv(gym.Env[npt.NDArray[np.uint8], npt.NDArray[np.float32]]):
    """Drive one game in real time, in version 1 of the protocol.

    A step sets the action and waits for the next tick that the server shows. The original shows the end of an episode
    only by chance: where its counter of steps falls without one, the episode is truncated, with the last frame that was
    seen and `info["final_unknown"]`. Rewards are what the server says: the original tells those of its last tick alone.
    Seeds change nothing.

    Args:
        host: `HOST:PORT`.
        game_id: number of the game.
        connect_timeout_s: to reach the server, at the start and after a loss.
        read_timeout_s: for an answer, and for the next tick.
        training: changes nothing here.
        render_mode: None or `rgb_array`: the frame.

    Raises:
        ConfigError: an argument has the wrong type or value.
        SimulatorUnavailable: the server does not answer.
    """

    metadata = {"render_modes": ["rgb_array"], "render_fps": 50}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        *,
        host: str = "127.0.0.1:5555",
        game_id: int = 0,
        connect_timeout_s: float = 30.0,
        read_timeout_s: float = 10.0,
        training: bool = False,
        render_mode: str | None = None,
    ) -> None:
        check_types(type(self), {name: value for name, value in locals().items() if name != "self"})
        check_range("game_id", game_id, 0)
        check_range("connect_timeout_s", connect_timeout_s, 0.1)
        check_range("read_timeout_s", read_timeout_s, 0.1)
        self.render_mode = render_mode
        self._game_id, self._connect_timeout_s, self._read_timeout_s = game_id, connect_timeout_s, read_timeout_s
        name, port = parse_address(host, "env.host")
        self._client = RacingGameClient(name, port, read_timeout_s, protocol=1)
        self.observation_space = spaces.Box(0, 255, _SHAPE, np.uint8)
        low, high = np.array(contract.ACTION_LOW, np.float32), np.array(contract.ACTION_HIGH, np.float32)
        self.action_space = spaces.Box(low, high)
        self._frame: npt.NDArray[np.uint8] = np.zeros(_SHAPE, np.uint8)
        self._steps, self._is_running, self._reconnects = 0, False, 0
        self._was_connected = False
        self._last_info: dict[str, Any] = {}

    @classmethod
    def capacity(cls, arguments: Mapping[str, Any]) -> Capacity:
        """Return one: such a server has one client."""
        return Capacity(1, 1)

    @classmethod
    def diagnose(cls, arguments: Mapping[str, Any], seconds: float) -> list[Finding]:
        """Look at the server, as its only client."""
        host = str(arguments.get("host", "127.0.0.1:5555"))
        gate = HostsGate([host], token=None, context=None, read_timeout_s=float(arguments.get("read_timeout_s", 10.0)))
        return list(diagnose(gate, host, seconds))

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        """Begin an episode on a track of the server's choice; connects if there is no connection.

        Raises:
            SimulatorUnavailable: the server does not answer.
        """
        super().reset(seed=seed)
        try:
            if not self._client.connected:
                self._connect()
            state = self._client.reset(self._game_id)
        except OSError:  # it has gone since the last episode: the original ends when its client leaves
            self._client.disconnect()
            self._connect()
            state = self._client.reset(self._game_id)
        self._is_running = True
        self._steps = 0
        return self._see(state, frames=0)

    def step(self, action: npt.NDArray[np.float32]) -> tuple[npt.NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        """Drive until the server shows another tick.

        Raises:
            ResetNeeded: there is no running episode.
            ValueError: the action has another shape, or is not finite.
        """
        if not self._is_running:
            raise ResetNeeded("OriginalServerEnv has no running episode: call reset() first.")
        controls = np.asarray(action, np.float64)
        if controls.shape != (3,) or not np.isfinite(controls).all():
            raise ValueError(f"Expected three finite numbers, steer, throttle and brake, got {action}.")
        steer, gas, brake = np.clip(controls, contract.ACTION_LOW, contract.ACTION_HIGH).tolist()
        try:
            self._client.set_action({"steer": steer, "gas": gas, "brake": brake}, self._game_id)
            state = self._next_tick()
        except (OSError, RuntimeError) as error:
            log.warning("The episode ends: %s", error)
            self._client.disconnect()
            return self._end({contract.FAULT: str(error)})
        telemetry, _, reward, done, info = state
        if telemetry["steps"] < self._steps and not done:
            return self._end({FINAL_UNKNOWN: True})
        observation, seen = self._see(state, frames=max(1, telemetry["steps"] - self._steps))
        self._is_running = not done
        is_terminated = done and "lap_finished" in info
        return observation, reward, is_terminated, done and not is_terminated, seen

    def render(self) -> npt.NDArray[np.uint8] | None:  # type: ignore[override]
        """Return the newest frame with `render_mode="rgb_array"`, else None."""
        return self._frame if self.render_mode == "rgb_array" else None

    def close(self) -> None:
        """Hang up, upon which the original ends; a second call does nothing."""
        self._is_running = False
        self._client.disconnect()

    def _connect(self) -> None:
        attempts = Backoff(attempts=1000)
        deadline = time.monotonic() + self._connect_timeout_s
        for wait in attempts.waits():
            try:
                self._client.connect()
                break
            except OSError:
                if time.monotonic() + wait > deadline:
                    raise
                time.sleep(wait)
        self._reconnects += self._was_connected
        self._was_connected = True

    def _next_tick(self) -> StateTuple:
        """Return the first state that shows another tick than the last one, or an end."""
        deadline = time.monotonic() + self._read_timeout_s
        while True:
            state = self._client.get_state(self._game_id)
            if state[0]["steps"] != self._steps or state[3]:
                return state
            if time.monotonic() > deadline:
                raise TimeoutError(f"The game made no tick within {self._read_timeout_s:g} s (env.read_timeout_s).")
            time.sleep(_POLL_S)

    def _see(self, state: StateTuple, *, frames: int) -> tuple[npt.NDArray[np.uint8], dict[str, Any]]:
        telemetry, frame, _, _, info = state
        if frame is not None:
            self._frame = frame
        before, self._steps = self._steps, telemetry["steps"]
        self._last_info = {
            contract.SPEED_MPS: float(telemetry.get("speed", 0.0)),
            contract.PROGRESS: float(telemetry.get("lap_progress", 0.0)),
            contract.LAP: int(bool(info.get("lap_finished", False))),
            contract.OFF_TRACK: bool(info.get(contract.OFF_TRACK, False)),
            contract.FRAMES: frames,
            contract.LINK_AGE_S: 0.5 * self._client.round_trip_s,
            contract.LINK_SKIPPED: max(0, self._steps - before - 1) if frames else 0,
            contract.LINK_RECONNECTS: self._reconnects,
        }
        return self._frame, self._last_info

    def _end(self, why: dict[str, Any]) -> tuple[npt.NDArray[np.uint8], float, bool, bool, dict[str, Any]]:
        self._is_running = False
        return self._frame, 0.0, False, True, {**self._last_info, contract.FRAMES: 0, **why}
