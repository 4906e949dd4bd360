"""The fake game: one car on one road, on a clock of its own that goes only when it is told to.

Physics runs in ticks of 10 ms, frames are shown at the frame rate; both are laid out on whole microseconds from the
game's begin, so that nothing depends on how its time is cut into calls of `advance`.
"""

import math
import zlib
from collections.abc import Sequence

import numpy.typing as npt

from envs.track.frames import FloatArray
from envs.trackmania.twin.camera import Screen
from envs.trackmania.twin.fault_effects import FaultEffects
from envs.trackmania.twin.faults import Faults
from envs.trackmania.twin.frame_times import FrameTimes
from envs.trackmania.twin.perspective import Picture
from envs.trackmania.twin.race import SECOND_US
from envs.trackmania.twin.records import DEFAULT, RICH, check_layout, pack, unpack
from envs.trackmania.twin.rich_record import with_header
from envs.trackmania.twin.road import road_along, synthetic_road
from envs.trackmania.twin.simulation import RELEASED, TICK_US, Simulation, as_controls
from envs.trackmania.twin.trajectory_file import as_trajectory


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
        road: that is raced along.
        screen: draws pictures, also beside the running game.
        frame: the newest.
        time_us: the game's clock.
        next_frame_us: when the next frame is due, on it.
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
        self.road = synthetic_road(seed) if trajectory is None else road_along(as_trajectory(trajectory))
        self._frame_times = FrameTimes(frame_rate_fps, frame_jitter, seed)
        self.screen = Screen(self.road, full_size=full_size, lidar_size=lidar_size)
        self._map_hash = zlib.crc32(self.road.centre.points.tobytes()) << 32 | zlib.crc32(self.road.heights_m.tobytes())
        self._simulation = Simulation(
            self.road, countdown_s=countdown_s, frame_us=self._frame_times.interval_us, is_signed=has_signed_speed
        )
        self._effects = FaultEffects(self._simulation)
        self.time_us, self._next_tick, self.next_frame_us = 0, TICK_US, self._frame_times.next_us()
        self._controls = RELEASED
        self._num_frames = self.finishes = 0
        self.lap_time_s: float | None = None
        self.popup_open = False
        self._effects.restart(0)
        self._show()
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
    def faults(self) -> Faults:
        """What goes wrong."""
        return self._effects.faults

    @faults.setter
    def faults(self, faults: Faults) -> None:
        self._effects.set(faults, self.frame.number, self.time_us)

    def press(self, gas: float, brake: float, steer: float) -> None:
        """Hold the controls so from now on.

        Args:
            gas: 0 … 1; beyond it is clipped.
            brake: 0 … 1.
            steer: -1 … 1, positive to the right.

        Raises:
            ValueError: one is not a finite number; the controls stay as they were.
        """
        self._controls = as_controls(gas, brake, steer)

    def restart(self) -> None:
        """Begin the race anew: what the rising edge of B does."""
        faults = self._effects.faults
        if not faults.ignore_restart and not (faults.popup_blocks and self.popup_open):
            self._effects.restart(self.time_us)

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
        effects = self._effects
        while (due := min(self._next_tick, self.next_frame_us)) <= time_us:
            self.time_us = due
            if self._next_tick == due:  # first: a frame shows the tick of its moment
                self._next_tick += TICK_US
                if due > effects.still_until_us:
                    is_blocked = effects.faults.popup_blocks and self.popup_open
                    if self._simulation.tick(due, RELEASED if is_blocked else self._controls):
                        self.lap_time_s = self._simulation.race.lap_time_s
                        self.finishes, self.popup_open = self.finishes + 1, True
            else:
                self.next_frame_us = max(self._frame_times.next_us(), due + 1)
                if due > max(effects.still_until_us, effects.quiet_until_us):
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
        return self.screen.draw(self.frame, kind)

    def trajectory(self) -> FloatArray:
        """Return a perfect drive, start to gate: `(N, 3)` x, y up, z, 0.1 m apart. A reward is made of it."""
        return self.road.trajectory()

    def edges(self) -> FloatArray:
        """Return the road's left and right edge, start to gate: `(2, N, 3)` x, y, z, 2 m apart."""
        return self.road.edges()

    def _show(self) -> None:
        """Show a frame, and let happen what a fault has for it."""
        number, effects = self._num_frames, self._effects
        self._num_frames += 1
        late_us = self.time_us - (self._next_tick - TICK_US)
        shows_finish = effects.stale_frames > 0 or effects.faults.finish_stuck
        self.frame = self._simulation.frame(number, self.time_us, late_us, self._controls, shows_finish=shows_finish)
        effects.stale_frames = max(effects.stale_frames - 1, 0)
        effects.strike(number, self.time_us)

    def _floats(self, layout: str) -> bytes:
        return self._effects.spoilt(pack(self.frame, layout), self.frame.number)
