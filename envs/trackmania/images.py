"""From a screenshot to the picture that TMRL's networks see, bit for bit.

Source: TMRL 0.7.1: resized with OpenCV's default (bilinear) filter first, then grey as OpenCV weighs colours.
"""

import cv2
import numpy as np
import numpy.typing as npt

from envs.arguments import check_range


class Picture:
    """Shrink screenshots.

    Args:
        width: pixels.
        height: pixels.
        grayscale: one grey channel instead of red, green, blue.

    Raises:
        ConfigError: a size is below 1.
    """

    def __init__(self, width: int = 64, height: int = 64, *, grayscale: bool = True) -> None:
        check_range("image_size", min(width, height), 1)
        self._size = (width, height)
        self.is_gray = grayscale

    @property
    def shape(self) -> tuple[int, ...]:
        """Of a picture: `(H, W)` in grey, `(H, W, 3)` in colour."""
        width, height = self._size
        return (height, width) if self.is_gray else (height, width, 3)

    def of(self, screenshot: npt.NDArray[np.uint8]) -> npt.NDArray[np.uint8]:
        """Return the picture of a screenshot `(H, W, 3)` uint8, blue, green, red; colours come out red first."""
        small = cv2.resize(screenshot, self._size)
        code = cv2.COLOR_BGR2GRAY if self.is_gray else cv2.COLOR_BGR2RGB
        return np.asarray(cv2.cvtColor(small, code), np.uint8)
