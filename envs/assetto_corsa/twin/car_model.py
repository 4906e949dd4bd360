"""What one of the twin's cars is made of, beside its chassis; arrays of it for compiled code."""

import functools
from dataclasses import dataclass, fields
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.track.frames import FloatArray
from envs.track.vehicle_parameters import VehicleParameters

_GRASS_GRIP, _GRASS_ROLLING = 0.55, 6.0  # against the road: friction, and rolling resistance


@dataclass(frozen=True, kw_only=True)
class CarModel:
    """What a car is made of, beside its chassis.

    Attributes:
        chassis: of the vehicle model; its engine is an envelope around what the gears give.
        lock_deg: of the steering wheel, to one side.
        power_w: the most, at the wheels.
        power_rpm: where it is.
        idle_rpm: of the engine at rest.
        launch_rpm: at which the clutch slips when the car is slower than first gear.
        limit_rpm: above it the engine gives nothing.
        up_rpm: where the automatic shifts up.
        down_rpm: below it, it shifts down.
        shift_s: without drive, at each shift.
        top_mps: of each gear at the limit, first to last.
        reverse_mps: of the reverse gear at the limit.
        engine_brake_n: at the limit in the last gear, throttle released.
        track_m: left to right wheels.
        wheel_m: radius of a tyre.
        roll_front_share: of the load that corners move, what the front axle takes.
        blanket_c: of the tyres at the start.
        pressure_psi: of a tyre at 26 °C.
        spring_npm: of a wheel.
        tyre_npm: radial stiffness of a tyre.
        camber_rad: static; negative leans inwards.
        roll_rad_per_mps2: by acceleration to the side.
        pitch_rad_per_mps2: by acceleration ahead.
        length_m: of the body.
        width_m: of the body.
        height_m: of the body.
    """

    chassis: VehicleParameters
    lock_deg: float
    power_w: float
    power_rpm: float
    idle_rpm: float
    launch_rpm: float
    limit_rpm: float
    up_rpm: float
    down_rpm: float
    shift_s: float
    top_mps: tuple[float, ...]
    reverse_mps: float
    engine_brake_n: float
    track_m: float
    wheel_m: float
    roll_front_share: float
    blanket_c: float
    pressure_psi: float
    spring_npm: float
    tyre_npm: float
    camber_rad: float
    roll_rad_per_mps2: float
    pitch_rad_per_mps2: float
    length_m: float
    width_m: float
    height_m: float

    @functools.cached_property
    def surfaces(self) -> tuple[npt.NDArray[Any], npt.NDArray[Any]]:
        """The chassis on grass and on road, as compiled code reads them."""
        grass = self.chassis.changed(
            friction=_GRASS_GRIP * self.chassis.friction, rolling_n=_GRASS_ROLLING * self.chassis.rolling_n
        )
        return grass.record(), self.chassis.record()

    @functools.cached_property
    def gear_tops_mps(self) -> FloatArray:
        """Speeds at the limit by the game's gear numbers: 0 reverse, 1 neutral (unused), 2 first, and so on."""
        return np.array([self.reverse_mps, 1.0, *self.top_mps])

    @functools.cached_property
    def record(self) -> npt.NDArray[Any]:
        """`(1,)` of a structured array with a float64 for each number above."""
        names = [field.name for field in fields(self) if field.name not in ("chassis", "top_mps")]
        values = np.zeros(1, np.dtype([(name, np.float64) for name in names]))
        for name in names:
            values[name] = getattr(self, name)
        return values
