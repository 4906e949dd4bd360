"""The fake game by itself: race, countdown, finish, restart, its clock and its frames."""

import math

import numpy as np
import pytest

from envs.errors import ConfigError
from envs.trackmania.twin import world_frame
from envs.trackmania.twin.driver import CentreLineDriver
from envs.trackmania.twin.faults import Faults
from envs.trackmania.twin.game import TwinGame

SPEED, DISTANCE, X, Y, Z, STEER, GAS, BRAKE, FINISHED, GEAR, RPM = range(11)
STRAIGHT = np.stack([np.zeros(401), np.full(401, 9.0), np.arange(401.0)], axis=-1)  # 400 m towards +z


def straight(**arguments):
    return TwinGame(trajectory=STRAIGHT, **arguments)


def drive(game, seconds, *, step_s=0.05):
    """Let the driver drive, at most so long, until it has finished."""
    driver, until = CentreLineDriver(game.road), game.time_s + seconds
    finishes = game.finishes
    while game.finishes == finishes and game.time_s < until:
        game.press(*driver.action(game.frame))
        game.advance(step_s)


def test_a_record_is_eleven_floats_in_their_order():
    game = straight()
    assert game.record() == (0, 0, 0, 9, 0, 0, 0, 0, 0, 1, 1000)
    game.press(0.5, 0.25, -0.5)
    game.advance(3.0)
    record = game.record()
    assert record[STEER] == -0.5
    assert record[GAS] == 0.5
    assert record[BRAKE] == 1.0  # a flag


def test_inputs_in_the_countdown_have_no_effect():
    game = straight(countdown_s=1.5)
    game.press(1.0, 0.0, 1.0)
    game.advance(1.5)
    assert game.record()[GAS] == 1.0  # seen, though
    assert game.record()[:5] == (0, 0, 0, 9, 0)
    game.advance(0.1)
    assert game.record()[SPEED] > 0.5


def test_speed_is_metres_a_second_and_distance_metres():
    game = straight()
    game.press(0.3, 0.0, 0.0)
    game.advance(3.0)
    before = game.record()
    game.advance(0.01)
    after = game.record()
    moved = math.dist(before[X : Z + 1], after[X : Z + 1])
    assert moved / 0.01 == pytest.approx(after[SPEED], rel=0.02)
    assert after[DISTANCE] - before[DISTANCE] == pytest.approx(moved, rel=0.02)
    assert after[DISTANCE] == pytest.approx(after[Z], rel=0.01)


def test_top_speed_is_at_least_90_mps():
    line = np.zeros((2, 3))
    line[1, 2] = 4000.0
    game = TwinGame(trajectory=line)
    game.press(1.0, 0.0, 0.0)
    game.advance(35.0)
    assert 90.0 <= game.record()[SPEED] <= 110.0


@pytest.mark.parametrize("left_x", [1.0, -1.0])
def test_steering_right_moves_to_the_drivers_right(monkeypatch, left_x):
    for name in ("world_frame", "frame"):
        monkeypatch.setattr(f"envs.trackmania.twin.{name}.LEFT_X", left_x)
    game = straight()
    game.press(0.4, 0.0, 0.5)
    game.advance(4.0)
    # Facing +z, the driver's right is -x where axes are right-handed: yaw decreases.
    assert game.record()[X] * left_x < -1.0
    assert game.frame.yaw_rad * left_x < -0.1


def test_axes_are_right_handed():
    assert world_frame.LEFT_X == 1.0


def test_brakes_stop_the_car_then_reverse():
    game = straight()
    game.press(1.0, 0.0, 0.0)
    game.advance(4.0)
    game.press(0.0, 1.0, 0.0)
    game.advance(1.0)
    slower = game.record()[SPEED]
    game.advance(6.0)
    z, gear = game.record()[Z], game.record()[GEAR]
    assert slower < 30.0
    assert gear == -1.0
    assert game.record()[SPEED] > 1.0  # without a sign, unless asked for
    game.advance(0.5)
    assert game.record()[Z] < z


