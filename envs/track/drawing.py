"""A track from above, for people: road, centre line, start line, cars and what they sense."""

import cv2
import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.track.frames import FloatArray
from envs.track.track import Track

Picture = npt.NDArray[np.uint8]

_GRASS, _ROAD, _BORDER, _LINE = (86, 125, 70), (96, 96, 96), (230, 230, 230), (150, 150, 150)  # red, green, blue
_START, _RAY = (255, 255, 255), (255, 210, 60)
_CARS = ((220, 50, 40), (50, 110, 230), (240, 150, 30), (150, 70, 190), (30, 180, 170))  # one after the other
_SHIFT = 4  # fractional bits of OpenCV's coordinates
_MARGIN = 0.04  # of the picture, around the track


class TopView:
    """Draw one track from above; its road is drawn once.

    Args:
        track: what is shown whole.
        height: H, pixels.
        width: W, pixels.

    Raises:
        ConfigError: the picture is smaller than 16 pixels.
    """

    def __init__(self, track: Track, *, height: int = 600, width: int = 800) -> None:
        check_range("height", height, 16)
        check_range("width", width, 16)
        low, high = track.edges.min(axis=(0, 1)), track.edges.max(axis=(0, 1))
        size = np.array([width, height])
        self._scale = float(((1.0 - 2.0 * _MARGIN) * size / np.maximum(high - low, 1e-6)).min())  # pixels a metre
        self._middle, self._size = 0.5 * (low + high), size
        self._road = self._draw_road(track)

    def pixels(self, points: FloatArray) -> FloatArray:
        """Return where points `(..., 2)` in metres are in the picture: column and row, with fractions."""
        offset = (np.asarray(points) - self._middle) * self._scale
        return offset * (1.0, -1.0) + 0.5 * (self._size - 1)

    def draw(
        self,
        poses: npt.ArrayLike = (),
        *,
        length_m: float = 4.5,
        width_m: float = 1.8,
        angles_rad: npt.ArrayLike = (),
        distances_m: npt.ArrayLike = (),
    ) -> Picture:
        """Return the picture `(H, W, 3)` uint8, red, green, blue.

        Args:
            poses: `(B, 3)` x, y and heading of cars, of which each has its colour.
            length_m: of a car; drawn at least 8 pixels long.
            width_m: of a car.
            angles_rad: `(N,)` of the rays against the heading.
            distances_m: `(B, N)` of the rays.
        """
        picture = self._road.copy()
        cars = np.asarray(poses, np.float64).reshape(-1, 3)
        angles = np.asarray(angles_rad, np.float64)
        if angles.size:
            for pose, distances in zip(cars, np.reshape(distances_m, (len(cars), angles.size)), strict=True):
                self._draw_rays(picture, pose, angles, distances)
        enlarged = max(1.0, 8.0 / (length_m * self._scale))
        for number, (x, y, heading) in enumerate(cars):
            half_length, half_width = 0.5 * length_m * enlarged, 0.5 * width_m * enlarged
            ahead, left = np.array([np.cos(heading), np.sin(heading)]), np.array([-np.sin(heading), np.cos(heading)])
            corners = [(x, y) + a * half_length * ahead + b * half_width * left for a, b in _ARROW]
            self._fill(picture, np.array(corners), _CARS[number % len(_CARS)])
        return picture

    def _draw_road(self, track: Track) -> Picture:
        picture = np.empty((self._size[1], self._size[0], 3), np.uint8)
        picture[:] = _GRASS
        here, there = track.edges, np.roll(track.edges, -1, axis=1)
        quads = np.stack([here[0], here[1], there[1], there[0]], axis=1)
        for quad in quads if track.centre.is_closed else quads[:-1]:
            # Without antialiasing: at seams between two quads it would let the grass shine through.
            cv2.fillConvexPoly(picture, self._fixed(quad), _ROAD, cv2.LINE_8, _SHIFT)
        for line, colour in ((track.centre.points, _LINE), (track.left, _BORDER), (track.right, _BORDER)):
            self._stroke(picture, line, colour, closed=track.centre.is_closed)
        self._stroke(picture, track.edges[:, 0], _START, thickness=2)
        return picture

    def _draw_rays(self, picture: Picture, pose: FloatArray, angles: FloatArray, distances: FloatArray) -> None:
        directions = np.stack([np.cos(pose[2] + angles), np.sin(pose[2] + angles)], axis=-1)
        for end in pose[:2] + distances[:, np.newaxis] * directions:
            self._stroke(picture, np.stack([pose[:2], end]), _RAY)

    def _stroke(
        self,
        picture: Picture,
        line: FloatArray,
        colour: tuple[int, int, int],
        *,
        closed: bool = False,
        thickness: int = 1,
    ) -> None:
        cv2.polylines(picture, [self._fixed(line)], closed, colour, thickness, cv2.LINE_AA, _SHIFT)

    def _fill(self, picture: Picture, corners: FloatArray, colour: tuple[int, int, int]) -> None:
        cv2.fillConvexPoly(picture, self._fixed(corners), colour, cv2.LINE_AA, _SHIFT)

    def _fixed(self, points: FloatArray) -> npt.NDArray[np.int32]:
        """Return pixels as OpenCV takes them: in sixteenths, and no farther outside than it can count."""
        return np.clip(np.rint(self.pixels(points) * (1 << _SHIFT)), -(2**24), 2**24).astype(np.int32)


_ARROW = ((1.0, 0.0), (0.4, 1.0), (-1.0, 1.0), (-1.0, -1.0), (0.4, -1.0))  # a car's outline: ahead, left
