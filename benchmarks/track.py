"""`python -m benchmarks.track`: rays, projections and cars of `envs.track` against the same in plain NumPy.

The peers do what one writes first: every ray against every segment, every point against every segment, and the same
bicycle model over whole arrays. Both sides answer the same questions, and their answers are compared before they are
timed. One thread, wall-clock, medians over interleaved rounds, after compilation.
"""

import argparse
import math
import statistics
import time
from collections.abc import Callable

import numpy as np
from tqdm import tqdm

from benchmarks.setting import table
from envs.track.bicycle import AHEAD_MPS2, GRAVITY_MPS2, STATE_SIZE, SUBSTEP_S
from envs.track.frames import FloatArray
from envs.track.rays import RaySensor, ray_angles
from envs.track.synthetic import synthetic_track
from envs.track.track import Track
from envs.track.vehicle import Vehicle, Vehicles
from envs.track.vehicle_parameters import VehicleParameters

REACH_M, STEP_S, CARS, POSES = 200.0, 0.01, 4096, 200
ANGLES = ray_angles(19, math.pi)
CAR = VehicleParameters()


class NumpyTrack:
    """Rays and projections against all segments of a track."""

    def __init__(self, track: Track) -> None:
        closed = [np.concatenate([line, line[:1]]) for line in (track.left, track.right, track.centre.points)]
        self._walls = np.concatenate([line[:-1] for line in closed[:2]])
        self._ways = np.concatenate([np.diff(line, axis=0) for line in closed[:2]])
        self._begins, self._steps = closed[2][:-1], np.diff(closed[2], axis=0)
        self._squares = np.square(self._steps).sum(axis=1)
        self._s = np.concatenate([[0.0], np.cumsum(np.sqrt(self._squares))])

    def read(self, x: float, y: float, heading: float) -> FloatArray:
        """Return the distances `(19,)`: rays along rows, segments along columns."""
        ahead_x, ahead_y = np.cos(heading + ANGLES)[:, np.newaxis], np.sin(heading + ANGLES)[:, np.newaxis]
        gap_x, gap_y = self._walls[:, 0] - x, self._walls[:, 1] - y
        across = ahead_x * self._ways[:, 1] - ahead_y * self._ways[:, 0]
        distance = (gap_x * self._ways[:, 1] - gap_y * self._ways[:, 0]) / across
        share = (gap_x * ahead_y - gap_y * ahead_x) / across
        is_hit = (distance >= 0) & (share >= 0) & (share <= 1)
        return np.minimum(np.where(is_hit, distance, np.inf).min(axis=1), REACH_M)

    def project(self, x: float, y: float) -> float:
        """Return the arc length of the nearest point."""
        gap = (x, y) - self._begins
        share = np.clip((gap * self._steps).sum(axis=1) / self._squares, 0.0, 1.0)
        rest = gap - share[:, np.newaxis] * self._steps
        nearest = int(np.argmin(np.square(rest).sum(axis=1)))
        return float(self._s[nearest] + share[nearest] * math.sqrt(self._squares[nearest]))


