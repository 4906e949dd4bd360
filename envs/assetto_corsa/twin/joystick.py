"""From a command to the car: the virtual joystick's axes and the control profile's curves, exactly.

Axes count 0 … 32768. Source: the plugin's virtual joystick, and the control profile that is shipped with it.
"""

from numba import njit

from envs.assetto_corsa.cars import BRAKE_GAMMA, PROFILE_DEG

_MIDDLE, _FULL = 16384, 32768
RELEASED = -1.0
NEUTRAL_COMMAND = (0.0, RELEASED, RELEASED)  # steer, throttle, brake


@njit(cache=True)
def steer_angle(command: float, lock_deg: float) -> float:
    """Return the angle of the steering wheel, degrees to the right, up to the car's lock."""
    axis = int(_MIDDLE * min(max(command + 1.0, 0.0), 2.0))
    return min(max(PROFILE_DEG * (axis / _MIDDLE - 1.0), -lock_deg), lock_deg)


@njit(cache=True)
def throttle_status(command: float) -> float:
    """Return the throttle as the game applies it, 0 … 1."""
    return int(_FULL * min(max(0.5 * (command + 1.0), 0.0), 1.0)) / _FULL


@njit(cache=True)
def brake_status(command: float) -> float:
    """Return the brake as the game applies it, 0 … 1."""
    return (int(_FULL * min(max(0.5 * (command + 1.0), 0.0), 1.0)) / _FULL) ** BRAKE_GAMMA
