"""What stands on the ground of a landscape: the finish gate, and the car in front of the camera."""

import cv2
import numpy as np

from envs.track.frames import FloatArray
from envs.trackmania.twin.perspective import Picture
from envs.trackmania.twin.road import Road

_SHIFT = 4  # fractional bits of OpenCV's coordinates
_GATE_HIGH_M, _BEAM_M, _POST_M = 7.0, 1.6, 0.8
_NEAREST_M, _FARTHEST_M = 1.0, 400.0  # of the gate
_GATE, _BODY, _ROOF, _TYRE, _LIGHT = (40, 40, 40), (200, 120, 30), (90, 50, 20), (25, 25, 25), (40, 40, 230)
_BAR = (30, 190, 240)


def draw_gate(picture: Picture, road: Road, pose: FloatArray, lens: FloatArray) -> None:
    """Draw the finish as two posts and a beam; `pose` and `lens` as for the ground."""
    middle, heading = road.centre.position(road.gate_m), float(road.centre.heading(road.gate_m))
    left = np.array([-np.sin(heading), np.cos(heading)])
    posts = [middle + side * (road.half_width_m + _POST_M) * left for side in (1.0, -1.0)]
    places = []
    for x, y in posts:
        offset_x, offset_y = x - pose[0], y - pose[1]
        ahead, across = offset_x * pose[2] + offset_y * pose[3], offset_x * pose[3] - offset_y * pose[2]
        if not _NEAREST_M < ahead < _FARTHEST_M:
            return
        places.append((ahead, across))
    for ahead, across in places:
        _fill(picture, lens, [_corner(ahead, across + dx, z) for dx, z in _box(_POST_M, 0.0, _GATE_HIGH_M)], _GATE)
    top, low = _GATE_HIGH_M, _GATE_HIGH_M - _BEAM_M
    (ahead, across), (far_ahead, far_across) = places
    beam = [(ahead, across, low), (ahead, across, top), (far_ahead, far_across, top), (far_ahead, far_across, low)]
    _fill(picture, lens, beam, _BAR)


def draw_car(picture: Picture, lens: FloatArray, ahead_m: float, wheel_rad: float) -> None:
    """Draw the car from behind, `ahead_m` in front of the camera."""
    front = ahead_m + 1.3
    for side in (-0.8, 0.8):  # front wheels show how they are turned
        turn = 0.35 * wheel_rad
        wheel = [(front + a, side + turn * a / 0.35 + b, z) for a, b, z in _WHEEL]
        _fill(picture, lens, wheel, _TYRE)
    rear = ahead_m - 1.6
    for side in (-0.85, 0.85):
        _fill(picture, lens, [_corner(rear, side + dx, z) for dx, z in _box(0.2, 0.0, 0.65)], _TYRE)
    deck = [(rear, -0.9, 0.75), (front + 0.8, -0.5, 0.6), (front + 0.8, 0.5, 0.6), (rear, 0.9, 0.75)]
    _fill(picture, lens, deck, _BODY)
    _fill(picture, lens, [_corner(rear, dx, z) for dx, z in _box(0.85, 0.25, 0.75)], _BODY)
    _fill(picture, lens, [_corner(rear + 1.2, dx, z) for dx, z in _box(0.45, 0.7, 1.15)], _ROOF)
    for side in (-0.6, 0.6):
        _fill(picture, lens, [_corner(rear, side + dx, z) for dx, z in _box(0.16, 0.5, 0.66)], _LIGHT)


_WHEEL = ((-0.35, -0.15, 0.0), (-0.35, 0.15, 0.0), (0.35, 0.15, 0.65), (0.35, -0.15, 0.65))


def _box(half_m: float, low_m: float, high_m: float) -> tuple[tuple[float, float], ...]:
    return (-half_m, low_m), (-half_m, high_m), (half_m, high_m), (half_m, low_m)


def _corner(ahead_m: float, right_m: float, high_m: float) -> tuple[float, float, float]:
    return ahead_m, right_m, high_m


def _fill(
    picture: Picture, lens: FloatArray, corners: list[tuple[float, float, float]], colour: tuple[int, int, int]
) -> None:
    """Fill a polygon of corners ahead of, right of and above the ground below the camera, metres."""
    focal, horizon, camera = lens
    pixels = [
        (0.5 * picture.shape[1] + focal * right / ahead, horizon + focal * (camera - high) / ahead)
        for ahead, right, high in corners
    ]
    fixed = np.clip(np.rint(np.array(pixels) * (1 << _SHIFT)), -(2**24), 2**24).astype(np.int32)
    cv2.fillConvexPoly(picture, fixed, colour, cv2.LINE_AA, _SHIFT)
