"""CarRacing against Gymnasium's own: same pixels, rewards and ends; what the suite adds, by hand."""

import subprocess
import sys

import cv2
import gymnasium as gym
import numpy as np
import pytest
from gymnasium.envs.box2d.car_racing import PLAYFIELD
from gymnasium.error import ResetNeeded

from envs.carracing.early_end import EarlyEnd
from envs.carracing.env import CarRacingEnv, preprocess
from envs.errors import ConfigError

THROTTLE = np.array([0, 1, 0], np.float32)
COAST = np.array([0, 0, 0], np.float32)


@pytest.fixture(scope="module")
def stock():
    env = gym.make("CarRacing-v3")
    yield env
    env.close()


@pytest.fixture(scope="module")
def blind_stock():
    """Make a stock env that never draws: fast enough for whole episodes."""
    env = gym.make("CarRacing-v3", disable_env_checker=True)
    env.unwrapped._render = lambda mode: np.zeros((96, 96, 3), np.uint8)
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


def test_pixels_and_rewards_equal_gymnasiums(stock):
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


def test_time_limit_cuts_a_repeat_short_as_gymnasiums_does(blind_stock):
    env = CarRacingEnv(action_repeat=7)
    env._game.pixels = lambda: np.zeros((96, 96, 3), np.uint8)
    env.reset(seed=4)
    blind_stock.reset(seed=4)
    decisions, truncated = 0, False
    while not truncated:
        decisions += 1
        _, reward, terminated, truncated, frames = repeat(blind_stock, THROTTLE, 7)
        step = env.step(THROTTLE)
        assert step[1:4] == (reward, terminated, truncated)
        assert step[4]["frames"] == frames
    assert (decisions, frames) == (143, 6)  # 1000 = 142 * 7 + 6
    with pytest.raises(ResetNeeded):
        env.step(THROTTLE)


def test_finished_lap_has_its_time(blind_stock):
    env = CarRacingEnv(action_repeat=5)
    env.reset(seed=6)
    blind_stock.reset(seed=6)
    env.step(COAST)
    repeat(blind_stock, COAST, 5)
    for game in (env._game, blind_stock.unwrapped):
        game.tile_visited_count = len(game.track)
    _, reward, terminated, truncated, frames = repeat(blind_stock, COAST, 5)
    step = env.step(COAST)
    assert terminated
    assert step[1:4] == (reward, terminated, truncated)
    assert step[4]["frames"] == frames == 1
    assert step[4]["lap"] == 1
    assert step[4]["progress"] == 1.0
    assert step[4]["lap_time_s"] == pytest.approx(6 * 0.02)  # six frames of 1/50 s


def test_info_speaks_the_suites_language():
    env = CarRacingEnv(action_repeat=4)
    _, info = env.reset(seed=21)
    tiles = len(env._game.track)
    first_progress = env._game.tile_visited_count / tiles
    wanted = {"speed_mps": 0.0, "progress": first_progress, "lap": 0, "off_track": False, "frames": 0, "track_seed": 21}
    assert info == wanted
    for _ in range(5):
        info = env.step(THROTTLE)[4]
    before = env._game.car.hull.position.copy()
    env._game.step(COAST)
    moved = (env._game.car.hull.position - before).length
    assert moved > 0.1
    assert info["speed_mps"] == pytest.approx(moved * 50, rel=0.05)  # metres in a frame of 1/50 s
    move_car_to_edge(env._game, 20.0)
    assert env.step(COAST)[4]["off_track"]


def test_tracks_without_a_seed_are_known_and_are_not_evaluations():
    env = CarRacingEnv()
    env.reset(seed=10_000)
    _, info = env.reset()
    assert info["track_seed"] >= 2**20
    track = env._game.track
    env.reset(seed=info["track_seed"])
    assert env._game.track == track


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


@pytest.mark.parametrize(
    ("pedal", "full"),
    [([0.5, 0.7], [0.5, 0.7, 0]), ([-1, -0.2], [-1, 0, 0.2]), ([0, 0], [0, 0, 0]), ([3, -2], [1, 0, 1])],
)
def test_pedal_is_throttle_above_and_brake_below(pedal, full):
    one, other = CarRacingEnv(actions="pedal", action_repeat=3), CarRacingEnv(actions="full", action_repeat=3)
    for env, action in ((one, pedal), (other, full)):
        env.reset(seed=5)
        env._game.car.hull.linearVelocity = (3.0, 0.0)
        env.step(np.array(action, np.float32))
    assert one._game.car.hull.position == other._game.car.hull.position
    assert one._game.car.wheels[0].brake == other._game.car.wheels[0].brake == pytest.approx(full[2])


