"""What the plugin's management port tells of the car, the track and itself."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from envs.arguments import check_choice
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.twin.car_model import CarModel
from envs.assetto_corsa.twin.faults import Faults
from envs.assetto_corsa.twin.road import RoadArrays
from envs.errors import ConfigError
from envs.track.bicycle import HEADING_RAD, X_M, Y_M
from envs.track.frames import FloatArray

LOCAL, REMOTE = "local", "remote"
MODES = (LOCAL, REMOTE)
_FRAMES = {LOCAL: 50, REMOTE: 100}  # a second
_LEAST_MPS = 15.0  # of the plugin's track info
_FULL_MPS2 = 4.0  # of acceleration along the line, that is full throttle


def plugin_config(mode: str, changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return the plugin's config, 28 keys, in a mode.

    Args:
        mode: `local` or `remote`.
        changes: other values, by key.

    Raises:
        ConfigError: the mode or a key is unknown, or the rates do not fit each other.
    """
    check_choice("mode", mode, MODES)
    frames = _FRAMES[mode]
    config: dict[str, Any] = {
        "version": "0.0.1",
        "sampling_freq": frames,
        "sampling_time": 1.0 / frames,
        "ego_server_host_name": "0.0.0.0",
        "ego_server_port": 2345,
        "ego_sampling_freq": 25,
        "telemetry_sampling_freq": 0,
        "opponents_server_host_name": "0.0.0.0",
        "opponents_server_port": 2346,
        "simulation_management_server_host_name": "0.0.0.0",
        "simulation_management_server_port": 2347,
        "enable_profiler": False,
        "vjoy_executed_by_server": mode == REMOTE,
        "enable_alternative_python_interpreter": False,
        "config_python_env_name": "p309",
        "config_python_executable": None,
        "screen_capture_worker": "screen_capture_worker.py",
        "ego_sampling_freq_event_name": "Local\\EgoSamplingFreqEvent",
        "screen_capture_enable": False,
        "final_image_width": 320,
        "final_image_height": 240,
        "screen_capture_freq": 25,
        "screen_capture_save_to_disk": False,
        "screen_capture_save_path": "captures",
        "screen_capture_verbose": False,
        "relocate_screen": True,
        "trigger_image_capture_event_name": "Local\\TriggerImageCapture",
        "color_mode": "gray",
    }
    for key in changes:
        check_choice("a key of the twin's config", key, tuple(config))
    config |= changes
    frames, states = config["sampling_freq"], config["ego_sampling_freq"]
    if not (isinstance(frames, int) and isinstance(states, int) and 1 <= states <= frames <= 1000):
        raise ConfigError(
            f"Expected whole numbers 1 ≤ ego_sampling_freq ≤ sampling_freq ≤ 1000, got {states} and {frames}."
        )
    return config


def told_config(config: Mapping[str, Any], faults: Faults) -> dict[str, Any]:
    """Return the config as a client is told it."""
    told = dict(config)
    key = faults.wrong_config
    if key is not None:
        check_choice("faults.wrong_config", key, tuple(told))
        value = told[key]
        told[key] = not value if isinstance(value, bool) else 2 * value if isinstance(value, int | float) else "other"
    return told


def static_info(
    car: str, model: CarModel, track: AcTrack, state: FloatArray, faults: Faults, *, is_automatic: bool
) -> dict[str, Any]:
    """Return what the plugin tells of car and track; places are in the game's axis order.

    Args:
        car: its name.
        model: what it is made of.
        track: where it is.
        state: `(CAR_SIZE,)`.
        faults: of which some change names.
        is_automatic: whether the gearbox shifts by itself.
    """
    chassis = model.chassis
    half = 0.5 * model.track_m
    wheels = ((chassis.front_m, half), (chassis.front_m, -half), (-chassis.rear_m, half), (-chassis.rear_m, -half))
    cos, sin = math.cos(state[HEADING_RAD]), math.sin(state[HEADING_RAD])
    points = [
        [float(state[Y_M] + sin * ahead + cos * left), 0.0, float(state[X_M] + cos * ahead - sin * left)]
        for ahead, left in wheels
    ]
    named = track.name if faults.wrong_track is None else faults.wrong_track
    return {
        "TrackName": named,
        "TrackConfiguration": track.configuration if faults.wrong_track is None else "",
        "WindSpeed": 0.0,
        "WindDirection": 0.0,
        "TrackLength": track.length_m,
        "CarName": car if faults.wrong_car is None else faults.wrong_car,
        "LastSplits": [],
        "isCarInPitlane": 0,
        "isCarInPit": 0,
        "autoShifterOn": int(is_automatic),
        "penaltiesEnabled": 1,
        **{f"TyreContactPoint_{name}": point for name, point in zip(("FL", "FR", "RL", "RR"), points, strict=True)},
        "CAR_WHEEL_R": [model.wheel_m] * 4,
        "CAR_TRACK": model.track_m,
        "CAR_WHEELBASE": chassis.wheelbase_m,
        "WorldPosition": [float(state[Y_M]), chassis.gravity_height_m, float(state[X_M])],
        "CAR_MASS": round(chassis.mass_kg),
        "CAR_DIM_X": model.length_m,
        "CAR_DIM_Y": model.height_m,
        "CAR_DIM_Z": model.width_m,
    }


def track_info(track: AcTrack, road: RoadArrays, every: int = 1) -> dict[str, list[Any]]:
    """Return the plugin's track info: borders, line, pedals, speeds and angles, row by row.

    Args:
        track: with borders.
        road: with speeds.
        every: so many-th row.
    """
    rows = slice(None, None, every)
    speeds = road.speeds_mps
    gained = (np.roll(speeds, -1) ** 2 - speeds**2) / (2.0 * road.segments[:, 4])
    steps = track.line_m - np.roll(track.line_m, 1, axis=0)
    return {
        "left_lane": track.left_m[rows].tolist(),
        "right_lane": track.right_m[rows].tolist(),
        "fast_lane": track.line_m[rows].tolist(),
        "throttle_arr": np.clip(gained / _FULL_MPS2, 0.0, 1.0)[rows].tolist(),
        "brake_arr": np.clip(-gained / _FULL_MPS2, 0.0, 1.0)[rows].tolist(),
        "speed_arr": np.maximum(speeds, _LEAST_MPS)[rows].tolist(),
        "angle_array": np.degrees(np.arctan2(steps[:, 0], steps[:, 1]))[rows].tolist(),
    }
