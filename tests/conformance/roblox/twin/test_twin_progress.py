"""Progress by checkpoints, and laps, by hand and by the scripted driver."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.roblox.twin.checkpoints import Checkpoints
from envs.roblox.twin.game import RobloxGame

SQUARE = Checkpoints(np.array([[0.0, 0.0], [100.0, 0.0], [100.0, 100.0], [0.0, 100.0]]))  # anticlockwise, 400 around
ROUND = Checkpoints(
    np.random.default_rng(3).normal(1.0, 0.05, (40, 1))
    * 540.0
    * np.stack(
        [np.cos(np.linspace(0, 2 * np.pi, 40, endpoint=False)), np.sin(np.linspace(0, 2 * np.pi, 40, endpoint=False))],
        axis=1,
    )
)


class Walker:
    """One car that is put here and there around the square."""

    def __init__(self):
        self.last, self.laps = np.zeros(1, np.int64), np.zeros(1, np.int64)

    def at(self, x, y, heading=0.0):
        (progress,), (self.reverse,) = SQUARE.follow(
            np.array([0]), np.array([[x, y, heading]], np.float64), self.last, self.laps
        )
        return progress


def test_progress_is_the_foot_points_share_of_the_lap():
    walker = Walker()
    assert walker.at(30, 7) == pytest.approx(0.075)
    assert walker.at(90, -5) == pytest.approx(0.225)
    assert walker.at(102, 40) == pytest.approx(0.35)
    assert walker.at(50, 101) == pytest.approx(0.625)
    assert walker.at(1, 60) == pytest.approx(0.85)
    assert walker.laps[0] == 0
    assert walker.at(30, 0) == pytest.approx(1.075)
    assert walker.laps[0] == 1


def test_a_shortcut_gains_nothing():
    walker = Walker()
    walker.at(30, 0)
    # Two segments ahead: beyond the next checkpoint, so the share is that of the last one passed.
    assert walker.at(50, 100) == 0.0
    assert walker.at(0, 50) == 0.0
    assert walker.at(99, 30) == pytest.approx(0.325)  # the next segment counts


def test_backwards_over_the_line_gains_nothing():
    walker = Walker()
    walker.at(5, 0)
    assert walker.at(-1, 5) == 0.0
    assert walker.laps[0] == 0
    assert walker.at(20, 0) == pytest.approx(0.05)


def test_driving_back_costs_what_it_brought_and_no_checkpoint():
    walker = Walker()
    walker.at(100, 50)
    assert walker.at(60, 0) == pytest.approx(0.15)
    assert walker.last[0] == 1
    assert walker.at(100, 60) == pytest.approx(0.4)


def test_after_the_line_going_back_behind_it_stays_at_the_lap():
    walker = Walker()
    for place in ((50, 0), (100, 50), (50, 100), (0, 50), (1, 0)):
        walker.at(*place)
    assert walker.laps[0] == 1
    assert walker.at(0, 40) == 1.0
    assert walker.at(10, 0) == pytest.approx(1.025)
    assert walker.laps[0] == 1


def test_reverse_is_a_heading_more_than_a_quarter_turn_off():
    walker = Walker()
    for degrees, reverse in ((0, 0), (89, 0), (-89, 0), (91, 1), (-91, 1), (180, 1)):
        walker.at(50, 0, np.radians(degrees))
        assert walker.reverse == reverse, degrees


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 38), st.floats(0.0, 20.0), st.floats(-1.0, 1.0))
def test_outside_of_a_corner_rounding_costs_nothing(index, away, turn):
    """Beside a checkpoint both segments are equally near: neither may count as one beyond the next checkpoint."""
    points, shares = ROUND.points, ROUND.shares
    before, here, after = points[index], points[index + 1], points[(index + 2) % 40]
    into, out = (here - before) / np.linalg.norm(here - before), (after - here) / np.linalg.norm(after - here)
    outwards = into - out + 0.2 * turn * (into + out)  # roughly: inside of the wedge for small turns
    place = here + away * outwards / max(np.linalg.norm(outwards), 1e-9)
    last, laps = np.full(1, index), np.zeros(1, np.int64)
    ((progress,), _) = ROUND.follow(np.array([0]), np.array([[*place, 0.0]]), last, laps)
    assert progress > shares[index + 1] - 0.01


def test_exactly_at_a_checkpoint_is_not_beyond_it():
    for index in range(39):
        last, laps = np.full(1, index), np.zeros(1, np.int64)
        ((progress,), _) = ROUND.follow(np.array([0]), np.array([[*ROUND.points[index + 1], 0.0]]), last, laps)
        assert progress == pytest.approx(ROUND.shares[index + 1], abs=1e-12), index


@pytest.mark.point("roblox", 29)
@pytest.mark.parametrize(("dialect", "seed"), [("v0", 0), ("v1", 5), ("v2", 9)])
def test_the_autopilot_completes_laps_in_order(driven, dialect, seed):
    game = RobloxGame(seed, dialect=dialect, autopilot=True)
    (car,) = driven.ids(1)
    game.handle(driven.command("SPAWN_AGENTS", {"agents": [car]}))
    laps, checkpoints, paid = [game.car_laps(car)], [], 0.0
    while game.now_s < 75.0:
        ((entry,),) = (message.values() for message in game.advance_to_tick())
        assert not entry["terminated"]
        assert not entry["truncated"]
        before = laps[-1]
        laps.append(game.car_laps(car))
        speed_share = entry["obs"][17]
        bonus = 0.0 if dialect == "v2" else 0.5 * (np.exp(2.0 * speed_share) - 1.0)
        paid += entry["reward"] - bonus
        assert entry["reward"] - bonus == pytest.approx(1000.0 * (laps[-1] - before), abs=1e-9)
        checkpoints.append(int(game.fleet.last[game.fleet.slots[car]]))
    assert laps[-1] > 2.0
    assert np.diff(laps).min() >= 0.0
    assert paid == pytest.approx(1000.0 * (laps[-1] - laps[0]))
    passed = [one for one, before in zip(checkpoints, [0, *checkpoints], strict=False) if one != before]
    assert passed[:81] == [*range(1, 40), *range(40), 0, 1][: len(passed[:81])]
