"""What `info` says of a step, in the suite's words and in the specification's beside them."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from envs import contract
from envs.assetto_corsa.course import Course
from envs.assetto_corsa.images import Frame
from envs.assetto_corsa.look import Look
from envs.assetto_corsa.opponents import Opponent
from envs.assetto_corsa.received import Received

REASON = "reason"  # why the episode ended, one word; only on the step that ends it
STATE_AGE_S, SKIPPED_STATES, OUT_OF_SYNC = "state_age_s", "skipped_states", "out_of_sync"
LAP_VALID, SECTOR_TIMES_S, OBS_EXTRA = "lap_valid", "sector_times_s", "obs_extra"
OPPONENTS = "opponents"  # x, y, m/s and course of each other car
EXTRA_CHANNELS = (
    *("local_velocity_x", "local_velocity_y", "angular_velocity_y", "steerAngle", "accStatus", "brakeStatus"),
    *("world_position_x", "world_position_y", "yaw"),
)
_TYRES = 4


def step_info(
    look: Look,
    received: Received,
    course: Course,
    *,
    is_reset: bool,
    reconnects: int,
    terms: Mapping[str, float],
    frame: Frame | None = None,
    has_extras: bool = False,
    cars: tuple[Opponent, ...] | None = None,
) -> dict[str, Any]:
    """Return the info of a step or a reset.

    Args:
        look: at what it led to.
        received: how that came.
        course: of the car, up to date.
        is_reset: whether it was a reset, in which no time counts.
        reconnects: so far.
        terms: of the reward.
        frame: the picture, where there is one.
        has_extras: whether the nine raw channels are told.
        cars: the others; None where nobody asks.
    """
    state = look.state
    info: dict[str, Any] = {
        contract.SPEED_MPS: float(state["speed"]),
        contract.PROGRESS: min(max(float(state["NormalizedSplinePosition"]), 0.0), 1.0),
        contract.LAP: len(course.laps),
        contract.OFF_TRACK: state["numberOfTyresOut"] >= _TYRES,
        contract.FRAMES: 0 if is_reset else 1 + received.lost,
        contract.POSITION_M: np.array([state["world_position_x"], state["world_position_y"]]),
        contract.LINK_AGE_S: received.age_s,
        contract.LINK_SKIPPED: received.lost,
        contract.LINK_RECONNECTS: reconnects,
        STATE_AGE_S: received.age_s,
        SKIPPED_STATES: received.skipped,
        OUT_OF_SYNC: int(state["total_errors_out_of_sync"]),
        "steps": int(state["steps"]),
        "gap_m": look.derived.gap_m,
        "out_of_track": look.derived.is_off_track,
        **{f"reward_{name}": value for name, value in terms.items()},
    }
    if course.lap is not None and not is_reset:
        info[contract.LAP_TIME_S] = course.lap.time_s
        info[LAP_VALID] = course.lap.is_valid
        info[SECTOR_TIMES_S] = course.lap.sectors_s
    if has_extras:
        info[OBS_EXTRA] = np.array([state[name] for name in EXTRA_CHANNELS], np.float32)
    if cars is not None:
        # No array: their number may change, and vector envs keep arrays of one shape.
        info[OPPONENTS] = tuple((*car.position_m[:2], car.speed_mps, car.course_rad) for car in cars)
    if frame is not None:
        told = {"image_frame": frame.number, "image_steps": frame.steps, "image_timestamp_s": frame.timestamp_s}
        info |= {name: value for name, value in (told | {"image_age_s": frame.age_s}).items() if value is not None}
    return info


def lost_info(last: Mapping[str, Any], fault: Exception, reason: str) -> dict[str, Any]:
    """Return the info of a step that led to no state.

    Args:
        last: the info before it.
        fault: why.
        reason: the same in one word.
    """
    info = {name: value for name, value in last.items() if name != contract.LAP_TIME_S}
    return info | {contract.FRAMES: 0, contract.FAULT: str(fault), REASON: reason}
