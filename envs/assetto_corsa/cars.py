"""How commands of each car become angles and pedals: steering lock, the command that reaches it, the brake's gamma.

Source: the steer maps that assetto_corsa_gym measured, and the control profile it drives with (lock 900°, linear; brake
gamma 2.4). A wheel command of 1 is half the profile's lock, 450°, where the car turns that far.
"""

import csv
import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from envs.arguments import check_range
from envs.errors import ConfigError

BRAKE_GAMMA = 2.4
RELEASED = -1.0  # the command of a pedal nobody presses; 1 is full
PROFILE_DEG = 450.0  # of the wheel, at a command of 1


@dataclass(frozen=True)
class CarControls:
    """The steering of one car.

    Attributes:
        name: as the game calls the car.
        norm: wheel command that reaches the lock, in (0, 1].
        deg: the lock, degrees of the wheel to one side.
    """

    name: str
    norm: float
    deg: float

    def __post_init__(self) -> None:
        """Check the numbers."""
        check_range(f"norm of {self.name}", self.norm, 1e-3, 1.0)
        check_range(f"deg of {self.name}", self.deg, 1.0, 2000.0)

    @property
    def scale(self) -> float:
        """Degrees of the wheel for a command of 1."""
        return self.deg / self.norm


CARS: Mapping[str, CarControls] = MappingProxyType(
    {
        car.name: car
        for car in (
            CarControls("dallara_f317", 0.5341796875, 240.0),
            CarControls("bmw_z4_gt3", 0.7119140625, 320.0),
            CarControls("ks_mazda_miata", 1.0, 302.4),  # uncalibrated: 450° would give a norm of 0.672
        )
    }
)


def car_controls(name: str, steer_map: str | Path | None = None) -> CarControls:
    """Return the steering of a car: a known one, or what its `steer_map.csv` says.

    Raises:
        ConfigError: nobody knows the car and there is no file, or the file is no steer map.
    """
    if steer_map is not None:
        return load_steer_map(name, Path(steer_map))
    if name not in CARS:
        raise ConfigError(
            f"Expected env.car to be one of {', '.join(CARS)}, got {name!r}. For another car, name its steer_map.csv "
            "in env.steer_map (a header, then two rows of command and degrees: -norm,-deg and norm,deg)."
        )
    return CARS[name]


def load_steer_map(name: str, path: Path) -> CarControls:
    """Read a steer map: a header, then rows `-norm,-deg` and `norm,deg`; the second counts.

    Raises:
        ConfigError: the file is not there, or holds something else.
    """
    try:
        with path.open(newline="", encoding="utf-8") as file:
            rows = [[float(cell) for cell in row] for row in list(csv.reader(file))[1:] if row]
    except (OSError, ValueError) as error:
        raise ConfigError(
            f"Expected a steer map of {name} (a header, then rows of numbers) in {path}: {error}."
        ) from error
    if len(rows) != 2 or any(len(row) != 2 or not all(map(math.isfinite, row)) for row in rows):
        raise ConfigError(f"Expected {path} to hold two rows of two numbers, command and degrees, got {rows}.")
    (low_norm, low_deg), (norm, deg) = rows
    if abs(low_norm + norm) > 1e-6 or abs(low_deg + deg) > 1e-6:
        raise ConfigError(f"Expected the rows of {path} to mirror each other (-norm,-deg and norm,deg), got {rows}.")
    return CarControls(name, norm, deg)


def brake_status(command: float) -> float:
    """Return the brake as the game applies it, 0..1, to a command in [-1, 1]; beyond, it is clamped."""
    return float(min(max((command + 1.0) / 2.0, 0.0), 1.0) ** BRAKE_GAMMA)


def brake_command(status: float) -> float:
    """Return the command in [-1, 1] that leads to a brake status; the exact inverse of `brake_status`."""
    return float(2.0 * min(max(status, 0.0), 1.0) ** (1.0 / BRAKE_GAMMA) - 1.0)


def throttle_status(command: float) -> float:
    """Return the throttle as the game applies it, 0..1, to a command in [-1, 1]."""
    return float(min(max((command + 1.0) / 2.0, 0.0), 1.0))


def throttle_command(status: float) -> float:
    """Return the command in [-1, 1] that leads to a throttle status."""
    return 2.0 * min(max(status, 0.0), 1.0) - 1.0


def steer_angle_deg(command: float, car: CarControls) -> float:
    """Return where the wheel goes, degrees: linear with the control profile's 450°, up to the car's lock."""
    return min(max(PROFILE_DEG * command, -car.deg), car.deg)
