"""Points 8 to 15: rtgym's order of events and clock, and what happens when something fails."""

import threading
import time

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.error import ResetNeeded

from envs.errors import ConfigError
from envs.trackmania.faults import CLOSED, LinkFault
from envs.trackmania.real_time import RealTime, SimulatedTime
from envs.trackmania.real_time_env import RealTimeEnv
from envs.trackmania.real_time_settings import RealTimeSettings
from envs.trackmania.workers import ThreadWorker

STEP_S, CAPTURE_S = 0.05, 0.04


class Counter:
    """An rtgym interface: observes how often it was captured since the reset; actions are numbers in [-1, 1]."""

    def __init__(self, clock):
        self.time = clock
        self.sent, self.captured_s = [], []
        self.count = self.waits = self.resets = 0
        self.fails = {}  # name of a call -> what to raise or to do, once
        self.ends_at = None

    def get_observation_space(self):
        return spaces.Tuple((spaces.Box(0.0, np.inf, (1,), np.float32),))

    def get_action_space(self):
        return spaces.Box(-1.0, 1.0, (1,), np.float32)

    def get_default_action(self):
        return np.zeros(1, np.float32)

    def send_control(self, control):
        self._fail("send")
        self.sent.append(None if control is None else float(control[0]))

    def reset(self, seed=None, options=None):
        self._fail("reset")
        self.resets += 1
        self.count = 0
        return self._observation(), {}

    def get_obs_rew_terminated_info(self):
        self._fail("capture")
        self.count += 1
        self.captured_s.append(self.time.now())
        return self._observation(), 1.5, self.count == self.ends_at, {}

    def wait(self):
        self._fail("wait")
        self.waits += 1
        self.sent.append("wait")

    def _observation(self):
        return [np.array([self.count], np.float32)]

    def _fail(self, call):
        failure = self.fails.pop(call, None)
        if isinstance(failure, BaseException):
            raise failure
        if failure is not None:
            failure()


def make(clock=None, **settings):
    clock = clock or SimulatedTime()
    defaults = {"time_step_duration": STEP_S, "start_obs_capture": CAPTURE_S, "act_buf_len": 2}
    return RealTimeEnv(Counter(clock), RealTimeSettings(**defaults | settings), clock), clock


def flat(observation):
    return [round(float(element[0]), 6) for element in observation]


def action(value):
    return np.array([value], np.float32)


@pytest.mark.point("trackmania", 10)
@pytest.mark.parametrize("clock", [SimulatedTime, RealTime])
def test_the_reference_trace(clock):
    env, _ = make(clock(), ep_max_length=4, wait_on_done=True)
    assert flat(env.reset()[0]) == [0, 0, 0]
    trace = [env.step(action(value)) for value in (0.1, 0.2, 0.3, 0.4)]
    assert [flat(step[0]) for step in trace] == [[1, 0, 0.1], [2, 0.1, 0.2], [3, 0.2, 0.3], [4, 0.3, 0.4]]
    assert [step[2:4] for step in trace] == [(False, False)] * 3 + [(False, True)]
    assert [step[1] for step in trace] == [1.5] * 4
    sent = [one if isinstance(one, str) else round(one, 6) for one in env.interface.sent]
    assert sent == [0.0, 0.1, 0.2, 0.3, "wait"]  # the last action is never sent
    assert trace[-1][4]["end_cause"] == "time_limit"
    with pytest.raises(RuntimeError, match="reset"):
        env.step(action(0.5))
    with pytest.raises(ResetNeeded):
        env.step(action(0.5))
    env.close()


@pytest.mark.point("trackmania", 10)
def test_a_task_that_ends_at_the_limit_is_terminated_and_not_truncated():
    env, _ = make(ep_max_length=3)
    env.interface.ends_at = 3
    env.reset()
    ends = [env.step(action(0.1))[2:4] for _ in range(3)]
    assert ends == [(False, False), (False, False), (True, False)]
    assert len(env.interface.sent) == 3  # the default action and two of three


@pytest.mark.point("trackmania", 11)
@pytest.mark.parametrize("length", [1, 2, 4])
def test_the_history_is_as_long_as_it_is_configured_newest_last(length):
    env, _ = make(act_buf_len=length)
    assert len(env.observation_space) == 1 + length
    assert flat(env.reset()[0]) == [0] * (1 + length)
    for step in range(1, 6):
        observation = env.step(action(step / 10))[0]
        assert env.observation_space.contains(observation)
        expected = [max(past, 0) / 10 for past in range(step - length + 1, step + 1)]
        assert flat(observation)[1:] == expected


@pytest.mark.point("trackmania", 11)
def test_the_history_may_be_left_out():
    env, _ = make(act_in_obs=False)
    assert len(env.observation_space) == 1
    assert flat(env.reset()[0]) == [0]
    assert flat(env.step(action(0.5))[0]) == [1]


