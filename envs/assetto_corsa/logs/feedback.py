"""From what the game says of wheel and pedals back to what was commanded: exact, where the original interpolates."""

import numpy as np

from envs.assetto_corsa.cars import BRAKE_GAMMA, CarControls
from envs.track.frames import FloatArray


def commands_of_feedback(
    steer_deg: FloatArray, throttle: FloatArray, brake: FloatArray, car: CarControls
) -> FloatArray:
    """Return joystick commands `(N, 3)`, steer, throttle and brake, for what the game says.

    Args:
        steer_deg: `(N,)` of the wheel.
        throttle: `(N,)` 0..1.
        brake: `(N,)` 0..1.
        car: whose steering it is; commands end at its range.
    """
    steer = np.clip(steer_deg / car.scale, -car.norm, car.norm)
    pedals = [
        2.0 * np.clip(pedal, 0.0, 1.0) ** power - 1.0 for pedal, power in ((throttle, 1.0), (brake, 1.0 / BRAKE_GAMMA))
    ]
    return np.column_stack([steer, *pedals])
