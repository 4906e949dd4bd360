"""The game's clock: ticks, silence, idle cars; and that equal games are equal to the bit."""

import numpy as np
import pytest

from envs.roblox.twin.game import RobloxGame


@pytest.mark.parametrize(
    ("fps", "seconds", "count"), [(15, 10, 150), (60, 2, 120), (7, 10, 70), (1, 5, 5), (25, 4, 100)]
)
def test_ticks_come_at_their_rate(driven, fps, seconds, count):
    drive = driven(fps=fps)
    assert len(drive.game.advance(seconds)) == count


def test_a_tick_is_every_fourth_frame(driven):
    drive = driven()
    assert drive.game.advance(0.066) == []
    assert len(drive.game.advance(0.001)) == 1
    assert drive.game.next_tick_s == pytest.approx(8 / 60, abs=2e-6)


def test_however_time_is_cut_the_same_happens():
    def run(cuts):
        game = RobloxGame(2, dialect="v1")
        cars = [f"car_{number}_env_a" for number in range(5)]
        game.handle({"command": "SPAWN_AGENTS", "envid": "a", "data": {"agents": cars}})
        game.handle({"command": "UPDATE_COLLISIONS", "envid": "", "data": {"enable_collisions": True}})
        random, said = np.random.default_rng(0), []
        for _ in range(200):
            actions = {car: random.uniform(-0.2, 1.0, 3).tolist() for car in cars}
            game.handle({"command": "ACTION", "envid": "a", "data": actions})
            for cut in cuts:
                said += game.advance(cut)
        return said

    whole = run([0.07])
    assert len(whole) == 210
    assert any(entry["terminated"] for tick in whole for entry in tick.values())
    assert whole == run([0.07]) == run([0.013, 0.0004, 0.0566])


def test_equal_seeds_and_commands_give_equal_bits():
    def run(seed):
        game = RobloxGame(seed)
        said = []
        for env in ("a", "b"):
            cars = [f"car_{number}_env_{env}" for number in range(4)]
            game.handle({"command": "SPAWN_AGENTS", "envid": env, "data": {"agents": cars}})
        random = np.random.default_rng(5)
        for _ in range(300):
            for env in ("a", "b"):
                actions = {f"car_{number}_env_{env}": random.uniform(-1, 1, 3).tolist() for number in range(4)}
                game.handle({"command": "ACTION", "envid": env, "data": actions})
            said += game.advance_to_tick()
        return said

    assert run(1) == run(1)
    assert run(1) != run(2)


@pytest.mark.parametrize(("dialect", "closes"), [("v0", False), ("v1", True), ("v2", True)])
def test_after_twenty_seconds_of_silence_the_game_closes(driven, dialect, closes):
    drive = driven(dialect, cars=0)
    drive.game.handle({"command": "PING", "envid": "", "data": {}})
    drive.game.advance(20.0)
    assert not drive.game.wants_to_close
    drive.game.advance(1.1)  # it looks once a second
    assert drive.game.wants_to_close == closes
    drive.game.disconnect()
    drive.game.connect()
    assert not drive.game.wants_to_close


@pytest.mark.point("roblox", 22)
@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_without_any_action_the_game_stops_ticking_for_good(driven, dialect):
    drive = driven(dialect, cars=2, stuck_s=100.0)
    ticks = drive.ticks(400)
    assert len(ticks) == 250
    assert drive.game.is_cut_off
    drive.say("SPAWN_AGENTS", {"agents": drive.cars})
    assert drive.ticks(50) == []
    drive.game.disconnect()
    drive.game.connect()
    drive.say("SPAWN_AGENTS", {"agents": drive.cars})
    assert len(drive.ticks(5)) == 5


def test_v0_never_stops(driven):
    assert len(driven("v0").ticks(400)) == 400


def test_one_car_acted_on_is_enough(driven):
    drive = driven("v2", cars=2)
    for _ in range(30):
        drive.act(0.0, 0.0, 0.0, car=drive.cars[1])
        assert len(drive.ticks(10)) == 10
    assert not drive.game.is_cut_off


def test_a_disconnect_takes_all_cars(driven):
    drive = driven("v2", cars=3)
    drive.game.disconnect()
    assert drive.tick() == []
    drive.say("SPAWN_AGENTS", {"agents": drive.cars})
    assert set(drive.tick()) == set(drive.cars)


@pytest.mark.timing
def test_lockstep_is_fast():
    import time

    game = RobloxGame(0)
    envs = {env: [f"car_{number}_env_{env}" for number in range(5)] for env in "abcd"}
    for env, cars in envs.items():
        game.handle({"command": "SPAWN_AGENTS", "envid": env, "data": {"agents": cars}})

    def run(ticks):
        for _ in range(ticks):
            for env, cars in envs.items():
                game.handle({"command": "ACTION", "envid": env, "data": {car: [0.9, 0.0, -1.0] for car in cars}})
            game.advance_to_tick()

    run(50)
    began = time.process_time()
    run(500)
    assert 500 * 20 / (time.process_time() - began) > 10_000  # car-steps a second, of one core