@pytest.mark.point("trackmania", 11)
def test_the_history_keeps_copies_in_the_spaces_dtype():
    env, _ = make()
    env.reset()
    array = np.array([0.25], np.float64)
    first = env.step(array)[0]
    array[0] = 0.75
    second = env.step(np.array([3.0]))[0]  # clipped in the history
    assert flat(first) == [1, 0, 0.25]
    assert flat(second) == [2, 0.25, 1.0]
    assert {entry.dtype for entry in second} == {np.dtype(np.float32)}
    second[1][0] = -1.0
    assert flat(env.step(action(0.0))[0]) == [3, 1.0, 0.0]
    assert env.interface.sent[1] == 0.25


@pytest.mark.point("trackmania", 11)
def test_a_reset_forgets_actions_unless_it_is_told_not_to():
    for keeps in (False, True):
        env, _ = make(ep_max_length=2, reset_act_buf=not keeps, last_act_on_reset=keeps)
        env.reset()
        for value in (0.1, 0.2):
            env.step(action(value))
        assert flat(env.reset()[0])[1:] == ([0.1, 0.2] if keeps else [0, 0])
        env.step(action(0.3))
        assert round(env.interface.sent[-2], 6) == (0.2 if keeps else 0.0)


def drive(env, clock, delays):
    """Step once for each delay of the policy, seconds; return the infos."""
    infos = []
    for delay in delays:
        clock.sleep(delay)
        infos.append(env.step(action(0.0))[4])
    return infos


@pytest.mark.point("trackmania", 12)
def test_200_steps_take_10_simulated_seconds():
    env, clock = make()
    env.reset()
    began = clock.now()
    infos = drive(env, clock, [0.03] * 200)
    assert clock.now() - began == pytest.approx(10.0, abs=1e-9)
    assert infos[-1]["overruns_total"] == 0
    assert all(info["dt_s"] == pytest.approx(STEP_S) for info in infos)
    np.testing.assert_allclose(np.diff(env.interface.captured_s), STEP_S)
    assert env.interface.captured_s[0] - began == pytest.approx(CAPTURE_S)


@pytest.mark.timing
@pytest.mark.point("trackmania", 12)
def test_200_steps_take_10_seconds():
    env, clock = make(RealTime())
    env.reset()
    began = clock.now()
    infos = drive(env, clock, [0.03] * 200)
    assert clock.now() - began == pytest.approx(10.0, rel=0.02)
    assert infos[-1]["overruns_total"] <= 2  # a shared machine
    env.close()


@pytest.mark.point("trackmania", 13)
def test_a_delay_of_70_ms_is_made_up_for():
    env, clock = make()
    env.reset()
    began = clock.now()
    infos = drive(env, clock, [0.03] * 10 + [0.07] + [0.03] * 10)
    assert clock.now() - began == pytest.approx(21 * STEP_S, abs=1e-9)
    assert infos[-1]["overruns_total"] == 0


@pytest.mark.point("trackmania", 13)
def test_a_delay_of_120_ms_is_an_overrun_and_time_begins_anew():
    env, clock = make()
    env.reset()
    began = clock.now()
    infos = drive(env, clock, [0.03] * 10 + [0.12] + [0.03] * 10)
    assert clock.now() - began == pytest.approx(10 * STEP_S + 0.12 + 10 * STEP_S, abs=1e-9)
    assert [info["overrun"] for info in infos].count(True) == 1
    assert infos[-1]["overruns_total"] == 1


@pytest.mark.point("trackmania", 13)
def test_a_reset_is_nobodys_lateness():
    env, clock = make(ep_max_length=3)
    for _ in range(3):
        env.interface.fails["reset"] = lambda: clock.sleep(5.0)
        env.reset()
        infos = drive(env, clock, [0.03] * 3)
    assert infos[-1]["overruns_total"] == 0


@pytest.mark.point("trackmania", 14)
def test_the_game_waits_once_an_episode_in_the_step_that_ends_it():
    env, _ = make(ep_max_length=3, wait_on_done=True)
    for episode in range(3):
        env.reset()
        waits = []
        for _ in range(3):
            env.step(action(0.1))
            waits.append(env.interface.waits)
        assert waits == [episode, episode, episode + 1]


@pytest.mark.point("trackmania", 9)
@pytest.mark.parametrize(("ends_at", "terminated"), [(2, True), (None, False)])
def test_a_game_that_is_lost_while_it_waits_leaves_the_last_step_as_it_was(ends_at, terminated):
    env, _ = make(ep_max_length=2, wait_on_done=True)
    env.interface.ends_at = ends_at
    env.reset()
    env.step(action(0.1))
    env.interface.fails["wait"] = LinkFault(CLOSED, "127.0.0.1:9000", "closed the connection.")
    observation, reward, *flags, info = env.step(action(0.2))
    assert (flat(observation), reward, flags) == ([2, 0.1, 0.2], 1.5, [terminated, not terminated])
    assert "closed the connection" in info["fault"]
    assert info["end_cause"] != "link_lost"  # nothing of the episode was lost
    env.reset()
    assert "fault" not in env.step(action(0.1))[4]


