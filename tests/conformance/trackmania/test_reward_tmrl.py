"""Points 23, 24 and 29: TMRL's reward, by its measured vectors."""

import time

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.trackmania.reward_tmrl import TmrlReward, TmrlRewardSettings

LINE = np.stack([0.1 * np.arange(3001), np.zeros(3001), np.zeros(3001)], axis=1)


def at(index):
    reward = TmrlReward(LINE)
    reward.reset(index)
    return reward


@pytest.mark.point("trackmania", 23)
@pytest.mark.parametrize(
    ("start", "position", "paid", "index"),
    [
        (0, (2.5, 0, 0), 0.25, 25),
        (0, (2.5, 0, 5), 0.25, 25),
        (100, (10, 0, 0), 0.0, 100),
        (100, (9.5, 0, 0), 0.0, 95),
        (100, (8.0, 0, 0), 0.0, 80),
        (100, (-40, 0, 0), 0.0, 1),
        (100, (30, 0, 99.9), 2.0, 300),
        (100, (30, 0, 100.0001), 0.0, 100),
        (100, (59.9, 0, 0), 4.99, 599),
        (100, (60, 0, 0), 5.0, 600),
        (100, (60.1, 0, 0), 5.01, 601),
        (100, (70, 0, 0), 6.0, 700),
        (100, (210, 0, 0), 20.0, 2100),
        (100, (np.nan, 0, 0), 0.0, 100),
        (2900, (310, 0, 0), 1.0, 3000),
    ],
)
def test_each_vector_is_reproduced(start, position, paid, index):
    reward = at(start)
    assert reward.compute(position) == (np.float32(paid), False)
    assert reward.index == index


@pytest.mark.point("trackmania", 23)
def test_steps_follow_each_other():
    reward = at(0)
    for x, index in ((2.5, 25), (5.0, 50), (7.5, 75)):
        assert reward.compute((x, 0, 0)) == (0.25, False)
        assert reward.index == index
    assert reward.progress == 75 / 3001


@pytest.mark.point("trackmania", 23)
def test_a_car_that_stands_ends_on_call_81():
    reward = at(0)
    ends = [reward.compute((0, 0, 0))[1] for _ in range(81)]
    assert ends == [False] * 80 + [True]


def test_any_progress_clears_the_count():
    reward = at(0)
    for _ in range(80):
        assert not reward.compute((0, 0, 0))[1]
    assert reward.compute((0.1, 0, 0)) == (np.float32(0.01), False)
    assert [reward.compute((0.1, 0, 0))[1] for _ in range(11)] == [False] * 10 + [True]


def test_its_loophole_is_there():
    """Back and forth by 0.9 m is paid each time, and never ends."""
    reward = at(100)
    total = 0.0
    for call in range(1000):
        paid, terminated = reward.compute((10.9 if call % 2 == 0 else 10.0, 0, 0))
        assert not terminated
        total += paid
    assert total == pytest.approx(45.0, abs=0.01)  # 0.09 in every second call


@pytest.mark.point("trackmania", 24)
def test_a_perfect_drive_of_the_demo_earns_252_44_and_100():
    count = 25245
    angle = np.arange(count) * 0.1 / 400.0
    line = np.stack([400.0 * np.cos(angle), np.full(count, 10.0), 400.0 * np.sin(angle)], axis=1)
    reward = TmrlReward(line)
    total = 0.0
    for index in range(27, count, 27):  # 54 m/s at 20 Hz
        paid, terminated = reward.compute(line[index].astype(np.float32))
        assert not terminated
        total += paid
    paid, terminated = reward.compute(line[-1].astype(np.float32), is_finished=True)
    assert terminated
    assert total + paid == pytest.approx(352.44, abs=0.01)


def test_a_constant_is_added_in_every_call():
    reward = TmrlReward(LINE, TmrlRewardSettings(constant_penalty=-0.5))
    assert reward.compute((2.5, 0, 0)) == (-0.25, False)
    with pytest.raises(ConfigError, match="check_forward"):
        TmrlRewardSettings(check_forward=0)


@pytest.mark.timing
@pytest.mark.point("trackmania", 29)
@pytest.mark.parametrize("x", [1.25, 1200.0])
def test_a_call_costs_less_than_50_microseconds(x):
    count = 25245
    line = np.stack([0.1 * np.arange(count), np.zeros(count), np.zeros(count)], axis=1)
    reward = TmrlReward(line)
    reward.compute((0, 0, 0))
    times = []
    for step in range(2000):
        begin = time.perf_counter()
        reward.compute((x + 1.2 * step, 0.0, 3.0))
        times.append(time.perf_counter() - begin)
    assert np.median(times) < 50e-6
