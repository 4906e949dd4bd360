"""How far the road reaches in 19 directions, in pixels of a screenshot: dark pixels are its border.

It works with the cockpit camera, on plain road with black borders.

Source: TMRL 0.7.1, re-implemented from its description and five measured vectors.
"""

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError

NUM_RAYS = 19
DARK = 55  # all three channels of a border are below it
_BEGIN = 20  # pixels from the origin at which a ray begins
_ROW_SHARE = (44, 49)  # of the picture's height, where rays begin


class PixelLidar:
    """Measure along rays that begin at the lower middle: the first points right, the tenth up, the last left.

    Args:
        height: of screenshots, pixels.
        width: of screenshots, pixels.

    Raises:
        ConfigError: the picture is so small that a ray has no pixel.
    """

    def __init__(self, height: int, width: int) -> None:
        self.height, self.width = height, width
        rays = [_pixels(height, width, np.deg2rad(90.0 + 10.0 * ray)) for ray in range(NUM_RAYS)]
        lengths = np.array([len(rows) for rows, _ in rays])
        if lengths.min() == 0:
            raise ConfigError(f"Expected a window large enough for the lidar's rays, got {width} x {height} pixels.")
        self._last = lengths - 1
        # Shorter rays repeat their last pixel: found or not, the index of that pixel is what counts.
        self._rows = np.stack([np.pad(rows, (0, lengths.max() - len(rows)), "edge") for rows, _ in rays])
        self._columns = np.stack([np.pad(columns, (0, lengths.max() - len(columns)), "edge") for _, columns in rays])

    def read(self, screenshot: npt.NDArray[np.uint8]) -> npt.NDArray[np.float32]:
        """Return the distances `(19,)`, pixels, of a screenshot `(height, width, 3)` uint8."""
        if screenshot.shape != (self.height, self.width, 3):
            raise ValueError(
                f"Expected a screenshot of shape {(self.height, self.width, 3)}, got {screenshot.shape}. "
                "Has the window another size than env.window_width and env.window_height?"
            )
        pixels = screenshot[self._rows, self._columns]
        is_dark: npt.NDArray[np.bool_] = np.all(pixels < DARK, axis=2)
        first = np.where(is_dark.any(axis=1), is_dark.argmax(axis=1), self._last)
        return np.minimum(first, self._last).astype(np.float32)


def _pixels(height: int, width: int, angle_rad: float) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Return rows and columns of a ray, from its begin to where it leaves the picture."""
    row, column = _ROW_SHARE[0] * height // _ROW_SHARE[1], width // 2
    distances = np.arange(_BEGIN, height + width)
    rows = np.trunc(row + distances * np.cos(angle_rad)).astype(np.int64)
    columns = np.trunc(column + distances * np.sin(angle_rad)).astype(np.int64)
    is_outside = (rows <= 0) | (columns <= 0) | (columns >= width - 1)
    length = int(is_outside.argmax())
    return rows[:length], columns[:length]
