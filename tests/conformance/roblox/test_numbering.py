"""Ticks of games that number them: one that comes twice counts once, and those that do not come are counted."""

import pytest


def test_a_tick_that_comes_twice_is_paid_once_and_one_that_does_not_come_is_missed(driven, forwards, entry):
    world, env = driven()
    game = world.games[0]
    car = game.cars[0].id
    env.step(forwards())
    sent = env.account()["sent"]
    for number, reward in ((1, 1.0), (2, 2.0), (2, 2.0), (5, 3.0)):
        game.heard({"__tick": number, car: entry(0.75, reward)}, world.now())
    account, counters = env.account(), env.counters()
    assert account["waiting"] == 6.0
    assert account["dropped"] == 2.0
    assert account["sent"] - sent == 8.0
    assert (counters["ticks_repeated"], counters["ticks_missed"]) == (1, 2)


def test_an_end_that_comes_twice_is_told_once(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    env.step(forwards())
    for number in (7, 7):
        end = entry(0.75, -40.0, terminated=True, last_observation=[0.25] * 22)
        world.games[0].heard({"__tick": number, car: end}, world.now())
    _, rewards, terminated, _, _ = env.step(forwards())
    assert (rewards[0], terminated[0]) == (-40.0, True)
    counters = env.counters()
    assert (counters["ends_folded"], counters["empty_episodes"]) == (0, 0)


def test_empty_ticks_have_no_number_and_are_none_that_is_missing(driven, entry):
    world, env = driven()
    game = world.games[0]
    car = game.cars[0].id
    for said in ({"__tick": 1, car: entry()}, [], [], {"__tick": 4, car: entry()}, {"__tick": 5, car: entry()}):
        game.heard(said, world.now())
    assert env.counters()["ticks_missed"] == 0
    game.heard([], world.now())  # 6, twice: nobody can tell
    game.heard([], world.now())
    game.heard({"__tick": 7, car: entry(reward=1.0)}, world.now())
    assert (env.counters()["ticks_repeated"], env.counters()["ticks_missed"]) == (0, 0)


@pytest.mark.parametrize("number", [None, True, "3", 2.5, -1])
def test_numbers_that_are_none_do_no_harm(driven, entry, number):
    world, env = driven()
    game = world.games[0]
    before = env.counters()["ticks_missed"]
    for _ in range(3):
        game.heard({"__tick": number, game.cars[0].id: entry(reward=1.0)}, world.now())
    assert env.counters()["ticks_missed"] == before


def test_a_connection_counts_from_its_own_first_number(driven, entry):
    world, env = driven()
    game = world.games[0]
    game.heard({"__tick": 100, game.cars[0].id: entry()}, world.now())
    game.disconnected(world.now(), "a test")
    game.connected(world.now())
    game.heard({"__tick": 900, game.cars[0].id: entry()}, world.now())
    game.heard({"__tick": 3, game.cars[0].id: entry()}, world.now())  # the game counts anew
    assert (env.counters()["ticks_repeated"], env.counters()["ticks_missed"]) == (0, 0)
