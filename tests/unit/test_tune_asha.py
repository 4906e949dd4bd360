"""Early stopping: rungs and decisions by hand (Li et al. 2020, algorithm 2), and a resume that changes none of them."""

import random
import re
from types import SimpleNamespace

import pytest

from envs.errors import ConfigError
from tune.asha import Asha

CONTINUE, STOP = "CONTINUE", "STOP"


def asha(*, stop_frames=9000, grace_frames=1000, reduction_factor=3, brackets=1, mode="max", seed=0):
    return Asha(
        grace_frames=grace_frames,
        reduction_factor=reduction_factor,
        brackets=brackets,
        stop_frames=stop_frames,
        mode=mode,
        space=None,
        seed=seed,
    )


class Trials:
    """Trials that report to a scheduler as Tune lets them."""

    def __init__(self, scheduler):
        self.scheduler, self.known = scheduler, {}

    def report(self, number, frames, objective=None):
        if number not in self.known:
            self.known[number] = SimpleNamespace(trial_id=f"trial_{number:05}")
            self.scheduler.on_trial_add(None, self.known[number])
        result = {"train/frames": frames} | ({} if objective is None else {"objective": objective})
        decision = self.scheduler.on_trial_result(None, self.known[number], result)
        if decision == STOP:
            self.scheduler.on_trial_complete(None, self.known[number], result)
        return decision


def test_the_best_third_goes_on_at_every_rung():
    """Rungs are r · η^k: 1000, 3000, 9000 frames. Of n values at a rung, the best n / 3 go on."""
    trials = Trials(asha())
    decisions = [trials.report(number, 1000, objective) for number, objective in enumerate((1, 2, 3, 4, 5, 6, 7, 8, 9))]
    assert decisions == [CONTINUE] * 9  # each is the best so far
    assert trials.report(9, 1000, 8.5) == CONTINUE  # second of ten
    assert trials.report(10, 1000, 4.5) == STOP  # seventh of eleven
    assert trials.report(11, 1000, 0) == STOP
    # The next rung has values of its own: who was the worst that went on may be the first there.
    assert trials.report(0, 3000, -5) == CONTINUE
    assert trials.report(1, 3000, -6) == STOP
    assert trials.report(2, 3000, -4) == CONTINUE


def test_between_two_rungs_nobody_is_stopped():
    trials = Trials(asha())
    for number in range(9):
        trials.report(number, 1000, 100 + number)
    assert trials.report(9, 999, -1000) == CONTINUE
    assert trials.report(8, 1001, -1000) == CONTINUE  # it was looked at, at 1000
    assert trials.report(8, 2999, -1000) == CONTINUE
    assert trials.report(9, 1000, -1000) == STOP


def test_the_first_report_past_a_rung_counts():
    trials = Trials(asha())
    trials.report(0, 1400, 10)
    assert trials.report(1, 1700, 5) == STOP


def test_less_is_better_where_the_mode_says_so():
    trials = Trials(asha(mode="min"))
    for number in range(6):
        trials.report(number, 1000, 10 - number)
    assert trials.report(6, 1000, 1) == CONTINUE
    assert trials.report(7, 1000, 10) == STOP


def test_a_trial_without_a_return_yet_is_not_judged():
    trials = Trials(asha())
    trials.report(0, 1000, 10)
    assert trials.report(1, 1500) == CONTINUE
    assert trials.report(1, 1600, 5) == STOP


def test_by_default_there_are_two_looks_before_the_end():
    trials = Trials(asha(stop_frames=90_000, grace_frames=None))  # at 90000 / 3² and 90000 / 3
    assert trials.report(0, 9_900, 10) == CONTINUE
    assert trials.report(1, 9_900, 1) == CONTINUE
    assert trials.report(0, 10_100, 10) == CONTINUE
    assert trials.report(1, 10_100, 1) == STOP
    assert trials.report(0, 30_100, 10) == CONTINUE
    assert re.search(r"best 1/3 go on at 10,0\d\d, 30,0\d\d frames", str(trials.scheduler))
    assert trials.scheduler.reason(10_250) == "not in the best 1/3 at 10,250 frames"


@pytest.mark.parametrize("tuner", ["asha", "hyperband"])
@pytest.mark.parametrize("stop_frames", [1000, 90_000, 1_000_000])
def test_the_tuners_that_are_offered_work_as_they_are(compose, tuner, stop_frames):
    settings = compose(f"tuner={tuner}")["tuner"]["scheduler"]
    settings = {key: value for key, value in settings.items() if key != "_target_"}
    said = str(asha(stop_frames=stop_frames, **settings))
    assert said.startswith("the best 1/3 go on at ")
    assert said.endswith(" frames (2 brackets)" if tuner == "hyperband" else " frames")


