"""How fast a car of given grip can drive along a line: a target speed for every row of it."""

import math

import numpy as np

from envs.arguments import check_range
from envs.track.centre_line import CentreLine
from envs.track.frames import FloatArray

LATERAL_MPS2, ACCELERATION_MPS2, BRAKING_MPS2, TOP_SPEED_MPS = 14.0, 6.0, 12.0, 70.0  # a light formula car, roughly


def speed_profile(
    line: CentreLine,
    *,
    lateral_mps2: float = LATERAL_MPS2,
    acceleration_mps2: float = ACCELERATION_MPS2,
    braking_mps2: float = BRAKING_MPS2,
    top_speed_mps: float = TOP_SPEED_MPS,
) -> FloatArray:
    """Return the fastest speeds `(N,)` along a closed line with a friction ellipse and without drag, m/s.

    In a bend, speed is what the grip to the side allows; out of it the car accelerates, and into the next it brakes,
    with what of the grip the bend leaves. Two laps forwards and two backwards make both ends meet.

    Args:
        line: closed.
        lateral_mps2: grip to the side.
        acceleration_mps2: straight on.
        braking_mps2: straight on.
        top_speed_mps: nowhere more.

    Source: the forward-backward pass of Kapania, Subosits and Gerdes, "A sequential two-step algorithm for fast
    generation of vehicle racing trajectories", ASME J. Dyn. Sys. 138 (2016), step 1, without topography.
    """
    for name, value in (
        ("lateral_mps2", lateral_mps2),
        ("acceleration_mps2", acceleration_mps2),
        ("braking_mps2", braking_mps2),
        ("top_speed_mps", top_speed_mps),
    ):
        check_range(name, value, 1e-3)
    bends = np.abs(line.curvatures)
    speeds = np.minimum(np.sqrt(lateral_mps2 / np.maximum(bends, 1e-9)), top_speed_mps).tolist()
    steps = np.diff(line.s_m, append=line.length_m).tolist()
    grips = (bends / lateral_mps2).tolist()  # share of the grip to the side that a squared speed uses up
    _carry(speeds, grips, steps, acceleration_mps2, 1)
    _carry(speeds, grips, steps, braking_mps2, -1)
    return np.array(speeds)


def _carry(speeds: list[float], grips: list[float], steps: list[float], strength: float, way: int) -> None:
    """Bound each speed by what can be reached from the point before it, going twice around one way."""
    count = len(speeds)
    for turn in range(2 * count):
        here = (turn * way) % count
        there = (here + way) % count
        distance = steps[here] if way > 0 else steps[there]
        squared = speeds[here] ** 2
        left = math.sqrt(max(1.0 - (squared * grips[here]) ** 2, 0.0))  # of the ellipse, lengthwise
        speeds[there] = min(speeds[there], math.sqrt(squared + 2.0 * strength * left * distance))
