import json
import logging

import numpy as np
import pytest
import scipy.stats

from experiments.drive import Episode
from experiments.folders import write_json
from experiments.scores import format_score, summarise

# As CLI.md lists them.
KEYS = """
    env, checkpoint, commit, episodes, first_seed, deterministic, returns, frames, mean, std, ci95_low, ci95_high, p10,
    median, min, max, share_below_500, frames_mean, lap_times_s, finish_rate, wall_s
"""


def episodes_of(returns, first_seed=10000, **more):
    return [
        Episode(seed=first_seed + k, episode_return=float(value), frames=1000 - k, decisions=250, **more)
        for k, value in enumerate(returns)
    ]


def summary_of(episodes, first_seed=10000, **more):
    about = {"env": "carracing", "checkpoint": "c/12", "commit": "b73ba59", "deterministic": True, "wall_s": 61.5}
    return summarise(episodes, first_seed=first_seed, **{**about, **more})


def test_statistics_by_hand():
    episodes = episodes_of([900, 0, 500, 100, 400, 200, 300, 800, 700, 600])
    episodes[0].lap_time_s, episodes[0].finished = 19.5, True
    score = summary_of(episodes)
    assert ", ".join(score) == " ".join(KEYS.split())
    assert score["episodes"] == 10
    assert score["returns"] == [900, 0, 500, 100, 400, 200, 300, 800, 700, 600]
    assert score["mean"] == 450
    assert score["median"] == 450
    assert score["std"] == pytest.approx(100 * np.sqrt((10**2 - 1) / 12))  # of a discrete uniform distribution
    assert score["p10"] == pytest.approx(90)  # a tenth of the way along the nine gaps: 0.9 of the first
    assert (score["min"], score["max"]) == (0, 900)
    assert score["share_below_500"] == 0.5  # 0 to 400; 500 itself is not below
    assert score["frames_mean"] == 995.5  # 1000 down to 991
    assert score["lap_times_s"] == [19.5]
    assert score["finish_rate"] == pytest.approx(0.1)
    assert score["wall_s"] == 61.5


def test_the_interval_agrees_with_scipy_and_repeats():
    returns = np.random.default_rng(7).gamma(3.0, 150.0, size=100)
    score = summary_of(episodes_of(returns))
    peer = scipy.stats.bootstrap((returns,), np.mean, n_resamples=20_000, method="percentile", rng=1)
    half_width = (peer.confidence_interval.high - peer.confidence_interval.low) / 2
    assert score["ci95_low"] == pytest.approx(peer.confidence_interval.low, abs=0.05 * half_width)
    assert score["ci95_high"] == pytest.approx(peer.confidence_interval.high, abs=0.05 * half_width)
    assert summary_of(episodes_of(returns)) == score


def test_one_episode_has_no_interval():
    score = summary_of(episodes_of([812.5]))
    assert score["ci95_low"] is score["ci95_high"] is None
    assert "one episode, so no interval" in format_score(score)


def test_a_score_leaves_no_seed_out():
    episodes = episodes_of([1, 2, 3])
    with pytest.raises(ValueError, match="none left out"):
        summary_of([episodes[0], episodes[2]])
    with pytest.raises(ValueError, match="from 10000 on"):
        summary_of([])
    with pytest.raises(ValueError, match="from 20000 on"):
        summary_of(episodes, first_seed=20000)


def test_a_return_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match=r"10001.*not finite"):
        summary_of(episodes_of([1, float("nan"), 3]))


def test_faults_are_said(caplog):
    episodes = episodes_of([1, 2])
    episodes[1].fault = "no answer within 2.0 s"
    with caplog.at_level(logging.WARNING):
        summary_of(episodes)
    assert "1 of 2 episodes" in caplog.text
    assert "seed 10001: no answer within 2.0 s" in caplog.text


def test_a_score_survives_its_file(tmp_path):
    path = tmp_path / "evaluation.json"
    score = summary_of(episodes_of([1, 2, 3]))
    write_json(path, score)
    assert json.loads(path.read_text()) == score
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("content", [{"mean": float("nan")}, {"mean": object()}])
def test_a_failed_write_leaves_the_old_file(tmp_path, content):
    path = tmp_path / "evaluation.json"
    write_json(path, {"mean": 1.0})
    with pytest.raises((ValueError, TypeError)):
        write_json(path, content)
    assert json.loads(path.read_text()) == {"mean": 1.0}
    assert list(tmp_path.iterdir()) == [path]


def test_the_lines_a_person_reads():
    episodes = episodes_of([900, 0, 500, 100, 400, 200, 300, 800, 700, 600])
    episodes[0].lap_time_s, episodes[0].finished = 19.5, True
    lines = format_score({**summary_of(episodes), "ci95_low": 280.0, "ci95_high": 620.0})
    assert lines == (
        "carracing: 10 episodes (seeds 10000 to 10009, deterministic) in 62 s\n"
        "  return  mean 450.0 (95 % interval 280.0 to 620.0), std 287.2\n"
        "          p10 90.0, median 450.0, min 0.0, max 900.0, below 500: 50%\n"
        "  frames  mean 996 an episode; 10% finished a lap, best 19.50 s, median 19.50 s"
    )
