"""The scripted driver: fast laps, recovery, and the line it follows by hand."""

import itertools
import math

import gymnasium as gym
import numpy as np
import pytest

from envs.carracing.driver import PursuitDriver
from envs.carracing.game import CarRacingGame
from envs.carracing.racing_line import RacingLine
from envs.carracing.track import TILE_WIDTH, generate_track

POINTS = 54  # of a ring of 30 m, 3.5 m apart like the tracks'
FULL_LOCK = np.array([1.0, 1.0, 0.0], np.float32)


def start(seed):
    game = CarRacingGame()
    game.reset(np.random.default_rng(seed))
    return game, PursuitDriver(game.track.beta, game.track.centre)


def ring(radius):
    beta = np.arange(POINTS) * 2 * math.pi / POINTS  # anticlockwise
    return beta, radius * np.stack([np.cos(beta), np.sin(beta)], axis=1)


@pytest.mark.parametrize("seed", range(20_000, 20_002))
def test_a_lap_is_fast_and_complete(seed):
    game, driver = start(seed)
    score, is_over, is_lap = 0.0, False, False
    for _ in range(1000):
        reward, is_over, is_lap = game.step(driver.act(game.car))
        score += reward
        if is_over:
            break
    assert is_lap
    assert score >= 930  # 690 frames and no tile missed; they came to 934 to 943


def test_a_shaken_wheel_costs_time_but_no_tiles():
    scores = []
    for seed in range(20_000, 20_004):
        game, driver = start(seed)
        noise = np.random.default_rng(seed).normal(0, 0.1, 1000)  # radians; the wheels turn by 0.06 in a frame
        for shake in noise:
            _, is_over, _ = game.step(driver.act(game.car) + np.array([shake, 0, 0], np.float32))
            if is_over:
                break
        scores.append(game.score)
        assert game.visited.all()
    assert np.mean(scores) >= 880


def test_actions_lie_in_the_action_box():
    game, driver = start(20_000)
    actions = []
    for _ in range(300):
        actions.append(driver.act(game.car))
        game.step(actions[-1])
    steer, throttle, brake = np.array(actions).T
    assert actions[0].dtype == np.float32
    assert np.abs(steer).max() <= 1
    assert min(throttle.min(), brake.min()) >= 0
    assert max(throttle.max(), brake.max()) <= 1
    assert not (throttle * brake).any()


def test_it_recovers_from_a_spin():
    game, driver = start(20_000)
    for _ in range(100):
        game.step(driver.act(game.car))
    for _ in range(50):
        game.step(FULL_LOCK)
    assert game.is_off_track
    visited = game.tile_visited_count
    for _ in range(300):
        game.step(driver.act(game.car))
    assert not game.is_off_track
    assert game.tile_visited_count > visited + 50


def test_the_same_track_makes_the_same_driver():
    (game, driver), (_, other) = start(20_001), start(20_001)
    for _ in range(100):
        action = driver.act(game.car)
        np.testing.assert_array_equal(action, other.act(game.car))
        game.step(action)


def test_a_ring_is_driven_at_its_outer_edge():
    line = RacingLine(*ring(30.0))
    # the integral of |curvature|^3 around a circle is 2 pi / r^2: least at the margin of 5.2 m
    np.testing.assert_allclose(np.linalg.norm(line.points, axis=1), 35.2, rtol=1e-6)
    np.testing.assert_allclose(line.curvature, 1 / 35.2, rtol=1e-6)
    fastest = math.sqrt(219 * 35.2)  # 1600 N of friction on 7.3 kg
    assert 0.9 * fastest < line.speed_mps.min() <= line.speed_mps.max() < fastest


def test_places_on_a_line_count_metres_and_go_on_into_the_next_lap():
    line = RacingLine(*ring(30.0))
    gap = 2 * 35.2 * math.sin(math.pi / POINTS)
    for index, lap in itertools.product((0, 10, POINTS - 1), (0, 1)):
        angle = index * 2 * math.pi / POINTS
        x, y, _ = line.at((index + lap * POINTS) * gap + 1e-6)
        np.testing.assert_allclose((x, y), (35.2 * math.cos(angle), 35.2 * math.sin(angle)), atol=1e-4)
        half_x, half_y, _ = line.at((index + 0.5 + lap * POINTS) * gap)
        assert math.hypot(half_x, half_y) == pytest.approx(35.2 * math.cos(math.pi / POINTS), abs=1e-4)
        inside = 33.0 * math.cos(angle), 33.0 * math.sin(angle)
        assert line.locate(*inside, index) == pytest.approx(index * gap, abs=1e-4)


def test_a_line_stays_on_the_road_turns_less_than_it_and_leaves_room_to_brake():
    track = generate_track(np.random.default_rng(20_000))
    line = RacingLine(track.beta, track.centre)
    assert np.linalg.norm(line.points - track.centre, axis=1).max() < TILE_WIDTH
    gap = np.linalg.norm(np.roll(line.points, -1, axis=0) - line.points, axis=1)
    assert np.abs(line.curvature).max() < 0.75 * np.abs(np.diff(track.beta)[1:-1] / 3.5).max()
    braking = (line.speed_mps**2 - np.roll(line.speed_mps, -1) ** 2) / (2 * gap)
    assert braking.max() < 219  # four wheels' friction over the mass, m/s²


@pytest.mark.slow
def test_it_drives_gymnasiums_own_game():
    env = gym.make("CarRacing-v3", disable_env_checker=True)
    env.unwrapped._render = lambda mode: np.zeros((96, 96, 3), np.uint8)  # it would take ten times as long
    scores = []
    for seed in range(10_000, 10_100):
        env.reset(seed=seed)
        track = np.array(env.unwrapped.track)
        driver = PursuitDriver(track[:, 1], track[:, 2:])
        score, is_over = 0.0, False
        while not is_over:
            _, reward, terminated, truncated, _ = env.step(driver.act(env.unwrapped.car))
            score += float(reward)
            is_over = terminated or truncated
        scores.append(score)
    env.close()
    assert np.mean(scores) >= 925
