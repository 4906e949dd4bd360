"""Episodes of one car, as the env tells them: action to joystick, state to observation, reward, end and info."""

import logging
from typing import Any

import numpy as np

from envs.assetto_corsa import gears
from envs.assetto_corsa.controls import Controls
from envs.assetto_corsa.course import Course
from envs.assetto_corsa.endings import Ending
from envs.assetto_corsa.faults import LinkFault
from envs.assetto_corsa.geometry.derived import Geometry
from envs.assetto_corsa.look import Look
from envs.assetto_corsa.race_parts import RaceParts, Recorder
from envs.assetto_corsa.received import Received
from envs.assetto_corsa.sight import Sight
from envs.assetto_corsa.step_info import REASON, lost_info, step_info
from envs.errors import SimulatorUnavailable

log = logging.getLogger(__name__)

IMAGE_LOST = "image_lost"
Step = tuple[Any, float, bool, bool, dict[str, Any]]


class Race:
    """Drive episodes.

    Args:
        parts: what it is made of.
        raises_faults: whether a lost link raises, instead of ending the episode as truncated.

    Attributes:
        parts: as above, for who drives without episodes.
        sight: of the states that come.
        recorder: keeps what happened; None: nobody.
        is_running: whether an episode has begun and not ended.
    """

    def __init__(self, parts: RaceParts, *, raises_faults: bool = False) -> None:
        self.parts, self._raises_faults = parts, raises_faults
        self._shifter = gears.GearShifter()
        self.sight = Sight(parts.actions, parts.images, parts.scaler, parts.cars)
        self._course: Course | None = None
        self._fault: SimulatorUnavailable | None = None  # of a `send`, for the `receive` after it
        self._last: Any = None  # observation and info
        self._moved = np.zeros(3)
        self.recorder: Recorder | None = None
        self.is_running = False

    def bind(self, geometry: Geometry) -> None:
        """Take the track that is driven on, before the first episode."""
        self.parts.preset.bind(geometry)
        self.sight.bind(geometry)
        self._course = Course(geometry.track)

    def start(self) -> tuple[Any, dict[str, Any]]:
        """Begin an episode.

        Raises:
            SimulatorUnavailable: the game does not answer.
            ConfigError: it is set up otherwise.
            ProtocolError: it says something else than the plugin does.
        """
        self.abort()
        parts = self.parts
        received = parts.drive.start()
        try:
            assert self._course is not None, "start() before bind()"
            self.sight.open()
            parts.actions.reset()
            self._shifter.reset()
            parts.preset.reset()
            parts.endings.reset()
            self._course.reset(received.state)
            look = self.sight.of(received.state)
            parts.reward.reset(look)
            observation = parts.preset.of(look)
        except BaseException:
            parts.drive.link.leave()
            raise
        self._fault, self._moved = None, np.zeros(3)
        info = self._info(look, received, {}, is_reset=True)
        self._record(look, received, 0.0, None)
        self._last, self.is_running = (observation, info), True
        return observation, info

    def send(self, action: Any) -> None:
        """Hold what the action says from now on; what goes wrong with the link is told by `receive`.

        Raises:
            ValueError: the action is none.
        """
        parts = self.parts
        wanted, request = gears.split(parts.gears, action)
        u = parts.actions.apply(wanted)
        self._moved = parts.actions.moved
        up, down = self._shifter.press(request)
        has_gears = parts.gears != gears.AUTO
        steer, acc, brake = u.tolist()
        controls = Controls(steer, acc, brake, enable_gear_shift=has_gears, shift_up=up, shift_down=down)
        try:
            parts.drive.send(controls)
        except LinkFault as fault:
            self._fault = fault

    def receive(self) -> Step:
        """Return what the action led to.

        Raises:
            SimulatorUnavailable: the game is gone, if the race is to raise.
            ProtocolError: a state is not sound.
        """
        parts = self.parts
        try:
            if self._fault is not None:
                raise self._fault
            received = parts.drive.receive()
            look = self.sight.of(received.state)
        except SimulatorUnavailable as fault:
            return self._lost(fault)
        return self._step(look, received)

    def abort(self) -> None:
        """End an episode that has no end of its own; what was driven is kept."""
        if self.is_running:
            self._finish("aborted", None)

    def leave(self) -> None:
        """Leave the car safe, and the episode unfinished."""
        self.parts.drive.link.leave()
        self.abort()

    def close(self) -> None:
        """Leave the car safe, and hang up; a second call does nothing."""
        try:
            self.parts.drive.link.close()
        finally:
            self.abort()
            self.sight.close()

    def _step(self, look: Look, received: Received) -> Step:
        parts, course = self.parts, self._course
        assert course is not None
        course.update(look.state, is_off_track=look.derived.is_off_track)
        ending = parts.endings.of(look, behind_best_m=course.behind_best_m, laps=len(course.laps))
        is_terminated = ending is not None and ending.is_terminated
        terms = parts.reward.of(look, gained_m=course.gained_m, is_failure=is_terminated)
        reward = float(sum(terms.values()))
        observation, info = parts.preset.of(look), self._info(look, received, terms, is_reset=False)
        if course.lap is not None:
            log.info("Lap %d finished in %.3f s.", len(course.laps), course.lap.time_s)
        if ending is not None:
            info[REASON] = ending.reason
        self._record(look, received, reward, ending)
        self._last = observation, info
        if ending is not None:
            parts.drive.link.rest()
            self._finish("ended", ending)
        return observation, reward, is_terminated, ending is not None and not is_terminated, info

    def _lost(self, fault: SimulatorUnavailable) -> Step:
        """End the episode with the last observation that was seen."""
        self.parts.drive.link.leave()
        self._finish("aborted", None)
        if self._raises_faults:
            raise fault
        log.warning("%s", fault)
        observation, info = self._last
        reason = fault.cause if isinstance(fault, LinkFault) else IMAGE_LOST
        return observation, 0.0, False, True, lost_info(info, fault, reason)

    def _info(self, look: Look, received: Received, terms: Any, *, is_reset: bool) -> dict[str, Any]:
        assert self._course is not None
        return step_info(
            look,
            received,
            self._course,
            is_reset=is_reset,
            reconnects=self.parts.drive.reconnects,
            terms=terms,
            frame=self.sight.frame,
            has_extras=self.parts.has_extras,
            cars=self.sight.cars,
        )

    def _record(self, look: Look, received: Received, reward: float, ending: Ending | None) -> None:
        if self.recorder is not None:
            self.recorder.row(
                look,
                action=self._moved,
                reward=reward,
                ending=ending,
                is_going_backwards=self.parts.endings.is_going_backwards,
                missing=received.missing,
            )

    def _finish(self, outcome: str, ending: Ending | None) -> None:
        self.is_running = False
        if self.recorder is not None and self._course is not None:
            is_terminated = ending is not None and ending.is_terminated
            self.recorder.finish(outcome=outcome, course=self._course, is_terminated=is_terminated)
