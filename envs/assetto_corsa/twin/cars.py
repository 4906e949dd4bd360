"""Many of the twin's cars at once on one track and one clock: what a game is made of, and training may use alone."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.twin.car_models import car_model
from envs.assetto_corsa.twin.channels import NUM_CHANNELS
from envs.assetto_corsa.twin.columns import (
    CAR_SIZE,
    FIRST_GEAR,
    FRONT_C,
    GEAR,
    IS_TIMED,
    LAP_BEGIN_S,
    LAPS,
    LEFT_M,
    REAR_C,
    RPM,
    S_M,
    SEGMENT,
    TYRES_OUT,
)
from envs.assetto_corsa.twin.joystick import NEUTRAL_COMMAND
from envs.assetto_corsa.twin.motion import TICK_S, drive_cars, tyres_out
from envs.assetto_corsa.twin.road import LOST_M, WINDOW_M, RoadArrays, road_arrays
from envs.assetto_corsa.twin.telemetry import fill_channels
from envs.track.bicycle import FRONT_LOAD_N, REAR_LOAD_N, VELOCITY_X_MPS, VELOCITY_Y_MPS
from envs.track.frames import FloatArray
from envs.track.projection import NO_HINT, project_one

_GRAVITY_MPS2 = 9.81
_KEPT = slice(LAPS, CAR_SIZE)  # by a reset


class TwinCars:
    """B cars of one kind.

    Args:
        count: B.
        track: where they drive.
        car: which kind.
        paces: `(B,)` 0: a car is driven by its command; else by a driver along the line, at this share of its speeds.
        is_automatic: whether the gearboxes shift by themselves.
        seed: of the noise in the telemetry.

    Attributes:
        states: `(B, CAR_SIZE)`, columns named in `envs.assetto_corsa.twin.columns`. Changed in place.
        commands: `(B, 3)` steer, throttle and brake, -1 … 1 (pedals: -1 is released); held until changed.
        model: what the cars are made of.
        num_ticks: of 10 ms, since the begin.

    Raises:
        ConfigError: the car is unknown, or a count is out of range.
    """

    def __init__(
        self,
        count: int,
        track: AcTrack,
        *,
        car: str = "dallara_f317",
        paces: Sequence[float] | None = None,
        is_automatic: bool = True,
        seed: int = 0,
    ) -> None:
        check_range("the number of cars", count, 1, 1 << 20)
        self.model = car_model(car)
        self.road: RoadArrays = road_arrays(track, self.model)
        self.states = np.zeros((count, CAR_SIZE))
        self.commands = np.tile(np.array(NEUTRAL_COMMAND), (count, 1))
        self._paces = np.zeros(count) if paces is None else np.asarray(paces, np.float64)
        self._is_automatic, self._seed = is_automatic, seed
        self._grass, self._tarmac = self.model.surfaces
        self.num_ticks = 0
        start = track.closed_line
        x, y = track.line_m[0].tolist()
        self.place(np.tile([x, y, float(start.headings_rad[0])], (count, 1)))
        self.advance(0)  # compiles, rather than at the first frame
        self.channels(0, 1)

    @property
    def time_s(self) -> float:
        """Their clock."""
        return self.num_ticks * TICK_S

    def place(self, poses: npt.ArrayLike, speeds_mps: npt.ArrayLike = 0.0, *, cars: Any = slice(None)) -> None:
        """Put cars at poses, rolling ahead, their running lap times at 0 and their tyres warm; laps stay counted.

        Args:
            poses: `(B, 3)` x, y and heading, or as many as `cars` selects.
            speeds_mps: a number or one each.
            cars: an index, slice or mask of cars.
        """
        rows = np.atleast_2d(self.states[cars])
        poses = np.asarray(poses, np.float64).reshape(-1, 3)
        speeds = np.broadcast_to(np.asarray(speeds_mps, np.float64), len(poses))
        placed = np.zeros((len(poses), CAR_SIZE))
        placed[:, _KEPT] = rows[:, _KEPT]
        placed[:, :3] = poses
        placed[:, VELOCITY_X_MPS] = speeds * np.cos(poses[:, 2]) + 0.0  # no negative zeros, which have a course
        placed[:, VELOCITY_Y_MPS] = speeds * np.sin(poses[:, 2]) + 0.0
        chassis = self.model.chassis
        weight = chassis.mass_kg * _GRAVITY_MPS2
        placed[:, FRONT_LOAD_N] = weight * chassis.rear_m / chassis.wheelbase_m
        placed[:, REAR_LOAD_N] = weight * chassis.front_m / chassis.wheelbase_m
        tops = np.array(self.model.top_mps)
        gears = np.searchsorted(self.model.up_rpm / self.model.limit_rpm * tops[:-1], speeds)
        placed[:, GEAR] = FIRST_GEAR + gears
        placed[:, RPM] = np.maximum(self.model.idle_rpm, self.model.limit_rpm * speeds / tops[gears])
        placed[:, FRONT_C] = placed[:, REAR_C] = self.model.blanket_c
        placed[:, LAP_BEGIN_S], placed[:, IS_TIMED] = self.time_s, 1.0
        for row in placed:
            _find(row, self._tarmac[0], self.model.track_m, self.road)
        self.states[cars] = placed.reshape(np.shape(self.states[cars]))

    def advance(self, num_ticks: int) -> None:
        """Drive on for so many ticks of 10 ms."""
        drive_cars(
            self.states,
            self.commands,
            self._paces,
            num_ticks,
            self.time_s,
            self._is_automatic,
            self.model.gear_tops_mps,
            self.model.record,
            self._grass,
            self._tarmac,
            self.road,
        )
        self.num_ticks += num_ticks

    def channels(self, first: int = 0, count: int | None = None) -> FloatArray:
        """Return the telemetry of cars `(count, NUM_CHANNELS)`, columns named in `envs.…twin.channels`."""
        states = self.states[first : None if count is None else first + count]
        rows = np.empty((len(states), NUM_CHANNELS))
        fill_channels(
            rows, states, self.num_ticks, self._seed, self.model.record, self._tarmac, self._grass, self.road.length_m
        )
        return rows


def _find(row: FloatArray, chassis: Any, track_m: float, road: RoadArrays) -> None:
    """Find a car that was put somewhere: anywhere along the line."""
    s, left, _, segment = project_one(
        road.segments, True, float(row[0]), float(row[1]), NO_HINT, WINDOW_M, WINDOW_M, LOST_M
    )
    row[S_M], row[LEFT_M], row[SEGMENT] = s, left, segment
    row[TYRES_OUT] = tyres_out(row, chassis, track_m, road)
