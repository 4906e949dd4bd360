"""The twin's three cars: stand-ins of the same size and speed, with no claim about the game's physics."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import numpy as np

from envs.assetto_corsa.cars import car_controls
from envs.assetto_corsa.twin.car_model import CarModel
from envs.errors import ConfigError
from envs.track.vehicle_parameters import VehicleParameters

_HEADROOM = 1.05  # of what the chassis may be driven with, so that gears alone bound the force
_INSTANT_RADPS = 1e3  # the feedback of the wheel follows the command at once, and so do the front wheels


def _model(name: str, *, steering_ratio: float, chassis: VehicleParameters, **numbers: Any) -> CarModel:
    lock = car_controls(name).deg
    first_mps = numbers["top_mps"][0]
    most_n = 1.5 * numbers["power_w"] / (first_mps * numbers["power_rpm"] / numbers["limit_rpm"])
    chassis = chassis.changed(
        max_steer_rad=float(np.radians(lock / steering_ratio)),
        steer_rate_radps=_INSTANT_RADPS,
        engine_power_w=1.5 * _HEADROOM * numbers["power_w"],
        engine_force_n=_HEADROOM * most_n,
        reverse_mps=numbers["reverse_mps"],
    )
    return CarModel(chassis=chassis, lock_deg=lock, **numbers)


# Orders of magnitude as the makers and the series published them: mass with driver, power, wheelbase, top speed.
MODELS: Mapping[str, CarModel] = MappingProxyType(
    {
        "dallara_f317": _model(  # Formula 3 of 2017: 565 kg, about 240 PS, about 265 km/h
            "dallara_f317",
            steering_ratio=12.0,
            chassis=VehicleParameters(
                mass_kg=565.0,
                yaw_inertia_kgm2=650.0,
                front_m=1.60,
                rear_m=1.20,
                gravity_height_m=0.28,
                friction=1.60,
                front_stiffness_per_rad=24.0,
                rear_stiffness_per_rad=28.0,
                tyre_shape=1.4,
                brake_force_n=17000.0,
                brake_front_share=0.58,
                drag_kgpm=0.40,
                rolling_n=90.0,
                downforce_kgpm=1.35,
                downforce_front_share=0.44,
            ),
            power_w=168e3,
            power_rpm=6800.0,
            idle_rpm=1800.0,
            launch_rpm=4200.0,
            limit_rpm=7400.0,
            up_rpm=7150.0,
            down_rpm=4700.0,
            shift_s=0.05,
            top_mps=(27.0, 36.0, 45.5, 55.5, 65.0, 76.0),
            reverse_mps=9.0,
            engine_brake_n=450.0,
            track_m=1.55,
            wheel_m=0.285,
            roll_front_share=0.55,
            blanket_c=80.0,
            pressure_psi=19.0,
            spring_npm=140e3,
            tyre_npm=220e3,
            camber_rad=-0.055,
            roll_rad_per_mps2=0.0008,
            pitch_rad_per_mps2=0.0007,
            length_m=4.35,
            width_m=1.85,
            height_m=0.96,
        ),
        "bmw_z4_gt3": _model(  # GT3 of 2011: 1250 kg, about 515 PS, about 280 km/h
            "bmw_z4_gt3",
            steering_ratio=13.0,
            chassis=VehicleParameters(
                mass_kg=1250.0,
                yaw_inertia_kgm2=1900.0,
                front_m=1.22,
                rear_m=1.29,
                gravity_height_m=0.42,
                friction=1.45,
                front_stiffness_per_rad=20.0,
                rear_stiffness_per_rad=25.0,
                tyre_shape=1.4,
                brake_force_n=27000.0,
                brake_front_share=0.62,
                drag_kgpm=0.72,
                rolling_n=190.0,
                downforce_kgpm=1.25,
                downforce_front_share=0.42,
            ),
            power_w=355e3,
            power_rpm=8300.0,
            idle_rpm=1500.0,
            launch_rpm=4500.0,
            limit_rpm=9000.0,
            up_rpm=8700.0,
            down_rpm=5600.0,
            shift_s=0.06,
            top_mps=(27.0, 38.0, 49.0, 60.0, 71.0, 82.0),
            reverse_mps=9.0,
            engine_brake_n=1100.0,
            track_m=1.66,
            wheel_m=0.335,
            roll_front_share=0.54,
            blanket_c=75.0,
            pressure_psi=23.0,
            spring_npm=170e3,
            tyre_npm=300e3,
            camber_rad=-0.06,
            roll_rad_per_mps2=0.0016,
            pitch_rad_per_mps2=0.0012,
            length_m=4.39,
            width_m=2.01,
            height_m=1.22,
        ),
        "ks_mazda_miata": _model(  # MX-5 of 1989: 1030 kg with driver, about 116 PS, about 195 km/h
            "ks_mazda_miata",
            steering_ratio=13.0,
            chassis=VehicleParameters(
                mass_kg=1030.0,
                yaw_inertia_kgm2=1350.0,
                front_m=1.10,
                rear_m=1.165,
                gravity_height_m=0.46,
                friction=1.15,
                front_stiffness_per_rad=18.0,
                rear_stiffness_per_rad=22.0,
                tyre_shape=1.4,
                brake_force_n=13500.0,
                brake_front_share=0.66,
                drag_kgpm=0.43,
                rolling_n=150.0,
                downforce_kgpm=0.0,
            ),
            power_w=73e3,
            power_rpm=6500.0,
            idle_rpm=850.0,
            launch_rpm=2400.0,
            limit_rpm=7200.0,
            up_rpm=6900.0,
            down_rpm=3900.0,
            shift_s=0.35,
            top_mps=(14.5, 24.0, 34.0, 45.0, 57.0),
            reverse_mps=12.0,
            engine_brake_n=420.0,
            track_m=1.42,
            wheel_m=0.29,
            roll_front_share=0.58,
            blanket_c=60.0,
            pressure_psi=28.0,
            spring_npm=32e3,
            tyre_npm=190e3,
            camber_rad=-0.015,
            roll_rad_per_mps2=0.0075,
            pitch_rad_per_mps2=0.0045,
            length_m=3.95,
            width_m=1.68,
            height_m=1.23,
        ),
    }
)


def car_model(name: str) -> CarModel:
    """Return a car of the twin.

    Raises:
        ConfigError: it has none of that name.
    """
    if name not in MODELS:
        raise ConfigError(f"Expected the twin's car to be one of {', '.join(MODELS)}, got {name!r}.")
    return MODELS[name]
