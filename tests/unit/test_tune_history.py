"""What a scheduler is told of trials from before a resume: their progress.csv, up to their checkpoint."""

import pytest

from experiments.checkpoints import write_checkpoint
from tune.history import reported

RETURN, SPEED = "train/return_mean", "train/frames_per_s"


@pytest.fixture
def trial(tmp_path):
    """Return a function that writes a trial's CSV and the checkpoints at these frames."""

    def make(text, *checkpoints):
        (tmp_path / "progress.csv").write_text(text)
        for frames in checkpoints:
            write_checkpoint(tmp_path / "checkpoints", frames, lambda into: (into / "a").write_bytes(b"x"), keep=9)
        return tmp_path

    return make


ROWS = f"train/frames,{RETURN},{SPEED}\n100,,50\n200,1.5,60\n300,2.5,70\n400,3.5,80\n"


def test_an_ended_trial_is_known_whole(trial):
    assert reported(trial(ROWS, 200), [RETURN], whole=True) == [(200, 1.5), (300, 2.5), (400, 3.5)]


def test_of_one_that_goes_on_only_what_it_will_not_train_again(trial):
    assert reported(trial(ROWS, 200, 300), [RETURN], whole=False) == [(200, 1.5), (300, 2.5)]


def test_one_without_a_checkpoint_begins_anew(trial):
    assert reported(trial(ROWS), [RETURN], whole=False) == []


def test_a_damaged_checkpoint_is_none(trial):
    folder = trial(ROWS, 200, 300)
    (folder / "checkpoints" / "frames_000000000300" / "a").write_bytes(b"y")
    assert reported(folder, [RETURN], whole=False) == [(200, 1.5)]


def test_a_metric_that_is_not_in_every_row_keeps_its_newest_value(trial):
    text = f"train/frames,{RETURN}\n100,\n200,1.5\n300,\n400,4\n"
    assert reported(trial(text), [RETURN], whole=True) == [(200, 1.5), (300, 1.5), (400, 4.0)]


def test_several_metrics_are_a_list_once_all_are_known(trial):
    assert reported(trial(ROWS), [RETURN, SPEED], whole=True) == [(200, [1.5, 60]), (300, [2.5, 70]), (400, [3.5, 80])]


@pytest.mark.parametrize("half", ["50", "500", "500,", "500,1", "500,12.7", "500,4.5,9"])
def test_a_line_that_a_kill_left_half_written_is_not_believed(trial, half):
    assert reported(trial(ROWS + half), [RETURN], whole=True)[-1] == (400, 3.5)


@pytest.mark.parametrize("text", ["", f"train/frames,{RETURN}\n", "train/frames\n100\n", "train/fr"])
def test_nothing_that_could_be_compared_is_nothing(trial, text):
    assert reported(trial(text), [RETURN], whole=True) == []


def test_a_trial_that_never_started_reported_nothing(tmp_path):
    assert reported(tmp_path, [RETURN], whole=True) == []
    assert reported(tmp_path / "nowhere", [RETURN], whole=False) == []


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_what_is_not_finite_is_no_value(trial, value):
    """As a trial that reports does: it keeps the newest that is."""
    text = f"train/frames,{RETURN}\n100,{value}\n200,1.5\n300,{value}\n"
    assert reported(trial(text), [RETURN], whole=True) == [(200, 1.5), (300, 1.5)]
