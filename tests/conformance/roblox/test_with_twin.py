"""The bridge and the twin over sockets, on a clock that runs faster."""

import contextlib
import time

import numpy as np
import pytest

from envs.roblox import hubs
from envs.roblox.twin.client import TwinClient
from envs.roblox.vector import RobloxVectorEnv


@pytest.fixture
def beside():
    """Return a function that makes a vector env of two cars, and a twin that connects to it."""
    stack = contextlib.ExitStack()

    def make(dialect, speed, faults=None, choice="auto", **arguments):
        env = RobloxVectorEnv(2, port=0, speed=speed, actions="game", dialect=choice, **arguments)
        stack.callback(env.close)
        url = f"{env.world.hub.url}/abc"
        twin = stack.enter_context(TwinClient(url, speed=speed, game={"dialect": dialect}, faults=faults))
        return env, twin

    yield make
    stack.close()
    hubs.end_all()


@pytest.mark.point("roblox", 3)
@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_twins_are_told_apart(beside, dialect):
    env, _ = beside(dialect, speed=5.0)
    env.reset()
    assert env.world.games[0].dialect == dialect
    assert env.counters()["wrong_widths"] == 0
    _, _, _, truncated, infos = env.step(np.zeros((2, 3), np.float32))
    assert infos["dialect"].tolist() == [dialect] * 2
    assert not truncated.any()


@pytest.mark.timing
@pytest.mark.point("roblox", 3)
@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_twins_are_told_apart_20_times_of_20_within_3_s(beside, dialect):
    for _ in range(20):
        env, twin = beside(dialect, speed=2.0)
        connected = env.world.games[0]
        with env.world.lock:
            env.world.wait(lambda game=connected: game.is_connected, env.world.now() + 60.0)
            began_s = env.world.now()
            assert env.world.wait(lambda game=connected: game.dialect is not None, began_s + 10.0)
            assert env.world.now() - began_s < 3.0
        assert connected.dialect == dialect
        twin.close()


@pytest.mark.point("roblox", 22)
@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_a_game_that_cut_itself_off_is_hung_up_and_comes_back(beside, eventually, forwards, dialect):
    env, twin = beside(dialect, speed=20.0, choice=dialect, auto_freeze_s=3600.0)
    env.reset()
    game = env.world.games[0]
    env.step(forwards(2))
    ids = [car.id for car in game.cars]
    eventually(lambda: game.counters.connections == 2, timeout_s=20.0)  # 17 s, 5 s, 5 s: 1.4 s at this speed
    eventually(lambda: twin.connections == 2)
    assert "no tick for 5." in game.fault
    _, _, _, truncated, _ = env.step(forwards(2))
    assert truncated.all()  # they stood still, or were lost
    for _ in range(3):
        _, _, _, truncated, infos = env.step(forwards(2))
    assert not truncated.any()
    assert infos["car_id"].tolist() == ids
    assert infos["link_reconnects"].tolist() == [1, 1]


@pytest.mark.point("roblox", 10)
@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_the_account_closes_with_ticks_lost_doubled_and_full_of_nan(beside, forwards, eventually, dialect):
    faults = {"drop_ticks": 0.1, "dup_ticks": 0.1, "nan": 0.05}
    env, twin = beside(dialect, speed=5.0, faults=faults, choice=dialect)
    env.reset()
    returned, ends, was_done = 0.0, 0, np.zeros(2, bool)
    for step in range(90):
        _, rewards, terminated, truncated, _ = env.step(forwards(2))
        returned += rewards.sum()
        ends += int(((terminated | truncated) & ~was_done).sum())
        was_done = terminated | truncated
        if step % 20 == 0:
            time.sleep(3 / 15 / 5.0)  # a learner that is three ticks late
    with twin.lock:  # it ticks no more; what it has sent arrives
        eventually(lambda: env.account()["sent"] == pytest.approx(twin.wire.reward_sent, abs=1e-6))
        ends_sent = twin.wire.ends_sent
    with env.world.lock:
        account, counters = env.account(), env.counters()
        waiting = sum(slot.car.fold.has_end for slot in env.pairing.slots)
    assert ends >= 1
    assert ends_sent == ends + waiting + sum(counters[name] for name in ("ends_folded", "empty_episodes", "repeated"))
    total = account["delivered"] + account["dropped"] + account["pre_action"] + account["waiting"]
    assert account["sent"] == pytest.approx(total, abs=1e-6)
    assert account["delivered"] == pytest.approx(returned, abs=1e-6)
    assert counters["nonfinite"] > 0
    assert counters["connections"] == 1


@pytest.mark.timing
@pytest.mark.point("roblox", 27)
def test_a_step_takes_a_tick_at_15_hz(beside, forwards):
    env, _ = beside("v2", speed=1.0)
    env.reset()
    for _ in range(10):
        env.step(forwards(2) * 0.2)
    took_s = []
    for _ in range(100):
        began_s = time.perf_counter()
        env.step(forwards(2) * 0.2)
        took_s.append(time.perf_counter() - began_s)
    assert 0.060 <= np.percentile(took_s, 50) <= 0.080
