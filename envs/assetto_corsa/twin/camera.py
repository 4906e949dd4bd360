"""What the driver of a twin's car sees: the road ahead between its borders, other cars as boxes. Flat, and simple."""

import math

import cv2
import numpy as np
import numpy.typing as npt

from envs.arguments import check_choice, check_range
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.twin.columns import SEGMENT
from envs.track.bicycle import HEADING_RAD
from envs.track.frames import FloatArray, to_car_frame

Picture = npt.NDArray[np.uint8]
GRAY, BGR = "gray", "bgr"
MODES = (GRAY, BGR)
_SMALLEST, _LARGEST = 16, 4096
_EYE_M, _FOCAL, _HORIZON = 1.1, 0.8, 0.45  # height, focal length by the picture's height, horizon from the top
_NEAREST_M, _FARTHEST_M = 1.0, 300.0
_BEHIND_M = 15.0
_SKY, _GRASS, _ROAD, _EDGE, _CAR = (225, 190, 150), (70, 130, 80), (95, 95, 95), (235, 235, 235), (40, 40, 200)
_CAR_WIDE_M, _CAR_HIGH_M = 1.8, 1.1
_SHIFT = 4  # fractional bits of OpenCV's coordinates


def draw_view(
    track: AcTrack, car: FloatArray, others: FloatArray, *, width: int, height: int, mode: str = GRAY
) -> Picture:
    """Return the picture `(height, width, C)` uint8; C is 1 for `gray`, 3 (blue, green, red) for `bgr`.

    Args:
        track: where the car is.
        car: `(CAR_SIZE,)`.
        others: `(K, 3)` poses of other cars.
        width: pixels.
        height: pixels.
        mode: of colours.

    Raises:
        ConfigError: the size is out of range, or there is no such mode.
    """
    check_choice("the mode of a picture", mode, MODES)
    for name, pixels in (("width", width), ("height", height)):
        check_range(f"the {name} of a picture", pixels, _SMALLEST, _LARGEST)
    picture = np.empty((height, width, 3), np.uint8)
    horizon = int(_HORIZON * height)
    picture[:horizon], picture[horizon:] = _SKY, _GRASS
    pose = car[: HEADING_RAD + 1]
    rows = _rows_ahead(track, int(car[SEGMENT]))
    left, right = (to_car_frame(border[rows], pose) for border in (track.left_m, track.right_m))
    for index in range(len(rows) - 1, 0, -1):  # from far to near
        quad = np.stack([left[index], right[index], right[index - 1], left[index - 1]])
        _fill(picture, quad, 0.0, _ROAD)
    for border in (left, right):
        _stroke(picture, border)
    for x, y in sorted(to_car_frame(others[:, :2], pose).tolist(), reverse=True):
        if _NEAREST_M < x < _FARTHEST_M:
            box = np.array([(x, y + 0.5 * _CAR_WIDE_M), (x, y - 0.5 * _CAR_WIDE_M)])
            foot, top = _pixels(picture, box, 0.0), _pixels(picture, box, _CAR_HIGH_M)
            cv2.fillConvexPoly(picture, _fixed(np.concatenate([foot, top[::-1]])), _CAR, cv2.LINE_AA, _SHIFT)
    return picture if mode == BGR else np.asarray(cv2.cvtColor(picture, cv2.COLOR_BGR2GRAY), np.uint8)[..., np.newaxis]


def _rows_ahead(track: AcTrack, segment: int) -> npt.NDArray[np.int64]:
    """Return rows from just behind the car to as far as is seen, less than a lap."""
    per_m = track.num_rows / track.closed_length_m
    first, last = -math.ceil(_BEHIND_M * per_m), math.ceil(_FARTHEST_M * per_m)
    last = min(last, track.num_rows + first - 1)
    near = np.arange(first, min(int(40.0 * per_m), last))
    far = np.arange(near[-1] + 1, last, 4)  # far away rows are less than a pixel apart
    return (segment + np.concatenate([near, far])) % track.num_rows


def _pixels(picture: Picture, points: FloatArray, high_m: float) -> FloatArray:
    """Return columns and rows of points ahead and to the left, at a height above the ground."""
    focal, ahead = _FOCAL * len(picture), points[:, 0]
    column = 0.5 * picture.shape[1] - focal * points[:, 1] / ahead
    row = _HORIZON * len(picture) + focal * (_EYE_M - high_m) / ahead
    return np.stack([column, row], axis=-1)


def _clipped(points: FloatArray) -> FloatArray:
    """Return a polygon's part in front of the eye."""
    found = []
    for here, there in zip(points, np.roll(points, -1, axis=0), strict=True):
        if here[0] >= _NEAREST_M:
            found.append(here)
        if (here[0] - _NEAREST_M) * (there[0] - _NEAREST_M) < 0.0:
            found.append(here + (_NEAREST_M - here[0]) / (there[0] - here[0]) * (there - here))
    return np.array(found).reshape(-1, 2)


def _fill(picture: Picture, points: FloatArray, high_m: float, colour: tuple[int, int, int]) -> None:
    seen = points if points[:, 0].min() >= _NEAREST_M else _clipped(points)
    if len(seen) > 2:
        cv2.fillConvexPoly(picture, _fixed(_pixels(picture, seen, high_m)), colour, cv2.LINE_8, _SHIFT)


def _stroke(picture: Picture, border: FloatArray) -> None:
    ahead = border[:, 0] >= _NEAREST_M
    for first in np.flatnonzero(ahead[:-1] & ahead[1:]):
        pixels = _fixed(_pixels(picture, border[first : first + 2], 0.0))
        cv2.polylines(picture, [pixels], False, _EDGE, 1, cv2.LINE_AA, _SHIFT)


def _fixed(pixels: FloatArray) -> npt.NDArray[np.int32]:
    """Return pixels as OpenCV takes them: in sixteenths, and no farther outside than it can count."""
    return np.clip(np.rint(pixels * (1 << _SHIFT)), -(2**24), 2**24).astype(np.int32)
