"""What the dummy env shows: the lane as bright bars, the speed as a grey one."""

import numpy as np
import numpy.typing as npt

VIEW = 1.75  # half width of the picture in half lane widths: the lane ahead stays in sight while the car is on its lane
LANE, CAR = 255, 128  # grey levels


def draw_lane(size: int, *, here: float, ahead: float, speed: float) -> npt.NDArray[np.uint8]:
    """Return a picture `(S, S, 1)`.

    Args:
        size: S, pixels.
        here: the lane's centre at the car, half lane widths to its right: the lower half of the picture.
        ahead: the lane's centre further ahead: the upper half.
        speed: 0..1, the share of the width that the bar at the bottom takes.
    """
    image = np.zeros((size, size, 1), np.uint8)
    half = size // 2
    image[:half, _columns(ahead, size)] = LANE
    image[half:, _columns(here, size)] = LANE
    image[-size // 8 :, : round(speed * size)] = CAR
    return image


def _columns(place: float, size: int) -> slice:
    """Return the columns of a lane centre at `place`."""
    width = size // 8
    left = round((place / VIEW + 1.0) * 0.5 * size) - width // 2
    left = min(max(left, 0), size - width)
    return slice(left, left + width)
