"""What a car observes: its rays, in the units and with the quirks of a dialect, and its own state."""

import math

import numpy as np
import numpy.typing as npt
from numba import njit

from envs.roblox.rays import Rays
from envs.roblox.twin.checkpoints import IntArray
from envs.roblox.twin.circuit import CAR_RADIUS, Circuit
from envs.roblox.twin.engine import TOP_SPEED
from envs.roblox.twin.fleet import Fleet
from envs.roblox.twin.rules import Rules
from envs.track.frames import FloatArray

_SEEN = ("all", "same", "other")


class Sensors:
    """Observe cars of a fleet.

    Args:
        rules: of the dialect.
        fleet: whose cars are observed, and seen.
        rays: of the vehicle.
    """

    def __init__(self, rules: Rules, fleet: Fleet, rays: Rays) -> None:
        self._rules, self._fleet = rules, fleet
        self._sees, self._which = any(rays.see_cars), _SEEN.index(rules.rays_see)

    def observe(self, circuit: Circuit, slots: IntArray) -> FloatArray:
        """Return the observations `(K, width)` of the cars in `slots` `(K,)`.

        A ray that starts high is measured from the ground below: its length beside its height, also where it ends in
        the open. So it exceeds 1 wherever it reaches far.
        """
        fleet = self._fleet
        walls, normals = circuit.wall_rays(fleet.pose[slots])
        observations = np.empty((len(slots), fleet.sent.shape[1]))
        distances = np.minimum(walls[:, circuit.columns], circuit.lengths)
        if self._sees:
            seen = np.flatnonzero(fleet.is_present)
            _see_cars(
                slots, seen, fleet.pose, fleet.group, self._which, circuit.angles_rad, circuit.see_cars, distances
            )
        _fill(
            observations,
            slots,
            distances,
            circuit.lengths,
            self._rules.ray_height_studs,
            normals,
            circuit.columns,
            circuit.rays.has_normal,
            fleet.fuel,
            fleet.speed,
            fleet.reverse,
            fleet.action,
            self._rules.observes_action,
        )
        return observations


@njit(cache=True)
def _fill(
    observations: FloatArray,
    slots: IntArray,
    distances: FloatArray,
    lengths: FloatArray,
    height: float,
    normals: FloatArray,
    columns: IntArray,
    has_normal: bool,
    fuels: FloatArray,
    speeds: FloatArray,
    reverse: FloatArray,
    actions: FloatArray,
    observes_action: bool,
) -> None:
    """Write the observations `(K, width)` of the cars in `slots` `(K,)`, whose rays reach so far `(K, N)`."""
    for row in range(len(slots)):
        slot, at = slots[row], 0
        for ray in range(len(lengths)):
            distance = distances[row, ray]
            observations[row, at] = math.sqrt(distance * distance + height * height) / lengths[ray]
            at += 1
            if has_normal:
                observations[row, at] = normals[row, columns[ray]] if distance < lengths[ray] else 1.0
                at += 1
        observations[row, at] = fuels[slot]
        observations[row, at + 1] = min(max(speeds[slot] / TOP_SPEED, -1.0), 1.0)
        observations[row, at + 2] = reverse[slot]
        if observes_action:
            observations[row, at + 3 :] = actions[slot]


@njit(cache=True)
def _see_cars(
    slots: IntArray,
    seen: IntArray,
    poses: FloatArray,
    groups: IntArray,
    which: int,
    angles: FloatArray,
    see_cars: npt.NDArray[np.bool_],
    distances: FloatArray,
) -> None:
    """Shorten the `distances` `(K, N)` of rays that end at a car, seen as a circle."""
    for row in range(len(slots)):
        me = slots[row]
        for other in seen:
            is_same = groups[other] == groups[me]
            if other == me or (which == 1 and not is_same) or (which == 2 and is_same):
                continue
            x, y = poses[other, 0] - poses[me, 0], poses[other, 1] - poses[me, 1]
            squared = x * x + y * y
            for ray in range(len(angles)):
                reach = distances[row, ray] + CAR_RADIUS
                if not see_cars[ray] or squared > reach * reach:
                    continue
                angle = poses[me, 2] + angles[ray]
                along = x * math.cos(angle) + y * math.sin(angle)
                inside = CAR_RADIUS * CAR_RADIUS - (squared - along * along)
                if along > 0.0 and inside > 0.0:
                    distances[row, ray] = min(distances[row, ray], max(along - math.sqrt(inside), 0.0))
