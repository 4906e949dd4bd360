"""The fake game: one car on one road, on a clock of its own that goes only when it is told to.

Physics runs in ticks of 10 ms, frames are shown at the frame rate; both are laid out on whole microseconds from the
game's begin, so that nothing depends on how its time is cut into calls of `advance`.
"""

import math
import struct
import zlib
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.track.bicycle import AHEAD_MPS2, HEADING_RAD, X_M, Y_M
from envs.track.frames import FloatArray
from envs.trackmania.twin.car import Car
from envs.trackmania.twin.faults import Faults
from envs.trackmania.twin.frame import Frame, shown
from envs.trackmania.twin.ground import Ground
from envs.trackmania.twin.perspective import Camera, Picture
from envs.trackmania.twin.race import SECOND_US, Race
from envs.trackmania.twin.records import DEFAULT, RICH, check_layout, pack, unpack
from envs.trackmania.twin.rich_record import with_header
from envs.trackmania.twin.road import road_along, synthetic_road
from envs.trackmania.twin.trajectory_file import as_trajectory

TICK_US = 10_000
FULL, LIDAR = "full", "lidar"


class TwinGame:
    """A race that equal seeds and inputs repeat bit for bit.

    Args:
        seed: of the synthetic road, and of the jitter.
        trajectory: `(N, 3)` x, y, z of a recorded drive, to race along it instead; or its file, .npy or .npz.
        frame_rate_fps: of records and pictures.
        frame_jitter: by how much frames come early or late, as a share of the time between two: at most half of it.
        countdown_s: after a restart, without effect of the inputs.
        full_size: of the screenshot `full`: width, height.
        lidar_size: of the screenshot `lidar`.
        has_signed_speed: whether speed is negative in reverse.
        faults: what goes wrong; may be exchanged while the game runs.

    Attributes:
        frame: the newest.
        time_us: the game's clock.
        finishes: races finished since the game began.
        lap_time_s: of the last finish, exact between two ticks; None before.
        popup_open: whether a finish was not acknowledged with A.

    Raises:
        ConfigError: a number is out of range, or the trajectory is none.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        trajectory: npt.ArrayLike | str | None = None,
        frame_rate_fps: float = 100.0,
        frame_jitter: float = 0.0,
        countdown_s: float = 1.5,
        full_size: Sequence[int] = (256, 128),
        lidar_size: Sequence[int] = (958, 488),
        has_signed_speed: bool = False,
        faults: Faults | None = None,
    ) -> None:
        check_range("frame_rate_fps", frame_rate_fps, 1.0, 1000.0)
        check_range("frame_jitter", frame_jitter, 0.0, 1.0)
        check_range("countdown_s", countdown_s, 0.0, 60.0)
        self.road = synthetic_road(seed) if trajectory is None else road_along(as_trajectory(trajectory))
        self._random = np.random.default_rng([seed, 1])
        self._interval, self._jitter = SECOND_US / frame_rate_fps, frame_jitter
        ground = Ground(self.road)
        self._cameras = {
            FULL: Camera(ground, size=full_size, is_plain=False),
            LIDAR: Camera(ground, size=lidar_size, is_plain=True),
        }
        self._is_signed = has_signed_speed
        self._map_hash = zlib.crc32(self.road.centre.points.tobytes()) << 32 | zlib.crc32(self.road.heights_m.tobytes())
        self._car, self._race = Car(), Race(self.road, round(countdown_s * SECOND_US))
        self._start = np.append(self.road.centre.position(0.0), self.road.centre.heading(0.0))
        self.time_us, self._next_tick, self._num_slots = 0, TICK_US, 1  # the first frame is shown here
        self._next_frame = self._slot()
        self._gas = self._brake = self._steer = 0.0
        self._num_frames = self.finishes = 0
        self.lap_time_s: float | None = None
        self.popup_open = False
        self._still_until = self._quiet_until = 0
        self._faults = Faults()
        self._begin()
        self.frame = self._picture(0)
        self.faults = faults or Faults()

    @property
    def time_s(self) -> float:
        """The game's clock, seconds since it began."""
        return self.time_us / SECOND_US

    @property
    def map_uid(self) -> str:
        """A name for the road, the same for the same road."""
        return f"twin{self._map_hash:016x}"

    @property
    def next_frame_us(self) -> int:
        """When the next frame is due, on the game's clock."""
        return self._next_frame

    @property
    def faults(self) -> Faults:
        """What goes wrong."""
        return self._faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._faults, self._faults_from = faults, self.frame.number
        self._strike()

    def press(self, gas: float, brake: float, steer: float) -> None:
        """Hold the controls so from now on.

        Args:
            gas: 0 … 1; beyond it is clipped.
            brake: 0 … 1.
            steer: -1 … 1, positive to the right.

        Raises:
            ValueError: one is not a finite number; the controls stay as they were.
        """
        if not math.isfinite(gas + brake + steer):
            raise ValueError(f"Expected finite gas, brake and steer, got {gas}, {brake} and {steer}.")
        self._gas, self._brake = min(max(float(gas), 0.0), 1.0), min(max(float(brake), 0.0), 1.0)
        self._steer = min(max(float(steer), -1.0), 1.0)

    def restart(self) -> None:
        """Begin the race anew: what the rising edge of B does."""
        if not self._faults.ignore_restart and not self._is_blocked:
            self._begin()

    def close_popup(self) -> None:
        """Acknowledge a finish: what the rising edge of A does."""
        self.popup_open = False

    def advance(self, duration_s: float) -> None:
        """Let the game's clock go on.

        Raises:
            ValueError: by less than nothing, or not a finite time.
        """
        if not 0.0 <= duration_s < math.inf:
            raise ValueError(f"Expected a duration of at least 0 s, got {duration_s}.")
        self.advance_to(self.time_us + round(duration_s * SECOND_US))

    def advance_to(self, time_us: int) -> None:
        """Let the game's clock go on to a time; a frame that is due then is shown."""
        while (due := min(self._next_tick, self._next_frame)) <= time_us:
            self.time_us = due
            if self._next_tick == due:  # first: a frame shows the tick of its moment
                self._next_tick += TICK_US
                if due > self._still_until:
                    self._tick()
            else:
                self._next_frame = max(self._slot(), due + 1)
                if due > max(self._still_until, self._quiet_until):
                    self._show()
        self.time_us = time_us

    def record(self, layout: str = DEFAULT) -> tuple[float, ...]:
        """Return the newest frame's record, rounded to float32 as on the wire; `TMRL11` has 11 fields.

        Raises:
            ConfigError: the layout is unknown.
        """
        return unpack(self._floats(check_layout(layout)))

    def record_bytes(self, layout: str = DEFAULT) -> bytes:
        """Return what the plugin of a layout would write for the newest frame."""
        floats = self._floats(check_layout(layout))
        return with_header(self.frame, floats, self._map_hash) if layout == RICH else floats

    def screenshot(self, kind: str) -> Picture:
        """Return a picture of the newest frame, `(H, W, 3)` uint8 in the order of a window's capture: blue, green, red.

        Args:
            kind: `full`, a landscape, or `lidar`, a grey road with black borders.

        Raises:
            ValueError: another kind.
        """
        return self.draw(self.frame, kind)

    def draw(self, frame: Frame, kind: str) -> Picture:
        """Return a picture of a frame; may run in another thread than the game."""
        if kind not in self._cameras:
            raise ValueError(f"Expected a screenshot of {', '.join(self._cameras)}, got {kind!r}.")
        x, y, heading = frame.state[[X_M, Y_M, HEADING_RAD]].tolist()
        return self._cameras[kind].draw(x, y, heading, frame.wheel_rad)

    def trajectory(self) -> FloatArray:
        """Return a perfect drive, start to gate: `(N, 3)` x, y up, z, 0.1 m apart. A reward is made of it."""
        return self.road.trajectory()

    def edges(self) -> FloatArray:
        """Return the road's left and right edge, start to gate: `(2, N, 3)` x, y, z, 2 m apart."""
        return self.road.edges()

    @property
    def _is_blocked(self) -> bool:
        return self._faults.popup_blocks and self.popup_open

    def _begin(self) -> None:
        """Put the car at the start; what the finish left behind goes, though perhaps not at once."""
        self._stale = self._faults.stale_finish_frames if self._num_frames and self._race.is_finished else 0
        self._car.place(self._start)
        self._race.restart(self.time_us, TICK_US)
        self._distance, self._acceleration = 0.0, 0.0

    def _tick(self) -> None:
        race, car = self._race, self._car
        if self.time_us - TICK_US < race.start_us:
            return
        gas, brake, steer = (0.0, 0.0, 0.0) if self._is_blocked else (self._gas, self._brake, self._steer)
        car.drive(gas, brake, steer, TICK_US / SECOND_US, is_on_road=race.is_on_road)
        self._distance += car.speed_mps * TICK_US / SECOND_US
        was_finished = race.is_finished
        race.follow(float(car.state[X_M]), float(car.state[Y_M]), self.time_us, TICK_US)
        if race.finish_us is not None and not was_finished:
            self.lap_time_s = (race.finish_us - race.start_us) / SECOND_US
            self.finishes, self.popup_open = self.finishes + 1, True

    def _show(self) -> None:
        """Show a frame, and let happen what a fault has for it."""
        self.frame = self._picture(self._num_frames)
        self._strike()

    def _picture(self, number: int) -> Frame:
        race, car = self._race, self._car
        late_s = (self.time_us - (self._next_tick - TICK_US)) / SECOND_US
        acceleration = float(car.state[AHEAD_MPS2])
        jerk = (acceleration - self._acceleration) * SECOND_US / self._interval
        self._acceleration = acceleration
        is_finished = race.is_finished or self._stale > 0 or self._faults.finish_stuck
        self._stale = max(self._stale - 1, 0)
        self._num_frames = number + 1
        return Frame(
            number=number,
            time_us=self.time_us,
            state=shown(car.state, late_s),
            height_m=float(self.road.heights_m[0]) if self.road.is_flat else float(self.road.height(race.s_m)),
            distance_m=self._distance + car.speed_mps * late_s,
            gas=self._gas,
            brake=self._brake,
            steer=self._steer,
            gear=car.gear,
            rpm=car.rpm,
            is_finished=is_finished,
            race_time_s=race.race_time_s(self.time_us),
            checkpoints=race.checkpoints,
            is_on_road=race.is_on_road,
            jerk_mps3=jerk,
            is_signed=self._is_signed,
        )

    def _slot(self) -> int:
        """Return when the next frame is due, the first at 0."""
        slot = round(self._num_slots * self._interval + self._jitter * self._interval * self._random.uniform(-0.5, 0.5))
        self._num_slots += 1
        return slot

    def _strike(self) -> None:
        """Begin the faults whose time has come: so many frames after they were asked for."""
        count, faults = self.frame.number - self._faults_from, self._faults
        if count == faults.stall_after_frames:
            self._quiet_until = self.time_us + round(faults.stall_s * SECOND_US)
        if count == faults.freeze_after_frames:
            self._still_until = self.time_us + round(faults.freeze_s * SECOND_US)
            self._race.pause(round(faults.freeze_s * SECOND_US / TICK_US) * TICK_US)
        if count == faults.restart_after_frames:
            self._begin()
        if count == faults.teleport_after_frames:
            s = self._race.s_m + faults.teleport_m
            speed = self._car.speed_mps
            self._car.place(np.append(self.road.centre.position(s), self.road.centre.heading(s)), speed)
            self._race.moved()

    def _floats(self, layout: str) -> bytes:
        floats, faults = pack(self.frame, layout), self._faults
        if faults.nan_after_frames is None:
            return floats
        if 0 <= self.frame.number - self._faults_from - faults.nan_after_frames < faults.nan_frames:
            broken = bytearray(floats)
            struct.pack_into("<f", broken, 4 * min(faults.nan_field, len(floats) // 4 - 1), math.nan)
            return bytes(broken)
        return floats
