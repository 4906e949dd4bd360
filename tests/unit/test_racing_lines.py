"""Where a car drove: what envs tell of it, against Gymnasium's own polygons, and the picture."""

import cv2
import gymnasium as gym
import numpy as np
import pytest

from envs.carracing.env import CarRacingEnv
from envs.carracing.stock import StockCarRacingEnv
from envs.contract import POSITION_M
from experiments.drive import Episode, drive_episode
from experiments.racing_lines import Trace, draw_racing_lines

WAY = [(0.0, 0.0), (30.0, 0.0), (30.0, 30.0)]
ROAD = np.array([[(-5, -5), (35, -5), (35, 35), (-5, 35)], [(5, 5), (25, 5), (25, 25), (5, 25)]], np.float64)


class FullThrottle:
    def start(self, num_envs):
        pass

    def act(self, observation, is_first):
        return np.tile(np.array([0.1, 1.0], np.float32), (len(is_first), 1))


@pytest.mark.parametrize("env_class", [CarRacingEnv, StockCarRacingEnv])
def test_carracing_tells_where_road_and_car_are(env_class):
    env = env_class(actions="pedal", action_repeat=50)
    _, info = env.reset(seed=10000)
    peer = gym.make("CarRacing-v3").unwrapped
    peer.reset(seed=10000)
    # Gymnasium's tiles: left and right at their own point, then right and left at the one before; kerbs are brighter.
    quads = np.array([polygon for polygon, colour in peer.road_poly if colour[0] < 200])
    left, right = env.road_edges
    np.testing.assert_allclose(left, quads[:, 0], atol=1e-9)
    np.testing.assert_allclose(right, quads[:, 1], atol=1e-9)
    assert info[POSITION_M] == pytest.approx(tuple(peer.car.hull.position))
    moved = env.step(np.array([0.0, 1.0], np.float32))[4][POSITION_M]
    for _ in range(50):
        peer.step(np.array([0.0, 1.0, 0.0]))
    assert moved == pytest.approx(tuple(peer.car.hull.position))
    assert np.hypot(*np.subtract(moved, info[POSITION_M])) > 5


def test_a_trace_is_a_point_a_decision_and_the_road():
    env, trace = CarRacingEnv(actions="pedal", action_repeat=4), Trace()
    episode = drive_episode(FullThrottle(), env, 10000, on_step=lambda _, info: trace.add(env, info))
    assert len(trace.positions) == len(trace.speeds) == episode.decisions
    np.testing.assert_array_equal(trace.road, env.road_edges)
    assert max(trace.speeds) > 20


def panel(picture, number, count):
    width = picture.shape[1] // count
    return picture[:, number * width : (number + 1) * width].reshape(-1, picture.shape[2]).astype(int)


def has(pixels, colour):
    return (np.abs(pixels - colour).max(axis=1) < 12).sum() > 300  # more than the edges of a mark


def test_slow_is_dark_and_fast_is_bright_on_one_scale_over_the_road(tmp_path):
    slow, fast = Trace(WAY, [0.0, 0.0, 0.0], ROAD), Trace(WAY, [80.0, 80.0, 80.0])
    shown = [("worst", Episode(seed=1), slow), ("best", Episode(seed=2), fast)]
    assert draw_racing_lines(shown, tmp_path / "lines.png")
    assert [path.name for path in tmp_path.iterdir()] == ["lines.png"]
    picture = cv2.cvtColor(cv2.imread(str(tmp_path / "lines.png")), cv2.COLOR_BGR2RGB)
    picture = picture[: int(picture.shape[0] * 0.85)]  # without the scale below
    purple, yellow, road = (13, 8, 135), (240, 249, 33), (51, 59, 69)  # the ends of matplotlib's plasma
    for number, colours in enumerate([(True, False, True), (False, True, False)]):
        pixels = panel(picture, number, 2)
        assert tuple(has(pixels, colour) for colour in (purple, yellow, road)) == colours


def test_envs_that_tell_no_positions_give_no_picture(tmp_path):
    trace = Trace()
    trace.add(gym.make("CartPole-v1"), {"speed_mps": 3.0})
    assert not draw_racing_lines([("best", Episode(seed=1), trace)], tmp_path / "lines.png")
    assert not list(tmp_path.iterdir())
