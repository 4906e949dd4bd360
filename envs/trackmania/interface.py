"""TrackMania as an rtgym interface: telemetry, controls, screen, an observation preset and a task, in TMRL's order."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs import contract
from envs.trackmania.controls import Controls
from envs.trackmania.ghosts import save_ghost
from envs.trackmania.layouts import BRAKE, GAS, SPEED_MPS, STEER
from envs.trackmania.plane import to_plane
from envs.trackmania.presets import Preset
from envs.trackmania.race import RaceWatch
from envs.trackmania.real_time import GameTime
from envs.trackmania.real_time_env import END_CAUSE, INPUTS
from envs.trackmania.records import Record
from envs.trackmania.reward_progress import FINISH, Outcome
from envs.trackmania.sources import ControlSink, ScreenCapture, TelemetrySource
from envs.trackmania.tasks import Task

log = logging.getLogger(__name__)

AFTER_RESTART_S = 0.5  # that TMRL waits when an episode ends, before it closes the pop-up
TELEMETRY_FAULT = "telemetry_fault"  # in info: what records told that cannot be; the link holds
_DIGITS = 6  # of times in info: microseconds, whatever a clock began at


@dataclass(frozen=True)
class GameParts:
    """What an interface drives.

    Attributes:
        source: of telemetry.
        sink: of controls.
        capture: of pictures; None where the preset needs none.
        renew: makes the game as it was at its very begin, for resets with a seed; None where that cannot be.
    """

    source: TelemetrySource
    sink: ControlSink
    capture: ScreenCapture | None
    renew: Callable[[], None] | None = None


class TrackmaniaInterface:
    """Drive a game, real or not.

    Args:
        connect: finds the game, at the first reset.
        preset: what is observed.
        task: makes what is rewarded, at the first reset.
        time: the game's clock.
        connect_timeout_s: for telemetry, at the first reset and after a loss.
        pause_s: after a restart, until the first look.
        watch: listens to all records.
        save_replays: whether an episode's end asks the game to save a ghost.

    Attributes:
        last_info: of the last observation.
        controls: count clipped actions.
    """

    def __init__(
        self,
        connect: Callable[[], GameParts],
        preset: Preset,
        task: Callable[[], Task],
        time: GameTime,
        *,
        connect_timeout_s: float,
        pause_s: float,
        watch: RaceWatch | None = None,
        save_replays: bool = False,
    ) -> None:
        self._connect, self._preset, self._make_task, self._time = connect, preset, task, time
        self._connect_timeout_s, self._pause_s, self._save_replays = connect_timeout_s, pause_s, save_replays
        self.watch = watch or RaceWatch()
        self.parts: GameParts | None = None
        self.controls: Controls | None = None
        self._task: Task | None = None
        self.last_info: dict[str, Any] = {}
        self._looked_s = 0.0
        self._steps = 0
        self._counts = (0, 0, 0)

    def get_observation_space(self) -> spaces.Tuple:
        """Return the preset's elements."""
        return spaces.Tuple(self._preset.boxes)

    def get_action_space(self) -> spaces.Box:
        """Return `[gas, brake, steer]` in [-1, 1]."""
        return spaces.Box(-1.0, 1.0, (3,), np.float32)

    def get_default_action(self) -> npt.NDArray[np.float32]:
        """Return the released controls."""
        return np.zeros(3, np.float32)

    def send_control(self, control: npt.ArrayLike | None) -> None:
        """Hold `[gas, brake, steer]`."""
        assert self.controls is not None
        self.controls.send(control)

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> tuple[Any, dict[str, Any]]:
        """Let the race begin anew, and look at it.

        Raises:
            SimulatorUnavailable: the game does not answer.
            ConfigError: there is no trajectory.
        """
        if self._task is None:
            self._task = self._make_task()
        parts = self.open()
        if seed is not None and parts.renew is not None:
            parts.renew()
        self.send_control(self.get_default_action())
        self.watch.restart(self._time.now())
        parts.sink.restart()
        self._time.sleep(self._pause_s)
        source = parts.source
        self._counts = (source.seen, source.skipped, source.unsound)
        screenshot, record, ages = self._look(parts)
        self._task.reset(record)
        self._looked_s, self._steps = self._time.now(), 0
        observation = self._preset.reset(record, screenshot)
        self.last_info = self._info(record, Outcome(0.0), ages, frames=0)
        return observation, self.last_info

    def get_obs_rew_terminated_info(self) -> tuple[Any, float, bool, dict[str, Any]]:
        """Look at the game as it is now.

        Raises:
            LinkFault: telemetry was lost.
        """
        assert self.parts is not None
        assert self._task is not None
        screenshot, record, ages = self._look(self.parts)
        now = self._time.now()
        dt_s, self._looked_s = round(now - self._looked_s, _DIGITS), now
        self._steps += 1
        outcome = self._task.step(record, dt_s, self.watch)
        observation = self._preset.step(record, screenshot, self._task.progress)
        self.last_info = self._info(record, outcome, ages, frames=1)
        return observation, outcome.reward, outcome.end_cause is not None, self.last_info

    def wait(self) -> None:
        """Let go, save a ghost if that is asked for, restart, and close what the finish has shown."""
        parts = self.open()
        self.send_control(self.get_default_action())
        if self._save_replays:
            save_ghost(self._time.sleep)
        parts.sink.restart()
        self._time.sleep(AFTER_RESTART_S)
        parts.sink.close_popup()

    def close(self) -> None:
        """Release controls, hang up; a second call does nothing."""
        parts, self.parts = self.parts, None
        if parts is not None:
            parts.sink.close()
            parts.source.close()
            if parts.capture is not None:
                parts.capture.close()

    def open(self) -> GameParts:
        """Connect, if need be, and return the game's parts.

        Raises:
            SimulatorUnavailable: there is no gamepad or window, or the game does not answer.
        """
        if self.parts is None:
            self.parts = self._connect()
            self.controls = Controls(self.parts.sink)
            self.parts.source.listen(self.watch.see)
        self.parts.source.open(self._connect_timeout_s)
        return self.parts

    def _look(self, parts: GameParts) -> tuple[npt.NDArray[np.uint8] | None, Record, tuple[float, float]]:
        """Return screenshot, record, and their ages; the record came before the screenshot was finished."""
        if parts.capture is None or self._preset.screen is None:
            record = parts.source.newest()
            return None, record, (self._time.now() - record.received_s, 0.0)
        before = parts.source.newest()
        began = self._time.now()
        screenshot = parts.capture.screenshot()
        ended = self._time.now()
        after = parts.source.newest()
        record = after if after.received_s <= ended else before
        now = self._time.now()
        return screenshot, record, (now - record.received_s, now - began)

    def _info(self, record: Record, outcome: Outcome, ages: tuple[float, float], *, frames: int) -> dict[str, Any]:
        assert self.parts is not None
        assert self._task is not None
        source = self.parts.source
        seen, skipped, unsound = (
            now - before
            for now, before in zip((source.seen, source.skipped, source.unsound), self._counts, strict=True)
        )
        frame_age_s, image_age_s = (round(age, _DIGITS) for age in ages)
        is_finish = outcome.end_cause == FINISH
        info = {
            contract.SPEED_MPS: float(record[SPEED_MPS]),
            contract.PROGRESS: min(max(float(self._task.progress), 0.0), 1.0),
            contract.LAP: int(is_finish),
            contract.OFF_TRACK: bool(self._task.is_off_track),
            contract.FRAMES: frames,
            contract.POSITION_M: to_plane(record.position_m),
            contract.LINK_AGE_S: frame_age_s,
            contract.LINK_SKIPPED: skipped,
            "frame_age_s": frame_age_s,
            "image_age_s": image_age_s,
            "frames_seen": seen,
            "frames_skipped": skipped,
            "frames_unsound": unsound,
            "progress_m": float(self._task.progress_m),
            "progress_frac": float(self._task.progress),
            "race_time_s": record.race_time_s,
            END_CAUSE: outcome.end_cause,
            **{f"reward_{name}": value for name, value in outcome.terms.items()},
        }
        brake = next((name for name in (BRAKE, "brake_pedal") if name in record), None)
        if STEER in record and GAS in record and brake is not None:
            info[INPUTS] = record.vector((GAS, brake, STEER)).astype(np.float32)
        fault = outcome.fault or (f"{unsound} records were not finite or out of range." if unsound else None)
        if fault is not None:
            info[TELEMETRY_FAULT] = fault
        if is_finish:
            info |= self._lap_time()
        return info

    def _lap_time(self) -> dict[str, Any]:
        lap = self.watch.lap_time
        if lap is None:  # TMRL's task believes a finish of which no edge was seen
            return {"lap_time_source": "none"}
        log.info("Lap finished in %.2f s (%s, ±%.2f s).", lap.time_s, lap.source, lap.uncertainty_s)
        return {
            contract.LAP_TIME_S: round(lap.time_s, _DIGITS),
            "lap_time_source": lap.source,
            "lap_time_uncertainty_s": round(lap.uncertainty_s, _DIGITS),
        }
