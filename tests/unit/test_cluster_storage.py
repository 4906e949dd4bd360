"""Checkpoints on storage: copied there whole, and back to another node that has none."""

import json
import time

import pyarrow.fs
import pytest

from envs.errors import ConfigError
from experiments import storage
from experiments.checkpoint_mirror import CheckpointMirror
from experiments.checkpoints import find_damage, list_checkpoints, write_checkpoint
from experiments.storage import check_storage


def trial(root, node):
    folder = root / node / "outputs" / "default" / "run" / "trials" / "00000"
    folder.mkdir(parents=True)
    return folder


def save(folder, frames):
    def write(fresh):
        (fresh / "state.json").write_text(json.dumps({"frames": frames}))

    return write_checkpoint(folder / "checkpoints", frames, write, 2)


@pytest.fixture
def mirror_of(tmp_path):
    mirrors = []

    def mirror(folder):
        mirrors.append(CheckpointMirror(f"file://{tmp_path}/storage", folder))
        return mirrors[-1]

    yield mirror
    for one in mirrors:
        one.close()


def test_another_node_gets_the_newest_whole_checkpoint(tmp_path, mirror_of):
    first, second = trial(tmp_path, "first"), trial(tmp_path, "second")
    source = mirror_of(first)
    stored = tmp_path / "storage" / "default" / "run" / "trials" / "00000" / "checkpoints"
    (stored / "frames_000000000050").mkdir(parents=True)  # removed here while it was copied
    for frames in (100, 200, 300):
        source.push(save(first, frames), keep=2)
    source.wait(30)
    assert [path.name for path in sorted(stored.iterdir())] == ["frames_000000000200", "frames_000000000300"]
    (stored / "frames_000000000300" / "manifest.json").unlink()  # its node died before the last file was there
    fetched = mirror_of(second).pull_newest(second / "checkpoints")
    assert fetched == second / "checkpoints" / "frames_000000000200"
    assert find_damage(fetched) is None
    assert json.loads((fetched / "state.json").read_text()) == {"frames": 200}
    assert (second / "checkpoints" / "latest").resolve() == fetched


def test_a_damaged_copy_is_refused_and_leaves_nothing(tmp_path, mirror_of):
    first, second = trial(tmp_path, "first"), trial(tmp_path, "second")
    source = mirror_of(first)
    source.push(save(first, 100), keep=2)
    source.wait(30)
    (damaged,) = (tmp_path / "storage").rglob("state.json")
    damaged.write_text("{}")
    with pytest.raises(OSError, match="came damaged"):
        mirror_of(second).pull_newest(second / "checkpoints")
    assert not list_checkpoints(second / "checkpoints")
    assert [path.name for path in (second / "checkpoints").iterdir()] == []


def test_what_is_here_and_as_new_is_not_fetched(tmp_path, mirror_of):
    folder = trial(tmp_path, "first")
    source = mirror_of(folder)
    source.push(save(folder, 100), keep=2)
    source.wait(30)
    assert source.pull_newest(folder / "checkpoints") is None
    assert mirror_of(trial(tmp_path, "second")).pull_newest(tmp_path / "elsewhere") is not None
    empty = CheckpointMirror(f"file://{tmp_path}/nothing", folder)
    assert empty.pull_newest(folder / "checkpoints") is None
    empty.close()


def test_a_damaged_copy_is_passed_over_for_the_one_before_it_and_replaced(tmp_path, mirror_of):
    first, second = trial(tmp_path, "first"), trial(tmp_path, "second")
    source = mirror_of(first)
    for frames in (100, 200):
        source.push(save(first, frames), keep=1 + (frames == 200))
    source.wait(30)
    stored = tmp_path / "storage" / "default" / "run" / "trials" / "00000" / "checkpoints"
    (stored / "frames_000000000200" / "state.json").write_text("{}")
    target = mirror_of(second)
    assert target.pull_newest(second / "checkpoints").name == "frames_000000000100"
    target.push(save(second, 150), keep=1)  # it goes on from there, by itself
    target.wait(30)
    assert [path.name for path in stored.iterdir()] == ["frames_000000000150"]


