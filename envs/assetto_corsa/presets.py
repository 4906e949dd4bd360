"""What is observed: the original's vector and its variants, pictures beside it, or telemetry and the road's edges."""

import math
from typing import Any, Protocol

import numpy as np
import numpy.typing as npt
from gymnasium import spaces

from envs.assetto_corsa.acgym_vector import AcgymVector, VectorSettings
from envs.assetto_corsa.geometry.derived import Geometry
from envs.assetto_corsa.look import Look
from envs.track.centre_line import CentreLine
from envs.track.edges_ahead import BOUND, EdgeSettings, bounded, seen_edges
from envs.track.frames import wrap_angle
from envs.track.projection import NO_HINT
from envs.track.track import Track

ACGYM, FIXED, NOLINE, IMAGE, EDGES = "acgym", "acgym_fixed", "acgym_noline", "acgym_image", "edges"
OBSERVATIONS = (ACGYM, FIXED, NOLINE, IMAGE, EDGES)
VECTOR, PICTURE, TELEMETRY = "vector", "image", "telemetry"  # parts of dicts

_WHEELS = ("fl", "fr", "rl", "rr")
# What `edges` tells of the car, and what each number is divided by.
_CAR: tuple[tuple[str, float], ...] = (
    *(("local_velocity_x", 80.0), ("local_velocity_y", 20.0), ("angular_velocity_y", math.pi)),
    *(("accelX", 5.0), ("accelY", 5.0)),
    *((f"SlipAngle_{wheel}", 25.0) for wheel in _WHEELS),
    *(("actualGear", 8.0), ("RPM", 10000.0), ("steerAngle", 450.0), ("accStatus", 1.0), ("brakeStatus", 1.0)),
    ("numberOfTyresOut", 4.0),
)
_OFFSET_M = 20.0


class Preset(Protocol):
    """Makes observations of one car's episodes."""

    @property
    def space(self) -> spaces.Space[Any]:
        """Of the observations."""

    def bind(self, geometry: Geometry) -> None:
        """Take the track that is driven on, before the first episode."""

    def reset(self) -> None:
        """Begin an episode."""

    def of(self, look: Look) -> Any:
        """Return the observation of the next look."""


class VectorPreset:
    """The original's vector, and what can be made of it.

    Args:
        settings: see `VectorSettings`.
    """

    def __init__(self, settings: VectorSettings) -> None:
        self._vector = AcgymVector(settings)
        self._geometry: Geometry | None = None
        self.space: spaces.Space[Any] = spaces.Box(-np.inf, np.inf, (settings.size,), np.float32)

    def bind(self, geometry: Geometry) -> None:
        """See `Preset`.

        Raises:
            ConfigError: target speeds are asked for, and the track has none.
        """
        self._geometry = geometry
        if self._vector.settings.has_target_speed:
            geometry.line.target_speed_ahead(0.0)

    def reset(self) -> None:
        """See `Preset`."""
        self._vector.reset()

    def of(self, look: Look) -> npt.NDArray[np.float32]:
        """Return the vector, `(size,)` float32."""
        assert self._geometry is not None, "of() before bind()"
        line, place = self._geometry.line, look.derived.lap_dist_m
        speeds = line.target_speed_ahead(place) if self._vector.settings.has_target_speed else None
        return self._vector.of(look.state, look.derived, line.curvature_ahead(place), look.commands, speeds)


class ImagePreset:
    """The vector and the game's picture, as a dict of `vector` and `image`.

    Args:
        vector: the vector's preset.
        shape: of the picture, `(H, W, C)`.
    """

    def __init__(self, vector: VectorPreset, shape: tuple[int, int, int]) -> None:
        self._vector, self._shape = vector, shape
        picture = spaces.Box(0, 255, shape, np.uint8)
        self.space: spaces.Space[Any] = spaces.Dict({VECTOR: vector.space, PICTURE: picture})

    def bind(self, geometry: Geometry) -> None:
        """See `Preset`."""
        self._vector.bind(geometry)

    def reset(self) -> None:
        """See `Preset`."""
        self._vector.reset()

    def of(self, look: Look) -> dict[str, npt.NDArray[Any]]:
        """Return both parts; before the first picture has come, it is black."""
        picture = np.zeros(self._shape, np.uint8) if look.picture is None else look.picture
        return {VECTOR: self._vector.of(look), PICTURE: picture}


class EdgesPreset:
    """What the car does, and points of the road's edges ahead of it; nothing of the racing line.

    `telemetry`: velocities ahead and to the left, yaw rate, accelerations, slip angles, gear, rpm, wheel and pedals,
    tyres out, offset from the road's middle to the left, sine and cosine of the heading against it, share of the lap.
    `edges`: `(4 * points,)`, see `seen_edges`.

    Args:
        settings: see `EdgeSettings`.
    """

    def __init__(self, settings: EdgeSettings) -> None:
        self._settings = settings
        self._road: Track | None = None
        self._hint = NO_HINT
        sizes = {TELEMETRY: len(_CAR) + 4, EDGES: 4 * settings.points}
        self.space: spaces.Space[Any] = spaces.Dict(
            {name: spaces.Box(-BOUND, BOUND, (size,), np.float32) for name, size in sizes.items()}
        )

    def bind(self, geometry: Geometry) -> None:
        """See `Preset`.

        Raises:
            ConfigError: the track's borders cross or turn back.
        """
        self._road = geometry.track.road

    def reset(self) -> None:
        """See `Preset`."""
        self._hint = NO_HINT

    def of(self, look: Look) -> dict[str, npt.NDArray[np.float32]]:
        """Return both parts."""
        assert self._road is not None, "of() before bind()"
        state, middle = look.state, self._road.centre
        x, y, yaw = state["world_position_x"], state["world_position_y"], state["yaw"]
        place = middle.project(x, y, hint=self._hint)
        self._hint = place.segment
        telemetry = [state[name] / scale for name, scale in _CAR]
        telemetry += [place.left_m / _OFFSET_M, *_heading_against(middle, place.s_m, yaw), place.s_m / middle.length_m]
        points = self._road.edges_at(place.s_m + self._settings.distances_m(state["speed"]))
        edges = seen_edges(points, np.array([x, y, yaw]), self._settings.ahead_m)
        return {TELEMETRY: bounded(telemetry), EDGES: bounded(edges)}


def _heading_against(line: CentreLine, s_m: float, yaw_rad: float) -> tuple[float, float]:
    error = float(wrap_angle(yaw_rad - float(line.heading(s_m))))
    return math.sin(error), math.cos(error)
