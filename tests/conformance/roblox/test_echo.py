"""Ticks with numbers, and actions that are confirmed: additions that remove doubts."""

import pytest


def test_a_tick_that_comes_twice_counts_once(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    env.step(forwards())
    world.queues[0] += [{car: entry(0.2, 1.0, tick=7)}]
    env.step(forwards())
    for tick in (7, 6):
        world.games[0].heard({car: entry(0.1, 4.0, tick=tick)}, world.now())
    world.queues[0] += [{car: entry(0.3, 2.0, tick=8.0)}]
    seen, rewards, _, _, infos = env.step(forwards())
    assert (seen[0, 0], rewards[0], infos["ticks"][0]) == (pytest.approx(0.3), 2.0, 1)
    assert env.counters()["doubled"] == 2
    assert env.account()["dropped"] == 8.0
    world.games[0].disconnected(world.now(), "it closed the connection")
    world.games[0].connected(world.now())  # a game that begins anew counts anew
    world.queues[0] += [{car: entry(0.4, 3.0, tick=1)}]
    env.step(forwards())
    env.step(forwards())
    assert env.counters()["doubled"] == 2


def test_a_step_waits_for_a_tick_that_knows_its_action(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    world.queues[0] += [{car: entry(0.1, 1.0, action_id=1)}]
    env.step(forwards())
    world.queues[0] += [{car: entry(0.2, 2.0, action_id=1)}, {car: entry(0.3, 4.0, action_id=2)}]
    seen, rewards, _, _, infos = env.step(forwards())
    assert (seen[0, 0], rewards[0], infos["ticks"][0]) == (pytest.approx(0.3), 6.0, 2)
    world.queues[0] += [{car: entry(0.4, 1.0, action_id=3)}]
    seen, *_ = env.step(forwards())
    assert seen[0, 0] == pytest.approx(0.4)


def test_a_game_that_counts_otherwise_costs_a_second_once(driven, forwards, entry):
    world, env = driven()
    car, taken = world.games[0].cars[0].id, [0]
    world.idle = [lambda game: {car: entry(0.5, 1.0, action_id=taken[0])}]
    began_s = world.now()
    env.step(forwards())  # it has lost this action
    assert world.now() - began_s == pytest.approx(1.0, abs=0.01)
    for _ in range(5):
        taken[0] += 1
        _, _, _, truncated, infos = env.step(forwards())
        assert infos["ticks"][0] == 1
        assert not truncated[0]


def test_the_twins_companion_confirms_each_action(lockstep, forwards):
    env = lockstep(2, games=1, dialect="v2", twin_game={"companion": True})
    env.reset(seed=0)
    for _ in range(40):
        _, _, terminated, truncated, infos = env.step(forwards(2) * 0.3)
        assert (infos["ticks"][~(terminated | truncated)] <= 1).all()
    assert env.counters()["doubled"] == 0
