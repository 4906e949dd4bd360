"""Lap times of our own, of cars whose times are known, and the table of episodes."""

import csv
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.assetto_corsa.logs.episode_table import EpisodeStatistics, EpisodeTable
from envs.assetto_corsa.logs.lap_timer import SplineLapTimer, TimedLap


def timed(timer, states, **arguments):
    return [lap for lap in (timer.update(state, **arguments) for state in states) if lap]


@pytest.mark.point("assetto_corsa", 48)
@settings(deadline=None, max_examples=7)
@given(st.floats(8, 80), st.floats(0.0, 600.0))
def test_on_a_circle_at_constant_speed_times_are_true_to_a_millisecond(drive, speed, begin):
    timer = SplineLapTimer(drive.LENGTH)
    count = math.ceil(3.1 * drive.LENGTH / speed / drive.STEP_S)
    laps = timed(timer, [drive.around(index, speed, begin=begin) for index in range(count)])
    assert len(laps) >= 2
    first = ((-begin) % drive.LENGTH) / speed
    for number, lap in enumerate(laps):
        assert lap.number == number
        assert lap.time_s == pytest.approx(drive.LENGTH / speed, abs=1e-3)
        if begin > 0:
            assert lap.begin_s - 100.0 == pytest.approx(first + number * drive.LENGTH / speed, abs=1e-3)
        assert lap.sectors_s == pytest.approx([drive.LENGTH / speed / 3] * 3, abs=1e-3)
        assert lap.is_valid
    assert timer.laps == laps


@pytest.mark.point("assetto_corsa", 48)
def test_a_teleport_over_the_line_is_no_crossing(drive):
    # Each second the car is put back by 100 m of arc to before the line, so it never drives a lap.
    timer = SplineLapTimer(drive.LENGTH)
    places = [500.0 + 40.0 * 0.04 * index for index in range(100)] * 6
    states = [drive.around(0, 40.0, begin=place, timestamp_ac=index * 0.04) for index, place in enumerate(places)]
    assert timed(timer, states) == []
    # Over the line by the shortest way, 28 m in one step at 40 m/s: more than 3 · 1.6 m + 5 m.
    jump = [
        drive.around(0, 40.0, begin=place, timestamp_ac=100 + index * 0.04) for index, place in enumerate((614, 642))
    ]
    rest = [
        drive.around(0, 40.0, begin=642 + 1.6 * index, timestamp_ac=100.04 + 0.04 * index) for index in range(1, 1000)
    ]
    laps = timed(SplineLapTimer(drive.LENGTH), jump + rest)
    assert [lap.begin_s for lap in laps] == [pytest.approx(100.04 + (2 * drive.LENGTH - 642) / 40)]  # a lap later


@pytest.mark.point("assetto_corsa", 48)
def test_crossing_backwards_cancels(drive):
    timer = SplineLapTimer(drive.LENGTH)
    there = [600.0 + index for index in range(60)]  # over the line at 628.3
    back = there[::-1]
    around_once = [600.0 + index for index in range(700)]
    states = [
        drive.around(0, 25.0, begin=place, timestamp_ac=0.04 * index)
        for index, place in enumerate(there + back + around_once)
    ]
    laps = timed(timer, states)
    assert [lap.time_s for lap in laps] == [pytest.approx(drive.LENGTH / 25.0)]
    assert laps[0].begin_s == pytest.approx(0.04 * (120 + drive.LENGTH - 600.0))


@pytest.mark.parametrize(("share", "count"), [(0.3, 0), (0.12, 0), (0.08, 1), (-0.08, 1)])
def test_a_lap_is_one_if_nine_tenths_of_it_were_driven(drive, share, count):
    # In the middle of a lap the spline position jumps, as where two stretches of road meet; the car moves on.
    timer = SplineLapTimer(drive.LENGTH)
    jump = share * drive.LENGTH
    places = [620.0 + index + (jump if index > 200 else 0.0) for index in range(int(700 - jump))]
    states = [
        drive.around(0, 25.0, begin=620.0 + index, timestamp_ac=0.04 * index)
        | {"NormalizedSplinePosition": place / drive.LENGTH % 1.0}
        for index, place in enumerate(places)
    ]
    assert len(timed(timer, states)) == count


def test_a_lap_that_was_off_or_invalidated_is_listed_and_not_valid(drive):
    timer = SplineLapTimer(drive.LENGTH)
    for index in range(1400):  # laps of 314 steps, from 15 steps on
        state = drive.around(index, 50.0, begin=598.0, LapInvalidated=int(400 < index < 420))
        timer.update(state, is_off_track=800 < index < 810)
    assert [lap.is_valid for lap in timer.laps] == [True, False, False, True]


def test_the_flags_of_the_state_after_the_line_are_the_next_lap_s(drive):
    timer = SplineLapTimer(drive.LENGTH)
    laps = []
    for index in range(1000):
        state = drive.around(index, 50.0, begin=598.0)
        is_after = (598.0 + 2.0 * index) // drive.LENGTH > (596.0 + 2.0 * index) // drive.LENGTH
        laps.append(timer.update(state, is_off_track=is_after and index > 100))
    assert [lap.is_valid for lap in timer.laps] == [True, False, False]


def test_an_episode_begins_with_no_lap(drive):
    timer = SplineLapTimer(drive.LENGTH)
    assert timed(timer, [drive.around(index, 50.0, begin=598.0) for index in range(300)]) == []
    timer.reset()
    # Without the reset this would complete a lap.
    assert timed(timer, [drive.around(index, 50.0, begin=598.0) for index in range(300, 600)]) == []


