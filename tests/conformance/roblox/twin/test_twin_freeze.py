"""FREEZE: nothing moves, nothing is told, no timer runs."""

import pytest


def freeze(drive, status=True):
    drive.game.handle({"command": "FREEZE", "envid": "", "data": {"status": status}})


@pytest.mark.point("roblox", 33)
@pytest.mark.parametrize(("dialect", "ticks_left"), [("v1", 61 - 30), ("v2", 77 - 30)])
def test_frozen_cars_are_not_told_of_and_do_not_time_out(driven, dialect, ticks_left):
    drive = driven(dialect, cars=2)
    drive.ticks(30)  # 2 s without progress
    freeze(drive)
    for _ in range(15 * 15):
        assert drive.tick() == []
    assert drive.game.episodes.ends == 0
    freeze(drive, False)
    assert len(drive.until_end()) == ticks_left


@pytest.mark.point("roblox", 33)
@pytest.mark.parametrize(("dialect", "speed"), [("v1", 0.0), ("v2", 60.0)])
def test_v2_restores_velocities(driven, dialect, speed):
    drive = driven(dialect)
    drive.place(400.0, speed=60.0)
    freeze(drive)
    drive.ticks(20)
    assert drive.game.car_pose(drive.cars[0])[0] == 400.0
    freeze(drive, False)
    drive.ticks(15)
    assert drive.game.car_pose(drive.cars[0])[0] == pytest.approx(400.0 + speed)


def test_v0_has_no_freeze(driven):
    drive = driven("v0")
    freeze(drive)
    for _ in range(8):
        assert drive.cars[0] in drive.tick()


def test_a_car_spawned_while_frozen_is_not_frozen(driven):
    drive = driven("v2", cars=2)
    freeze(drive)
    drive.say("RESET_AGENTS", {"agents": drive.cars[:1]})
    assert set(drive.tick()) == {drive.cars[0]}


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_a_freeze_is_no_time_between_actions(driven, dialect):
    drive = driven(dialect)
    drive.act(1.0, 0.0, -1.0)
    drive.ticks(1)
    freeze(drive)
    drive.ticks(100)
    drive.act(1.0, 0.0, -1.0)  # without effect
    freeze(drive, False)
    drive.ticks(1)
    drive.act(1.0, 0.0, -1.0)
    assert 0.0 < drive.speed() <= 40 * 1.4667 * 2.01 / 15


@pytest.mark.parametrize("dialect", ["v1", "v2"])
def test_frozen_cars_do_not_count_as_idle(driven, dialect):
    drive = driven(dialect)
    drive.ticks(1)
    freeze(drive)
    for _ in range(30):
        drive.ticks(15)
        drive.say("PING", {"t": 1.0})
    assert not drive.game.is_cut_off
    assert not drive.game.wants_to_close
    freeze(drive, False)
    assert drive.cars[0] in drive.tick()


def test_freezing_twice_does_not_shift_timers_twice(driven):
    drive = driven("v1")
    drive.ticks(30)
    freeze(drive)
    drive.ticks(30)
    freeze(drive)
    drive.ticks(30)
    freeze(drive, False)
    freeze(drive, False)
    assert len(drive.until_end()) == 61 - 30
