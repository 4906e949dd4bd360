"""How an episode ends, as each dialect tells it."""

import math

import pytest


def crash(drive, car=None, *, speed=90.0):
    """Put a car so that it touches the wall in the next tick."""
    drive.place(400.0, 15.0, math.pi / 2, speed=speed, car=car)


def test_v0_repeats_the_end_until_reset(driven):
    drive = driven("v0", cars=2)
    crash(drive)
    first = drive.entry()
    assert (first["reward"], first["terminated"], first["truncated"]) == (-10.0, True, False)
    for _ in range(40):
        drive.act(1.0, 0.0, -1.0)
        message = drive.tick()
        assert message[drive.cars[0]] == first
        assert not message[drive.cars[1]]["terminated"]
    drive.say("RESET_AGENTS", {"agents": drive.cars[:1]})  # not a word of v0
    assert drive.entry() == first
    drive.say("RESET", {"agents": drive.cars[:1]})
    after = drive.entry()
    assert (after["terminated"], after["truncated"]) == (False, False)
    assert after["obs"] != first["obs"]
    assert "last_observation" not in first
    assert drive.game.episodes.ends == 1


def test_v0_truncated_repeats_without_a_penalty(driven):
    drive = driven("v0")
    drive.until_end()
    for _ in range(5):
        entry = drive.entry()
        assert (entry["reward"], entry["terminated"], entry["truncated"]) == (0.0, False, True)


@pytest.mark.point("roblox", 11)
def test_v1_begins_anew_in_the_same_tick(driven):
    drive = driven("v1")
    drive.act(1.0, 0.0, -1.0)
    crash(drive)
    end = drive.entry()
    assert (end["reward"], end["terminated"], end["truncated"]) == (-20.0, True, False)
    assert "last_observation" not in end
    assert end["obs"][16:] == [1.0, 0.0, 0.0]  # stands, fuelled, on its way: another episode
    after = drive.entry()
    assert not after["terminated"]
    assert after["obs"] == end["obs"]
    assert after["reward"] == 0.0


@pytest.mark.point("roblox", 13)
def test_v2_is_missing_for_a_tick(driven):
    drive = driven("v2", cars=2)
    drive.place(200.0, 15.0, 0.4, speed=30.0)
    drive.act(1.0, 0.0, -1.0)
    entries = drive.until_end()
    *driving, missing, end = entries
    assert missing is None
    assert None not in driving
    assert (end["reward"], end["terminated"], end["truncated"]) == (-40.0, True, False)
    assert end["last_observation"] == driving[-1]["obs"]
    assert end["obs"][16:] == [1.0, 0.0, 0.0, 0.0, 0.0, 0.0]
    assert "last_observation" not in driving[-1]
    after = drive.entry()
    assert not after["terminated"]
    assert after["obs"] == end["obs"]


@pytest.mark.point("roblox", 13)
def test_v2_alone_leaves_an_empty_tick(driven):
    drive = driven("v2")
    drive.tick()
    crash(drive)
    assert drive.tick() == []
    assert drive.tick()[drive.cars[0]]["terminated"]


@pytest.mark.point("roblox", 13)
def test_v2_reset_in_the_gap_reports_no_end(driven):
    drive = driven("v2")
    drive.tick()
    crash(drive)
    drive.tick()
    drive.say("RESET_AGENTS", {"agents": drive.cars})
    assert not drive.entry()["terminated"]
    assert drive.game.episodes.ends == 0


