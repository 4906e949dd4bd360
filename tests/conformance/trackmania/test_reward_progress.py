"""Points 25 to 29: the reward without loopholes."""

import time

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.trackmania.layouts import TMRL11, layout_of
from envs.trackmania.race import RaceWatch
from envs.trackmania.records import Record
from envs.trackmania.reward_progress import ProgressReward, ProgressRewardSettings
from envs.trackmania.route import Route
from envs.trackmania.tasks import ProgressTask
from envs.trackmania.trajectory import Trajectory

DT_S = 0.05


def straight(length_m=2500.0):
    count = round(length_m * 10) + 1
    return Route(np.stack([0.1 * np.arange(count), np.full(count, 10.0), np.zeros(count)], axis=1))


def drive(reward, positions, **arguments):
    outcomes = []
    for x in positions:
        outcomes.append(reward.update((x, 10.0, 0.0), DT_S, **arguments))
        if outcomes[-1].end_cause:
            break
    return outcomes


def lap(route, seconds, gamma):
    """Return the return of a lap at constant speed that ends with the finish, discounted."""
    reward = ProgressReward(route)
    steps = round(seconds / DT_S)
    total = 0.0
    for step in range(1, steps + 1):
        outcome = reward.update((route.length_m * step / steps, 10.0, 0.0), DT_S, has_finished=step == steps)
        total += gamma ** (step - 1) * outcome.reward
    assert outcome.end_cause == "finish"
    return total


@pytest.mark.point("trackmania", 25)
def test_going_back_and_forth_earns_nothing_and_is_stuck():
    reward = ProgressReward(straight())
    drive(reward, np.arange(1, 100) * 1.0)
    outcomes = drive(reward, [99.0 + 0.9 * (step % 2) for step in range(1, 1001)])
    assert sum(outcome.reward for outcome in outcomes) <= 0.0
    assert outcomes[-1].end_cause == "stuck"
    assert len(outcomes) * DT_S == pytest.approx(4.0, abs=0.2)  # the grace of 3.5 s passed while it drove


@pytest.mark.point("trackmania", 25)
def test_a_teleport_earns_at_most_a_window_and_is_a_fault():
    settings = ProgressRewardSettings()
    reward = ProgressReward(straight(), settings)
    drive(reward, np.arange(1, 101) * 2.0)
    jump = reward.update((400.0, 10.0, 0.0), DT_S)
    assert "jumped 200.0 m" in jump.fault
    window = settings.max_speed_mps * DT_S + settings.slack_m
    after = drive(reward, 400.0 + np.arange(1, 200) * 2.0)
    assert sum(one.terms["progress"] for one in (jump, *after)) <= settings.per_metre * window
    assert after[-1].end_cause == "off_track"  # far from where it left
    assert len(after) == 4  # with the jump itself: five steps


def test_closed_loops_sum_to_nothing_less_time():
    reward = ProgressReward(straight())
    outcomes = drive(reward, [100.0 * np.sin(step / 20) ** 2 * 0.2 for step in range(1, 63)])
    back = drive(reward, [0.0])
    paid = [one.terms["progress"] for one in outcomes + back]
    assert sum(paid) == pytest.approx(0.0, abs=1e-9)
    assert sum(one.reward for one in outcomes + back) == pytest.approx(-0.5 * DT_S * len(paid), abs=1e-9)


def test_progress_sums_to_no_more_than_the_length():
    generator = np.random.default_rng(0)
    for _ in range(20):
        reward = ProgressReward(straight(300.0))
        total, x = 0.0, 0.0
        for _ in range(400):
            x += generator.normal(0.5, 4.0) if generator.random() < 0.97 else generator.normal(0.0, 200.0)
            outcome = reward.update((x, 10.0, generator.normal(0.0, 5.0)), DT_S)
            assert abs(outcome.terms["progress"]) <= 0.1 * 10.0 + 1e-9
            total += outcome.terms["progress"]
        assert total <= 0.1 * 300.0 + 1e-9


def test_what_was_lost_by_going_back_is_paid_again():
    reward = ProgressReward(straight())
    paid = [one.terms["progress"] for one in drive(reward, [5.0, 3.0, 5.0, 6.0])]
    np.testing.assert_allclose(paid, [0.5, -0.2, 0.2, 0.1], atol=1e-9)
    drive(reward, [4.5])
    assert reward.behind_best_m == pytest.approx(1.5)


