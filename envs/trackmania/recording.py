"""Record in the game: the line of a drive, that rewards are paid along, or whole episodes of a person."""

import logging
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from envs.arguments import check_choice, check_range
from envs.demonstrations import Demonstration, config_hash
from envs.errors import ConfigError, ProtocolError, SimulatorUnavailable
from envs.stacking import as_parts
from envs.trackmania import readiness
from envs.trackmania.actions import from_game
from envs.trackmania.choices import own_trajectory
from envs.trackmania.drive_recorder import DriveRecorder
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.layouts import IQN33
from envs.trackmania.step_info import INPUTS

TRAJECTORY, DEMONSTRATIONS = "trajectory", "demonstrations"
KINDS = (TRAJECTORY, DEMONSTRATIONS)

log = logging.getLogger(__name__)


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
        own = own_trajectory(env.game)
        if own is not None:  # a twin knows its road: nobody needs to drive it
            own.save(file)
            return f"The twin's own trajectory, {own.length_m:.0f} m, is in {file}."
        map_uid = map_uid or _loaded_map(arguments)
        source = env.game.telemetry()
        recorder = DriveRecorder()
        source.listen(recorder.see)
        try:
            source.open(float(arguments.get("connect_timeout_s", 30.0)))
            log.warning("Restart the race and drive to the finish; what is driven before the restart does not count.")
            if not recorder.is_complete.wait(timeout_s):
                raise SimulatorUnavailable(
                    f"Nobody drove from a restart to the finish within {timeout_s:g} s (timeout_s): nothing was "
                    "recorded."
                )
        finally:
            source.close()
        trajectory = recorder.trajectory(map_uid, "driven by a person")
        trajectory.save(file)
        return f"{len(trajectory.points)} points of {trajectory.length_m:.0f} m are in {file}: env.trajectory={file}"
    finally:
        env.close()


def _loaded_map(arguments: Mapping[str, Any]) -> str:
    """Return the map's name where a plugin tells it, else nothing."""
    if arguments.get("layout") != IQN33.name:
        return ""
    try:
        return readiness.ask_readiness(port=readiness.PORT).map_uid or ""
    except (SimulatorUnavailable, ProtocolError) as error:
        log.warning("The trajectory will not say which map it belongs to: %s", error)
        return ""


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
    log.warning("Restart the race: the episode begins there.")
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