@pytest.mark.point("roblox", 14)
def test_terminate_all_truncates_the_others(driven):
    drive = driven("v2", cars=3, terminate_all=True)
    (stranger,) = driven.ids(1, env=1)
    drive.say("SPAWN_AGENTS", {"agents": [stranger]}, env=1)
    drive.tick()
    first, second, third = drive.cars
    drive.place(200.0, speed=30.0, car=second)
    drive.place(100.0, speed=30.0, car=third)
    drive.place(300.0, speed=30.0, car=first)
    before = drive.tick()
    crash(drive, first)
    assert set(drive.tick()) == {stranger}
    message = drive.tick()
    assert (message[first]["terminated"], message[first]["truncated"], message[first]["reward"]) == (True, False, -40)
    for car in (second, third):
        assert (message[car]["terminated"], message[car]["truncated"]) == (False, True)
        assert message[car]["last_observation"] == before[car]["obs"]
    # Two studs in a tick, and the race: the second now has 100 studs less before it, the third is last.
    assert message[third]["reward"] == pytest.approx(1000.0 * 2.0 / driven.lap - 1.0, abs=1e-3)
    assert (message[stranger]["terminated"], message[stranger]["truncated"]) == (False, False)


def collide(drive):
    """Let two cars of one env drive into each other."""
    drive.say("UPDATE_COLLISIONS", {"enable_collisions": True})
    drive.tick()
    drive.place(400.0, speed=30.0, car=drive.cars[0])
    drive.place(410.0, heading=math.pi, speed=30.0, car=drive.cars[1])


def test_v2_contact_ends_both_and_its_penalty_is_lost(driven):
    drive = driven("v2", cars=2)
    collide(drive)
    assert drive.tick() == []
    for entry in drive.tick().values():
        assert (entry["reward"], entry["terminated"]) == (-40.0, True)


def test_the_companion_tells_the_contact_when_it_happens(driven):
    drive = driven("v2", cars=2, companion=True)
    collide(drive)
    message = drive.tick()
    for car in drive.cars:
        assert (message[car]["reward"], message[car]["terminated"], message[car]["reason"]) == (-100, True, "contact")


def test_v1_cars_push_each_other(driven):
    drive = driven("v1", cars=2)
    collide(drive)
    drive.ticks(10)
    assert drive.game.episodes.ends == 0
    one, other = (drive.game.car_pose(car) for car in drive.cars)
    assert math.dist(one[:2], other[:2]) == pytest.approx(8.0, abs=0.5)


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_without_collisions_cars_pass_through_each_other(driven, dialect):
    drive = driven(dialect, cars=2)
    collide(drive)
    drive.say("UPDATE_COLLISIONS", {"enable_collisions": False})
    drive.ticks(15)
    assert drive.game.episodes.ends == 0
    assert drive.game.car_pose(drive.cars[0])[0] == pytest.approx(430.0)


def test_cars_of_different_envs_do_not_collide(driven):
    drive = driven("v2", cars=1)
    (other,) = driven.ids(1, env=1)
    drive.say("SPAWN_AGENTS", {"agents": [other]}, env=1)
    drive.cars.append(other)
    collide(drive)
    drive.ticks(15)
    assert drive.game.episodes.ends == 0


def test_the_companion_tells_the_final_observation_and_the_lap(driven):
    drive = driven("v2", companion=True)
    assert drive.tick()["__tick"] == 1
    drive.act(1.0, 0.0, -1.0)
    crash(drive)
    message = drive.tick()
    end = message[drive.cars[0]]
    assert (end["terminated"], end["reward"], end["reason"], end["tick"]) == (True, -40.0, "wall", 2)
    assert end["last_observation"][17] == pytest.approx(90.0 / (70 * 1.4667))  # as fast as it was
    assert end["obs"][17] == 0.0
    assert end["action_id"] == 1
    assert end["info"] == {"lap": 0, "progress": pytest.approx(400.0 / driven.lap, abs=1e-4)}


def test_the_companion_times_laps(driven):
    drive = driven("v2", companion=True, autopilot=True)
    times = []
    while len(times) < 2 and drive.game.now_s < 100.0:
        info = drive.entry()["info"]
        times += [info["lap_time"]] if "lap_time" in info else []
    # A lap at 102.7 studs/s takes 33.1 s; the first begins from a stand.
    assert times[1] == pytest.approx(3400.0 / (70 * 1.4667), rel=0.03)
    assert times[0] > times[1]
