"""Do the game's signs mean what we take them to mean? Each channel against positions and commands of the same drive.

Some of the plugin's signs nobody has verified in the game. What they should be follows from positions alone: the plan
frame is right-handed, left is positive, yaw turns counter-clockwise.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.assetto_corsa.state_keys import State
from envs.track.frames import FloatArray, wrap_angle

AGREES, OPPOSITE, UNKNOWN = "agrees", "opposite", "unknown"
_G = 9.81
_LEAST_LIKENESS = 0.5
_LEAST = {  # of what should have been seen, for a channel to be judged, in its own unit
    **{"yaw": 1.0, "steerAngle": 1.0, "steer": 0.02, "angular_velocity_y": 0.02},
    **{"local_velocity_x": 1.0, "local_velocity_y": 0.02, "accelX": 0.05, "accelY": 0.05},
}


@dataclass(frozen=True)
class Sign:
    """What a channel's sign is.

    Attributes:
        channel: the key of the state; `steer` is the command against the turn.
        verdict: `agrees`, `opposite`, or `unknown` where too little happened.
        likeness: -1 … 1, of the channel and what it should be.
    """

    channel: str
    verdict: str
    likeness: float


def audit(states: Sequence[State], steer_commands: Sequence[float]) -> list[Sign]:
    """Judge the signs of a drive with pulses of steering, throttle and brake.

    Args:
        states: in order; gaps do not matter.
        steer_commands: for each state, the steering that was held before it, positive to the right.
    """
    if len(states) < 5:
        return [Sign(channel, UNKNOWN, 0.0) for channel in _LEAST]
    told = {key: np.array([state[key] for state in states]) for key in _LEAST if key != "steer"}
    time = np.array([state["timestamp_ac"] for state in states])
    x, y = (np.array([state[f"world_position_{axis}"] for state in states]) for axis in "xy")
    velocity = np.stack([np.gradient(x, time), np.gradient(y, time)], axis=-1)
    speed = np.hypot(*velocity.T)
    course = np.unwrap(np.arctan2(velocity[:, 1], velocity[:, 0]))
    is_moving = speed > 1.0
    turning = np.where(is_moving, np.gradient(course, time), 0.0)
    yaw_sign = _yaw(told["yaw"], course, is_moving)
    heading = -told["yaw"] if yaw_sign.verdict == OPPOSITE else told["yaw"]
    ahead = np.stack([np.cos(heading), np.sin(heading)], axis=-1)
    left = np.stack([-ahead[:, 1], ahead[:, 0]], axis=-1)
    command = np.asarray(steer_commands, np.float64)
    expected = {
        "steerAngle": 450.0 * command,
        "angular_velocity_y": np.gradient(np.unwrap(heading), time),
        "local_velocity_x": (velocity * ahead).sum(axis=-1),
        "local_velocity_y": (velocity * left).sum(axis=-1),
        "accelX": speed * turning / _G,
        "accelY": np.gradient(speed, time) / _G,
    }
    signs = [_judged(channel, told[channel], wanted) for channel, wanted in expected.items()]
    return [yaw_sign, _judged("steer", -turning, command), *signs]


def _yaw(yaw: FloatArray, course: FloatArray, is_moving: FloatArray) -> Sign:
    """Compare directions: of the heading and of the way, which differ by a few degrees only."""
    if is_moving.sum() < 5:
        return Sign("yaw", UNKNOWN, 0.0)
    same, mirrored = (
        float(np.cos(wrap_angle(sign * yaw[is_moving] - course[is_moving])).mean()) for sign in (1.0, -1.0)
    )
    if same > 0.9:
        return Sign("yaw", AGREES, same)
    return Sign("yaw", OPPOSITE if mirrored > 0.9 else UNKNOWN, same)


def _judged(channel: str, told: FloatArray, expected: FloatArray) -> Sign:
    inner = slice(1, -1)  # differences at the ends have one side only
    one, other = told[inner], expected[inner]
    size = float(np.linalg.norm(one) * np.linalg.norm(other))
    likeness = float(one @ other) / size if size > 0.0 else 0.0
    if np.abs(other).max() < _LEAST[channel] or abs(likeness) < _LEAST_LIKENESS:
        return Sign(channel, UNKNOWN, likeness)
    return Sign(channel, AGREES if likeness > 0.0 else OPPOSITE, likeness)
