"""What goes on in the fake game: one car that is driven, others on the line, and a clock that goes only when told to.

Physics runs in ticks of 10 ms from the game's begin, so nothing depends on how its time is cut into calls of `advance`.
"""

import math

import numpy as np

from envs.arguments import check_range
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.twin.cars import TwinCars
from envs.assetto_corsa.twin.columns import (
    BEST_LAP_S,
    FIRST_GEAR,
    GEAR,
    LAP_BEGIN_S,
    LAPS,
    LAST_LAP_S,
    NEUTRAL,
    REVERSE,
    S_M,
)
from envs.assetto_corsa.twin.faults import Faults
from envs.assetto_corsa.twin.joystick import NEUTRAL_COMMAND
from envs.assetto_corsa.twin.line_driver import line_command, new_command
from envs.assetto_corsa.twin.road import pose_along
from envs.track.bicycle import VELOCITY_X_MPS, VELOCITY_Y_MPS
from envs.track.frames import FloatArray

SECOND_US, TICK_US = 1_000_000, 10_000
_DEBOUNCE_US = 50_000  # of the gear buttons, as in the control profile
_SLOWEST_PACE, _FASTEST_PACE = 0.6, 0.85  # of opponents
_LAP = slice(LAP_BEGIN_S, LAPS)  # columns of the running lap
_BETWEEN_M, _BESIDE_M = 25.0, 1.5  # opponents at the start, one ahead of the other


