"""The game's physics: one car in its race, tick by tick, and what a frame between two ticks shows of them."""

import math

import numpy as np

from envs.arguments import check_range
from envs.track.bicycle import AHEAD_MPS2, X_M, Y_M
from envs.trackmania.twin.car import Car
from envs.trackmania.twin.frame import Frame, shown
from envs.trackmania.twin.race import SECOND_US, Race
from envs.trackmania.twin.road import Road

TICK_US = 10_000

Controls = tuple[float, float, float]  # gas and brake in 0 … 1, steer in -1 … 1, positive to the right
RELEASED: Controls = (0.0, 0.0, 0.0)


def as_controls(gas: float, brake: float, steer: float) -> Controls:
    """Return controls within their ranges.

    Raises:
        ValueError: one is not a finite number.
    """
    if not math.isfinite(gas + brake + steer):
        raise ValueError(f"Expected finite gas, brake and steer, got {gas}, {brake} and {steer}.")
    return min(max(float(gas), 0.0), 1.0), min(max(float(brake), 0.0), 1.0), min(max(float(steer), -1.0), 1.0)


class Simulation:
    """One car on one road; the clock, whose times are whole microseconds, is the game's.

    Args:
        road: to race along.
        countdown_s: after a restart, without effect of the controls.
        frame_us: between two frames.
        is_signed: whether frames tell a negative speed in reverse.

    Attributes:
        road: as above.
        race: the car's attempt.

    Raises:
        ConfigError: the countdown is out of range.
    """

    def __init__(self, road: Road, *, countdown_s: float, frame_us: float, is_signed: bool) -> None:
        check_range("countdown_s", countdown_s, 0.0, 60.0)
        self.road, self.race = road, Race(road, round(countdown_s * SECOND_US))
        self._frame_us, self._is_signed = frame_us, is_signed
        self._car = Car()
        self._distance = self._acceleration = 0.0

    def begin(self, time_us: int) -> None:
        """Put the car at the start, and let the race begin anew."""
        self._put(0.0)
        self.race.restart(time_us, TICK_US)
        self._distance = self._acceleration = 0.0

    def tick(self, time_us: int, controls: Controls) -> bool:
        """Go on by the tick that ends now, with no controls in the countdown; return whether it finished the race."""
        race, car = self.race, self._car
        if time_us - TICK_US < race.start_us:
            return False
        gas, brake, steer = controls
        car.drive(gas, brake, steer, TICK_US / SECOND_US, is_on_road=race.is_on_road)
        self._distance += car.speed_mps * TICK_US / SECOND_US
        was_finished = race.is_finished
        race.follow(float(car.state[X_M]), float(car.state[Y_M]), time_us, TICK_US)
        return race.finish_us is not None and not was_finished

    def teleport(self, distance_m: float) -> None:
        """Put the car so far along the road, at the speed that it has."""
        self._put(self.race.s_m + distance_m, self._car.speed_mps)
        self.race.moved()

    def frame(self, number: int, time_us: int, late_us: int, controls: Controls, *, shows_finish: bool) -> Frame:
        """Return what is shown now.

        Args:
            number: of the frame.
            time_us: now.
            late_us: since the last tick.
            controls: as pressed, whether they had an effect or not.
            shows_finish: whether the finish is shown even in a race that goes on.
        """
        race, car = self.race, self._car
        late_s = late_us / SECOND_US
        gas, brake, steer = controls
        acceleration = float(car.state[AHEAD_MPS2])
        jerk = (acceleration - self._acceleration) * SECOND_US / self._frame_us
        self._acceleration = acceleration
        return Frame(
            number=number,
            time_us=time_us,
            state=shown(car.state, late_s),
            height_m=float(self.road.heights_m[0]) if self.road.is_flat else float(self.road.height(race.s_m)),
            distance_m=self._distance + car.speed_mps * late_s,
            gas=gas,
            brake=brake,
            steer=steer,
            gear=car.gear,
            rpm=car.rpm,
            is_finished=race.is_finished or shows_finish,
            race_time_s=race.race_time_s(time_us),
            checkpoints=race.checkpoints,
            is_on_road=race.is_on_road,
            jerk_mps3=jerk,
            is_signed=self._is_signed,
        )

    def _put(self, s_m: float, speed_mps: float = 0.0) -> None:
        centre = self.road.centre
        self._car.place(np.append(centre.position(s_m), centre.heading(s_m)), speed_mps)
