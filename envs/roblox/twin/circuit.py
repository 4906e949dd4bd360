"""The circuit of a seed: a closed road of the game's length and width, its checkpoints, and where cars appear.

Lengths are studs throughout, where `envs.track` says metres.
"""

import functools

import numpy as np

from envs.roblox.rays import Rays
from envs.roblox.twin.checkpoints import Checkpoints
from envs.track.frames import FloatArray
from envs.track.rays import RaySensor
from envs.track.synthetic import synthetic_track
from envs.track.track import Track

LENGTH, WIDTH = 3400.0, 49.0  # studs: a lap at top speed earns 2 a tick; walls at ±24.5
CAR_RADIUS = 4.0
REACH = 0.5 * WIDTH - CAR_RADIUS  # from the centre line, where a car touches a wall
NUM_CHECKPOINTS = 40
_LEAST_RADIUS, _MARGIN, _CORNERS, _SPACING = 60.0, 20.0, 10, 4.0
_LANES = (-13.5, -4.5, 4.5, 13.5)  # to the left of the centre line; cars side by side do not touch
_FIRST_ROW, _ROW, _NUM_ROWS = 4.0, 12.0, 12  # along the line; all in the first two segments, where laps may begin
_CELL = 16.0


class Circuit:
    """One circuit.

    Args:
        track: in studs, the start line at the first point.
        rays: of the vehicle.
        num_spawns: points where cars appear; beyond 48 they begin anew at the first, on top of each other.

    Attributes:
        track: as given.
        segments: `(M, 6)` of its centre line, as in `envs.track.projection`.
        checkpoints: around it, at equal distances along it.
        spawns: `(num_spawns, 3)` poses x, y, heading, just after the line.
        rays: as given.
        angles_rad: `(N,)` of the rays, positive to the left.
        lengths: `(N,)` of the rays.
        see_cars: `(N,)` whether they see cars.
        columns: `(N,)` of each in what `wall_rays` returns.
    """

    def __init__(self, track: Track, rays: Rays, num_spawns: int) -> None:
        self.track, self.rays = track, rays
        centre = track.centre
        ways = np.roll(centre.points, -1, axis=0) - centre.points
        lengths = np.hypot(ways[:, 0], ways[:, 1])
        self.segments = np.column_stack([centre.points, ways / lengths[:, np.newaxis], lengths, centre.s_m])
        places = np.arange(NUM_CHECKPOINTS) * centre.length_m / NUM_CHECKPOINTS
        self.checkpoints = Checkpoints(centre.position(places))
        number = np.arange(num_spawns)
        lanes = np.array(_LANES)[number % len(_LANES)]
        rows = number // len(_LANES) % _NUM_ROWS
        self.spawns = self.track.pose_at(_FIRST_ROW + _ROW * rows, lanes)
        self.angles_rad, self.lengths = rays.left_angles_rad, np.array(rays.lengths_studs)
        self.see_cars = np.array(rays.see_cars)
        # Rays that differ only in whether they see cars are cast once.
        angles, self.columns = np.unique(self.angles_rad, return_inverse=True)
        self._sensor = RaySensor.of(self.track, angles_rad=angles, max_range_m=float(self.lengths.max()), cell_m=_CELL)

    def wall_rays(self, poses: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Return for poses `(B, 3)` the distances to walls and their normals, `(B, U)` each.

        Ray i is column `columns[i]`; its own length is not looked at. A normal is the dot product of the ray and the
        wall's; without normals among the rays they are the distances once more, and mean nothing.
        """
        if self.rays.has_normal:
            return self._sensor.read_hits(poses)
        distances = self._sensor.read_many(poses)
        return distances, distances


@functools.lru_cache(maxsize=8)
def circuit_track(seed: int) -> Track:
    """Return the road of a seed, in studs."""
    return synthetic_track(
        seed,
        length_m=LENGTH,
        min_width_m=WIDTH,
        max_width_m=WIDTH,
        min_radius_m=_LEAST_RADIUS,
        num_corners=_CORNERS,
        margin_m=_MARGIN,
        spacing_m=_SPACING,
    )