def test_no_reward_depends_on_what_observations_do_not_tell(lockstep):
    with pytest.raises(ConfigError, match="best_only"):  # the best place of an episode is in no observation
        lockstep(obs="edges", progress={"best_only": True})


@pytest.mark.point("trackmania", 26)
@pytest.mark.parametrize("gamma", [1.0, 0.995])
def test_a_faster_lap_returns_more(gamma):
    route = straight(2524.0)
    returns = [lap(route, seconds, gamma) for seconds in (32.0, 40.0, 40.05, 47.0, 100.0)]
    assert returns == sorted(returns, reverse=True)
    assert len(set(returns)) == 5


@pytest.mark.point("trackmania", 26)
def test_the_return_of_a_lap_is_what_the_formula_says():
    # 0.1 a metre over 2524 m, 0.5 a second over 40 s, 100 at the finish
    assert lap(straight(2524.0), 40.0, 1.0) == pytest.approx(252.4 - 20.0 + 100.0, abs=1e-6)


def frame(index, *, finished=0.0, layout=TMRL11, fps=30.0, race_time_s=0.0):
    fields = {"finished": finished, "race_time_s": race_time_s, "race_time_ms": 1000 * race_time_s}
    return Record(layout, tuple(fields.get(name, 0.0) for name in layout.fields), index / fps, index)


def race(flags, share=1.0, **arguments):
    """Drive the route while the sign shows `flags`; return the outcomes with a finish."""
    watch, reward = RaceWatch(), ProgressReward(straight(500.0))
    finishes = []
    for index, flag in enumerate(flags):
        watch.see(frame(index, finished=flag, **arguments))
        x = share * 500.0 * min((index + 1) / 200.0, 1.0)
        outcome = reward.update((x, 10.0, 0.0), DT_S, has_finished=watch.has_finished)
        if outcome.end_cause == "finish":
            finishes.append(outcome)
    return finishes


@pytest.mark.point("trackmania", 27)
@pytest.mark.parametrize(
    ("flags", "share", "num_finishes"),
    [
        ([0] * 199 + [1] * 30, 1.0, 1),  # true: paid once, though the sign stays up
        ([1] * 229, 1.0, 0),  # stuck at 1 for the whole race
        ([1] * 20 + [0] * 209, 1.0, 0),  # stale after the restart
        ([1] * 20 + [0] * 179 + [1] * 30, 1.0, 1),  # stale, and then true
        ([0] * 10 + [1] * 219, 1.0, 0),  # rises before 50 frames
        ([0] * 199 + [1] * 30, 0.9, 0),  # not at the end of the route
        ([0] * 199 + [1] * 5 + [0] * 5 + [1] * 20, 1.0, 1),  # flickers
    ],
)
def test_only_a_true_finish_pays_and_only_once(flags, share, num_finishes):
    finishes = race(flags, share)
    assert len(finishes) == num_finishes
    assert all(one.terms["finish"] == 100.0 for one in finishes)


@pytest.mark.point("trackmania", 28)
@pytest.mark.parametrize("broken", [(np.nan, 10, 0), (50, np.inf, 0), (50, 10, -np.inf), (np.nan,) * 3])
def test_positions_that_are_not_finite_change_nothing(broken):
    reward, twin = ProgressReward(straight()), ProgressReward(straight())
    drive(reward, [1.0, 2.0])
    drive(twin, [1.0, 2.0])
    outcome = reward.update(broken, DT_S)
    assert outcome.fault is not None
    assert (outcome.reward, outcome.end_cause, reward.s_m) == (0.0, None, 2.0)
    late, same = reward.update((4.0, 10.0, 0.0), DT_S), twin.update((4.0, 10.0, 0.0), 2 * DT_S)
    assert late.reward == pytest.approx(same.reward)  # time goes on, nothing else happened
    assert late.fault is None


def test_leaving_the_road_ends_after_five_steps():
    reward = ProgressReward(straight())
    drive(reward, [2.0, 4.0])
    outcomes = [reward.update((6.0 + step, 10.0, 26.0 - (step == 2)), DT_S) for step in range(8)]
    assert [one.end_cause for one in outcomes] == [None] * 7 + ["off_track"]  # it was back for one step
    assert outcomes[-1].terms["penalty"] == -10.0


