"""From a picture of CarRacing to the observation that a policy reads: grey and smaller where asked."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt

cv2.setNumThreads(0)  # images are tiny and runners many: OpenCV's threads would only fight each other


def preprocess(picture: npt.NDArray[np.uint8], image_size: int, *, grayscale: bool) -> npt.NDArray[np.uint8]:
    """Resize a square picture by area, in grey if asked.

    Args:
        picture: `(H, H, 3)` RGB, or `(H, H, 1)` grey, uint8.
        image_size: S, pixels.
        grayscale: luma (ITU-R BT.601) of an RGB picture; a grey one stays as it is.

    Returns:
        `(S, S, 1)` or `(S, S, 3)` uint8.
    """
    image: Any = np.ascontiguousarray(picture)  # OpenCV's stubs are wider than what it returns
    if grayscale and image.shape[2] == 3:
        image = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if image.shape[0] != image_size:
        image = cv2.resize(image, (image_size, image_size), interpolation=cv2.INTER_AREA)
    observation: npt.NDArray[np.uint8] = image[..., np.newaxis] if image.ndim == 2 else image
    return observation