def test_speed_may_be_signed():
    game = straight(has_signed_speed=True)
    game.press(0.0, 1.0, 0.0)
    game.advance(3.0)
    assert game.record()[SPEED] < -1.0


def test_finish_rises_at_the_gate_and_stays_until_the_restart():
    game = straight()
    drive(game, 30.0)
    assert game.finishes == 1
    assert game.record()[FINISHED] == 1.0
    assert game.record()[Z] == pytest.approx(400.0, abs=4.0)  # a step of 50 ms
    game.press(0.5, 0.0, 0.0)
    game.advance(2.0)
    assert game.record()[FINISHED] == 1.0
    assert game.record()[Z] > 410.0  # the car keeps streaming
    number = game.frame.number
    game.restart()
    game.advance(0.01)
    assert game.frame.number == number + 1
    assert game.record()[FINISHED] == 0.0
    assert game.record()[:5] == (0, 0, 0, 9, 0)


def test_stale_frames_show_the_finish_after_a_restart():
    game = straight(faults=Faults(stale_finish_frames=3))
    drive(game, 30.0)
    game.restart()
    flags = []
    for _ in range(6):
        game.advance(0.01)
        flags.append(game.record()[FINISHED])
    assert flags == [1, 1, 1, 0, 0, 0]


def test_finish_needs_the_whole_road():
    game = straight(faults=Faults(teleport_after_frames=0, teleport_m=390.0))
    game.press(0.5, 0.0, 0.0)
    game.advance(5.0)
    assert game.record()[Z] > 400.0
    assert game.finishes == 0


@pytest.mark.parametrize("fps", [30, 60, 100])
def test_lap_time_and_race_clock(fps):
    game = TwinGame(3, frame_rate_fps=fps)
    start = None
    driver = CentreLineDriver(game.road)
    while not game.frame.is_finished and game.time_s < 90.0:
        game.press(*driver.action(game.frame))
        game.advance_to(game.next_frame_us)
        if start is None and game.frame.speed_mps > 0.0:
            start = game.time_s
    assert 30.0 < game.lap_time_s < 60.0
    assert game.frame.race_time_s == pytest.approx(game.lap_time_s, abs=0.01)  # a tick
    assert game.time_s - 1.5 == pytest.approx(game.lap_time_s, abs=0.011 + 1 / fps)
    assert start == pytest.approx(1.5, abs=0.011 + 1 / fps)
    assert game.record("RACE16")[15] == pytest.approx(game.lap_time_s, abs=0.01)
    assert game.record("IQN33")[3] == pytest.approx(1000 * game.lap_time_s, abs=10.0)
    clock = game.frame.race_time_s
    game.advance(1.0)
    assert game.frame.race_time_s == clock


def test_trajectory_is_a_perfect_drive():
    game = TwinGame(5)
    points = game.trajectory()
    assert points.dtype == np.float64
    gaps = np.linalg.norm(np.diff(points, axis=0), axis=1)
    assert gaps.max() <= 0.1 + 1e-9
    assert np.median(gaps) == pytest.approx(0.1)
    assert points[0] == pytest.approx(game.record()[X : Z + 1], abs=1e-3)
    assert (points[:, [0, 2]] > 50.0).all()
    drive(game, 90.0)
    assert points[-1] == pytest.approx(game.record()[X : Z + 1], abs=15.0)
    assert len(points) == pytest.approx(19_700, abs=50)


def test_recorded_trajectory_is_resampled():
    game = straight()
    points = game.trajectory()
    assert len(points) == 4000  # 0.0 … 399.9 m: the gate is a breath before the end
    np.testing.assert_allclose(points[:, 2], 0.1 * np.arange(4000), atol=1e-9)
    left, right = game.edges()
    np.testing.assert_allclose(left[:, 0], 12.8)  # x is to the left of +z
    np.testing.assert_allclose(right[:, 0], -12.8)


