"""TrackMania as an rtgym interface: telemetry, controls, screen, an observation preset and a task, in TMRL's order."""

from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.trackmania.controls import Controls
from envs.trackmania.ghosts import save_ghost
from envs.trackmania.presets import Preset
from envs.trackmania.race import RaceWatch
from envs.trackmania.real_time import GameTime
from envs.trackmania.records import Record
from envs.trackmania.reward_progress import Outcome
from envs.trackmania.sources import GameParts
from envs.trackmania.starts import StartWatch
from envs.trackmania.step_info import Ages, Counts, rounded_s, step_info
from envs.trackmania.tasks import Task

AFTER_RESTART_S = 0.5  # that TMRL waits when an episode ends, before it closes the pop-up


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
        starts: notices the restarts of a person who drives; None: restarts are pressed here.

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
        watch: RaceWatch,
        save_replays: bool = False,
        starts: StartWatch | None = None,
    ) -> None:
        self._connect, self._preset, self._make_task, self._time = connect, preset, task, time
        self._connect_timeout_s, self._pause_s, self._save_replays = connect_timeout_s, pause_s, save_replays
        self.watch = watch
        self._starts, self._start = starts, 0
        self.parts: GameParts | None = None
        self.controls: Controls | None = None
        self._task: Task | None = None
        self.last_info: dict[str, Any] = {}
        self._looked_s = 0.0
        self._steps = 0
        self._counts = Counts()

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
            SimulatorUnavailable: the game does not answer, or the person who drives does not restart.
            ConfigError: there is no trajectory.
        """
        if self._task is None:
            self._task = self._make_task()
        parts = self.open()
        if seed is not None and parts.renew is not None:
            parts.renew()
        self.send_control(self.get_default_action())
        parts = self._restart(parts)
        self._counts = Counts.of(parts.source)
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
            RestartedRace: the person who drives has begun anew.
        """
        assert self.parts is not None
        assert self._task is not None
        if self._starts is not None:
            self._starts.check(self._start)
        screenshot, record, ages = self._look(self.parts)
        now = self._time.now()
        dt_s, self._looked_s = rounded_s(now - self._looked_s), now
        self._steps += 1
        outcome = self._task.step(record, dt_s, self.watch)
        observation = self._preset.step(record, screenshot, self._task.progress)
        self.last_info = self._info(record, outcome, ages, frames=1)
        return observation, outcome.reward, outcome.end_cause is not None, self.last_info

    def wait(self) -> None:
        """Let go, save a ghost if that is asked for, restart, and close what the finish has shown.

        Needs no telemetry, so it waits for none; before the first reset there is nothing to let go.
        """
        parts = self.parts
        if parts is None:
            return
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
            if self._starts is not None:
                self.parts.source.listen(self._starts.see)
        self.parts.source.open(self._connect_timeout_s)
        if self.parts.capture is not None:
            self.parts.capture.refresh()
        return self.parts

    def _restart(self, parts: GameParts) -> GameParts:
        """Press the restart, or wait for a person's, in which telemetry may come and go."""
        if self._starts is None:
            self.watch.restart(self._time.now())
            parts.sink.restart()
            self._time.sleep(self._pause_s)
            return parts
        self._starts.wait(self._time)
        self._start = self._starts.starts
        self.watch.restart(self._starts.began_s)
        return self.open()

    def _look(self, parts: GameParts) -> tuple[npt.NDArray[np.uint8] | None, Record, Ages]:
        """Return screenshot, record, and their ages; the record came before the screenshot was finished."""
        if parts.capture is None or self._preset.screen is None:
            record = parts.source.newest()
            return None, record, Ages(self._time.now() - record.received_s)
        before = parts.source.newest()
        began = self._time.now()
        screenshot = parts.capture.screenshot()
        ended = self._time.now()
        after = parts.source.newest()
        record = after if after.received_s <= ended else before
        now = self._time.now()
        return screenshot, record, Ages(now - record.received_s, now - began)

    def _info(self, record: Record, outcome: Outcome, ages: Ages, *, frames: int) -> dict[str, Any]:
        assert self.parts is not None
        assert self._task is not None
        source = self.parts.source
        return step_info(
            record,
            outcome,
            self._task,
            self.watch,
            ages=ages,
            counts=Counts.of(source).since(self._counts),
            reconnects=max(source.connections - 1, 0),
            frames=frames,
        )
