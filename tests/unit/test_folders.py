"""Pointers and small files: replaced in one step, and still right when the outputs are moved."""

import pytest

from experiments import folders


@pytest.fixture(params=[True, False], ids=["symbolic link", "text file"])
def links(request):
    """A system with symbolic links, and one that allows none."""
    if not request.param:
        request.getfixturevalue("without_links")
    return request.param


def test_pointers_survive_moving_the_folder(tmp_path, links):
    run = tmp_path / "outputs" / "default" / "run"
    run.mkdir(parents=True)
    folders.point(tmp_path / "outputs" / "latest", run)
    assert (tmp_path / "outputs" / "latest").is_symlink() is links
    (tmp_path / "outputs").rename(tmp_path / "moved")
    assert folders.follow(tmp_path / "moved" / "latest") == tmp_path / "moved" / "default" / "run"


def test_a_pointer_is_replaced_and_nothing_else_is_left(tmp_path, links):
    for name in ("first", "second"):
        (tmp_path / name).mkdir()
        folders.point(tmp_path / "latest", tmp_path / name)
        assert folders.follow(tmp_path / "latest") == tmp_path / name
    assert sorted(path.name for path in tmp_path.iterdir()) == ["first", "latest", "second"]


def test_a_small_file_is_written_whole_or_not_at_all(tmp_path, monkeypatch, power_cut):
    path = tmp_path / "config.yaml"
    folders.write_durably(path, "old: ü")
    monkeypatch.setattr(folders.os, "replace", power_cut)
    with pytest.raises(KeyboardInterrupt):
        folders.write_durably(path, "new: half")
    assert path.read_text(encoding="utf-8") == "old: ü"
