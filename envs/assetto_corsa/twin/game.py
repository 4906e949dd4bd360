"""The fake game as its plugin tells of it, and as the plugin's requests change it."""

import functools
import math
from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.arguments import check_range
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.files import load_ac_track
from envs.assetto_corsa.tracks.synthetic import synthetic_ac_track
from envs.assetto_corsa.twin.camera import draw_view
from envs.assetto_corsa.twin.faults import Faults
from envs.assetto_corsa.twin.information import REMOTE, plugin_config, static_info, told_config, track_info
from envs.assetto_corsa.twin.state import state_of
from envs.assetto_corsa.twin.world import SECOND_US, TwinWorld
from envs.track.bicycle import VELOCITY_X_MPS, VELOCITY_Y_MPS, X_M, Y_M


class TwinGame(TwinWorld):
    """A game that equal seeds and inputs repeat bit for bit. Cars pass through each other.

    Args:
        seed: of the synthetic track, the opponents and the noise in the telemetry.
        track: where to drive: an `AcTrack`, or a folder or file that `load_ac_track` reads; None: the seed's.
        track_name: full name of one of several in that folder.
        car: name of one of the twin's three.
        mode: the plugin's: `remote` or `local`.
        num_opponents: that drive along the line.
        start_row: of the line, where the car is put.
        start_speed_mps: with which it is put there.
        start_left_m: of the line.
        is_automatic: whether the gearbox shifts by itself; otherwise requests do.
        config: of the plugin, values other than its defaults.
        faults: what goes wrong; may be exchanged while the game runs.

    Attributes:
        mode: of the plugin.
        steps: states sent since a client connected; for whoever sends them to count.
        out_of_sync: commands with another `server_steps` than that; likewise.
        resets: how often the car was put to its start.
        Others: see `TwinWorld`.

    Raises:
        ConfigError: a value is out of range, or the car, the mode or the track is unknown.
    """

    def __init__(
        self,
        seed: int = 0,
        *,
        track: AcTrack | str | None = None,
        track_name: str | None = None,
        car: str = "dallara_f317",
        mode: str = REMOTE,
        num_opponents: int = 0,
        start_row: int = 0,
        start_speed_mps: float = 0.0,
        start_left_m: float = 0.0,
        is_automatic: bool = True,
        config: Mapping[str, Any] | None = None,
        faults: Faults | None = None,
    ) -> None:
        check_range("seed", seed, 0)
        self._config = plugin_config(mode, config or {})
        super().__init__(
            _track(track, track_name, seed),
            seed=seed,
            car=car,
            num_opponents=num_opponents,
            start_row=start_row,
            start_speed_mps=start_speed_mps,
            start_left_m=start_left_m,
            is_automatic=is_automatic,
            faults=faults or Faults(),
        )
        self.mode, self.out_of_sync, self.resets = mode, 0, 0

    @property
    def frame_rate_fps(self) -> float:
        """Frames a second of the game, which the plugin counts."""
        return self.faults.frame_rate_fps or float(self._config["sampling_freq"])

    @property
    def state_period_us(self) -> float:
        """Between two states on the game's clock, in real time."""
        frames = self._config["sampling_freq"] // self._config["ego_sampling_freq"]
        return frames * SECOND_US / self.frame_rate_fps

    @property
    def step_us(self) -> int:
        """Of game time that one command advances in lock-step."""
        return round(SECOND_US / int(self._config["ego_sampling_freq"]))

    def reset(self) -> None:
        """Put the car to its start: what the patch does when the plugin asks for it."""
        if self._config["vjoy_executed_by_server"]:
            self.release()  # the plugin does, whether the patch is there or not
        if self.faults.no_reset:
            return
        self.put_back()
        self.resets += 1

    def restart(self) -> None:
        """Begin the race anew: laps and best times are gone, too."""
        self.forget_laps()
        self.steps = self.out_of_sync = 0
        self.put_back()

    def state(self) -> dict[str, Any]:
        """Return the 90 keys of the car as it is now, by name: ints, floats and lists of four floats."""
        return state_of(
            self.cars.channels(0, 1)[0],
            self.cars.states[0],
            time_s=self.cars.time_s,
            num_frames=int(self.time_us * self.frame_rate_fps) // SECOND_US,
            steps=self.steps,
            out_of_sync=self.out_of_sync,
        )

    def static_info(self) -> dict[str, Any]:
        """Return what the plugin tells of car and track."""
        return static_info(
            self.car, self.cars.model, self.track, self.cars.states[0], self.faults, is_automatic=self.is_automatic
        )

    def config(self) -> dict[str, Any]:
        """Return the plugin's config, 28 keys."""
        return told_config(self._config, self.faults)

    def track_info(self, every: int = 1) -> dict[str, list[Any]]:
        """Return borders, line, pedals, speeds and angles: every so many-th row of the track."""
        return track_info(self.track, self.cars.road, every)

    def opponents(self) -> list[dict[str, Any]]:
        """Return the other cars as the plugin lists them: places in the plan frame, the course of their velocity."""
        height = self.cars.model.chassis.gravity_height_m
        found = []
        for index, car in enumerate(self.cars.states[1:], start=1):
            x, y = float(car[VELOCITY_X_MPS]), float(car[VELOCITY_Y_MPS])
            place = [float(car[X_M]), float(car[Y_M]), height]
            speed_kmh, course = 3.6 * math.hypot(x, y), math.atan2(y, x)
            found.append({"id": index, "world_position": place, "speedKMH": speed_kmh, "yaw": course})
        return found

    def picture(self, width: int = 320, height: int = 240, mode: str = "gray") -> npt.NDArray[np.uint8]:
        """Return what the driver sees, `(height, width, C)` uint8: C is 1 for `gray`, 3 for `bgr`.

        Raises:
            ConfigError: the size is out of range, or there is no such mode.
        """
        others = self.cars.states[1:, :3]
        return draw_view(self.track, self.cars.states[0], others, width=width, height=height, mode=mode)


def _track(track: AcTrack | str | None, name: str | None, seed: int) -> AcTrack:
    if track is None:
        return _synthetic(seed)
    return track if isinstance(track, AcTrack) else load_ac_track(track, name)


@functools.lru_cache(maxsize=16)
def _synthetic(seed: int) -> AcTrack:
    """Return the track of a seed; its arrays are read-only, so that games may share it."""
    return synthetic_ac_track(seed)