@pytest.mark.parametrize("late", [0, 5])
@pytest.mark.parametrize(("wrong_ms", "is_told"), [(0, False), (30, False), (90, True)])
def test_the_game_s_time_is_compared_with_ours(drive, caplog, late, wrong_ms, is_told):
    timer = SplineLapTimer(drive.LENGTH)
    lap_ms = round(drive.LENGTH / 50.0 * 1000)
    for index in range(700):
        laps = (598.0 + 2.0 * (index - late)) // drive.LENGTH
        told = {0: 0, 1: 99_999}.get(laps, lap_ms + wrong_ms)  # the first crossing ends a lap of another episode
        timer.update(drive.around(index, 50.0, begin=598.0, iLastTime=int(told)))
    assert len(timer.laps) == 2
    assert (len(timer.disagreements_s) == 1) is is_told
    assert ("the game says" in caplog.text) is is_told
    if is_told:
        assert timer.disagreements_s[0] == pytest.approx(-0.09, abs=1e-3)


def test_the_clock_of_a_game_that_began_anew_is_followed(drive):
    timer = SplineLapTimer(drive.LENGTH)
    timed(timer, [drive.around(index, 50.0, begin=598.0) for index in range(100)])
    states = [drive.around(index, 50.0, begin=598.0, timestamp_ac=0.04 * index) for index in range(400)]
    assert [lap.time_s for lap in timed(timer, states)] == [pytest.approx(drive.LENGTH / 50)]


def table(path):
    with path.open(newline="") as file:
        return list(csv.DictReader(file))


def test_the_table_of_a_trace_by_hand(drive, tmp_path):
    # D18: states 5, 6, 8, 9, 13 with two passed over before the last: 7 is lost, and one of 10, 11, 12.
    statistics = EpisodeStatistics()
    statistics.begin(drive.told(4, steps=5))
    for steps, speed, reward, missing in ((6, 10.0, 1.0, 0), (8, 30.0, 2.0, 1), (9, 20.0, 0.5, 0), (13, 40.0, -1.0, 1)):
        statistics.step(drive.told(0, steps=steps, speed=speed, BestLap=97_520), reward, missing=missing)
    laps = [TimedLap(0, 1.0, (30.0, 30.0, 31.5), True), TimedLap(1, 92.5, (30.0, 30.0, 29.0), False)]
    episodes = EpisodeTable(tmp_path / "episodes_stats.csv")
    episodes.add(statistics.end(is_terminated=True, laps=laps))
    # An episode that began at a standstill, without a lap, behind a race that has none; and one in which nothing came.
    second = EpisodeStatistics()
    second.begin(drive.told(0, steps=1))
    second.step(drive.told(0, steps=2), 0.25)
    episodes.add(second.end(is_terminated=False))
    EpisodeTable(tmp_path / "episodes_stats.csv").add(EpisodeStatistics().end(is_terminated=False))  # D23
    one, two, three = table(tmp_path / "episodes_stats.csv")
    assert one == {
        **{"ep_count": "1", "ep_steps": "4", "total_steps": "4", "packages_lost": "2", "ep_reward": "2.5"},
        **{"speed_mean": "25.0", "speed_max": "40.0", "BestLap": "97.52", "terminated": "1"},
        **{"ep_bestLapTime": "91.5", "num_valid_laps": "1", "LapNo_0": "91.5", "LapNo_1": "89.0"},
    }
    assert (two["ep_count"], two["total_steps"], two["packages_lost"], two["BestLap"]) == ("2", "5", "0", "")
    assert (two["LapNo_0"], two["ep_bestLapTime"]) == ("", "")
    assert (three["ep_count"], three["ep_steps"], three["total_steps"], three["speed_mean"]) == ("3", "0", "5", "")


def test_a_table_grows_with_the_laps_of_its_episodes(tmp_path):
    episodes = EpisodeTable(tmp_path / "stats.csv")
    for count in (0, 2, 1, 4):
        laps = [TimedLap(number, 0.0, (20.0 + number,), True) for number in range(count)]
        episodes.add(EpisodeStatistics().end(is_terminated=False, laps=laps))
    rows = table(tmp_path / "stats.csv")
    assert [row["ep_count"] for row in rows] == ["1", "2", "3", "4"]
    assert [row["LapNo_1"] for row in rows] == ["", "21.0", "", "21.0"]
    assert [row["LapNo_3"] for row in rows] == ["", "", "", "23.0"]


def test_a_line_that_a_killed_run_did_not_finish_is_dropped(tmp_path):
    path = tmp_path / "stats.csv"
    EpisodeTable(path).add(EpisodeStatistics().end(is_terminated=False))
    path.write_text(path.read_text() + "2,15,")
    EpisodeTable(path).add(EpisodeStatistics().end(is_terminated=True))
    assert [(row["ep_count"], row["terminated"]) for row in table(path)] == [("1", "0"), ("2", "1")]


def test_envs_may_share_a_table(tmp_path):
    tables = [EpisodeTable(tmp_path / "stats.csv") for _ in range(2)]
    for index in range(6):
        statistics = EpisodeStatistics()
        statistics.step({"steps": 1, "speed": 1.0, "BestLap": 0}, 1.0)
        laps = [TimedLap(0, 0.0, (20.0,), True)] * (index > 3)
        tables[index % 2].add(statistics.end(is_terminated=False, laps=laps))
    rows = table(tmp_path / "stats.csv")
    assert [(row["ep_count"], row["total_steps"]) for row in rows] == [(str(n), str(n)) for n in range(1, 7)]
    assert [row["LapNo_0"] for row in rows] == ["", "", "", "", "20.0", "20.0"]
