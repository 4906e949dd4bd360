"""The rays that a vehicle of the Roblox game looks along: directions, lengths, what they see.

Angles are degrees from straight ahead, positive to the right. The specification gives pairs as ±; which of the two is
first is not verified, nor can it be without the game's vehicle files. Here it is the right one.
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from envs.arguments import check_choice


@dataclass(frozen=True)
class Rays:
    """The rays of a vehicle, in the order in which their values are observed.

    Attributes:
        angles_deg: of each ray, positive to the right.
        lengths_studs: of each; what it reports is a share of this.
        see_cars: whether it is stopped by other cars too, not by walls alone.
        has_normal: whether each distance is followed by the dot product of ray and surface normal, 1 without a hit.
    """

    angles_deg: tuple[float, ...]
    lengths_studs: tuple[float, ...]
    see_cars: tuple[bool, ...]
    has_normal: bool

    @property
    def num_values(self) -> int:
        """How many numbers of an observation they are."""
        return len(self.angles_deg) * (2 if self.has_normal else 1)

    @property
    def left_angles_rad(self) -> npt.NDArray[np.float64]:
        """Angles `(N,)` as `envs.track` counts them: radians, positive to the left."""
        return -np.radians(np.array(self.angles_deg))

    def names(self) -> list[str]:
        """Return what each value is called: `ray_28_right`, and `normal_28_right` after it where there are normals."""
        names = []
        for angle, sees in zip(self.angles_deg, self.see_cars, strict=True):
            side = "" if angle in (0.0, 180.0) else "_right" if angle > 0.0 else "_left"
            place = f"{abs(angle):.0f}{side}{'_cars' if sees else ''}"
            names += [f"ray_{place}", f"normal_{place}"] if self.has_normal else [f"ray_{place}"]
        return names


_AROUND_DEG = (0.0, 28.1, -28.1, 45.0, -45.0, 90.0, -90.0, 180.0)
_AROUND_STUDS = (375.0, 425.0, 425.0, 530.0, 530.0, 150.0, 150.0, 75.0)

RAYS = {
    "car16": Rays(_AROUND_DEG * 2, _AROUND_STUDS * 2, (False,) * 8 + (True,) * 8, has_normal=False),
    "cart5": Rays((0.0, 18.4, -18.4, 90.0, -90.0), (225.0, 237.0, 237.0, 75.0, 75.0), (False,) * 5, has_normal=True),
}


def vehicle_rays(vehicle: str) -> Rays:
    """Return the rays of a vehicle.

    Raises:
        ConfigError: lists the vehicles.
    """
    check_choice("vehicle", vehicle, tuple(RAYS))
    return RAYS[vehicle]
