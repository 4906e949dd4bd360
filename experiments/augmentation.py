"""Image augmentation for learning from pixels."""

import numpy as np
import numpy.typing as npt


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
    height, width = images.shape[2:4]
    padded = np.pad(images, ((0, 0), (0, 0), (pixels, pixels), (pixels, pixels), (0, 0)), mode="edge")
    shifts = random.integers(0, 2 * pixels + 1, (len(images), 2))
    shifted = np.empty_like(images)
    for row, (down, right) in enumerate(shifts):
        shifted[row] = padded[row, :, down : down + height, right : right + width]
    return shifted
