"""Record in the game: the line of a drive, that rewards are paid along, or whole episodes of a person."""

import logging
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from envs.arguments import check_choice, check_range
from envs.demonstrations import Demonstration, config_hash
from envs.errors import ConfigError, SimulatorUnavailable
from envs.stacking import as_parts
from envs.trackmania.actions import from_game
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.layouts import FINISHED, MAX_MOVE_M
from envs.trackmania.real_time_env import INPUTS
from envs.trackmania.records import Record
from envs.trackmania.trajectory import Trajectory, resampled

TRAJECTORY, DEMONSTRATIONS = "trajectory", "demonstrations"
KINDS = (TRAJECTORY, DEMONSTRATIONS)
_LEAST_M = 10.0  # of a drive

log = logging.getLogger(__name__)


class DriveRecorder:
    """Listen to records and keep the positions of one drive, from its start to its finish.

    Positions count while the sign of the finish is down, so a sign that is left from the race before begins nothing; a
    restart begins anew.
    """

    def __init__(self) -> None:
        self._points: list[Any] = []
        self._is_racing = False
        self.is_complete = threading.Event()

    def see(self, record: Record) -> None:
        """Take notice of the next record."""
        if self.is_complete.is_set():
            return
        position = record.position_m
        if record[FINISHED] == 0.0:
            if self._points and np.linalg.norm(position - self._points[-1]) > MAX_MOVE_M:
                self._points.clear()
            self._is_racing = True
            self._points.append(position)
        elif self._is_racing:
            self._points.append(position)
            self._is_racing = False
            if self._length_m() >= _LEAST_M:
                self.is_complete.set()
            else:
                self._points.clear()

    def trajectory(self, map_uid: str, source: str) -> Trajectory:
        """Return the drive.

        Raises:
            ConfigError: it is too short.
        """
        return Trajectory(resampled(np.array(self._points)), map_uid, source)

    def _length_m(self) -> float:
        return float(np.linalg.norm(np.diff(np.array(self._points), axis=0), axis=1).sum())


def record(arguments: Mapping[str, Any], request: Mapping[str, Any]) -> str:
    """Record, and say what.

    Args:
        arguments: of `TrackmaniaEnv`.
        request: `kind`, `file` (a folder of demonstrations), `episodes`, `map_uid`, `timeout_s`.

    Raises:
        ConfigError: the request cannot be carried out.
        SimulatorUnavailable: the game does not answer, or nobody finished in time.
    """
    check_choice("kind", request["kind"], KINDS)
    check_range("timeout_s", request["timeout_s"], 1.0)
    check_range("episodes", request["episodes"], 1)
    target = Path(request["file"])
    if request["kind"] == TRAJECTORY:
        return _record_trajectory(arguments, target, str(request["map_uid"]), float(request["timeout_s"]))
    return _record_demonstrations(arguments, target, int(request["episodes"]))


def _record_trajectory(arguments: Mapping[str, Any], file: Path, map_uid: str, timeout_s: float) -> str:
    if file.suffix != ".npz":
        raise ConfigError(f"Expected file to be an npz for kind=trajectory, got {file}.")
    env = TrackmaniaEnv(**{**arguments, "obs": "lidar", "trajectory": None, "controls": "none"})
    try:
        own = env.own_trajectory
        if own is not None:  # a twin knows its road: nobody needs to drive it
            own.save(file)
            return f"The twin's own trajectory, {own.length_m:.0f} m, is in {file}."
        source = env.game.telemetry()
        recorder = DriveRecorder()
        source.listen(recorder.see)
        source.open(float(arguments.get("connect_timeout_s", 30.0)))
        log.warning("Restart the race and drive to the finish; what is driven before the restart does not count.")
        if not recorder.is_complete.wait(timeout_s):
            raise SimulatorUnavailable(f"Nobody finished within {timeout_s:g} s (timeout_s): nothing was recorded.")
        source.close()
        trajectory = recorder.trajectory(map_uid, "driven by a person")
        trajectory.save(file)
        return f"{len(trajectory.points)} points of {trajectory.length_m:.0f} m are in {file}: env.trajectory={file}"
    finally:
        env.close()


def _record_demonstrations(arguments: Mapping[str, Any], folder: Path, episodes: int) -> str:
    folder.mkdir(parents=True, exist_ok=True)
    env = TrackmaniaEnv(**{**arguments, "controls": "none"})
    written = []
    try:
        for _ in range(episodes):
            number = len(list(folder.glob("episode_*.npz")))
            written.append(folder / f"episode_{number:05d}.npz")
            _drive(env, arguments).save(written[-1])
            log.warning("%s is written.", written[-1])
    finally:
        env.close()
    return f"{len(written)} episodes are in {folder}."


def _drive(env: TrackmaniaEnv, arguments: Mapping[str, Any]) -> Demonstration:
    """Watch a person for one episode."""
    observation, _ = env.reset()
    observations, actions, rewards = [as_parts(observation)], [], []
    terminated = truncated = False
    while not (terminated or truncated):
        observation, reward, terminated, truncated, info = env.step(None)
        if INPUTS not in info:
            raise ConfigError(
                "The plugin's layout does not tell what is pressed: demonstrations need steer, gas, brake."
            )
        observations.append(as_parts(observation))
        actions.append(from_game(info[INPUTS], str(arguments.get("actions", "full"))))
        rewards.append(reward)
    parts = {name: np.stack([one[name] for one in observations]) for name in observations[0]}
    return Demonstration(
        parts, np.stack(actions), np.array(rewards), terminated, truncated, "person", config_hash(arguments)
    )
