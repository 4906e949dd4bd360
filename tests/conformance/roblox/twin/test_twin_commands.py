"""Which commands each dialect knows, and what it makes of those that are wrong."""

import math

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.roblox.twin.game import RobloxGame

DIALECTS = ["v0", "v1", "v2"]
KNOWN = {
    "SPAWN_AGENTS": "v0 v1 v2",
    "RESET": "v0",
    "RESET_AGENTS": "v1 v2",
    "REMOVE_AGENTS": "v1 v2",
    "ACTION": "v0 v1 v2",
    "CREATE_ENV": "v1 v2",
    "CLOSE": "v0 v1 v2",
    "CLOSE_ALL": "v1 v2",
    "FREEZE": "v1 v2",
    "UPDATE_COLLISIONS": "v1 v2",
    "PING": "v1 v2",
    "SET_TRACK": "",
    "DANCE": "",
}
DATA = {
    "FREEZE": {"status": False},
    "UPDATE_COLLISIONS": {"enable_collisions": True},
    "SPAWN_AGENTS": {"agents": []},
    "RESET": {"agents": []},
    "RESET_AGENTS": {"agents": []},
    "REMOVE_AGENTS": {"agents": []},
    "SET_TRACK": {"seed": 1},
}


@pytest.mark.parametrize("dialect", DIALECTS)
@pytest.mark.parametrize("name", KNOWN)
def test_the_table_of_commands(driven, dialect, name, caplog):
    drive = driven(dialect)
    drive.say(name, DATA.get(name))
    is_known = dialect in KNOWN[name].split()
    assert drive.game.commands.unknown == (0 if is_known else 1)
    assert drive.game.commands.malformed == 0
    assert ("Unknown command" in caplog.text) == (not is_known and dialect != "v0")


@pytest.mark.point("roblox", 3)
@pytest.mark.parametrize(("dialect", "answer"), [("v0", []), ("v1", []), ("v2", [{"__pong": {"t": 12.5}}])])
def test_only_v2_answers_a_ping(driven, dialect, answer):
    assert driven(dialect).say("PING", {"t": 12.5}) == answer


@pytest.mark.point("roblox", 3)
@pytest.mark.parametrize(("dialect", "is_silent"), [("v0", False), ("v1", True), ("v2", True)])
def test_probing_by_freeze(driven, dialect, is_silent):
    drive = driven(dialect)
    drive.tick()
    drive.say("FREEZE", {"status": True})
    ticks = drive.ticks(8)
    assert all(tick == [] for tick in ticks) == is_silent
    assert any(tick == [] for tick in ticks) == is_silent
    drive.say("FREEZE", {"status": False})
    assert drive.cars[0] in drive.tick()


def test_before_the_first_spawn_ticks_are_empty_lists(driven):
    drive = driven(cars=0)
    assert drive.ticks(20) == [[]] * 20


@pytest.mark.parametrize("dialect", DIALECTS)
def test_a_tick_tells_of_all_cars_of_all_envs(driven, dialect):
    drive = driven(dialect, cars=0)
    for env in range(2):
        drive.say("SPAWN_AGENTS", {"agents": driven.ids(3, env)}, env=env)
    message = drive.tick()
    assert set(message) == {*driven.ids(3, 0), *driven.ids(3, 1)}
    assert set(message[driven.ids(1)[0]]) == {"obs", "reward", "terminated", "truncated"}


@pytest.mark.parametrize(("dialect", "left"), [("v0", 0), ("v1", 2), ("v2", 2)])
def test_close_is_of_an_env_and_in_v0_of_all(driven, dialect, left):
    drive = driven(dialect, cars=0)
    for env in range(2):
        drive.say("SPAWN_AGENTS", {"agents": driven.ids(2, env)}, env=env)
    drive.say("CLOSE", env=1)
    assert len(drive.tick()) == left


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_close_all_and_remove(driven, dialect):
    drive = driven(dialect, cars=3)
    drive.say("REMOVE_AGENTS", {"agents": drive.cars[1:2]})
    assert set(drive.tick()) == {drive.cars[0], drive.cars[2]}
    drive.say("CLOSE_ALL")
    assert drive.tick() == []


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_spawning_an_existing_car_respawns_it(driven, dialect):
    drive = driven(dialect)
    drive.place(400.0, speed=50.0)
    drive.say("SPAWN_AGENTS", {"agents": drive.cars})
    assert drive.speed() == 0.0
    assert len(drive.tick()) == 1


def test_v0_spawning_twice_leaves_an_orphan(driven):
    drive = driven("v0")
    drive.place(34.0)
    drive.say("SPAWN_AGENTS", {"agents": drive.cars})
    assert len(drive.tick()) == 1
    assert drive.game.fleet.is_present.sum() == 2
    drive.place(4.0)
    assert drive.entry()["obs"][8] == pytest.approx(26.0 / 375.0)  # in the way, 30 studs ahead
    drive.say("CLOSE")
    assert drive.game.fleet.is_present.sum() == 0


