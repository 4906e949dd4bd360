"""Pictures of the game beside its states: where they come from, and what is known of each.

Nothing ties a picture of the original's to a state, and its file of shared memory tells neither number nor time: what
is not known is None.
"""

from dataclasses import dataclass
from typing import Protocol

import cv2
import numpy as np
import numpy.typing as npt

from envs.arguments import check_range

GRAY, BGR = "gray", "bgr"
COLOR_MODES = (GRAY, BGR)
CHANNELS = {GRAY: 1, BGR: 3}


@dataclass(frozen=True)
class Frame:
    """A picture, and what is known of it.

    Attributes:
        image: `(H, W, C)` uint8; three channels are blue, green, red.
        number: counts the frames of its source; None where that is not told.
        steps: of the newest state when it was taken; None where that is not told.
        timestamp_s: when it was taken, on its source's clock; None where that is not told.
        age_s: since it came here; None where that is not known.
    """

    image: npt.NDArray[np.uint8]
    number: int | None = None
    steps: int | None = None
    timestamp_s: float | None = None
    age_s: float | None = None


class ImageSource(Protocol):
    """Where pictures come from."""

    def newest(self, steps: int) -> Frame:
        """Return the newest picture.

        Args:
            steps: of the newest state, for sources that take the picture now.

        Raises:
            SimulatorUnavailable: there is none.
        """

    def close(self) -> None:
        """End; a second call does nothing."""


class ImageScaler:
    """Make the observation's picture of a frame.

    Args:
        size: of its sides, pixels.
        grayscale: one grey channel instead of red, green, blue.
    """

    def __init__(self, size: int, *, grayscale: bool) -> None:
        check_range("image_size", size, 8, 2048)
        self._size, self._grayscale = size, grayscale
        self.shape = (size, size, 1 if grayscale else 3)

    def of(self, image: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the picture `(H, W, C)` of a frame's image; colours come out red first."""
        small = cv2.resize(image, (self._size, self._size), interpolation=cv2.INTER_AREA)
        small = small.reshape(self._size, self._size, -1)
        if small.shape[2] == 3:
            small = cv2.cvtColor(small, cv2.COLOR_BGR2GRAY if self._grayscale else cv2.COLOR_BGR2RGB)
        elif not self._grayscale:
            small = np.repeat(small, 3, axis=2)
        return np.asarray(small, np.uint8).reshape(self.shape)