def test_brackets_begin_one_rung_later_each():
    scheduler = asha(brackets=3)
    trials = Trials(scheduler)
    stopped_at = set()
    for frames in (1000, 3000, 9000):
        for number in range(60):
            if number in trials.known and trials.known[number] is None:
                continue
            if trials.report(number, frames, -number) == STOP:
                stopped_at.add((number, frames))
                trials.known[number] = None
    at_first = {number for number, frames in stopped_at if frames == 1000}
    at_second = {number for number, frames in stopped_at if frames == 3000}
    assert at_first  # the bracket that begins at 1000
    assert at_second  # one that begins at 3000
    assert len(at_first | at_second) < 59  # and one that stops nobody before the end


def resumed(scheduler_options, histories, still_alive):
    """Return trials of a scheduler that was told what had been reported, as a resumed sweep tells it."""
    scheduler = asha(**scheduler_options)
    for number, rows in histories.items():
        scheduler.recall(f"trial_{number:05}", rows)
    trials = Trials(scheduler)
    for number in still_alive:
        trials.known[number] = SimpleNamespace(trial_id=f"trial_{number:05}")
        scheduler.on_trial_add(None, trials.known[number])
    return trials


@pytest.mark.parametrize("brackets", [1, 3])
@pytest.mark.parametrize("mode", ["max", "min"])
@pytest.mark.parametrize("seed", range(5))
def test_a_resumed_sweep_decides_as_one_that_was_never_interrupted(brackets, mode, seed):
    draw = random.Random(seed)
    options = {"brackets": brackets, "mode": mode, "seed": seed}
    whole = Trials(asha(**options))
    histories = {number: [] for number in range(30)}
    alive = set(histories)
    decisions = []

    def step(number):
        frames = (histories[number][-1][0] if histories[number] else 0) + draw.randrange(200, 900)
        row = (frames, draw.gauss(0, 1))
        histories[number].append(row)
        return row

    for _ in range(80):
        number = draw.choice(sorted(alive))
        if whole.report(number, *step(number)) == STOP:
            alive.discard(number)
    again = resumed(options, histories, alive & whole.known.keys())
    while alive:
        number = draw.choice(sorted(alive))
        row = step(number)
        decision = whole.report(number, *row)
        assert again.report(number, *row) == decision
        decisions.append(decision)
        if decision == STOP or row[0] >= 9000:  # it has reached stop.frames, and ends by itself
            alive.discard(number)
    assert {CONTINUE, STOP} == set(decisions)


def test_what_was_reported_past_the_checkpoint_is_judged_again():
    """`tune.history` leaves such rows out, so that the scheduler does not know of them either."""
    trials = resumed({}, {0: [(1000, 10.0)], 1: [(800, 3.0)]}, [1])
    assert trials.report(1, 1000, 5.0) == STOP
    trials = resumed({}, {0: [(1000, 10.0)], 1: [(800, 3.0), (1000, 5.0)]}, [1])
    assert trials.report(1, 1100, 5.0) == CONTINUE


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"stop_frames": None}, r"set stop\.frames"),
        ({"reduction_factor": 1}, r"reduction_factor=1: expected more than 1"),
        ({"grace_frames": 0}, r"grace_frames=0: expected more than 0"),
        ({"grace_frames": 9001}, r"grace_frames=9001: .*stop\.frames=9000"),
        ({"brackets": 0}, r"brackets=0: .*choose 1 to 3"),
        ({"brackets": 4}, r"brackets=4: .*there are 3 rungs; choose 1 to 3"),
    ],
)
def test_what_cannot_be_compared_is_refused(options, expected):
    with pytest.raises(ConfigError, match=expected):
        asha(**options)


def test_a_rung_that_a_report_jumped_over_never_sees_its_value():
    """At 1000 frames trials are compared by what they had there, not by what another had at 3200."""
    trials = Trials(asha())
    assert trials.report(0, 1000, 10) == CONTINUE
    assert trials.report(1, 3100, 50) == CONTINUE
    assert trials.report(1, 3200, 50) == CONTINUE
    assert trials.report(2, 1000, 11) == CONTINUE  # the best of those that reported at 1000


def test_a_trial_with_a_longer_limit_of_its_own_is_not_stopped_at_that_of_the_run():
    trials = Trials(asha())
    assert trials.report(0, 9500, 10) == CONTINUE
    assert trials.report(0, 12_000, 5) == CONTINUE


@pytest.mark.parametrize(
    ("stop_frames", "looks"),
    [(4_500_000, "500,000, 1,500,000 frames"), (1_000_000, "111,112, 333,336 frames"), (1000, "112, 336 frames")],
)
def test_the_third_rung_is_the_end_and_no_look(stop_frames, looks):
    assert str(asha(stop_frames=stop_frames, grace_frames=None)) == f"the best 1/3 go on at {looks}"
