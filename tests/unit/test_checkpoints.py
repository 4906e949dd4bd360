"""Checkpoints on disk: whole or not at all, found again, believed only when intact."""

import os

import pytest

from envs.errors import ConfigError
from experiments import checkpoints
from experiments.checkpoints import find_damage, latest_checkpoint, newest_whole_checkpoint, write_checkpoint


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "trials" / "00000" / "checkpoints"


@pytest.fixture
def save(folder):
    """Write a checkpoint of two files that hold its frames."""

    def write(frames, keep=10, content=None):
        def files(into):
            (into / "state.pt").write_bytes(str(content or frames).encode() * 1000)
            (into / "policy.json").write_text(str(frames))

        return write_checkpoint(folder, frames, files, keep)

    return write


def visible(folder):
    return sorted(path.name for path in folder.iterdir() if not path.name.startswith("."))


def test_a_checkpoint_is_whole_and_latest_names_it(folder, save):
    first, second = save(80), save(1600)
    assert latest_checkpoint(folder) == newest_whole_checkpoint(folder) == second.resolve()
    assert visible(folder) == [first.name, second.name, "latest"]
    assert (folder / "latest" / "policy.json").read_text() == "1600"
    assert find_damage(first) is find_damage(second) is None


@pytest.mark.parametrize(("keep", "left"), [(1, [5]), (2, [4, 5]), (9, [1, 2, 3, 4, 5])])
def test_only_the_newest_stay(folder, save, keep, left):
    for frames in range(1, 6):
        save(frames, keep)
    assert visible(folder) == [*(f"frames_{frames:012d}" for frames in left), "latest"]
    assert latest_checkpoint(folder).name == f"frames_{5:012d}"


def test_checkpoints_are_ordered_by_frames_not_by_name_or_age(folder, save):
    older, newest = save(999), save(10_000_000)
    os.utime(older, (2e9, 2e9))
    assert newest_whole_checkpoint(folder) == newest


@pytest.mark.parametrize("moment", ["while writing", "before the rename"])
def test_a_crash_leaves_the_previous_checkpoint_in_force(folder, save, monkeypatch, power_cut, moment):
    previous = save(1)

    with monkeypatch.context() as patch:
        if moment == "while writing":
            with pytest.raises(KeyboardInterrupt):
                write_checkpoint(folder, 2, lambda into: (into / "state.pt").write_text("half") and power_cut(), keep=1)
        else:
            patch.setattr(checkpoints.os, "replace", power_cut)
            with pytest.raises(KeyboardInterrupt):
                save(2)
    assert latest_checkpoint(folder) == newest_whole_checkpoint(folder) == previous
    assert visible(folder) == [previous.name, "latest"]
    assert latest_checkpoint(folder) != save(2)  # and the next one can be written
    assert visible(folder)[-2:] == ["frames_000000000002", "latest"]


def test_the_same_frames_again_are_saved_already(folder, save):
    save(7, content="old")
    again = save(7, content="new")
    assert (again / "state.pt").read_bytes().startswith(b"old")
    assert newest_whole_checkpoint(folder) == latest_checkpoint(folder) == again
    assert visible(folder) == [again.name, "latest"]


def test_the_same_frames_again_replace_a_damaged_checkpoint(folder, save):
    (save(7, content="old") / "state.pt").write_bytes(b"")
    again = save(7, content="new")
    assert (again / "state.pt").read_bytes().startswith(b"new")
    assert newest_whole_checkpoint(folder) == latest_checkpoint(folder) == again


DAMAGE = pytest.mark.parametrize(
    ("damage", "named"),
    [
        (lambda path: (path / "state.pt").write_bytes(b""), "state.pt"),
        (lambda path: (path / "state.pt").write_bytes(b"8" * 2000), "state.pt"),
        (lambda path: (path / "policy.json").unlink(), "policy.json"),
        (lambda path: (path / "manifest.json").unlink(), "manifest.json"),
        (lambda path: (path / "manifest.json").write_bytes(b"\x00\xff" * 20), ""),
        (lambda path: (path / "manifest.json").write_text('{"state.pt":'), ""),
        (lambda path: (path / "manifest.json").write_text("[]"), ""),
    ],
    ids=["cut", "changed", "missing", "no manifest", "zeroed manifest", "cut manifest", "other manifest"],
)


@DAMAGE
def test_a_damaged_checkpoint_is_named_and_passed_over(folder, save, caplog, damage, named):
    whole, damaged = save(1), save(2)
    damage(damaged)
    assert newest_whole_checkpoint(folder) == whole
    (warning,) = caplog.records
    assert warning.levelname == "WARNING"
    assert str(damaged) in warning.getMessage()
    assert named in find_damage(damaged)


@DAMAGE
def test_the_latest_being_damaged_lists_the_others(folder, save, damage, named):
    whole, damaged = save(1), save(2)
    damage(damaged)
    with pytest.raises(ConfigError, match=rf"{damaged.name} is damaged: .*{named}.*beside it: {whole.name}\."):
        latest_checkpoint(folder)


def test_when_all_are_damaged_the_run_cannot_go_on(folder, save):
    for frames in (1, 2):
        (save(frames) / "state.pt").write_bytes(b"")
    with pytest.raises(ConfigError, match=r"All 2 checkpoints in .* are damaged"):
        newest_whole_checkpoint(folder)


def test_before_the_first_there_is_none(folder):
    assert newest_whole_checkpoint(folder) is None
    with pytest.raises(ConfigError, match=r"No checkpoint in .*before its first was written"):
        latest_checkpoint(folder)


def test_after_falling_back_the_new_checkpoint_stays_and_the_damaged_one_goes(folder, save):
    """Frames count on from the older one, so the new checkpoint sorts before the damaged one."""
    save(100)
    (save(200) / "state.pt").write_bytes(b"")
    fresh = save(150, keep=1)
    assert newest_whole_checkpoint(folder) == latest_checkpoint(folder) == fresh


def test_a_latest_that_leads_nowhere_lists_the_others(folder, save):
    save(1)
    gone = save(2)
    gone.rename(folder.parent / "elsewhere")
    with pytest.raises(ConfigError, match=f"beside it: frames_{1:012d}"):
        latest_checkpoint(folder)


@pytest.mark.usefixtures("without_links")
def test_checkpoints_work_where_links_are_not_allowed(folder, save):
    save(1)
    newest = save(2, keep=1)
    assert not (folder / "latest").is_symlink()
    assert latest_checkpoint(folder) == newest
    assert visible(folder) == [newest.name, "latest"]
