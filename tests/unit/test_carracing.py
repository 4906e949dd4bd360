"""What the suite adds to CarRacing: action repeat, small and grey pictures, two pedals in one, words in `info`."""

import cv2
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.error import ResetNeeded

from envs.carracing.env import CarRacingEnv
from envs.carracing.preprocess import preprocess
from envs.carracing.stock import StockCarRacingEnv
from envs.carracing.telemetry import COLUMNS
from envs.errors import ConfigError

THROTTLE = np.array([0, 1, 0], np.float32)
COAST = np.array([0, 0, 0], np.float32)
PLAYFIELD = 2000 / 6  # metres from the middle to the edge


@pytest.fixture(scope="module")
def stock():
    env = gym.make("CarRacing-v3")
    yield env
    env.close()


def repeat(env, action, count):
    """Step the stock env as an action repeat is defined: sum the rewards, stop where the episode ends."""
    total, frames = 0.0, 0
    while frames < count:
        observation, reward, terminated, truncated, _ = env.step(action)
        total += reward
        frames += 1
        if terminated or truncated:
            break
    return observation, total, terminated, truncated, frames


def move_car_to_edge(game, distance):
    """Put the car on the grass, `distance` from the playfield's edge, as a whole so that its wheels' joints hold."""
    shift = PLAYFIELD - distance - game.car.hull.position[0]
    for body in (game.car.hull, *game.car.wheels):
        body.position = (body.position[0] + shift, body.position[1])


def test_a_repeat_gives_the_last_picture_and_the_sum_of_rewards(stock):
    env = CarRacingEnv(action_repeat=4)
    random = np.random.default_rng(0)
    observation, _ = env.reset(seed=11)
    np.testing.assert_array_equal(observation, stock.reset(seed=11)[0])
    for _ in range(15):
        action = (random.uniform(-1, 1), random.uniform(0, 1), random.choice([0.0, 0.3]))
        action = np.array(action, np.float32)
        wanted, reward, terminated, truncated, _ = repeat(stock, action, 4)
        step = env.step(action)
        np.testing.assert_array_equal(step[0], wanted)
        assert step[1:4] == (reward, terminated, truncated)


def test_gymnasiums_own_env_takes_its_discrete_actions_behind_ours():
    """The same table as of the fast env, here with pictures."""
    ours, theirs = StockCarRacingEnv(continuous=False, action_repeat=2), gym.make("CarRacing-v3", continuous=False)
    assert ours.action_space == theirs.action_space
    ours.reset(seed=3)
    theirs.reset(seed=3)
    for action in (3, 3, 1, 1, 2, 4, 0, 3):
        observation, reward, *_ = ours.step(np.int64(action))
        wanted, expected, *_ = repeat(theirs, action, 2)
        assert reward == expected
        np.testing.assert_array_equal(observation, wanted)
    with pytest.raises(ValueError, match="whole action of 0 … 4"):
        ours.step(5)
    with pytest.raises(ConfigError, match="choose actions=full with continuous=False"):
        StockCarRacingEnv(continuous=False, actions="pedal")
    ours.close()
    theirs.close()


def test_leaving_the_playfield_inside_a_repeat_equals_gymnasiums(stock):
    env = CarRacingEnv(action_repeat=30)
    env.reset(seed=2)
    stock.reset(seed=2)
    for game in (env._game, stock.unwrapped):
        move_car_to_edge(game, 1.0)
        for body in (game.car.hull, *game.car.wheels):
            body.linearVelocity = (20.0, 0.0)
    wanted, reward, terminated, truncated, frames = repeat(stock, COAST, 30)
    assert terminated
    assert 1 < frames < 30
    observation, *ends, info = env.step(COAST)
    np.testing.assert_array_equal(observation, wanted)
    assert ends == [reward, terminated, truncated]
    assert info["frames"] == frames
    assert info["off_track"]
    assert "lap_time_s" not in info


def test_time_limit_cuts_a_repeat_short_as_gymnasiums_does(make_blind_stock):
    env, stock = CarRacingEnv(obs="telemetry", action_repeat=7), make_blind_stock()
    env.reset(seed=4)
    stock.reset(seed=4)
    decisions, truncated = 0, False
    while not truncated:
        decisions += 1
        _, reward, terminated, truncated, frames = repeat(stock, THROTTLE, 7)
        step = env.step(THROTTLE)
        assert step[1:4] == (reward, terminated, truncated)
        assert step[4]["frames"] == frames
    assert (decisions, frames) == (143, 6)  # 1000 = 142 * 7 + 6
    with pytest.raises(ResetNeeded):
        env.step(THROTTLE)