@pytest.mark.point("trackmania", 15)
def test_rtgyms_handles_are_there():
    env, clock = make()
    bare = env.unwrapped
    assert bare.default_action.tolist() == [0.0]
    bare.wait()
    assert env.interface.waits == 1
    bare.set_default_action(action(0.5))
    bare.set_start_obs_capture(0.01)
    bare.set_time_step_duration(0.02)
    bare.set_ep_max_length(3)
    env.reset()
    began = clock.now()
    ends = [env.step(action(0.1))[3] for _ in range(3)]
    assert ends == [False, False, True]
    assert clock.now() - began == pytest.approx(0.06)
    assert env.interface.sent[1] == 0.5  # after the wait: the default action
    names = {"time_step_duration", "step_duration", "join_duration", "inference_duration"}
    assert set(bare.benchmarks()) == names | {"send_control_duration", "retrieve_obs_duration"}
    assert all(len(pair) == 2 for pair in bare.benchmarks().values())
    assert bare.timings.percentiles()["time_step_duration"] == pytest.approx((0.02, 0.02, 0.02))
    for call in (lambda: bare.set_time_step_duration(0.0), lambda: bare.set_start_obs_capture(1.0)):
        with pytest.raises(ConfigError):
            call()


@pytest.mark.parametrize("clock", [SimulatedTime, RealTime])
def test_what_a_preprocessor_sees_has_one_structure(clock):
    seen = []

    def look(observation):
        seen.append([element.shape for element in observation])
        return observation

    env, _ = make(clock(), obs_prepro_func=look, act_prepro_func=lambda one: -one)
    env.reset()
    env.step(action(0.5))
    env.step(action(0.0))
    assert seen == [[(1,), (1,), (1,)]] * 3
    assert env.interface.sent[1] == -0.5
    env.close()


@pytest.mark.point("trackmania", 9)
@pytest.mark.parametrize("clock", [SimulatedTime, RealTime])
@pytest.mark.parametrize("call", ["capture", "send", "reset", "wait"])
def test_what_an_interface_raises_reaches_the_caller(call, clock):
    env, _ = make(clock(), ep_max_length=3, wait_on_done=True)
    env.reset()
    began = time.monotonic()
    env.interface.fails[call] = ZeroDivisionError("on purpose")

    def drive_on():
        for _ in range(3):
            env.step(action(0.1))
        env.reset()

    with pytest.raises(ZeroDivisionError, match="on purpose"):
        drive_on()
    assert time.monotonic() - began < 3 * STEP_S + 1.0
    env.reset()  # and the env goes on
    assert flat(env.step(action(0.1))[0])[0] == 1
    env.close()


@pytest.mark.point("trackmania", 9)
def test_no_call_blocks_longer_than_a_step_and_a_second():
    env, _ = make(RealTime())
    env.reset()
    stuck = threading.Event()
    env.interface.fails["capture"] = lambda: stuck.wait(30.0)
    began = time.monotonic()
    results = [env.step(action(0.1))]
    if not results[-1][3]:  # the first step had been captured already
        results.append(env.step(action(0.1)))
    assert time.monotonic() - began < 3 * STEP_S + 1.0 + 0.5
    assert results[-1][3]
    assert "hang" in results[-1][4]["fault"]
    assert results[-1][4]["end_cause"] == "link_lost"
    env.reset()
    assert flat(env.step(action(0.1))[0])[0] == 1
    stuck.set()
    env.close()


@pytest.mark.point("trackmania", 8)
@pytest.mark.parametrize("clock", [SimulatedTime, RealTime])
def test_a_lost_link_truncates_with_the_last_observation(clock):
    env, _ = make(clock())
    env.reset()
    env.step(action(0.1))
    env.step(action(0.2))
    env.interface.fails["capture"] = LinkFault(CLOSED, "127.0.0.1:9000", "closed the connection.")
    steps = [env.step(action(0.3))]
    if not steps[-1][3]:
        steps.append(env.step(action(0.3)))
    observation, reward, terminated, truncated, info = steps[-1]
    assert (reward, terminated, truncated) == (0.0, False, True)
    assert info["end_cause"] == "link_lost"
    assert "closed the connection" in info["fault"]
    assert flat(observation)[0] == 1 + len(steps)  # the last that was captured
    assert env.observation_space.contains(observation)
    env.reset()
    assert flat(env.step(action(0.1))[0])[0] == 1
    assert env.interface.resets == 2
    env.close()


def test_actions_that_are_none_or_nonsense():
    env, _ = make()
    env.reset()
    for broken in ([np.nan], [0.0, 0.0], 0.5):
        with pytest.raises(ValueError, match="finite action"):
            env.step(broken)
    env.step(None)  # a person drives
    env.step(action(0.0))
    assert env.interface.sent == [0.0, None, 0.0]


def test_a_worker_closes_twice_and_starts_again():
    worker, done = ThreadWorker(), []
    for _ in range(2):
        worker.start(lambda: done.append("begin"), lambda: done.append("finish"))
        worker.join(5.0)
        worker.join(5.0)  # nothing runs
        worker.close()
        worker.close()
    assert done == ["begin", "finish"] * 2
