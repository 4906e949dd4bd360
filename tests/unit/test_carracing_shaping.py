"""Points that training rewards of CarRacing lose: tiles passed over, frames on the grass, frames."""

import numpy as np
import pytest

from envs.carracing.driver import PursuitDriver
from envs.carracing.env import CarRacingEnv
from envs.carracing.shaping import Shaping

FULL_THROTTLE = np.array([0, 1, 0], np.float32)
COSTS = {"grass": 0.25, "time": 0.03}


def driven(shaping: Shaping, visits: list[list[int]], num_tiles: int = 40) -> list[float]:
    """Return the points of each frame, in which these tiles are visited; the car stands on tile 0 before."""
    visited = np.zeros(num_tiles, np.bool_)
    visited[0] = True
    shaping.reset(visited)
    points = []
    for tiles in visits:
        visited[tiles] = True
        points.append(shaping.update(tiles=int(visited.sum()), is_off_track=False))
    return points


def test_tiles_that_are_passed_over_cost_until_the_car_returns_to_them():
    shaping = Shaping(missed_tile=5.0, first_missed_tile=20.0)
    visits = [[1, 2], [4], [], [7], [3], [6, 5], [8]]
    # 3 is missed: 5 + 20. Then 5 and 6: 10. 3 is given back: 5. Then the other two: 10 + 20.
    assert driven(shaping, visits) == [0, 25, 0, 10, -5, -30, 0]


def test_what_lies_behind_the_start_was_not_passed_over():
    shaping = Shaping(missed_tile=5.0)
    # The start's own rear wheels, or a car that drives backwards: of 40 tiles, 11 and more ahead are behind.
    assert driven(shaping, [[39], [38, 37], [11], [1], [10]]) == [0, 0, 0, 0, 40]


def test_episodes_owe_nothing_to_earlier_ones():
    shaping = Shaping(missed_tile=5.0)
    assert driven(shaping, [[2]]) == [5]
    assert driven(shaping, [[1], [2]]) == [0, 0]


def test_frames_cost_what_is_said_in_training_only():
    rewards, off_track = {}, []
    for training in (True, False):
        env = CarRacingEnv(obs="telemetry", shaping=COSTS, training=training)
        env.reset(seed=8)
        steps = [env.step(FULL_THROTTLE) for _ in range(160)]  # straight on, and out on the grass where the road turns
        rewards[training] = np.array([step[1] for step in steps])
        off_track = np.array([step[4]["off_track"] for step in steps])
    lost = rewards[False] - rewards[True]
    np.testing.assert_allclose(lost, np.where(off_track, 0.03 + 0.25, 0.03), atol=1e-9)
    assert 10 < off_track.sum() < 90


def test_a_clean_lap_costs_nothing():
    env = CarRacingEnv(obs="telemetry", shaping={"missed_tile": 5.0, "first_missed_tile": 20.0}, training=True)
    env.reset(seed=10_000)
    track, car = env._game.track, env._game.car
    driver, total, ended = PursuitDriver(track.beta, track.centre), 0.0, False
    while not ended:
        _, reward, terminated, truncated, info = env.step(driver.act(car))
        total, ended = total + reward, terminated or truncated
    assert info["lap"] == 1
    # Gymnasium's score of a lap: 1000 points for its tiles, 0.1 less a frame.
    assert total == pytest.approx(1000 - 0.1 * info["lap_time_s"] * 50, abs=0.11)
