"""A disk that fills is noticed before it is full."""

import shutil
from types import SimpleNamespace

import pytest

from envs.errors import ConfigError
from tune.disk import DiskWatch, describe_replays


@pytest.fixture
def disk(monkeypatch):
    """A disk whose free bytes a test sets, and that counts how often somebody looks."""
    disk = SimpleNamespace(free=10**12, looks=0)

    def usage(folder):
        disk.looks += 1
        return SimpleNamespace(free=disk.free)

    monkeypatch.setattr(shutil, "disk_usage", usage)
    return disk


@pytest.fixture
def watch(tmp_path):
    heard, clock = [], SimpleNamespace(now_s=0.0)
    watch = DiskWatch(tmp_path, heard.append, least_bytes=500 * 10**6, clock=lambda: clock.now_s)
    return SimpleNamespace(watch=watch, heard=heard, clock=clock)


def test_a_nearly_full_disk_stops_the_run_once_and_says_what_to_do(disk, watch, tmp_path):
    disk.free = 499 * 10**6
    for watch.clock.now_s in (0.0, 60.0, 120.0):
        watch.watch.look()
    (reason,) = watch.heard
    assert reason == watch.watch.reason
    assert str(tmp_path) in reason
    assert "0.50 GB left" in reason
    assert "resume" in reason


def test_a_disk_with_room_stops_nothing(disk, watch):
    disk.free = 500 * 10**6
    for watch.clock.now_s in (0.0, 60.0):
        watch.watch.look()
    assert watch.heard == []
    assert watch.watch.reason is None


def test_it_is_not_asked_at_every_report(disk, watch):
    for tenth in range(600):  # a minute of a report every tenth of a second
        watch.clock.now_s = tenth / 10
        watch.watch.look()
    assert 2 <= disk.looks <= 12


def test_a_folder_that_does_not_answer_does_not_end_the_run(watch, monkeypatch):
    def hiccup(folder):
        raise OSError(116, "Stale file handle")

    monkeypatch.setattr(shutil, "disk_usage", hiccup)
    watch.watch.look()
    assert watch.heard == []


def test_replays_that_do_not_fit_are_told_of_before_anything_starts(disk, tmp_path):
    disk.free = 5 * 10**9  # of which half a gigabyte stays free
    folder = tmp_path / "not" / "there" / "yet"
    assert describe_replays(folder, 450 * 10**6, num_concurrent=2, num_trials=10) is None
    said = describe_replays(folder, 450 * 10**6, num_concurrent=2, num_trials=11)
    assert "has 4.5 GB for replays of 0.45 GB a trial" in said
    assert "the 11 trials stop half-way" in said
    with pytest.raises(ConfigError, match=r"and 11 train at once.*tuner\.num_concurrent"):
        describe_replays(folder, 450 * 10**6, num_concurrent=11, num_trials=11)
    assert describe_replays(folder, 0, num_concurrent=11, num_trials=11) is None  # an algorithm without a replay