@pytest.mark.parametrize(
    ("action", "words"),
    [([0, 0], r"shape \(3,\), got \(2,\)"), ([0, np.nan, 0], "finite"), ([0, 0, np.inf], "finite")],
)
def test_wrong_actions_are_refused(action, words):
    env = CarRacingEnv()
    env.reset(seed=0)
    with pytest.raises(ValueError, match=words):
        env.step(np.array(action, np.float32))


def test_a_step_before_reset_asks_for_it():
    with pytest.raises(ResetNeeded, match="reset"):
        CarRacingEnv().step(COAST)


@pytest.mark.parametrize(("training", "ends"), [(True, True), (False, False)])
def test_standing_still_ends_training_episodes_only(training, ends):
    rules = {"stuck_frames": 10, "grass_frames": 0, "penalty": 3.0}
    env = CarRacingEnv(action_repeat=4, early_end=rules, training=training)
    env.reset(seed=8)
    steps = [env.step(COAST) for _ in range(2)]
    assert not any(step[2] for step in steps)
    _, reward, terminated, truncated, info = env.step(COAST)
    assert (terminated, truncated) == (ends, False)
    assert info["frames"] == (2 if ends else 4)  # the tenth frame is the second of the third decision
    assert reward == pytest.approx(-0.2 - 3.0 if ends else -0.4)
    assert info.get("early_end") == ("stuck" if ends else None)


def test_grass_ends_training_episodes():
    env = CarRacingEnv(early_end={"grass_frames": 5}, training=True)
    env.reset(seed=8)
    env.step(COAST)
    move_car_to_edge(env._game, 20.0)
    steps = [env.step(COAST) for _ in range(5)]
    assert [step[2] for step in steps] == [False] * 4 + [True]
    assert steps[-1][4]["early_end"] == "grass"


def test_early_end_counts_by_hand():
    rules = EarlyEnd(stuck_frames=3, grass_frames=2)
    rules.reset(tiles=1)
    frames = [(1, False), (1, True), (2, False), (2, True), (2, False), (2, False)]
    causes = [rules.update(tiles=tiles, is_off_track=off_track) for tiles, off_track in frames]
    assert causes == [None, None, None, None, None, "stuck"]
    rules.reset(tiles=1)
    assert [rules.update(tiles=1, is_off_track=True) for _ in range(2)] == [None, "grass"]
    never = EarlyEnd(stuck_frames=0, grass_frames=None)
    assert {never.update(tiles=0, is_off_track=True) for _ in range(2000)} == {None}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"obs": "telemetry"}, "obs to be one of image, got 'telemetry'"),
        ({"actions": "discrete"}, "actions to be one of pedal, full"),
        ({"image_size": "64"}, "image_size: int, got '64'"),
        ({"grayscale": 1}, "grayscale: bool, got 1"),
        ({"action_repeat": 0}, "action_repeat to be in 1"),
        ({"action_repeat": True}, "action_repeat: int"),
        ({"lap_complete_percent": 95}, "lap_complete_percent to be in 0"),
        ({"early_end": {"stuk_frames": 1}}, "no key 'stuk_frames'.*stuck_frames"),
        ({"early_end": {"grass_frames": -1}}, r"early_end\.grass_frames to be at least 0"),
        ({"early_end": 80}, "early_end"),
        ({"render_mode": "text"}, "human, rgb_array"),
    ],
)
def test_wrong_arguments_are_refused(arguments, words):
    with pytest.raises(ConfigError, match=words):
        CarRacingEnv(**arguments)


def test_rgb_array_is_gymnasiums_picture():
    env = CarRacingEnv(render_mode="rgb_array")
    stock = gym.make("CarRacing-v3", render_mode="rgb_array")
    env.reset(seed=3)
    stock.reset(seed=3)
    picture = env.render()
    assert picture.shape == (400, 600, 3)
    np.testing.assert_array_equal(picture, stock.render())
    assert CarRacingEnv().render() is None


def test_human_mode_opens_a_window_and_closes_it_twice(monkeypatch):
    pygame = pytest.importorskip("pygame")
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # SDL's display without a screen
    env = CarRacingEnv(render_mode="human")
    env.reset(seed=0)
    env.step(COAST)
    assert pygame.display.get_init()
    env.close()
    env.close()
    assert not pygame.display.get_init()


def test_import_is_light_and_training_needs_no_display():
    code = (
        "import sys, envs.carracing.env as module\n"
        "env = module.CarRacingEnv(); env.reset(seed=0)\n"
        "import pygame\n"
        "assert not pygame.display.get_init()\n"
        "heavy = {'ray', 'torch', 'mlflow', 'hydra'} & set(sys.modules)\n"
        "assert not heavy, heavy\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
