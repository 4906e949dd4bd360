"""`obs=edges`: what the car does and where the road goes, as numbers; what a layout does not tell is not there.

Like the features that Gran Turismo Sophy drives with (Wurman et al. 2022), which a fork of TMRL brought to TrackMania
(tmrl-trackmap); unlike there, edges are sampled by arc length, looked for near where they were, valid from the first
step to the finish and beyond, on their true sides, and everything is scaled to about -1 … 1.
"""

import math
from typing import ClassVar

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.track.edges_ahead import BOUND, EdgeSettings, bounded, seen_edges
from envs.track.frames import FloatArray, wrap_angle
from envs.trackmania.layouts import GEAR, RPM, SLIP_4, SPEED_MPS, Layout
from envs.trackmania.motion import Motion, MotionTracker, tells_direction
from envs.trackmania.presets import Element, Preset
from envs.trackmania.records import Record
from envs.trackmania.road import Road

_SPEED_MPS, _SIDE_MPS, _YAW_RADPS, _GEAR, _RPM, _OFFSET_M = 100.0, 20.0, 4.0, 7.0, 10000.0, 20.0  # are scaled to 1


class EdgesPreset(Preset):
    """Telemetry `(T,)`, and edges `(5 * points,)`: points ahead of the car on both sides.

    Telemetry: speed, speed ahead, speed to the left (layouts that tell the car's direction), yaw rate, slip of wheels
    (layouts that tell it), gear, rpm, offset from the centre line to the left, sine and cosine of the heading against
    it, progress. `telemetry_names` lists them.

    Edges: metres ahead of the left edge's points, metres to the left of them, the same of the right edge, and whether
    the points lie before the finish.

    Args:
        layout: of the records.
        road: to drive on.
        settings: see `EdgeSettings`.
    """

    names: ClassVar[tuple[str, ...]] = ("telemetry", "edges")

    def __init__(self, layout: Layout, road: Road, settings: EdgeSettings | None = None) -> None:
        self._road, self._settings = road, settings or EdgeSettings()
        self._tracker = MotionTracker(layout)
        self._slip = tuple(name for name in SLIP_4 if name in layout)
        self._told = tuple(name for name in (GEAR, RPM) if name in layout)
        side = ("left_mps",) if tells_direction(layout) else ()
        self.telemetry_names = (
            *("speed_mps", "ahead_mps", *side, "yaw_rate_radps", *self._slip, *self._told),
            *("offset_left_m", "heading_sine", "heading_cosine", "progress"),
        )
        self.boxes = tuple(
            spaces.Box(-BOUND, BOUND, (size,), np.float32)
            for size in (len(self.telemetry_names), 5 * self._settings.points)
        )
        self._s_m = 0.0

    def reset(self, record: Record, screenshot: npt.NDArray[np.uint8] | None) -> tuple[Element, ...]:
        """Begin near the start line."""
        self._s_m = 0.0
        heading = float(self._road.centre.heading(0.0))
        return self._elements(record, self._tracker.reset(record, heading))

    def step(self, record: Record, screenshot: npt.NDArray[np.uint8] | None, progress: float) -> tuple[Element, ...]:
        """Take the next record."""
        return self._elements(record, self._tracker.update(record))

    def _elements(self, record: Record, motion: Motion) -> tuple[Element, ...]:
        self._s_m, left_m = self._road.place(record.position_m, self._s_m)
        heading_error = float(wrap_angle(motion.heading_rad - float(self._road.centre.heading(self._s_m))))
        telemetry = [
            record[SPEED_MPS] / _SPEED_MPS,
            motion.ahead_mps / _SPEED_MPS,
            *([] if motion.left_mps is None else [motion.left_mps / _SIDE_MPS]),
            motion.yaw_rate_radps / _YAW_RADPS,
            *(record[name] for name in self._slip),
            *(record[name] / scale for name, scale in ((GEAR, _GEAR), (RPM, _RPM)) if name in self._told),
            left_m / _OFFSET_M,
            math.sin(heading_error),
            math.cos(heading_error),
            self._s_m / self._road.length_m,
        ]
        return bounded(telemetry), bounded(self._edges(motion, self._s_m, record[SPEED_MPS]))

    def _edges(self, motion: Motion, s_m: float, speed_mps: float) -> FloatArray:
        along = s_m + self._settings.distances_m(speed_mps)
        pose = np.array([motion.x_m, motion.y_m, motion.heading_rad])
        seen = seen_edges(self._road.edges_at(along), pose, self._settings.ahead_m)
        return np.concatenate([seen, along <= self._road.length_m])
