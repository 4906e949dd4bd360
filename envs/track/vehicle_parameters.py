"""What a car is made of, for `envs.track.vehicle`."""

from dataclasses import dataclass, fields, replace
from typing import Any, Self

import numpy as np
import numpy.typing as npt

from envs.arguments import check_names, check_range

_LEAST = 1e-9  # of what may not be 0
_ANY, _ABOVE_ZERO, _SHARE = (0.0, 1e9), (_LEAST, 1e9), (0.0, 1.0)
_RANGES = {
    "mass_kg": _ABOVE_ZERO,
    "yaw_inertia_kgm2": _ABOVE_ZERO,
    "front_m": _ABOVE_ZERO,
    "rear_m": _ABOVE_ZERO,
    "friction": _ABOVE_ZERO,
    "front_stiffness_per_rad": _ABOVE_ZERO,
    "rear_stiffness_per_rad": _ABOVE_ZERO,
    "tyre_shape": (1.0, 2.0),  # below 1 the most force is never reached, above 2 it turns round
    "max_steer_rad": (_LEAST, 1.5),
    "drive_front_share": _SHARE,
    "brake_front_share": _SHARE,
    "downforce_front_share": _SHARE,
}


@dataclass(frozen=True)
class VehicleParameters:
    """A car. The defaults are a light saloon with a strong engine.

    Source: where a line says so, vehicle 2 (a BMW 320i) of the CommonRoad vehicle models, Althoff, Koschi and
    Manzinger, "CommonRoad: Composable benchmarks for motion planning on roads", 2017; other lines are our choice.

    Raises:
        ConfigError: a number is out of range.
    """

    mass_kg: float = 1093.3  # CommonRoad
    yaw_inertia_kgm2: float = 1791.6  # CommonRoad
    front_m: float = 1.156  # centre of gravity to front axle; CommonRoad
    rear_m: float = 1.423  # centre of gravity to rear axle; CommonRoad
    gravity_height_m: float = 0.57  # of the centre of gravity; CommonRoad
    friction: float = 1.05  # tyre on road, the most force by load; CommonRoad, p_dy1
    front_stiffness_per_rad: float = 20.9  # of cornering, by load at rest and friction; CommonRoad, p_ky1 / p_dy1
    rear_stiffness_per_rad: float = 25  # CommonRoad's 20.9 is neutral; more understeers, as cars for the road do
    tyre_shape: float = 1.35  # how the force falls behind its peak: C of Pacejka's formula; CommonRoad, p_cy1
    max_steer_rad: float = 0.6  # of the front wheels
    steer_rate_radps: float = 1.2  # centre to full lock in half a second
    engine_power_w: float = 150e3
    engine_force_n: float = 8000.0  # at low speed
    reverse_mps: float = 8.0  # the engine's top speed backwards
    drive_front_share: float = 0.0  # 0: rear-wheel drive
    brake_force_n: float = 18000.0  # more than the tyres can take
    brake_front_share: float = 0.7
    drag_kgpm: float = 0.4  # force by speed²: half of air density × area × coefficient
    rolling_n: float = 160.0  # 1.5 % of the weight
    downforce_kgpm: float = 0.0  # force by speed²
    downforce_front_share: float = 0.45

    def __post_init__(self) -> None:
        for field in fields(self):
            check_range(field.name, getattr(self, field.name), *_RANGES.get(field.name, _ANY))

    @property
    def wheelbase_m(self) -> float:
        """Front axle to rear axle."""
        return self.front_m + self.rear_m

    def changed(self, **values: Any) -> Self:
        """Return the same car with some numbers changed.

        Raises:
            ConfigError: a name is unknown, or a number is out of range.
        """
        check_names(type(self), values)
        return replace(self, **values)

    def record(self) -> npt.NDArray[Any]:
        """Return `(1,)` of a structured array with a float64 for each name: what compiled code reads."""
        names = [field.name for field in fields(self)]
        values = np.zeros(1, np.dtype([(name, np.float64) for name in names]))
        for name in names:
            values[name] = getattr(self, name)
        return values