def test_after_a_copy_that_failed_the_next_ones_arrive(tmp_path, mirror_of):
    folder, stored = trial(tmp_path, "first"), tmp_path / "storage"
    source = mirror_of(folder)
    stored.write_text("a file where a folder should be")
    source.push(save(folder, 100), keep=2)
    with pytest.raises(OSError, match=r"."):
        source.wait(30)
    with pytest.raises(OSError, match=r"."):  # again
        source.push(save(folder, 200), keep=2)
    stored.unlink()  # the storage is well again
    source.push(save(folder, 300), keep=2)
    source.push(save(folder, 400), keep=2)
    source.wait(30)
    assert [path.parent.name for path in sorted(stored.rglob("manifest.json"))] == [
        "frames_000000000300",
        "frames_000000000400",
    ]


def test_what_is_replaced_is_no_checkpoint_meanwhile(tmp_path, mirror_of, monkeypatch):
    folder = trial(tmp_path, "first")
    source, copy = mirror_of(folder), pyarrow.fs.copy_files
    source.push(save(folder, 100), keep=2)
    source.wait(30)
    (stored,) = (tmp_path / "storage").rglob("frames_*")
    seen = []
    monkeypatch.setattr(
        pyarrow.fs, "copy_files", lambda *names, **more: (seen.append(find_damage(stored)), copy(*names, **more))
    )
    source.push(list_checkpoints(folder / "checkpoints")[0], keep=2)  # the same again
    source.wait(30)
    assert seen == []
    changed = write_checkpoint(
        folder / "checkpoints", 100, lambda fresh: (fresh / "state.json").write_text("2"), 2, replace_same=True
    )
    source.push(changed, keep=2)
    source.wait(30)
    assert len(seen) == 2
    assert None not in seen  # whole before and after, never in between
    assert find_damage(stored) is None


def test_closing_lets_the_last_copy_arrive(tmp_path, monkeypatch):
    folder, copy = trial(tmp_path, "first"), pyarrow.fs.copy_files
    monkeypatch.setattr(pyarrow.fs, "copy_files", lambda *names, **more: (time.sleep(0.2), copy(*names, **more)))
    source = CheckpointMirror(f"file://{tmp_path}/storage", folder)
    source.push(save(folder, 100), keep=2)
    source.push(save(folder, 200), keep=2)
    source.close()
    assert len(list((tmp_path / "storage").rglob("manifest.json"))) == 2


def test_what_another_trial_has_fetched_meanwhile_is_taken(tmp_path, mirror_of, monkeypatch):
    first, second = trial(tmp_path, "first"), trial(tmp_path, "second") / "checkpoints"
    source, mirror, other, copy = mirror_of(first), mirror_of(first), mirror_of(first), pyarrow.fs.copy_files
    source.push(save(first, 100), keep=2)
    source.wait(30)

    def slow(*names, **more):
        monkeypatch.setattr(pyarrow.fs, "copy_files", copy)
        monkeypatch.setattr("os.getpid", lambda: 1)  # the other is another process
        assert other.pull_newest(second) is not None
        monkeypatch.undo()
        copy(*names, **more)

    monkeypatch.setattr(pyarrow.fs, "copy_files", slow)
    assert find_damage(mirror.pull_newest(second)) is None
    assert sorted(path.name for path in second.iterdir()) == ["frames_000000000100", "latest"]


def test_a_storage_is_tried_once_for_all_trials(tmp_path, monkeypatch):
    uri = f"file://{tmp_path}/storage"
    check_storage(uri)
    assert list((tmp_path / "storage").iterdir()) == []  # the file of the trial is gone
    monkeypatch.setattr(storage.subprocess, "run", None)
    check_storage(uri)


def test_a_storage_that_cannot_be_written_to_says_why(tmp_path):
    (tmp_path / "file").touch()
    with pytest.raises(ConfigError, match=r"paths\.storage=.*file/below cannot be written to: .*Not a directory"):
        check_storage(f"file://{tmp_path}/file/below")
    with pytest.raises(ConfigError, match=r"paths\.storage=bucket/f: .*Expected s3://BUCKET"):
        check_storage("bucket/f")


def test_a_storage_that_nobody_answers_at_is_given_up(monkeypatch):
    monkeypatch.setattr(storage, "_ANSWER_S", 0.1)
    with pytest.raises(ConfigError, match=r"paths\.storage=s3://b/f\S* did not answer within 0\.1 s"):
        check_storage("s3://b/f?endpoint_override=127.0.0.1:1&scheme=http")