def test_heights_come_from_the_trajectory():
    line = STRAIGHT.copy()
    line[:, 1] = 9.0 + 0.05 * line[:, 2]
    game = TwinGame(trajectory=line)
    game.press(0.5, 0.0, 0.0)
    game.advance(6.0)
    assert game.record()[Y] == pytest.approx(9.0 + 0.05 * game.record()[Z], abs=0.05)


@pytest.mark.parametrize("points", [np.zeros((5, 2)), np.full((5, 3), np.nan), np.zeros((1, 3)), np.eye(3)])
def test_a_trajectory_that_is_none_is_refused(points):
    with pytest.raises(ConfigError, match="trajectory"):
        TwinGame(trajectory=points)


@pytest.mark.parametrize("controls", [(math.nan, 0, 0), (0, math.inf, 0), (0, 0, -math.inf)])
def test_controls_that_are_no_numbers_are_refused(controls):
    game = straight()
    game.press(0.5, 0.0, 0.1)
    with pytest.raises(ValueError, match="finite"):
        game.press(*controls)
    game.advance(0.02)
    assert game.record()[GAS] == 0.5


def test_frames_come_at_their_rate():
    for fps, jitter in ((10, 0.0), (60, 0.0), (240, 0.5)):
        game = straight(frame_rate_fps=fps, frame_jitter=jitter)
        stamps = []
        for _ in range(200):
            game.advance_to(game.next_frame_us)
            stamps.append(game.frame.time_us)
        gaps = np.diff(stamps) * 1e-6
        assert gaps.mean() == pytest.approx(1 / fps, rel=0.01)
        assert (gaps > 0).all()
        assert (gaps.std() > 0.1 / fps) == bool(jitter)


@pytest.mark.point("trackmania", 33)
def test_equal_seeds_and_inputs_give_equal_bits():
    def trace(seed, cuts):
        game = TwinGame(seed, frame_rate_fps=60, frame_jitter=0.4)
        random = np.random.default_rng(7)
        seen = []
        for _ in range(400):
            game.press(*random.uniform([0, 0, -1], [1, 0.2, 1]))
            for cut in cuts:
                game.advance(cut)
            seen.append((game.frame.number, game.frame.time_us, *game.record("IQN33")))
        return seen, game.screenshot("full"), game.screenshot("lidar")

    once, again, cut = trace(4, [0.05]), trace(4, [0.05]), trace(4, [0.013, 0.0004, 0.0366])
    assert once[0] == again[0] == cut[0]
    assert (once[1] == again[1]).all()
    assert (once[2] == again[2]).all()
    assert trace(5, [0.05])[0] != once[0]


@pytest.mark.point("trackmania", 33)
@pytest.mark.timing
def test_a_thousand_steps_a_second():
    import time

    game = TwinGame(0)
    driver = CentreLineDriver(game.road)
    for _ in range(100):
        game.press(*driver.action(game.frame))
        game.advance(0.05)
    began = time.process_time()
    for _ in range(1000):
        game.press(0.5, 0.0, 0.01)
        game.advance(0.05)
        game.record()
    assert time.process_time() - began < 1.0


def test_off_the_road_is_slow():
    game = straight()
    game.press(1.0, 0.0, 0.0)
    game.advance(3.0)
    game.press(1.0, 0.0, 0.5)
    game.advance(4.0)
    assert not game.frame.is_on_road
    assert game.record("MAP25")[24] == 1.0
    assert game.record()[SPEED] < 60.0


def test_popup_stays_until_it_is_closed():
    game = straight(faults=Faults(popup_blocks=True))
    drive(game, 30.0)
    assert game.popup_open
    game.restart()
    game.advance(0.1)
    assert game.record()[FINISHED] == 1.0
    game.close_popup()
    game.restart()
    game.advance(0.1)
    assert game.record()[FINISHED] == 0.0