class TwinWorld:
    """Cars that equal seeds and inputs drive alike, bit for bit. They pass through each other.

    The arguments are those of `TwinGame`.

    Attributes:
        track: where they drive.
        car: name of the car.
        cars: all of them, the driven one first.
        is_automatic: whether the gearbox shifts by itself.
        faults: what goes wrong; may be exchanged while the game runs.
        steps: states that were sent, which some faults wait for; for whoever sends them to count.
        time_us: the game's clock.

    Raises:
        ConfigError: a value is out of range, or the car is unknown.
    """

    def __init__(
        self,
        track: AcTrack,
        *,
        seed: int,
        car: str,
        num_opponents: int,
        start_row: int,
        start_speed_mps: float,
        start_left_m: float,
        is_automatic: bool,
        faults: Faults,
    ) -> None:
        check_range("num_opponents", num_opponents, 0, 63)
        check_range("start_speed_mps", start_speed_mps, 0.0, 100.0)
        check_range("start_left_m", start_left_m, -100.0, 100.0)
        check_range("start_row", start_row, 0, track.num_rows - 1)
        self.track, self.car, self.is_automatic, self.faults = track, car, is_automatic, faults
        random = np.random.default_rng([seed, 2])
        paces = [0.0, *random.uniform(_SLOWEST_PACE, _FASTEST_PACE, num_opponents)]
        self.cars = TwinCars(1 + num_opponents, track, car=car, paces=paces, is_automatic=is_automatic, seed=seed)
        start_s = float(self.cars.road.segments[start_row, 5])
        self._start, self._start_speed = pose_along(track, start_s, start_left_m), start_speed_mps
        for index in range(1, num_opponents + 1):
            place = start_s + _BETWEEN_M * index
            beside = _BESIDE_M if index % 2 else -_BESIDE_M
            self.cars.place(pose_along(track, place, beside)[np.newaxis], cars=slice(index, index + 1))
        self.steps = self.time_us = 0
        self._buttons, self._was_shifted_us, self._held = 0, -_DEBOUNCE_US, 0
        self.put_back()

    @property
    def time_s(self) -> float:
        """The game's clock, seconds since it began."""
        return self.time_us / SECOND_US

    @property
    def car_state(self) -> FloatArray:
        """The car's own row `(CAR_SIZE,)`, a view, for tests and drivers."""
        return self.cars.states[0]

    def press(
        self,
        steer: float,
        acc: float,
        brake: float,
        *,
        shift_up: bool = False,
        shift_down: bool = False,
        enable_gear_shift: bool = False,
    ) -> None:
        """Hold the virtual joystick so from now on.

        Args:
            steer: -1 … 1, positive to the right; beyond, all are clamped.
            acc: -1 released … 1 full.
            brake: likewise.
            shift_up: a button; its rising edge shifts, if the gearbox does not do so by itself.
            shift_down: likewise; up goes first.
            enable_gear_shift: whether the buttons count.

        Raises:
            ValueError: one is not a finite number; the controls stay as they were.
        """
        if not math.isfinite(steer + acc + brake):
            raise ValueError(f"Expected finite steer, acc and brake, got {steer}, {acc} and {brake}.")
        if self.faults.ignore_controls:
            return
        command = self.cars.commands[0]
        limit = self.faults.freeze_steer_after_states
        if limit is None or self.steps < limit:
            command[0] = min(max(steer, -1.0), 1.0)
        command[1], command[2] = min(max(acc, -1.0), 1.0), min(max(brake, -1.0), 1.0)
        self._buttons = (1 if shift_up else 2 if shift_down else 0) if enable_gear_shift else 0

    def release(self) -> None:
        """Let go of the virtual joystick, whatever faults there are."""
        self.cars.commands[0] = NEUTRAL_COMMAND
        self._buttons = 0

    def put_back(self) -> None:
        """Put the car to its start; its laps stay counted."""
        self.cars.place(self._start[np.newaxis], self._start_speed, cars=slice(0, 1))

    def forget_laps(self) -> None:
        """Count laps anew, and forget the times."""
        self.cars.states[0, [LAPS, LAST_LAP_S, BEST_LAP_S]] = 0.0

    def teleport(self, along_m: float) -> None:
        """Put the car farther along the line, at rest in itself; the lap goes on as it was."""
        car = self.cars.states[0]
        lap = car[_LAP].copy()
        speed = math.hypot(car[VELOCITY_X_MPS], car[VELOCITY_Y_MPS])
        self.cars.place(pose_along(self.track, float(car[S_M]) + along_m)[np.newaxis], speed, cars=slice(0, 1))
        car[_LAP] = lap

    def line_command(self, pace: float = 0.8) -> tuple[float, float, float]:
        """Return steer, acc and brake that a driver along the line would command now, at a share of its speeds."""
        cars, command = self.cars, new_command()
        line_command(command, cars.states[0], cars.road, pace, cars.model.surfaces[1][0], cars.model.lock_deg)
        steer, acc, brake = command.tolist()
        return steer, acc, brake

    def advance(self, duration_s: float) -> None:
        """Let the game's clock go on.

        Raises:
            ValueError: by less than nothing, or not a finite time.
        """
        if not 0.0 <= duration_s < math.inf:
            raise ValueError(f"Expected a duration of at least 0 s, got {duration_s}.")
        self.advance_to(self.time_us + round(duration_s * SECOND_US))

    def advance_to(self, time_us: int) -> None:
        """Let the game's clock go on to a time."""
        self.time_us = max(time_us, self.time_us)
        num = self.time_us // TICK_US - self.cars.num_ticks
        if num > 0:
            if not self.is_automatic:
                self._shift()
            if self.faults.stay_in_neutral:
                self.cars.states[0, GEAR] = NEUTRAL
            self.cars.advance(num)

    def _shift(self) -> None:
        """Shift at a button's rising edge, as seen at the begin of a tick."""
        pressed, self._held = self._buttons & ~self._held, self._buttons
        if not pressed or self.time_us - self._was_shifted_us < _DEBOUNCE_US:
            return
        self._was_shifted_us = self.time_us
        car = self.cars.states[0]
        last = FIRST_GEAR + len(self.cars.model.top_mps) - 1
        car[GEAR] = min(max(car[GEAR] + (1 if pressed & 1 else -1), REVERSE), last)
