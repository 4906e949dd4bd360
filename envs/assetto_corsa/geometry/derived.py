"""All channels that are derived from a car's state and its track, under the names that logs give them."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.arguments import check_choice
from envs.assetto_corsa.geometry.border_rays import BorderRays
from envs.assetto_corsa.geometry.reference_line import ReferenceLine
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.tracks.occupancy import OccupancyGrid, occupancy_grid
from envs.track.frames import FloatArray

GEOMETRY_VERSION = 1  # of the rules below; recorded channels of another are computed anew
OFF_TRACK_RULES = ("game", "grid")
_TYRES_ALLOWED = 2  # out at a time, before the game's wheels say off track


@dataclass(frozen=True)
class Derived:
    """Derived channels of one state.

    Attributes:
        lap_dist_m: along the line since the start line.
        rl_point: row of the line; -1 before row 0.
        gap_m: to the right of the line, negative to the left.
        is_off_grid: the reference point is on no cell of the road.
        has_tyres_out: the game counts more than two tyres out.
        is_off_track: whichever of the two rules.
        sensors_m: `(11,)` rays, right to left.
        border_m: the shortest ray; off the grid, of those behind the car as well.
    """

    lap_dist_m: float
    rl_point: int
    gap_m: float
    is_off_grid: bool
    has_tyres_out: bool
    is_off_track: bool
    sensors_m: FloatArray
    border_m: float

    def columns(self) -> dict[str, Any]:
        """Return the channels under their names in logs, flags as 0.0 and 1.0."""
        return {
            "LapDist": self.lap_dist_m,
            "rl_point": self.rl_point,
            "gap": self.gap_m,
            "out_of_track_calc": float(self.is_off_grid),
            "out_of_track_ac": float(self.has_tyres_out),
            "out_of_track": float(self.is_off_track),
            "sensors": self.sensors_m,
            "dist_to_border": self.border_m,
        }


class Geometry:
    """Derive channels on one track.

    Args:
        track: the track.
        fixed: closed walls and the fixed reference line; else as the original, walls and seam open.
        off_track: `game`: more than two tyres out; `grid`: the reference point is on no cell of the road.
        grid: of the track; made from its borders by default.
        length_m: of a lap, as the game told it; the track's own by default.
    """

    def __init__(
        self,
        track: AcTrack,
        *,
        fixed: bool = False,
        off_track: str = "game",
        grid: OccupancyGrid | None = None,
        length_m: float | None = None,
    ) -> None:
        check_choice("off_track", off_track, OFF_TRACK_RULES)
        self.track, self.off_track = track, off_track
        self.line = ReferenceLine(track, fixed, length_m=length_m)
        self.rays = BorderRays(track, closed=fixed)
        self.grid = occupancy_grid(track) if grid is None else grid

    def derive(self, x_m: float, y_m: float, yaw_rad: float, spline_position: float, tyres_out: int) -> Derived:
        """Return the channels of one car.

        Args:
            x_m: `world_position_x`, plan frame.
            y_m: `world_position_y`.
            yaw_rad: `yaw`.
            spline_position: `NormalizedSplinePosition`.
            tyres_out: `numberOfTyresOut`.
        """
        gap, row = self.line.gap(x_m, y_m)
        sensors = self.rays.read(x_m, y_m, yaw_rad)
        is_off_grid = not bool(self.grid.is_on_road((x_m, y_m)))
        border = float(sensors.min())
        if is_off_grid:  # the road may lie behind the car
            border = min(border, float(self.rays.read(x_m, y_m, yaw_rad + np.pi).min()))
        has_tyres_out = tyres_out > _TYRES_ALLOWED
        return Derived(
            lap_dist_m=float(self.line.lap_dist(spline_position)),
            rl_point=row,
            gap_m=gap,
            is_off_grid=is_off_grid,
            has_tyres_out=has_tyres_out,
            is_off_track=has_tyres_out if self.off_track == "game" else is_off_grid,
            sensors_m=sensors,
            border_m=border,
        )
