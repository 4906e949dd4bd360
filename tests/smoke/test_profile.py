"""A trial with `profile=true`: what it leaves in its folder, and what one without it is spared."""

import sys
import time
from dataclasses import asdict
from functools import partial

import pytest

import experiments.training
from experiments import metrics, trial
from experiments.profiling import training
from experiments.profiling.training import TrainingProfile


def train_period(profile, algorithm, is_last=False):
    """Train as a trial does from one report to the next."""
    with profile.period():
        began, updates = time.perf_counter(), algorithm.updates
        while algorithm.updates < updates + 8:
            algorithm.train()
        seconds = time.perf_counter() - began
    report = algorithm.report()
    report[metrics.OVERHEAD_S] = seconds - report[metrics.SAMPLE_S] - report[metrics.LEARN_S]
    return profile.end_period(report, is_last)


def has_profiler(algorithm):
    """Whether a process that imported what runs are made of has the profiler: a runner's, which is new."""

    def look(runner):
        import experiments.trial  # noqa: F401

        return "pyinstrument" in sys.modules

    (found,) = algorithm.env_runner_group.foreach_env_runner(look, local_env_runner=False)
    return found


@pytest.mark.slow
def test_learner_and_runner_are_profiled_after_the_warm_up(build, tiny, tmp_path):
    algorithm = build(*tiny["ppo"])
    (note,) = train_period(TrainingProfile(tmp_path / "profile", algorithm), algorithm, is_last=True)
    assert "the run ended before calls were sampled" in note
    assert not (tmp_path / "profile").exists()
    assert not has_profiler(algorithm)

    profile = TrainingProfile(tmp_path / "profile", algorithm, split_s=0.0, max_s=0.0)
    for _stage in ("warm-up", "split", "operators"):
        assert not has_profiler(algorithm)
        assert train_period(profile, algorithm) == []
    assert has_profiler(algorithm)
    (note,) = train_period(profile, algorithm)
    assert "8 updates" in note.splitlines()[0]
    assert str(tmp_path / "profile" / "profile.txt") in note
    assert {path.name for path in (tmp_path / "profile").iterdir()} == {"learner.html", "runner_1.html", "profile.txt"}
    assert "PPOLearner" in (tmp_path / "profile" / "learner.html").read_text()
    assert "RacingEnvRunner" in (tmp_path / "profile" / "runner_1.html").read_text()
    text = (tmp_path / "profile" / "profile.txt").read_text()
    assert note.splitlines()[1] in text
    assert "learner: hottest functions" in text
    assert "runner_1: hottest functions" in text
    assert "aten::addmm" in text
    again = algorithm.env_runner_group.foreach_env_runner(lambda r: r.take_profile(1), local_env_runner=False)
    assert again == [None]
    assert train_period(profile, algorithm, is_last=True) == []  # it has had its say


@pytest.mark.parametrize("config", [{"profile": False}, {}], ids=["not asked for", "begun before there was the key"])
def test_a_trial_that_is_not_told_to_has_no_profile(config):
    one = object.__new__(experiments.training.Training)
    one._config = config
    assert one._start_profile() is None


@pytest.mark.slow
def test_a_trial_that_is_told_to_writes_a_profile_when_it_stops(
    ray_session, compose, tiny, tmp_path, monkeypatch, request
):
    monkeypatch.setattr(experiments.training, "_REPORT_EVERY_S", 0.1)
    monkeypatch.setattr(training, "TrainingProfile", partial(TrainingProfile, split_s=0.0))
    monkeypatch.setattr(trial, "log_to", lambda path: None)  # this process is not the trial's own
    config = compose(*tiny["sac"], "profile=true", "stop.wall_s=null") | {"plan": asdict(ray_session)}
    one = trial.Trial({**config, "run_folder": str(tmp_path), "started_at": time.time()})
    request.addfinalizer(one.cleanup)
    while one._training.algorithm.updates == 0:  # warm-up
        assert one.step()["notes"] == []
    for _stage in ("split", "operators", "calls"):
        assert one.step()["notes"] == []
    (tmp_path / "stop_requested").touch()
    (note,) = one.step()["notes"]
    (text,) = tmp_path.glob("trials/*/profile/profile.txt")
    assert note.splitlines()[0] in text.read_text()
    assert "(between)" in note
    assert (text.parent / "runner_1.html").exists()
