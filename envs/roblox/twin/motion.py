"""How cars move between two frames: bicycles without slip, walls, and cars that may not be in one place."""

import math

from numba import njit

from envs.roblox.twin.checkpoints import IntArray
from envs.roblox.twin.circuit import CAR_RADIUS, REACH
from envs.roblox.twin.fleet import CONTACT, DRIVING, WALL
from envs.track.frames import FloatArray
from envs.track.projection import project_one

WHEELBASE = 12.0  # studs
_LOOK_BACK, _LOOK_AHEAD, _LOST = 12.0, 24.0, 40.0  # studs around where a car was a frame ago; it moves 3 at most


@njit(cache=True)
def roll(
    num_frames: int,
    dt_s: float,
    slots: IntArray,
    segments: FloatArray,
    poses: FloatArray,
    speeds: FloatArray,
    steers_rad: FloatArray,
    places: IntArray,
    ended: IntArray,
    groups: IntArray,
    is_solid: bool,
    contact_ends: bool,
    wall_ends: bool,
) -> None:
    """Let cars roll on for some frames; who touches a wall ends, and stays there, or is held back by it.

    Args:
        num_frames: how many.
        dt_s: between them.
        slots: `(K,)` of the cars that may move.
        segments: `(M, 6)` of the centre line, as in `envs.track.projection`.
        poses: `(C, 3)` of all cars; changed in place.
        speeds: `(C,)` studs/s.
        steers_rad: `(C,)` angles of the wheels, positive to the right.
        places: `(C,)` segment of each, for the next search; changed in place.
        ended: `(C,)` why each has ended; changed in place.
        groups: `(C,)` env of each.
        is_solid: whether cars of one env push each other.
        contact_ends: whether cars that touch end.
        wall_ends: whether walls do.
    """
    for _ in range(num_frames):
        for slot in slots:
            if ended[slot] == DRIVING:
                _move(slot, poses, speeds[slot] * dt_s, steers_rad[slot])
        if is_solid:
            _separate(slots, poses, groups, ended, contact_ends)
        for slot in slots:
            if ended[slot] != DRIVING:
                continue
            x, y = poses[slot, 0], poses[slot, 1]
            _, left, _, places[slot] = project_one(segments, True, x, y, places[slot], _LOOK_BACK, _LOOK_AHEAD, _LOST)
            beyond = abs(left) - REACH
            if beyond < 0.0:
                continue
            if wall_ends:
                ended[slot] = WALL
                continue
            side = math.copysign(1.0, left)
            poses[slot, 0] += beyond * side * segments[places[slot], 3]
            poses[slot, 1] -= beyond * side * segments[places[slot], 2]


@njit(cache=True, inline="always")
def _move(slot: int, poses: FloatArray, way: float, steer_rad: float) -> None:
    turn = -way / WHEELBASE * math.tan(steer_rad)  # steering is positive to the right, headings to the left
    middle = poses[slot, 2] + 0.5 * turn
    poses[slot, 0] += way * math.cos(middle)
    poses[slot, 1] += way * math.sin(middle)
    poses[slot, 2] = (poses[slot, 2] + turn + math.pi) % (2.0 * math.pi) - math.pi


@njit(cache=True)
def _separate(slots: IntArray, poses: FloatArray, groups: IntArray, ended: IntArray, contact_ends: bool) -> None:
    """Push cars of one group apart that overlap, each by half."""
    for row in range(len(slots)):
        one = slots[row]
        for other in slots[row + 1 :]:
            if groups[one] != groups[other] or ended[one] != DRIVING or ended[other] != DRIVING:
                continue
            x, y = poses[other, 0] - poses[one, 0], poses[other, 1] - poses[one, 1]
            distance = math.hypot(x, y)
            if distance >= 2.0 * CAR_RADIUS:
                continue
            if contact_ends:
                ended[one] = ended[other] = CONTACT
            push = 0.5 * (2.0 * CAR_RADIUS - distance)
            ahead_x, ahead_y = (x / distance, y / distance) if distance > 0.0 else (1.0, 0.0)
            poses[one, 0] -= push * ahead_x
            poses[one, 1] -= push * ahead_y
            poses[other, 0] += push * ahead_x
            poses[other, 1] += push * ahead_y