def numpy_step(states: FloatArray, actions: FloatArray, duration: float) -> None:
    """Drive rear-wheel driven cars without downforce, as `envs.track.bicycle` does, over whole columns at a time."""
    num = math.ceil(duration / SUBSTEP_S - 1e-9)
    dt, weight = duration / num, CAR.mass_kg * GRAVITY_MPS2
    share = CAR.mass_kg * CAR.front_m * CAR.rear_m / CAR.yaw_inertia_kgm2
    stiffest = CAR.friction * max(CAR.front_stiffness_per_rad, CAR.rear_stiffness_per_rad)
    slowest = 2.0 * dt * stiffest * GRAVITY_MPS2 * max(1.0, share)
    stiff_front = CAR.front_stiffness_per_rad * CAR.friction * weight * CAR.rear_m / CAR.wheelbase_m
    stiff_rear = CAR.rear_stiffness_per_rad * CAR.friction * weight * CAR.front_m / CAR.wheelbase_m

    def tyre(
        stiffness: float, along: FloatArray, across: FloatArray, drive: FloatArray, brake: FloatArray, load: FloatArray
    ) -> tuple[FloatArray, FloatArray]:
        most = np.maximum(CAR.friction * load, 1e-6)
        slip = across / np.maximum(np.abs(along), slowest)
        side = -most * np.sin(CAR.tyre_shape * np.arctan(stiffness / (CAR.tyre_shape * most) * slip))
        brake = np.minimum(brake + CAR.rolling_n * load / weight, np.abs(along) * CAR.mass_kg * load / weight / dt)
        rest = np.sqrt(np.maximum(most * most - side * side, 0.0))
        return np.clip(drive - np.sign(along) * brake, -rest, rest), side

    x, y, heading, velocity_x, velocity_y, yaw_rate, steer = states.T[:7]
    gain = states.T[AHEAD_MPS2]
    wanted, throttle, brake = actions.T[0] * CAR.max_steer_rad, actions.T[1], actions.T[2] * CAR.brake_force_n
    for _ in range(num):
        steer += np.clip(wanted - steer, -CAR.steer_rate_radps * dt, CAR.steer_rate_radps * dt)
        wheel_cos, wheel_sin, cos, sin = np.cos(steer), -np.sin(steer), np.cos(heading), np.sin(heading)
        ahead, left = cos * velocity_x + sin * velocity_y, cos * velocity_y - sin * velocity_x
        driving = throttle * np.minimum(CAR.engine_force_n, CAR.engine_power_w / np.maximum(np.abs(ahead), 1e-9))
        moved = CAR.mass_kg * gain * CAR.gravity_height_m
        front = np.clip((weight * CAR.rear_m - moved) / CAR.wheelbase_m, 0.0, weight)
        front_left, rear_left = left + CAR.front_m * yaw_rate, left - CAR.rear_m * yaw_rate
        along, across = ahead * wheel_cos + front_left * wheel_sin, front_left * wheel_cos - ahead * wheel_sin
        front_x, front_y = tyre(stiff_front, along, across, 0.0 * driving, brake * CAR.brake_front_share, front)
        rear_x, rear_y = tyre(
            stiff_rear, ahead, rear_left, driving, brake * (1.0 - CAR.brake_front_share), weight - front
        )
        side = front_x * wheel_sin + front_y * wheel_cos
        drag = CAR.drag_kgpm * np.hypot(ahead, left)
        gain[:] = (front_x * wheel_cos - front_y * wheel_sin + rear_x - drag * ahead) / CAR.mass_kg
        pull = (side + rear_y - drag * left) / CAR.mass_kg
        velocity_x += (cos * gain - sin * pull) * dt
        velocity_y += (sin * gain + cos * pull) * dt
        yaw_rate += (CAR.front_m * side - CAR.rear_m * rear_y) / CAR.yaw_inertia_kgm2 * dt
        x += velocity_x * dt
        y += velocity_y * dt
        heading += yaw_rate * dt
    heading[:] = (heading + math.pi) % (2 * math.pi) - math.pi


def compare_answers(track: Track, sensor: RaySensor, peer: NumpyTrack, poses: list[list[float]]) -> None:
    """Raise an AssertionError unless both sides agree."""
    for x, y, heading in poses:
        np.testing.assert_allclose(sensor.read(x, y, heading), peer.read(x, y, heading), atol=1e-6)
        np.testing.assert_allclose(track.centre.project(x, y).s_m, peer.project(x, y), atol=1e-6)
    ours, theirs, actions = placed(64), placed(64).states, some_actions(64)
    for _ in range(100):
        ours.step(actions, STEP_S)
        numpy_step(theirs, actions, STEP_S)
    np.testing.assert_allclose(ours.states[:, :7], theirs[:, :7], atol=1e-6)


def placed(count: int) -> Vehicles:
    """Return cars that roll."""
    cars = Vehicles(count)
    cars.place(np.zeros((count, 3)), np.linspace(5.0, 40.0, count))
    return cars


