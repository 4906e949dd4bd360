"""Steps of real time, on a clock that a test turns."""

import pytest

from envs.remote.clock import RealTimeClock


class Time:
    """Seconds that pass only by sleeping, and when a test says so."""

    def __init__(self):
        self.now = 100.0
        self.slept = []

    def sleep(self, seconds):
        assert seconds >= 0
        self.slept.append(seconds)
        self.now += seconds


@pytest.fixture
def time():
    return Time()


@pytest.fixture
def clock(time):
    return RealTimeClock(0.05, elasticity=1.0, now=lambda: time.now, sleep=time.sleep)


def test_steps_are_of_equal_length(clock, time):
    clock.begin()
    ends = []
    for work in (0.01, 0.04, 0.0):
        time.now += work
        assert clock.wait() == 0.0
        ends.append(time.now)
    assert ends == pytest.approx([100.05, 100.10, 100.15])
    assert (clock.steps, clock.overruns) == (3, 0)


def test_a_late_step_is_made_up_for_by_the_next(clock, time):
    clock.begin()
    time.now += 0.08  # 30 ms late, less than a step
    assert clock.wait() == pytest.approx(0.03)
    assert clock.wait() == 0.0
    assert time.now == pytest.approx(100.10)  # where it would be without the delay
    assert (clock.overruns, clock.worst_lateness_s) == (0, pytest.approx(0.03))


def test_a_step_that_is_too_late_begins_time_anew(clock, time):
    clock.begin()
    time.now += 0.25
    assert clock.wait() == pytest.approx(0.20)
    assert clock.overruns == 1
    clock.wait()
    assert time.now == pytest.approx(100.30)  # a whole step after the overrun: no burst of steps to catch up


def test_a_pause_is_nobodys_lateness(clock, time):
    clock.begin()
    clock.wait()
    time.now += 60.0  # a person looked at the game
    clock.begin()
    assert clock.wait() == 0.0
    assert clock.overruns == 0


def test_the_mean_rate_holds_under_jitter(clock, time):
    """Work that takes 10 to 90 % of two steps: the mean of 50 ms is kept as long as no step is a step late."""
    clock.begin()
    for index in range(100):
        time.now += 0.045 if index % 2 else 0.054
        clock.wait()
    assert time.now - 100.0 == pytest.approx(100 * 0.05, abs=0.01)
    assert clock.overruns == 0


@pytest.mark.parametrize(("step_s", "elasticity"), [(0.0, 1.0), (-1.0, 1.0), (float("nan"), 1.0), (0.1, -0.5)])
def test_nonsense_is_refused(step_s, elasticity):
    with pytest.raises(ValueError, match="Expected step_s above 0"):
        RealTimeClock(step_s, elasticity=elasticity)