def test_the_wrong_way_ends():
    reward = ProgressReward(straight())
    drive(reward, np.arange(1, 60) * 2.0)
    outcomes = drive(reward, 118.0 - np.arange(1, 60) * 2.0)
    assert outcomes[-1].end_cause == "wrong_way"
    assert reward.best_m - reward.s_m == pytest.approx(32.0)


def test_missed_frames_widen_the_window():
    reward = ProgressReward(straight())
    drive(reward, [2.0])
    assert reward.update((42.0, 10.0, 0.0), 0.5).terms["progress"] == pytest.approx(4.0)


def at(x, received_s):
    fields = {"x_m": x, "y_m": 10.0}
    return Record(TMRL11, tuple(fields.get(name, 0.0) for name in TMRL11.fields), received_s)


@pytest.mark.parametrize("stale_steps", [3, 6, 10])
def test_what_was_driven_while_no_record_came_is_no_jump(stale_steps):
    task, watch = ProgressTask(Trajectory(straight().points)), RaceWatch()
    task.reset(at(0.0, 0.0))
    for step in range(1, 21):  # 60 m/s
        task.step(at(3.0 * step, DT_S * step), DT_S, watch)
    stale = [task.step(at(60.0, 1.0), DT_S, watch) for _ in range(stale_steps)]
    assert [(one.reward, one.end_cause, one.fault) for one in stale] == [(0.0, None, None)] * stale_steps
    missed = stale_steps + 1
    back = task.step(at(60.0 + 3.0 * missed, 1.0 + DT_S * missed), DT_S, watch)
    assert back.fault is None
    assert back.terms == pytest.approx({"progress": 0.1 * 3.0 * missed, "time": -0.5 * DT_S * missed})
    assert task.progress_m == pytest.approx(60.0 + 3.0 * missed)
    assert task.step(at(63.0 + 3.0 * missed, 2.0), DT_S, watch).terms["progress"] == pytest.approx(0.3)


def test_a_finish_is_believed_though_its_record_was_taken_before():
    """A listener may hear of a record only after it was read."""
    reward = ProgressReward(straight(500.0))
    drive(reward, np.arange(1, 101) * 5.0)
    outcome = reward.update((500.0, 10.0, 0.0), DT_S, is_new=False, has_finished=True)
    assert (outcome.end_cause, outcome.reward) == ("finish", 100.0)
    assert reward.update((500.0, 10.0, 0.0), DT_S, is_new=False, has_finished=True).end_cause is None


def test_a_short_way_off_the_track_is_made_up_for_on_return():
    """80 m/s, 6 m to the side a step, to 36 m and back: four steps beyond the limit of 25 m, then on the line again."""
    reward = ProgressReward(straight())
    drive(reward, np.arange(1, 26) * 4.0)
    beside = [6.0, 12.0, 18.0, 24.0, 30.0, 36.0, 36.0, 30.0, 24.0, 18.0, 12.0, 6.0, 0.0]
    outcomes = [reward.update((104.0 + 4.0 * step, 10.0, z), DT_S) for step, z in enumerate(beside)]
    assert [(one.end_cause, one.fault) for one in outcomes] == [(None, None)] * len(beside)
    paid = [one.terms["progress"] for one in outcomes]
    np.testing.assert_allclose(paid, [0.4] * 4 + [0.0] * 4 + [2.0] + [0.4] * 4, atol=1e-9)
    assert reward.s_m == pytest.approx(104.0 + 4.0 * 12)


def test_a_window_does_not_grow_towards_where_a_jump_landed():
    """20 m ahead, and on at 20 m/s: what could have been driven in the time since then is more, and is not paid."""
    reward = ProgressReward(straight(), ProgressRewardSettings(off_track_m=1000.0, stuck_s=1000.0))
    drive(reward, np.arange(1, 51) * 1.0)
    outcomes = drive(reward, 70.0 + np.arange(200) * 1.0)
    assert sum(one.terms["progress"] for one in outcomes) == 0.0
    assert reward.s_m == pytest.approx(50.0)


def test_a_road_above_another_is_not_taken_for_it():
    """A ramp that comes back over itself, 10 m apart."""
    there = np.stack([np.arange(0, 1001) * 0.1, np.zeros(1001), np.zeros(1001)], axis=1)
    up = np.stack([np.full(100, 100.0), np.arange(1, 101) * 0.1, np.zeros(100)], axis=1)
    back = np.stack([100.0 - np.arange(1, 1001) * 0.1, np.full(1000, 10.0), np.zeros(1000)], axis=1)
    route = Route(np.concatenate([there, up, back]))
    reward = ProgressReward(route)
    for x in np.arange(1, 51) * 1.0:
        reward.update((x, 6.0, 0.0), DT_S)  # nearer to the road above
    assert reward.s_m == pytest.approx(50.0)


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="time_cost_per_s"):
        ProgressRewardSettings(time_cost_per_s=0.0)


