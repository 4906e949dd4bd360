"""How the car moves, as far as a layout tells: what it lacks is derived where that is sound, and absent where not."""

import math
from dataclasses import dataclass

import numpy as np

from envs.track.frames import FloatArray, wrap_angle
from envs.trackmania.layouts import DIRECTION, SPEED_MPS, VELOCITY, Layout
from envs.trackmania.plane import heading_of, heading_of_yaw, to_plane
from envs.trackmania.records import Record

WALKING_MPS = 1.4  # below it, two positions do not tell a heading
_LEAST_MOVE_M = 1e-3
_YAW = "yaw_rad"


@dataclass(frozen=True)
class Motion:
    """Where the car is in the plane (`envs.trackmania.plane`), and how it moves.

    Attributes:
        x_m: in the plane.
        y_m: in the plane.
        heading_rad: anticlockwise.
        ahead_mps: along the heading.
        left_mps: across it; None where the layout does not tell the car's direction apart from its way.
        yaw_rate_radps: anticlockwise.
    """

    x_m: float
    y_m: float
    heading_rad: float
    ahead_mps: float
    left_mps: float | None
    yaw_rate_radps: float


def tells_direction(layout: Layout) -> bool:
    """Whether records say where the car points, not only where it goes."""
    return DIRECTION[0] in layout or _YAW in layout


class MotionTracker:
    """Follow one car from record to record.

    Args:
        layout: of the records.
    """

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._last: Record | None = None
        self._motion: Motion | None = None

    def reset(self, record: Record, heading_rad: float) -> Motion:
        """Begin with a car at rest; `heading_rad` is the road's, for layouts that do not tell the car's."""
        self._last = record
        x, y = to_plane(record.position_m).tolist()
        heading = self._told_heading(record)
        side = 0.0 if tells_direction(self._layout) else None
        heading = heading_rad if heading is None else heading
        self._motion = Motion(x, y, heading, record[SPEED_MPS], side, 0.0)
        return self._motion

    def update(self, record: Record) -> Motion:
        """Take the next record; the same one again changes nothing."""
        assert self._last is not None
        assert self._motion is not None
        dt_s = self._passed_s(record)
        if dt_s <= 0.0:
            return self._motion
        before, here = to_plane(self._last.position_m), to_plane(record.position_m)
        course = self._course(record, here - before)
        heading = self._told_heading(record)
        if heading is None:
            heading = self._motion.heading_rad if course is None else course
            if course is not None and record[SPEED_MPS] < 0.0:  # it goes where its tail points
                heading = float(wrap_angle(course + math.pi))
        ahead, left = self._speeds(record, course, heading)
        turned = float(wrap_angle(heading - self._motion.heading_rad))
        self._last = record
        self._motion = Motion(float(here[0]), float(here[1]), heading, ahead, left, turned / dt_s)
        return self._motion

    def _passed_s(self, record: Record) -> float:
        """Return the game's time since the last record, by its own clock if it has one that runs."""
        assert self._last is not None
        clock, before = record.race_time_s, self._last.race_time_s
        if clock is not None and before is not None and clock > before:
            return clock - before
        return record.received_s - self._last.received_s

    def _told_heading(self, record: Record) -> float | None:
        if DIRECTION[0] in self._layout:
            return heading_of(record.vector(DIRECTION))
        return heading_of_yaw(record[_YAW]) if _YAW in self._layout else None

    def _course(self, record: Record, moved: FloatArray) -> float | None:
        """Return the direction in which the car goes; None where it hardly does."""
        if abs(record[SPEED_MPS]) <= WALKING_MPS:
            return None
        if VELOCITY[0] in self._layout:  # of an unknown unit, but a direction has none
            return heading_of(record.vector(VELOCITY))
        return math.atan2(moved[1], moved[0]) if float(np.hypot(*moved)) > _LEAST_MOVE_M else None

    def _speeds(self, record: Record, course: float | None, heading: float) -> tuple[float, float | None]:
        """Return the speeds ahead and to the left: what is told, along the course."""
        if not tells_direction(self._layout):
            return record[SPEED_MPS], None
        if course is None:
            return record[SPEED_MPS], 0.0
        speed, slip = abs(record[SPEED_MPS]), course - heading
        return speed * math.cos(slip), speed * math.sin(slip)