def test_v0_spawns_car_n_at_point_n_or_fails(driven):
    drive = driven("v0", cars=0, num_spawns=3)
    drive.say("SPAWN_AGENTS", {"agents": driven.ids(5)})
    assert set(drive.tick()) == set(driven.ids(3))
    assert drive.game.commands.malformed == 1
    for number, car in enumerate(driven.ids(3)):
        assert drive.game.car_pose(car) == pytest.approx(drive.game.world.circuit.spawns[number])


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_a_car_without_a_free_point_never_appears(driven, dialect):
    drive = driven(dialect, cars=0, num_spawns=3)
    drive.say("SPAWN_AGENTS", {"agents": driven.ids(5)})
    assert len(drive.tick()) == 3
    drive.say("SPAWN_AGENTS", {"agents": driven.ids(2, env=1)}, env=1)
    assert len(drive.tick()) == 5  # another env's cars are not in the way


def test_random_points_differ_and_are_near_the_line():
    game = RobloxGame(3)
    cars = [f"car_{number}_env_a" for number in range(20)]
    game.handle({"command": "SPAWN_AGENTS", "envid": "a", "data": {"agents": cars}})
    poses = np.array([game.car_pose(car) for car in cars])
    gaps = np.linalg.norm(poses[:, np.newaxis, :2] - poses[np.newaxis, :, :2], axis=2) + 100.0 * np.eye(20)
    assert gaps.min() > 8.0
    places = game.world.circuit.track.centre.project_many(poses[:, :2])
    assert places.s_m.max() < 150.0
    assert np.abs(places.left_m).max() < 20.5


@pytest.mark.parametrize("bad", [[1.0], "fast", None, [1.0, None, 0.0], {"throttle": 1}, [math.nan, 0.0, 0.0]])
@pytest.mark.parametrize(("dialect", "has_effect"), [("v0", False), ("v1", False), ("v2", True)])
def test_a_malformed_action_costs_those_after_it(driven, dialect, has_effect, bad):
    drive = driven(dialect, cars=3)
    first, second, third = drive.cars
    for _ in range(2):
        drive.say("ACTION", {first: [1.0, 0.0, 0.0], second: bad, third: [1.0, 0.0, 0.0]})
        drive.ticks(1)
    assert drive.game.commands.malformed == 2
    assert drive.speed(first) > 0.0
    assert drive.speed(second) == 0.0
    assert (drive.speed(third) > 0.0) == has_effect


def test_actions_of_unknown_cars_are_ignored(driven):
    drive = driven("v2")
    drive.say("ACTION", {"car_9_env_x": [1.0, 0.0, 0.0], drive.cars[0]: [0.5, 0.0, 0.0]})
    assert drive.entry()["obs"][19] == 0.5
    assert drive.game.commands.malformed == 0


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        7,
        {"command": 3},
        {"command": "SPAWN_AGENTS", "envid": "a", "data": {"agents": "car"}},
        {"command": "SPAWN_AGENTS", "envid": "a", "data": {"agents": [1]}},
        {"command": "SPAWN_AGENTS", "envid": "a", "data": {}},
        {"command": "SPAWN_AGENTS", "envid": 3, "data": {"agents": []}},
        {"command": "FREEZE", "envid": "", "data": {"status": "yes"}},
        {"command": "ACTION", "envid": "", "data": 3},
    ],
)
@pytest.mark.parametrize("dialect", DIALECTS)
def test_what_is_no_command_changes_nothing(driven, dialect, wrong):
    drive = driven(dialect)
    before = drive.entry()
    assert drive.game.handle(wrong) == []
    assert drive.game.commands.unknown + drive.game.commands.malformed == 1
    assert drive.entry() == before


def test_cars_that_never_appear(driven):
    drive = driven("v2", cars=4, no_spawn=2)
    assert set(drive.tick()) == set(drive.cars[2:])
    drive.say("RESET_AGENTS", {"agents": drive.cars})
    assert set(drive.tick()) == set(drive.cars[2:])


def test_another_track_on_request_of_who_was_offered_it(driven):
    game = RobloxGame(7, companion=True)
    ((hello,),) = (message.values() for message in game.connect())
    assert hello["protocol"] == 2
    assert hello["obs_dim"] == len(hello["obs_names"]) == 22
    assert hello["act_dim"] == 3
    assert hello["track_seed"] == 7
    assert "SET_TRACK" in hello["commands"]
    game.handle(driven.command("SPAWN_AGENTS", {"agents": driven.ids(1)}))
    before = game.road_edges
    game.handle(driven.command("SET_TRACK", {"seed": 8}))
    assert game.seed == 8
    assert before.shape != game.road_edges.shape or (before != game.road_edges).any()
    assert driven.ids(1)[0] in game.advance_to_tick()[0]
    assert RobloxGame(7).connect() == []


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"dialect": "v3"}, "v0, v1, v2"),
        ({"vehicle": "bus"}, "car16, cart5"),
        ({"dialect": "v1", "companion": True}, "companion"),
        ({"dialect": "v0", "terminate_all": True}, "terminate_all"),
        ({"dialect": "v1", "wall_kill": False}, "wall_kill"),
        ({"seed": -1}, "seed"),
        ({"fps": 0}, "fps"),
        ({"num_spawns": 0}, "num_spawns"),
        ({"stuck_s": 0.0}, "stuck_s"),
    ],
)
def test_wrong_arguments_are_refused(arguments, says):
    with pytest.raises(ConfigError, match=says):
        RobloxGame(**arguments)
