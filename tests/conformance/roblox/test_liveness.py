"""A learner that takes its time, games that fall silent: freezing, pings, and closing what is dead."""

import numpy as np
import pytest


@pytest.mark.point("roblox", 19)
@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_a_stall_of_30_s_freezes_the_game_and_pays_nothing(lockstep, forwards, dialect):
    env = lockstep(3, games=1, dialect=dialect)
    env.reset(seed=0)
    for _ in range(5):
        env.step(forwards(3))
    before, ticks, empty = env.account(), env.counters()["ticks"], env.counters()["empty_ticks"]
    twin = env.world.twins[0]
    commands = []
    handle = twin.handle
    twin.handle = lambda command: commands.append((twin.now_s, command)) or handle(command)
    stalled_s = twin.now_s
    env.world.wait(lambda: False, env.world.now() + 30.0)
    freezes = [(time_s, command) for time_s, command in commands if command["command"] == "FREEZE"]
    assert [command["data"]["status"] for _, command in freezes] == [True]
    assert freezes[0][0] - stalled_s < 1.0
    assert not twin.wants_to_close
    assert twin.is_cut_off is False
    assert env.counters()["empty_ticks"] - empty > 430  # of 450: frozen games say []
    assert env.counters()["ticks"] > ticks
    frozen = env.account()
    commands.clear()
    _, _, terminated, truncated, infos = env.step(forwards(3))
    names = [command["command"] for _, command in commands]
    assert names[:2] == ["FREEZE", "ACTION"]
    assert commands[0][1]["data"]["status"] is False
    assert not (terminated | truncated).any()
    # What moved before the freeze came through is the last action's; nothing was paid while frozen.
    assert frozen["sent"] - before["sent"] == pytest.approx(frozen["waiting"] + frozen["dropped"])
    assert infos["ticks"].max() <= 10


def test_rewards_of_a_stall_are_dropped(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    env.step(forwards())
    world.idle = [lambda game: {car: entry(0.5, 1.0)}]
    world.sleep(2.0)  # this game ignores FREEZE
    account = env.account()
    assert account["waiting"] == 7.0  # 0.5 s at 15 Hz
    assert account["dropped"] == account["sent"] - 7.0
    _, rewards, *_ = env.step(forwards())
    assert rewards[0] == 8.0


@pytest.mark.point("roblox", 20)
def test_a_stall_of_30_s_sends_v0_zero_actions_and_an_end_in_it_is_a_truncation(driven, forwards, entry):
    world, env = driven(dialect="v0")
    car = world.games[0].cars[0].id
    env.step(forwards())
    world.sent.clear()
    world.sleep(15.0)
    world.games[0].heard({car: entry(0.9, -10.0, width=19, terminated=True)}, world.now())
    world.sleep(15.0)
    actions = world.commands("ACTION")
    assert len(actions) >= 430  # every tick but the first half second's
    assert all(action["data"] == {car: [0.0, 0.0, 0.0]} for action in actions)
    assert world.commands("FREEZE") == []
    seen, rewards, terminated, truncated, infos = env.step(forwards())
    assert (terminated[0], truncated[0]) == (False, True)
    assert infos["reason"][0] == "stall"
    assert rewards[0] == 0.0
    assert seen[0, 0] == pytest.approx(0.9)
    assert env.account()["dropped"] == -10.0


@pytest.mark.point("roblox", 21)
@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_in_5_minutes_no_game_is_without_a_message_for_6_s(driven, forwards, dialect):
    world, env = driven(dialect=dialect)
    random = np.random.default_rng(0)
    end_s, heard_s, gaps = world.now() + 300.0, [world.now()], []
    while world.now() < end_s:
        for _ in range(int(random.integers(1, 30))):
            env.step(forwards())
        world.sleep(float(random.uniform(0.0, 25.0)))
    heard_s += [time_s for time_s, _, _ in world.sent]
    gaps = np.diff([*heard_s, world.now()])
    assert gaps.max() < 6.0


def test_pings_bring_the_time_and_answers_are_measured(driven):
    world, _ = driven()
    world.sleep(6.0)
    ping = world.commands("PING")[0]
    world.games[0].heard({"__pong": {"t": ping["data"]["t"]}}, ping["data"]["t"] + 0.02)
    summary = world.games[0].round_trips.summary()
    assert summary["samples"] == 1
    assert summary["p50_ms"] == pytest.approx(20.0)
    world.games[0].heard({"__pong": {"t": "x"}}, world.now())
    world.games[0].heard({"__pong": None}, world.now())
    assert world.games[0].round_trips.summary()["samples"] == 1


def test_a_v2_game_that_is_driven_is_pinged_too_and_an_old_one_is_not(driven, forwards):
    for dialect, pings in (("v2", 4), ("v0", 0)):
        world, env = driven(dialect=dialect)
        until_s = world.now() + 20.5
        while world.now() < until_s:
            env.step(forwards())
        assert len(world.commands("PING")) == pings  # every 5 s


def test_the_first_ping_brings_the_time_at_which_it_left(scripted):
    world = scripted(is_connected=False)
    game = world.games[0]
    game.connected(100.0)
    assert game.due(100.02)[0] == {"command": "PING", "envid": "", "data": {"t": 100.02}}


@pytest.mark.point("roblox", 22)
def test_a_game_that_ticks_no_more_is_hung_up_after_5_s_but_not_a_frozen_one(driven, forwards):
    world, env = driven()
    game = world.games[0]
    env.step(forwards())
    assert game.why_close(world.now()) is None
    world.idle = [None]
    world.sleep(0.4)
    assert game.why_close(world.now()) is None
    game.is_driven = True  # so that it is not frozen
    world.sleep(4.4)
    assert game.why_close(world.now()) is None
    world.sleep(0.4)
    assert "no tick for 5." in (game.why_close(world.now()) or "")
    game.freeze()
    assert game.why_close(world.now()) is None
    world.sleep(16.0)
    assert "no tick for 2" in game.why_close(world.now())  # a frozen game says [], a dead one nothing


def test_v0_is_told_to_be_restarted(driven):
    world, _ = driven(dialect="v0")
    world.idle = [None]
    world.sleep(6.0)
    assert "never reconnects" in world.games[0].why_close(world.now())


def test_no_car_is_spawned_while_frozen(driven, forwards):
    world, env = driven()
    env.step(forwards())
    env.freeze()
    world.idle = [lambda game: []]
    world.sleep(60.0)
    assert [name for name in ("RESET_AGENTS", "SPAWN_AGENTS") if world.commands(name)] == []
    assert [command["data"]["status"] for command in world.commands("FREEZE")] == [True]
    env.freeze(False)
    assert world.commands("FREEZE")[-1]["data"]["status"] is False
