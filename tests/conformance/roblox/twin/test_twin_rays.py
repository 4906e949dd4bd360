"""What cars observe, by hand: the road is 49 studs wide, and straight for 850."""

import math

import numpy as np
import pytest

from envs.roblox.rays import RAYS
from envs.roblox.twin.game import RobloxGame


@pytest.mark.point("roblox", 17)
@pytest.mark.parametrize(
    ("vehicle", "dialect", "width"),
    [
        ("car16", "v0", 19),
        ("car16", "v1", 19),
        ("car16", "v2", 22),
        ("cart5", "v0", 13),
        ("cart5", "v1", 13),
        ("cart5", "v2", 16),
    ],
)
def test_widths(driven, vehicle, dialect, width):
    drive = driven(dialect, vehicle=vehicle)
    assert len(drive.entry()["obs"]) == width
    assert drive.game.width == width


def test_car16_in_the_middle_of_the_straight(driven):
    drive = driven("v2")
    drive.place(425.0)
    obs = drive.entry()["obs"]
    slanted = 24.5 / math.sin(math.radians(28.1)) / 425.0
    diagonal, side = 24.5 * math.sqrt(2.0) / 530.0, 24.5 / 150.0
    expected = [1.0, slanted, slanted, diagonal, diagonal, side, side, 1.0]
    assert obs[:16] == pytest.approx(expected * 2, abs=1e-6)
    assert obs[16:] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]


def test_the_right_one_of_a_pair_is_first(driven):
    drive = driven("v2")
    drive.place(425.0, 14.5)  # 10 studs to the left wall
    obs = drive.entry()["obs"]
    assert obs[5:7] == pytest.approx([39.0 / 150.0, 10.0 / 150.0])


def test_the_way_ahead_ends_at_the_bend(driven):
    drive = driven("v2")
    drive.place(600.0)
    radius = 1700.0 / (2 * math.pi)
    ahead = 250.0 + math.sqrt((radius + 24.5) ** 2 - radius**2)
    assert drive.entry()["obs"][0] == pytest.approx(ahead / 375.0, abs=1e-3)


def test_cart5_has_normals(driven):
    drive = driven("v2", vehicle="cart5")
    drive.place(425.0)
    slanted = math.radians(18.4)
    distance = 24.5 / math.sin(slanted) / 237.0
    expected = [1.0, 1.0, *[distance, -math.sin(slanted)] * 2, *[24.5 / 75.0, -1.0] * 2]
    assert drive.entry()["obs"][:10] == pytest.approx(expected, abs=1e-6)


def test_state_follows_the_rays(driven):
    drive = driven("v2")
    drive.place(425.0, heading=math.pi, speed=-44.001)
    drive.act(-1.0, 0.25, 1.0)
    obs = drive.entry()["obs"]
    assert obs[16:19] == pytest.approx([1.0, -30.0 / 70.0, 1.0], abs=1e-6)
    assert obs[19:] == [-1.0, 0.25, 1.0]


def test_velocity_is_clamped(driven):
    drive = driven("v1")
    drive.place(425.0, speed=150.0)
    assert drive.entry()["obs"][17] == 1.0


@pytest.mark.point("roblox", 31)
def test_v1_measures_from_the_ground(driven):
    drive = driven("v1")
    drive.place(425.0)
    obs = drive.entry()["obs"]
    assert obs[7] == pytest.approx(1.004, abs=5e-4)  # 75 studs back
    assert obs[6] == pytest.approx(math.hypot(24.5, 7.0) / 150.0, abs=1e-6)


@pytest.mark.point("roblox", 31)
@pytest.mark.parametrize(("dialect", "most"), [("v0", 1.0), ("v1", math.hypot(75.0, 7.0) / 75.0), ("v2", 1.0)])
def test_rays_exceed_one_in_v1_alone(dialect, most):
    game = RobloxGame(4, dialect=dialect, num_spawns=300)
    random, track = np.random.default_rng(0), game.world.circuit.track
    cars = [f"car_{number}_env_x" for number in range(40)]
    game.handle({"command": "SPAWN_AGENTS", "envid": "x", "data": {"agents": cars}})
    seen = []
    for _ in range(20):
        poses = track.pose_at(random.uniform(0, track.centre.length_m, 40), random.uniform(-19, 19, 40))
        poses[:, 2] = random.uniform(-np.pi, np.pi, 40)
        game.fleet.pose[:40] = poses
        (message,) = game.advance_to_tick()
        seen += [entry["obs"][:16] for entry in message.values()]
    rays = np.array(seen)
    assert rays.max() == pytest.approx(most, abs=1e-9)
    assert rays.min() >= 0.0
    assert (rays[:, 5:8].max() > 1.0) == (dialect == "v1")


@pytest.mark.parametrize(
    ("dialect", "sees_same", "sees_other"), [("v0", True, True), ("v1", False, True), ("v2", True, False)]
)
def test_who_is_seen(driven, dialect, sees_same, sees_other):
    for env, is_seen in ((0, sees_same), (1, sees_other)):
        drive = driven(dialect)
        (other,) = driven.ids(1, env) if env else driven.ids(2)[1:]
        drive.say("SPAWN_AGENTS", {"agents": [other]}, env=env)
        drive.place(300.0)
        drive.place(400.0, car=other)
        obs = drive.entry()["obs"]
        height = 7.0 if dialect == "v1" else 0.0
        assert obs[0] == pytest.approx(math.hypot(375.0, height) / 375.0)  # the first eight ignore cars
        ahead = 96.0 if is_seen else 375.0
        assert obs[8] == pytest.approx(math.hypot(ahead, height) / 375.0), (dialect, env)


def test_cars_are_seen_as_circles_by_brute_force(driven):
    drive = driven("v2", cars=6)
    random = np.random.default_rng(1)
    angles, lengths = RAYS["car16"].left_angles_rad, np.array(RAYS["car16"].lengths_studs)
    for _ in range(20):
        places = np.stack([random.uniform(380, 470, 6), random.uniform(-18, 18, 6)], axis=1)
        headings = random.uniform(-np.pi, np.pi, 6)
        for car, place, heading in zip(drive.cars, places, headings, strict=True):
            drive.place(*place, heading, car=car)
        if min(np.linalg.norm(places - np.roll(places, turn, axis=0), axis=1).min() for turn in range(1, 4)) < 8.0:
            continue
        obs = drive.entry()["obs"]
        along = np.arange(0.0, 530.0, 0.02)
        for ray in range(8, 16):
            way = np.array([np.cos(headings[0] + angles[ray]), np.sin(headings[0] + angles[ray])])
            points = places[0] + along[:, np.newaxis] * way
            inside = (np.linalg.norm(points[:, np.newaxis] - places[1:], axis=2) < 4.0).any(axis=1)
            hit = along[inside.argmax()] if inside.any() else np.inf
            wall = obs[ray - 8] * lengths[ray]
            assert obs[ray] * lengths[ray] == pytest.approx(min(hit, wall), abs=0.05)


def test_names_are_as_many_as_values():
    for rays in RAYS.values():
        assert len(set(rays.names())) == len(rays.names()) == rays.num_values
