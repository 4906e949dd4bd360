"""Observations as TMRL returns them: the same elements, shapes and numbers, in spaces that contain them.

TMRL declares float32 for images of uint8 and no reverse gear; here dtypes and bounds are those of what is returned.

Source: TMRL 0.7.1, `TM20FULL`, `TM20LIDAR`, `TM20LIDARPROGRESS`.
"""

from abc import ABC, abstractmethod
from collections import deque
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.errors import ConfigError
from envs.trackmania.images import Picture
from envs.trackmania.layouts import GEAR, RPM, SPEED_MPS, Layout
from envs.trackmania.lidar import NUM_RAYS, PixelLidar
from envs.trackmania.records import Record

FULL, LIDAR = "full", "lidar"  # also what a screenshot must show: the road, or the road from the cockpit
MOST_PIXELS = 10000.0  # of a lidar ray; TMRL declares no bound
Element = npt.NDArray[Any]


class Preset(ABC):
    """What is observed: a tuple of arrays.

    Attributes:
        names: of the elements, in order.
        screen: what kind of screenshot it needs; None: none.
        boxes: the spaces of the elements.
    """

    names: ClassVar[tuple[str, ...]]
    screen: ClassVar[str | None] = None
    boxes: tuple[spaces.Box, ...]

    @abstractmethod
    def reset(self, record: Record, screenshot: npt.NDArray[np.uint8] | None) -> tuple[Element, ...]:
        """Return the first observation of an episode; histories are filled with it."""

    @abstractmethod
    def step(self, record: Record, screenshot: npt.NDArray[np.uint8] | None, progress: float) -> tuple[Element, ...]:
        """Return the next observation.

        Args:
            record: of the car.
            screenshot: `(H, W, 3)` uint8, blue first; None if `screen` is None.
            progress: 0 … 1 of the trajectory.
        """


class FullPreset(Preset):
    """Speed, gear, rpm, and the last pictures, oldest first.

    Args:
        layout: of the records.
        picture: how screenshots become pictures.
        history: number of pictures.
    """

    names = ("speed", "gear", "rpm", "image")
    screen = FULL

    def __init__(self, layout: Layout, picture: Picture, history: int = 4) -> None:
        _need(layout, "full", GEAR, RPM)
        self._picture = picture
        self._pictures: deque[npt.NDArray[np.uint8]] = deque(maxlen=history)
        images = spaces.Box(0, 255, (history, *picture.shape), np.uint8)
        self.boxes = (_box(-1000.0, 1000.0), _box(-1.0, 7.0), _box(0.0, 20000.0), images)

    def reset(self, record: Record, screenshot: npt.NDArray[np.uint8] | None) -> tuple[Element, ...]:
        """Fill the history with this one picture."""
        _need(record.layout, "full", GEAR, RPM)  # env.layout=auto: it is known only now
        assert screenshot is not None
        assert self._pictures.maxlen is not None
        self._pictures.extend([self._picture.of(screenshot)] * self._pictures.maxlen)
        return self._elements(record)

    def step(self, record: Record, screenshot: npt.NDArray[np.uint8] | None, progress: float) -> tuple[Element, ...]:
        """Add a picture."""
        assert screenshot is not None
        self._pictures.append(self._picture.of(screenshot))
        return self._elements(record)

    def _elements(self, record: Record) -> tuple[Element, ...]:
        return (_one(record[SPEED_MPS]), _one(record[GEAR]), _one(record[RPM]), np.stack(self._pictures))


class LidarPreset(Preset):
    """Speed, and the last lidar readings, oldest first.

    Args:
        height: of screenshots, pixels; a window of another size is measured anew.
        width: of screenshots, pixels.
        history: number of readings.
    """

    names: ClassVar[tuple[str, ...]] = ("speed", "lidar")
    screen = LIDAR

    def __init__(self, height: int = 488, width: int = 958, history: int = 4) -> None:
        self._lidar = PixelLidar(height, width)
        self._readings: deque[npt.NDArray[np.float32]] = deque(maxlen=history)
        self.boxes = (_box(-1000.0, 1000.0), spaces.Box(0.0, MOST_PIXELS, (history, NUM_RAYS), np.float32))

    def reset(self, record: Record, screenshot: npt.NDArray[np.uint8] | None) -> tuple[Element, ...]:
        """Fill the history with this one reading."""
        assert self._readings.maxlen is not None
        self._readings.extend([self._read(screenshot)] * self._readings.maxlen)
        return self._elements(record, 0.0)

    def step(self, record: Record, screenshot: npt.NDArray[np.uint8] | None, progress: float) -> tuple[Element, ...]:
        """Add a reading."""
        self._readings.append(self._read(screenshot))
        return self._elements(record, progress)

    def _read(self, screenshot: npt.NDArray[np.uint8] | None) -> npt.NDArray[np.float32]:
        assert screenshot is not None
        if screenshot.shape[:2] != (self._lidar.height, self._lidar.width):
            self._lidar = PixelLidar(*screenshot.shape[:2])
        return self._lidar.read(screenshot)

    def _elements(self, record: Record, progress: float) -> tuple[Element, ...]:
        return (_one(record[SPEED_MPS]), np.stack(self._readings))


class LidarProgressPreset(LidarPreset):
    """Speed, progress along the trajectory, and the last lidar readings.

    Args:
        height: as for `LidarPreset`.
        width: as for `LidarPreset`.
        history: number of readings.
    """

    names: ClassVar[tuple[str, ...]] = ("speed", "progress", "lidar")

    def __init__(self, height: int = 488, width: int = 958, history: int = 4) -> None:
        super().__init__(height, width, history)
        speed, lidar = self.boxes
        self.boxes = (speed, _box(0.0, 1.0), lidar)

    def _elements(self, record: Record, progress: float) -> tuple[Element, ...]:
        speed, lidar = super()._elements(record, progress)
        return (speed, _one(progress), lidar)


def _one(value: float) -> npt.NDArray[np.float32]:
    return np.array([value], np.float32)


def _box(low: float, high: float) -> spaces.Box:
    return spaces.Box(low, high, (1,), np.float32)


def _need(layout: Layout, preset: str, *names: str) -> None:
    missing = [name for name in names if name not in layout]
    if missing:
        raise ConfigError(
            f"env.obs={preset} needs {', '.join(missing)}, which env.layout={layout.name} does not tell. Choose "
            "env.obs=lidar, or a plugin that tells it."
        )
