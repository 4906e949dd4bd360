"""Image augmentation for learning from pixels."""

import numpy as np
import numpy.typing as npt
from numba import njit, uintp


def random_shift(images: npt.NDArray[np.uint8], pixels: int, random: np.random.Generator) -> npt.NDArray[np.uint8]:
    """Shift each stack of frames by up to `pixels` in both directions, repeating its border.

    Args:
        images: `(B, k, H, W, C)` uint8; all frames of a stack move together.
        pixels: Largest shift.
        random: Source of the shifts.

    Source: Kostrikov et al., DrQ (2020), section 4.1; whole pixels, as in the paper.
    """
    if pixels == 0:
        return images
    size, depth, height, width, channels = images.shape
    shifts = random.integers(0, 2 * pixels + 1, (size, 2)) - pixels
    rows = np.ascontiguousarray(images).reshape(size, depth, height, width * channels)
    shifted = np.empty_like(rows)
    _shift(rows, shifts, channels, shifted)
    return shifted.reshape(images.shape)


@njit(cache=True)
def _shift(
    images: npt.NDArray[np.uint8], shifts: npt.NDArray[np.int64], channels: int, shifted: npt.NDArray[np.uint8]
) -> None:
    """Shift images `(B, k, H, W * C)` into `shifted`, by `shifts` `(B, 2)` pixels down and right."""
    size, depth, height, width = images.shape
    pixels, into = images.reshape(-1), shifted.reshape(-1)
    for b in range(size):
        down, right = shifts[b, 0], shifts[b, 1] * channels
        first = min(width, max(0, -right))  # from here …
        end = max(first, min(width, width - right))  # … to here, nothing repeats the border
        for f in range(depth):
            for y in range(height):
                source = ((b * depth + f) * height + min(max(y + down, 0), height - 1)) * width
                target = ((b * depth + f) * height + y) * width
                for x in range(first):
                    into[target + x] = pixels[source + x % channels]
                # Unsigned numbers are no indices from the end: without that question it is one wide copy.
                source_first, target_first = uintp(source + first + right), uintp(target + first)
                for x in range(uintp(end - first)):
                    into[target_first + x] = pixels[source_first + x]
                for x in range(end, width):
                    into[target + x] = pixels[source + width - channels + x % channels]