def some_actions(count: int) -> FloatArray:
    """Return actions `(count, 3)`."""
    return np.random.default_rng(0).uniform([-0.5, 0.0, 0.0], [0.5, 1.0, 0.3], (count, 3))


def microseconds(work: Callable[[], object], times: int) -> float:
    """Return how long one call takes."""
    began = time.perf_counter()
    for _ in range(times):
        work()
    return (time.perf_counter() - began) / times * 1e6


def main() -> None:
    """Compare, measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seed", type=int, default=1, help="of the track, 1 km long")
    options = parser.parse_args()
    random = np.random.default_rng(0)
    track = synthetic_track(options.seed)
    peer = NumpyTrack(track)
    sensor = RaySensor.of(track, angles_rad=ANGLES, max_range_m=REACH_M)
    poses = track.pose_at(random.uniform(0, track.centre.length_m, POSES), random.uniform(-4, 4, POSES))
    poses[:, 2] += random.uniform(-0.5, 0.5, POSES)
    listed, points, hints = (
        poses.tolist(),
        poses[:, :2].copy(),
        track.centre.project_many(poses[:, :2]).segment.tolist(),
    )
    compare_answers(track, sensor, peer, listed)

    one, single = Vehicle(), np.zeros((1, STATE_SIZE))
    one.place((0, 0, 0), 20.0)
    many, columns = placed(CARS), np.asfortranarray(placed(CARS).states)
    action, actions = np.array([0.1, 0.4, 0.0]), some_actions(CARS)
    lines: dict[str, tuple[Callable[[], object], Callable[[], object], int, int]] = {
        "19 rays, one car": (
            lambda: [sensor.read(*pose) for pose in listed], lambda: [peer.read(*pose) for pose in listed], POSES, 1,
        ),
        f"19 rays, {POSES} cars at once": (
            lambda: sensor.read_many(poses), lambda: [peer.read(*pose) for pose in listed], POSES, 1,
        ),
        "projection, whole line": (
            lambda: [track.centre.project(x, y) for x, y, _ in listed],
            lambda: [peer.project(x, y) for x, y, _ in listed], POSES, 1,
        ),
        "projection, with a hint": (
            lambda: [track.centre.project(x, y, hint=hint) for (x, y, _), hint in zip(listed, hints, strict=True)],
            lambda: [peer.project(x, y) for x, y, _ in listed], POSES, 1,
        ),
        f"projection, {POSES} at once": (
            lambda: track.centre.project_many(points), lambda: [peer.project(x, y) for x, y, _ in listed], POSES, 1,
        ),
        "step of 10 ms, one car": (
            lambda: one.step(action, STEP_S), lambda: numpy_step(single, action[np.newaxis], STEP_S), 1, 300,
        ),
        f"step of 10 ms, {CARS} cars at once": (
            lambda: many.step(actions, STEP_S), lambda: numpy_step(columns, actions, STEP_S), CARS, 5,
        ),
    }  # fmt: skip
    found: dict[str, list[tuple[float, float]]] = {name: [] for name in lines}
    with tqdm(total=options.rounds * len(lines), desc="rounds") as bar:
        for _ in range(options.rounds):
            for name, (ours, theirs, items, times) in lines.items():
                found[name].append((microseconds(ours, times) / items, microseconds(theirs, times) / items))
                bar.update()
    rows = []
    for name, pairs in found.items():
        our, their = (statistics.median(side) for side in zip(*pairs, strict=True))
        ratios = sorted(theirs / ours for ours, theirs in pairs)
        spread = f"{statistics.median(ratios):.1f} ({ratios[0]:.1f} … {ratios[-1]:.1f})"
        rows.append([name, f"{our:.2f}", f"{1 / our:.2f}", f"{their:.2f}", spread])
    print(table(["of a car", "ours, µs", "ours, M/s", "NumPy, µs", "NumPy / ours (lowest … highest)"], rows))


if __name__ == "__main__":
    main()
