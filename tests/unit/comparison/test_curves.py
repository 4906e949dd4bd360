"""Learning curves of groups, and frames to a threshold."""

import pytest

from experiments.comparison.curves import FRAMES, MINUTES, group_curve
from experiments.comparison.drawings.curves import _end
from experiments.comparison.history import curve_of
from experiments.comparison.thresholds import default_threshold, frames_to_threshold
from experiments.comparison.words import reached

LR = "algo.training.lr"


def test_of_two_stretches_of_a_resumed_trial_the_later_counts():
    rows = [(5, 200, 9.0, 60.0), (1, 100, 1.0, 10.0), (2, 200, 2.0, 20.0), (3, 300, 3.0, 30.0), (4, 150, 8.0, 50.0)]
    curve = curve_of(rows)
    assert curve.frames.tolist() == [100, 150, 200]
    assert curve.returns.tolist() == [1, 8, 9]
    assert curve.wall_s.tolist() == [10, 50, 60]
    assert curve_of([]).is_empty


def test_the_mean_goes_as_far_as_all_trials_and_the_rest_on_its_own(make_trial, grouped):
    (group,) = grouped(
        [
            make_trial({LR: 1}, curve=[0, 10, 20, 30]),
            make_trial({LR: 1}, curve=[10, 20], state="stopped: asha"),
            make_trial({LR: 1}, curve=[50], state="failed: crash"),
        ]
    )
    curve = group_curve(group, FRAMES)
    assert curve.num_trials == 2
    assert (curve.x[0], curve.x[-1]) == (100, 200)
    assert (curve.mean[0], curve.mean[-1]) == (5, 15)
    assert (curve.low[-1], curve.high[-1]) == (10, 20)
    rest, failed = curve.rests
    assert rest[0].tolist() == [200, 300, 400]
    assert rest[1].tolist() == [10, 20, 30]
    assert failed[1].tolist() == [50]
    assert curve.ends == [(200, 20, False), (100, 50, True)]
    assert group_curve(group, MINUTES).x[-1] == pytest.approx(20 / 60)


def test_frames_to_a_threshold(make_trial, grouped):
    def median(*curves):
        (group,) = grouped([make_trial({LR: 1}, curve=curve) for curve in curves])
        return frames_to_threshold(group, 10.0)

    rising, quick, never = [1, 5, 10, 20], [12, 3], [1, 2, 3, 4, 5, 6]
    assert (median(rising, rising, quick).frames, median(rising, rising, quick).is_censored) == (300, False)
    assert (median(rising, quick).frames, median(rising, quick).num_reached) == (200, 2)
    result = median(rising, never, never)
    assert (result.frames, result.is_censored, result.num_reached) == (600, True, 1)  # two needed more than 600
    assert reached(result, 3) == ("\N{GREATER-THAN OR EQUAL TO} 600", "1 of 3")
    assert median(rising, rising, never).frames == 300  # the median is known without the third
    short = median(quick, rising, [1])  # the last may have needed 101 or 1,000,000: the median lies in 100 .. 300
    assert (short.frames, short.is_censored, short.num_reached) == (100, True, 2)
    assert median([]).frames is None


def test_the_threshold_is_nine_tenths_of_the_best(make_trial, grouped):
    trials = [make_trial({LR: 1}, curve=[90, 100]), make_trial({LR: 2}, curve=[300], state="stopped: asha")]
    trials.append(make_trial({LR: 2}, curve=[50]))
    assert default_threshold(grouped(trials)) == pytest.approx(90)  # a trial that was stopped early is no end
    assert default_threshold(grouped([make_trial({LR: 1}, curve=[-100])])) == pytest.approx(-110)
    assert default_threshold(grouped([make_trial({LR: 1})])) is None


def test_a_name_stands_where_the_longest_line_ends(make_trial, grouped):
    early = make_trial({LR: 1}, curve=[3], state="failed: crash")
    (group,) = grouped([make_trial({LR: 1}, curve=[0, 10, 20]), early])
    assert _end(group_curve(group, FRAMES)) == 20  # not where the failed one ended
    (group,) = grouped([make_trial({LR: 1}, curve=[0, 10, 20]), make_trial({LR: 1}, curve=[0, 12]), early])
    assert _end(group_curve(group, FRAMES)) == 20  # of the one that went on alone; the mean ended at 11
