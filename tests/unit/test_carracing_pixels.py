"""CarRacing's `exact` pictures against Gymnasium's own, byte for byte."""

import math

import gymnasium as gym
import numpy as np
import pygame
import pytest
from gymnasium.utils import seeding

from envs.carracing.env import CarRacingEnv
from envs.carracing.exact import ExactRenderer
from envs.carracing.game import CarRacingGame

EDGE = 2000 / 6  # metres from the middle to the field's edge, Gymnasium's PLAYFIELD


@pytest.fixture
def compare(make_driver):
    """Return a function that drives both envs through an episode and compares every picture."""

    def drive(env, stock, *, seed, kind, frames, options=None):
        driver = make_driver(kind, seed)
        np.testing.assert_array_equal(
            env.reset(seed=seed, options=options)[0], stock.reset(seed=seed, options=options)[0]
        )
        centre = env._game.track.centre
        for frame in range(1, frames + 1):
            action = driver(env._game.car, centre)
            observation, *ends, _ = env.step(action)
            wanted, *wanted_ends, _ = stock.step(action)
            np.testing.assert_array_equal(observation, wanted, err_msg=f"seed {seed}, frame {frame}")
            assert ends == wanted_ends
            if any(ends[1:]):
                break
        return frame

    return drive


def place(car, x, y, angle):
    """Put the whole car somewhere else."""
    turn = angle - car.hull.angle
    hull_x, hull_y = car.hull.position
    for body in (car.hull, *car.wheels):
        across, ahead = body.position[0] - hull_x, body.position[1] - hull_y
        body.position = (
            x + math.cos(turn) * across - math.sin(turn) * ahead,
            y + math.sin(turn) * across + math.cos(turn) * ahead,
        )
        body.angle += turn


def pictures_of_both(game, peer, *, x, y, angle, time_s, score):
    for car in (game.car, peer.car):
        place(car, x, y, angle)
    game.time_s = peer.t = time_s
    game.score_when_drawn = peer.reward = score
    return ExactRenderer().pixels(game), peer._render("state_pixels")


@pytest.mark.parametrize(
    ("kind", "randomize", "frames"),
    [("road", None, 60), ("weave", True, 40), ("held", False, 40), ("random", True, 10)],
)
def test_driven_pictures_equal_gymnasiums(compare, kind, randomize, frames):
    """The first second zooms in."""
    is_random = randomize is not None
    env = CarRacingEnv(domain_randomize=is_random)
    stock = gym.make("CarRacing-v3", domain_randomize=is_random)
    compare(env, stock, seed=11, kind="road", frames=2)
    compare(env, stock, seed=12, kind=kind, frames=frames, options={"randomize": randomize} if is_random else None)


@pytest.mark.slow
def test_ten_thousand_driven_pictures_equal_gymnasiums(compare):
    env, stock = CarRacingEnv(domain_randomize=True), gym.make("CarRacing-v3", domain_randomize=True)
    kinds = ("road", "weave", "held", "straight")
    frames = 0
    for seed in range(24):
        options = {"randomize": seed % 3 != 2}
        frames += compare(env, stock, seed=seed, kind=kinds[seed % 4], frames=500, options=options)
    assert frames >= 10_000


def test_pictures_of_every_place_time_and_score_equal_gymnasiums(make_blind_stock):
    peer = make_blind_stock(domain_randomize=True).unwrapped
    game = CarRacingGame(domain_randomize=True)
    random = np.random.default_rng(0)
    del peer._render
    for seed in (1, 2):
        game.reset(seeding.np_random(seed)[0])
        peer.reset(seed=seed)
        centre = game.track.centre
        on_road = centre[random.integers(len(centre), size=40)] + random.normal(0, 8, (40, 2))
        anywhere = random.uniform(-1.3 * EDGE, 1.3 * EDGE, (15, 2))
        at_edges = random.uniform(-EDGE, EDGE, (25, 2))
        rows = np.arange(25)
        at_edges[rows, rows % 2] = random.choice([-EDGE, EDGE], 25) + random.normal(0, 12, 25)
        for x, y in (*on_road, *anywhere, *at_edges):
            scene = {
                "angle": random.uniform(-math.pi, math.pi),
                "time_s": random.choice([random.uniform(0, 1.2), 5.0]),
                "score": random.choice([random.uniform(-110, 1050), random.uniform(-1.2, 1.2)]),
            }
            ours, wanted = pictures_of_both(game, peer, x=float(x), y=float(y), **scene)
            np.testing.assert_array_equal(ours, wanted, err_msg=f"seed {seed} at {x}, {y}: {scene}")


@pytest.mark.parametrize(("mode", "shape"), [("rgb_array", (400, 600, 3)), ("state_pixels", (96, 96, 3))])
def test_rendered_pictures_equal_gymnasiums(mode, shape):
    """They show the score after the frame, observations before it; `rgb_array` has skid marks."""
    env, stock = CarRacingEnv(obs="telemetry", render_mode=mode), gym.make("CarRacing-v3", render_mode=mode)
    env.reset(seed=3)
    stock.reset(seed=3)
    np.testing.assert_array_equal(env.render(), stock.render())
    donuts = np.array([0.3, 1, 0], np.float32)
    for frame in range(70):
        env.step(donuts)
        stock.step(donuts)
        if frame % 3 == 0:
            picture = env.render()
            assert picture.shape == shape
            np.testing.assert_array_equal(picture, stock.render())
    assert {mark.grass for mark in env._game.car.particles} == {True, False}


def test_the_window_shows_gymnasiums_picture(monkeypatch):
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")  # SDL's display without a screen
    shown = []
    for env in (gym.make("CarRacing-v3", render_mode="human"), CarRacingEnv(render_mode="human", obs="telemetry")):
        env.reset(seed=0)
        for _ in range(3):
            env.step(np.array([0.3, 1, 0], np.float32))
        shown.append(pygame.surfarray.array3d(pygame.display.get_surface()))
        env.close()
        env.close()
        assert not pygame.display.get_init()
    np.testing.assert_array_equal(*shown)


@pytest.mark.parametrize("renderer", ["exact", "fast"])
def test_another_env_that_quits_pygame_does_no_harm(renderer):
    env = CarRacingEnv(renderer=renderer)
    first = env.reset(seed=1)[0].copy()
    env._game.score = {"exact": 4000.0, "fast": 5000.0}[renderer]
    pygame.quit()  # what many of Gymnasium's envs do when they are closed
    observation = env.step(np.zeros(3, np.float32))[0]  # with a score that was never drawn
    assert (observation[-12:, :12] > 128).any()
    np.testing.assert_array_equal(env.reset(seed=1)[0], first)
