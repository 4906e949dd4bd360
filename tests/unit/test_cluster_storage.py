"""Checkpoints on storage: copied there whole, and back to another node that has none."""

import json

import pytest

from experiments.checkpoints import find_damage, list_checkpoints, write_checkpoint
from experiments.storage import CheckpointMirror


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
    for frames in (100, 200, 300):
        source.push(save(first, frames), keep=2)
    source.wait(30)
    stored = tmp_path / "storage" / "default" / "run" / "trials" / "00000" / "checkpoints"
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
