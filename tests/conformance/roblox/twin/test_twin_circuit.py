"""The circuits of seeds: as long, as wide and as round as they are meant to be, and driven in order anywhere across."""

import numpy as np
import pytest

from envs.roblox.rays import RAYS
from envs.roblox.twin.circuit import Circuit, circuit_track

SEEDS = [0, 1, 2, 77, 1_048_576, 2_147_483_647]


@pytest.mark.parametrize("seed", SEEDS)
def test_measures(seed):
    track = circuit_track(seed)
    assert track.centre.length_m == pytest.approx(3400.0, rel=1e-3)
    assert 1.0 / np.abs(track.centre.curvatures).max() >= 60.0
    assert np.linalg.norm(track.left - track.right, axis=1) == pytest.approx(49.0)
    circuit = Circuit(track, RAYS["car16"], 48)
    assert len(circuit.checkpoints.points) == 40
    assert circuit.checkpoints.length == pytest.approx(3400.0, rel=0.02)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("left", [-20.0, 0.0, 20.0])
def test_two_laps_anywhere_across_the_road_bring_two_laps(seed, left):
    circuit = Circuit(circuit_track(seed), RAYS["car16"], 32)
    length = circuit.track.centre.length_m
    s = np.arange(5.0, 2.0 * length, 5.0)
    last, laps, progress = np.zeros(1, np.int64), np.zeros(1, np.int64), []
    for pose in circuit.track.pose_at(s % length, np.full(len(s), left)):
        ((now,), (reverse,)) = circuit.checkpoints.follow(np.array([0]), pose[np.newaxis], last, laps)
        progress.append(now)
        assert reverse == 0.0
    assert np.diff(progress).min() >= 0.0
    assert np.diff(progress).max() < 0.01  # of which 5 studs are 0.0015
    assert progress[-1] - progress[0] == pytest.approx(2.0, abs=0.01)


@pytest.mark.parametrize("seed", SEEDS)
def test_cars_appear_on_the_road_just_after_the_line(seed):
    circuit = Circuit(circuit_track(seed), RAYS["car16"], 48)
    places = circuit.track.centre.project_many(circuit.spawns[:, :2])
    assert np.abs(places.left_m).max() < 20.0
    assert places.s_m.max() < 2 * 85.0  # in the first two segments, or the checkpoints would not count
    gaps = np.linalg.norm(circuit.spawns[:, np.newaxis, :2] - circuit.spawns[:, :2], axis=2) + 100.0 * np.eye(48)
    assert gaps.min() > 8.0
    turned = circuit.spawns[:, 2] - circuit.track.centre.heading(places.s_m)
    assert np.cos(turned).min() > 0.99


def test_equal_seeds_give_equal_circuits():
    circuit_track.cache_clear()
    first = circuit_track(5).edges
    circuit_track.cache_clear()
    assert (circuit_track(5).edges == first).all()
    assert not np.array_equal(circuit_track(6).edges[:, :50], first[:, :50])
