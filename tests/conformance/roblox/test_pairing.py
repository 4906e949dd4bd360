"""A step: which ticks belong to it, who is waited for, and the step that begins an episode."""

import numpy as np
import pytest

from envs.errors import SimulatorUnavailable

TICK_S = 1.0 / 15.0


def crash(entry, value=0.9, **more):
    return entry(value, -40.0, terminated=True, last_observation=[0.7] * 22, **more)


def test_a_step_returns_the_tick_after_its_action(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    world.queues[0] += [{car: entry(0.1, 1.0)}, {car: entry(0.2, 2.0)}]
    began_s = world.now()
    seen, rewards, _, _, infos = env.step(forwards())
    assert seen[0, 0] == pytest.approx(0.1)
    assert rewards[0] == 1.0
    assert world.now() - began_s == pytest.approx(TICK_S)
    assert infos["ticks"][0] == 1
    assert infos["car_id"][0] == car
    assert infos["env_id"][0] == world.games[0].roster.env_ids[0]
    assert infos["dialect"][0] == "v2"
    assert infos["frames"][0] == 4


def test_two_ticks_are_waited_for_where_that_is_wanted(driven, forwards, entry):
    world, env = driven(options={"min_ticks": 2})
    car = world.games[0].cars[0].id
    world.queues[0] += [{car: entry(0.1, 1.0)}, {car: entry(0.2, 2.0)}]
    seen, rewards, _, _, infos = env.step(forwards())
    assert (seen[0, 0], rewards[0]) == (pytest.approx(0.2), 3.0)
    assert infos["link_skipped"][0] == 0


@pytest.mark.point("roblox", 13)
def test_the_tick_without_the_car_that_ends_is_no_staleness_and_no_second_end(driven, forwards, entry):
    world, env = driven(2)
    first, second = (car.id for car in world.games[0].cars)
    env.step(forwards(2))
    world.queues[0] += [{second: entry()}, {first: crash(entry), second: entry()}]
    _, _, terminated, truncated, infos = env.step(forwards(2))
    assert terminated.tolist() == [True, False]
    assert infos["stale"].tolist() == [False, False]
    assert infos["ticks"].tolist() == [1, 2]
    for _ in range(3):
        _, _, terminated, truncated, _ = env.step(forwards(2))
        assert not (terminated | truncated).any()


def test_a_straggler_is_waited_for_150_ms_and_then_stale(driven, forwards, entry):
    world, env = driven(2)
    first = world.games[0].cars[0].id
    env.step(forwards(2))
    world.idle = [lambda game: {first: entry(0.3, 1.0)}]
    began_s = world.now()
    seen, rewards, terminated, truncated, infos = env.step(forwards(2))
    # ready after one tick; 150 ms later is within the fourth
    assert world.now() - began_s == pytest.approx(4 * TICK_S)
    assert infos["stale"].tolist() == [False, True]
    assert rewards.tolist() == [4.0, 0.0]
    assert seen[1, 0] == 0.5  # its last one
    assert not (terminated | truncated).any()


def test_a_game_without_ticks_is_given_up_after_2_s(driven, forwards):
    world, env = driven()
    world.idle = [None]
    began_s = world.now()
    _, rewards, terminated, truncated, infos = env.step(forwards())
    assert world.now() - began_s == pytest.approx(2.0, abs=TICK_S)
    assert infos["stale"][0]
    assert not (terminated | truncated).any()
    assert rewards[0] == 0.0


@pytest.mark.point("roblox", 15)
def test_the_step_after_an_end_begins_the_next_episode_and_ignores_the_action(driven, forwards, entry):
    world, env = driven(2)
    first, second = (car.id for car in world.games[0].cars)
    env.step(forwards(2))
    world.queues[0] += [
        {first: crash(entry), second: entry()},
        {first: entry(0.11, 3.0), second: entry(0.5, 1.0)},
        {first: entry(0.22, 5.0), second: entry(0.5, 1.0)},
    ]
    env.step(forwards(2))
    world.sent.clear()
    seen, rewards, terminated, truncated, infos = env.step(forwards(2))
    assert rewards.tolist() == [0.0, 1.0]
    assert not (terminated | truncated).any()
    assert seen[0, 0] == pytest.approx(0.11)
    assert infos["pre_action_reward"].tolist() == [3.0, 0.0]
    assert infos["frames"].tolist() == [0, 4]
    actions = world.commands("ACTION")[0]["data"]
    assert actions == {first: [0.0, 0.0, 0.0], second: [1.0, 0.0, -1.0]}
    _, rewards, *_ = env.step(forwards(2))
    assert rewards.tolist() == [5.0, 1.0]


def test_what_comes_between_the_reset_and_the_first_action_is_not_learned_from(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    env.step(forwards())
    world.queues[0].append({car: crash(entry)})
    env.step(forwards())
    env.step(forwards())
    world.games[0].heard({car: entry(0.1, 8.0)}, world.now())
    world.queues[0].append({car: entry(0.1, 2.0)})
    _, rewards, _, _, infos = env.step(forwards())
    assert (rewards[0], infos["pre_action_reward"][0]) == (2.0, 8.0)


def test_an_episode_that_ends_before_its_first_action_is_counted(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    env.step(forwards())
    world.queues[0].append({car: crash(entry)})
    env.step(forwards())
    world.games[0].heard({car: entry(0.1, 1.0)}, world.now())
    world.games[0].heard({car: crash(entry, 0.15)}, world.now())
    seen, rewards, terminated, *_ = env.step(forwards())
    assert (rewards[0], terminated[0], seen[0, 0]) == (0.0, False, pytest.approx(0.15))
    assert env.counters()["empty_episodes"] == 1
    assert env.account()["pre_action"] == -39.0


def test_an_episode_that_was_shown_and_ended_before_its_first_action_is_truncated(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    env.step(forwards())
    world.queues[0].append({car: crash(entry, 0.1)})
    env.step(forwards())
    shown, *_ = env.step(forwards())
    assert shown[0, 0] == pytest.approx(0.1)
    world.games[0].heard({car: entry(0.2, 1.0)}, world.now())
    world.games[0].heard({car: crash(entry, 0.15)}, world.now())  # nobody has driven yet
    seen, rewards, terminated, truncated, infos = env.step(forwards())
    assert (rewards[0], terminated[0], truncated[0]) == (0.0, False, True)
    assert seen[0, 0] == pytest.approx(0.7)  # the final one of the episode that was shown
    assert infos["reason"][0] == "undriven"
    assert env.account()["pre_action"] == -39.0
    seen, rewards, terminated, truncated, _ = env.step(forwards())
    assert (rewards[0], terminated[0], truncated[0]) == (0.0, False, False)


@pytest.mark.point("roblox", 14)
def test_terminate_all_ends_the_other_cars_as_truncated(lockstep, forwards):
    env = lockstep(4, games=1, cars=4, dialect="v2", twin_game={"terminate_all": True})
    env.reset(seed=2)
    steer = np.linspace(-1.0, 1.0, 4)
    for _ in range(100):
        actions = forwards(4)
        actions[:, 1] = steer  # the outer ones meet a wall first
        _, _, terminated, truncated, _ = env.step(actions)
        if terminated.any():
            break
    assert 1 <= terminated.sum() < 4
    others = ~terminated
    while not (terminated | truncated).all():
        actions[:, 1] = 0.0
        _, _, late_terminated, late_truncated, _ = env.step(actions)
        truncated = truncated | (late_truncated & others)
        assert not (late_terminated & others & ~truncated).any()
    assert truncated[others].all()


@pytest.mark.point("roblox", 26)
def test_a_car_that_never_appears_is_respawned_named_and_left_out(scripted, entry, forwards, caplog):
    from envs.roblox.vector import RobloxVectorEnv

    world = scripted(2)
    there, missing = world.games[0].cars
    world.idle = [lambda game: {there.id: entry(0.5, 1.0)}]
    env = RobloxVectorEnv(2, world=world, actions="game")
    began_s = world.now()
    env.reset()
    assert world.now() - began_s < 60.0
    resets = world.commands("RESET_AGENTS")
    assert [command["data"]["agents"] for command in resets] == [[missing.id]] * 3
    errors = [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]
    assert len(errors) == 1
    assert missing.id in errors[0]
    for _ in range(5):
        seen, rewards, _, truncated, infos = env.step(forwards(2))
        assert rewards.tolist() == [1.0, 0.0]
        assert truncated.tolist() == [False, True]  # again and again: nobody learns from it
        assert infos["stale"].tolist() == [False, True]
        assert seen[1].any()  # never a made-up observation of zeros
    assert infos["ticks"][0] == 1  # nobody waits for it
    world.idle = [lambda game: {there.id: entry(0.5, 1.0), missing.id: entry(0.25)}]
    env.step(forwards(2))
    _, _, _, truncated, _ = env.step(forwards(2))
    assert not truncated.any()


def test_a_car_that_is_not_seen_for_10_s_ends_and_is_respawned(driven, forwards, entry):
    world, env = driven(2)
    there, lost = world.games[0].cars
    env.step(forwards(2))
    world.idle = [lambda game: {there.id: entry(0.5, 1.0)}]
    began_s, truncated = world.now(), np.zeros(2, bool)
    while not truncated.any():
        _, _, _, truncated, infos = env.step(forwards(2))
    assert 10.0 <= world.now() - began_s < 11.0
    assert truncated.tolist() == [False, True]
    assert infos["reason"][1] == "stale"
    assert lost.id in infos["fault"][1]


def test_an_episode_is_truncated_after_as_many_steps_as_wanted_and_its_car_reset(driven, forwards, entry):
    world, env = driven(2, options={"episode_steps": 3})
    ends = [env.step(forwards(2))[3].tolist() for _ in range(3)]
    assert ends == [[False, False], [False, False], [True, True]]
    _, rewards, *_ = env.step(forwards(2))
    assert rewards.tolist() == [0.0, 0.0]
    assert world.commands("RESET_AGENTS")[0]["data"]["agents"] == [car.id for car in world.games[0].cars]


def test_no_game_is_an_error_after_as_long_as_was_said(scripted, forwards):
    from envs.roblox.vector import RobloxVectorEnv

    world = scripted(is_connected=False)
    env = RobloxVectorEnv(1, world=world, connect_timeout_s=90.0)
    began_s = world.now()
    with pytest.raises(SimulatorUnavailable, match=r"Waited 90 s for 1 of 1 games at a test"):
        env.reset()
    assert world.now() - began_s == pytest.approx(90.0, abs=TICK_S)


def test_cars_that_observe_nothing_are_named_and_so_is_the_cause(scripted, entry, caplog):
    from envs.roblox.vector import RobloxVectorEnv

    caplog.set_level("INFO", logger="envs.roblox")
    world = scripted(1, dialect="v0")
    car = world.games[0].cars[0].id
    world.idle = [lambda game: {car: {"reward": 0.0, "terminated": False, "truncated": False}}]
    env = RobloxVectorEnv(1, world=world, dialect="v0", connect_timeout_s=40.0)
    with pytest.raises(SimulatorUnavailable, match=f"observations of {car}.*have no obs.*rays"):
        env.reset()
    assert any(car in record.getMessage() for record in caplog.records)


@pytest.mark.point("roblox", 25)
def test_without_any_game_for_two_minutes_it_says_so_and_waits(scripted, forwards, caplog):
    from envs.roblox.vector import RobloxVectorEnv

    caplog.set_level("INFO", logger="envs.roblox")
    world = scripted(is_connected=False)
    env = RobloxVectorEnv(1, world=world)
    tick, comes_s = world.tick, world.now() + 120.0

    def tick_until_it_comes():
        tick()
        if world.now() > comes_s and not world.games[0].is_connected:
            world.games[0].connected(world.now())

    world.tick = tick_until_it_comes
    env.reset()
    assert world.now() > comes_s
    waiting = [record.getMessage() for record in caplog.records if "Waiting for 1 of 1 games" in record.getMessage()]
    assert 4 <= len(waiting) <= 6  # every 30 s
    assert "start the game in Roblox Studio" in waiting[0]


@pytest.mark.point("roblox", 23)
def test_a_game_that_is_lost_truncates_and_goes_on_in_the_same_slots(driven, forwards, entry):
    world, env = driven(2, games=2)
    ids = [car.id for car in world.games[0].cars]
    env.step(forwards(4))
    world.games[0].heard({ids[0]: entry(0.33, 7.0)}, world.now())
    world.games[0].disconnected(world.now(), "it closed the connection")
    seen, rewards, terminated, truncated, infos = env.step(forwards(4))
    assert truncated.tolist() == [True, True, False, False]
    assert not terminated.any()
    assert (seen[0, 0], rewards[0]) == (pytest.approx(0.33), 7.0)
    assert seen[1, 0] == 0.5
    assert infos["reason"][:2].tolist() == ["disconnect"] * 2
    assert "it closed the connection" in infos["fault"][0]
    for _ in range(3):  # the other game goes on alone, at its own rate
        began_s = world.now()
        _, rewards, _, truncated, infos = env.step(forwards(4))
        assert world.now() - began_s == pytest.approx(TICK_S)
        assert truncated.tolist() == [True, True, False, False]
        assert rewards[:2].tolist() == [0.0, 0.0]
    world.games[0].connected(world.now())
    for _ in range(3):
        _, _, _, truncated, infos = env.step(forwards(4))
    assert not truncated.any()
    assert infos["car_id"][:2].tolist() == ids


@pytest.mark.point("roblox", 24)
def test_without_any_game_for_3_minutes_a_step_fails_once_and_then_goes_on(driven, forwards):
    world, env = driven()
    env.step(forwards())
    world.games[0].disconnected(world.now(), "it closed the connection")
    assert env.step(forwards())[3][0]
    began_s = world.now()
    with pytest.raises(SimulatorUnavailable, match=r"within 120 s \(env.reconnect_timeout_s\).*it closed"):
        env.step(forwards())
    assert world.now() - began_s == pytest.approx(120.0, abs=TICK_S)
    tick, comes_s = world.tick, world.now() + 60.0

    def tick_until_it_comes():
        tick()
        if world.now() > comes_s and not world.games[0].is_connected:
            world.games[0].connected(world.now())

    world.tick = tick_until_it_comes
    env.reset()  # as whoever builds the env anew does
    assert not env.step(forwards())[3].any()