def test_finished_lap_has_its_time(make_blind_stock):
    env, stock = CarRacingEnv(obs="telemetry", action_repeat=5), make_blind_stock()
    env.reset(seed=6)
    stock.reset(seed=6)
    env.step(COAST)
    repeat(stock, COAST, 5)
    env._game.tile_visited_count = len(env._game.track)
    stock.unwrapped.tile_visited_count = len(stock.unwrapped.track)
    _, reward, terminated, truncated, frames = repeat(stock, COAST, 5)
    step = env.step(COAST)
    assert terminated
    assert step[1:4] == (reward, terminated, truncated)
    assert step[4]["frames"] == frames == 1
    assert step[4]["lap"] == 1
    assert step[4]["progress"] == 1.0
    assert step[4]["lap_time_s"] == pytest.approx(6 * 0.02)  # six frames of 1/50 s
    with pytest.raises(ResetNeeded):
        env.step(COAST)


def test_info_speaks_the_suites_language():
    env = CarRacingEnv(action_repeat=4)
    _, info = env.reset(seed=21)
    first_progress = env._game.tile_visited_count / len(env._game.track)
    wanted = {"speed_mps": 0.0, "progress": first_progress, "lap": 0, "off_track": False, "frames": 0, "track_seed": 21}
    assert {name: info[name] for name in wanted} == wanted
    assert info.keys() == wanted.keys() | COLUMNS.keys() | {"position_m"}
    for _ in range(5):
        info = env.step(THROTTLE)[4]
    assert info["frames"] == 4
    assert info["progress"] > first_progress > 0
    move_car_to_edge(env._game, 20.0)
    assert env.step(COAST)[4]["off_track"]


def test_image_pipeline(stock):
    pixels, _ = stock.reset(seed=1)
    luma = pixels @ np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
    grey = preprocess(pixels, 96, grayscale=True)
    assert grey.shape == (96, 96, 1)
    assert np.abs(grey[..., 0] - luma).max() <= 1.0
    halved = preprocess(pixels, 48, grayscale=False)
    means = pixels.reshape(48, 2, 48, 2, 3).mean(axis=(1, 3))
    assert halved.shape == (48, 48, 3)
    assert np.abs(halved - means).max() <= 0.5
    env = CarRacingEnv(image_size=64, grayscale=True)
    wanted = cv2.resize(cv2.cvtColor(pixels, cv2.COLOR_RGB2GRAY), (64, 64), interpolation=cv2.INTER_AREA)
    np.testing.assert_array_equal(env.reset(seed=1)[0][..., 0], wanted)


def test_what_both_holds_is_what_each_gives():
    arguments = {"renderer": "fast", "image_size": 64, "grayscale": True, "action_repeat": 4}
    steps = {}
    for obs in ("image", "telemetry", "both"):
        env = CarRacingEnv(obs=obs, **arguments)
        env.reset(seed=3)
        steps[obs] = [env.step(THROTTLE) for _ in range(3)][-1]
    assert steps["both"][0].keys() == {"image", "telemetry"}
    for obs in ("image", "telemetry"):
        np.testing.assert_array_equal(steps["both"][0][obs], steps[obs][0])
        assert steps["both"][1:4] == steps[obs][1:4]


@pytest.mark.parametrize(
    ("pedal", "full"),
    [([0.5, 0.7], [0.5, 0.7, 0]), ([-1, -0.2], [-1, 0, 0.2]), ([0, 0], [0, 0, 0]), ([3, -2], [1, 0, 1])],
)
def test_pedal_is_throttle_above_and_brake_below(pedal, full):
    one, other = (CarRacingEnv(obs="telemetry", actions=kind, action_repeat=3) for kind in ("pedal", "full"))
    for env, action in ((one, pedal), (other, full)):
        env.reset(seed=5)
        env._game.car.hull.linearVelocity = (3.0, 0.0)
        env.step(np.array(action, np.float32))
    assert one._game.car.hull.position == other._game.car.hull.position
    assert one._game.car.wheels[0].brake == other._game.car.wheels[0].brake == pytest.approx(full[2])