@pytest.mark.parametrize("layout", ["IQN33", "RACE16"])
def test_a_lap_is_timed_by_the_games_clock_where_it_has_one(layout):
    watch = RaceWatch()
    for index in range(100):
        watch.see(frame(index, finished=float(index == 99), layout=layout_of(layout), race_time_s=36.56))
    assert watch.lap_time.time_s == pytest.approx(36.56)
    assert (watch.lap_time.source, watch.lap_time.uncertainty_s) == ("race_clock", 0.01)


@pytest.mark.parametrize("fps", [30.0, 60.0, 100.0])
def test_else_by_when_records_came(fps):
    watch = RaceWatch(countdown_s=1.5)
    watch.restart(0.0)
    last = round(41.5 * fps)
    for index in range(last + 10):
        watch.see(frame(index, finished=float(index >= last), fps=fps))
    assert watch.lap_time.time_s == pytest.approx(40.0, abs=1.0 / fps)
    assert watch.lap_time.source == "receive_clock"
    assert watch.lap_time.uncertainty_s == pytest.approx(1 / fps + 0.1)


def clocked(clocks, *, begin_s=0.0, layout="RACE16", fps=20.0):
    """Watch records of these race clocks, the last one with the finish."""
    watch = RaceWatch()
    watch.restart(begin_s)
    for index, clock in enumerate(clocks):
        is_last = index == len(clocks) - 1
        watch.see(frame(index, finished=float(is_last), layout=layout_of(layout), race_time_s=clock, fps=fps))
    return watch


@pytest.mark.parametrize("layout", ["IQN33", "RACE16", "RICH1"])
def test_a_race_clock_that_goes_back_is_a_fault_and_gives_no_lap_time(layout):
    clocks = [0.05 * index for index in range(151)] + [0.5 + 0.05 * index for index in range(60)]  # 7.5 s, then 0.5 s
    watch = clocked(clocks, layout=layout)
    assert watch.has_finished
    assert watch.lap_time is None
    assert "from 7.50 s to 0.50 s" in watch.clock_fault
    watch.restart(100.0)
    assert watch.clock_fault is None


def test_a_race_clock_may_stand_and_goes_back_at_a_restart():
    """20 frames/s: 0.2 s of the race before, the countdown, the race, and a finish at the clock of the frame before."""
    clocks = [41.0 + 0.05 * index for index in range(4)] + [0.05 * (index - 30) for index in range(831)] + [40.0]
    watch = clocked(clocks)
    assert (watch.clock_fault, watch.lap_time.time_s) == (None, pytest.approx(40.0))


@pytest.mark.timing
@pytest.mark.point("trackmania", 29)
def test_a_step_costs_less_than_50_microseconds():
    reward = ProgressReward(straight(2524.4))
    reward.update((0.1, 10.0, 0.0), DT_S)
    times = []
    for step in range(1500):
        begin = time.perf_counter()
        reward.update((1.5 * step, 10.0, 3.0), DT_S)
        times.append(time.perf_counter() - begin)
    assert np.median(times) < 50e-6


@pytest.mark.parametrize(
    ("half_width_m", "off_track_m", "limit_m"), [(None, None, 25.0), (12.8, None, 20.8), (12.8, 3.0, 3.0)]
)
def test_how_far_the_car_may_leave_the_line_depends_on_what_is_known_of_the_road(half_width_m, off_track_m, limit_m):
    line = np.stack([0.1 * np.arange(2001), np.zeros(2001), np.zeros(2001)], axis=1)
    reward = ProgressReward(Route(line), ProgressRewardSettings(off_track_m=off_track_m), half_width_m)
    for beside_m, is_off in ((limit_m - 0.1, False), (limit_m + 0.1, True)):
        reward.reset([0.0, 0.0, 0.0])
        causes = [reward.update([1.0 + step, 0.0, beside_m], 0.05).end_cause for step in range(5)]
        assert reward.is_off_track == is_off
        assert causes == [None] * 4 + (["off_track"] if is_off else [None])
