"""The live line says what matters and fits its terminal; progress.csv survives kills, new columns and full disks."""

import errno
import io
import logging
import os
from pathlib import Path

import pytest

from experiments import metrics as names
from experiments.progress import LiveLine, ProgressCsv


class Clock:
    """Seconds that pass only when told."""

    def __init__(self):
        self.now_s = 1000.0

    def __call__(self):
        return self.now_s


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def columns(monkeypatch):
    """Return a function that sets the terminal's width."""

    def set_columns(number):
        monkeypatch.setattr("shutil.get_terminal_size", lambda *_, **__: os.terminal_size((number, 24)))

    return set_columns


def row(**changed):
    return {
        names.WALL_S: 272.0,
        names.FRAMES: 58_200,
        names.FRAMES_PER_S: 214.0,
        names.RETURN_MEAN: 312.4,
        names.UPDATES: 3600,
        **changed,
    }


def screen(text):
    """Return what a terminal shows after these characters: \\r goes back, and what follows overwrites."""
    lines = []
    for part in text.split("\n"):
        cells = []
        for piece in part.split("\r"):
            cells[: len(piece)] = list(piece)
        lines.append("".join(cells).rstrip())
    return lines


def test_the_line_shows_every_number_people_ask_for():
    live = LiveLine(io.StringIO(), stop_frames=384_000, stop_wall_s=1800.0, is_tty=False)
    live.update(row(**{names.EVAL_RETURN_MEAN: 288.0, names.EVAL_RETURN_P10: 120.0}))
    # 58,200 of 384,000 frames are 15 %, 272 of 1800 s too. 325,800 frames at 214/s take 1522 s, the wall limit 1528 s.
    expected = "4:32 15 % 58.2k frames 214/s return 312 eval 288 (p10 120) updates 3.6k ETA 25:22"
    assert " ".join(live.line().split()) == expected


def test_before_the_first_episode_there_is_no_return():
    live = LiveLine(io.StringIO(), is_tty=False)
    live.update({names.WALL_S: 5.0, names.FRAMES: 400, names.RETURN_MEAN: float("nan")})
    assert "return     \N{EN DASH}" in live.line()
    assert "eval" not in live.line()
    assert "%" not in live.line()  # no limit is set
    assert "ETA" not in live.line()


def test_a_stream_without_the_dash_gets_a_plain_one():
    raw = io.BytesIO()
    live = LiveLine(io.TextIOWrapper(raw, encoding="ascii"), is_tty=False)
    live.update({names.FRAMES: 400})
    assert b"return     -" in raw.getvalue()


@pytest.mark.parametrize(
    ("limits", "share", "eta"),
    [
        ({"stop_frames": 116_400}, "50 %", "4:31"),  # 58,200 frames at 214/s: 271.96 s
        ({"stop_wall_s": 2720.0}, "10 %", "40:48"),
        ({"stop_wall_s": 7472.0}, "3 %", "2:00:00"),
        ({"stop_frames": 58_000}, "100 %", "0:00"),  # the last iteration overshoots
        ({"stop_frames": 116_400, "stop_wall_s": 2720.0}, "50 %", "4:31"),
    ],
)
def test_share_and_eta_follow_the_limit_that_comes_first(limits, share, eta):
    live = LiveLine(io.StringIO(), is_tty=False, **limits)
    live.update(row())
    assert f" {share} " in live.line()
    assert live.line().split()[-2:] == ["ETA", eta]


@pytest.mark.parametrize(
    ("frames", "text"),
    [
        *[
            (0, "0"),
            (999, "999"),
            (1000, "1.0k"),
            (58_249, "58.2k"),
            (99_960, "100k"),
            (384_000, "384k"),
            (999_700, "1.00M"),
        ],
        *[(4_000_000, "4.00M"), (123_000_000, "123M")],
    ],
)
def test_counts_are_short(frames, text):
    live = LiveLine(io.StringIO(), is_tty=False)
    live.update(row(**{names.FRAMES: frames}))
    assert f" {text} frames" in live.line()


def test_the_last_evaluation_stays_in_the_line():
    live = LiveLine(io.StringIO(), is_tty=False)
    live.update(row(**{names.EVAL_RETURN_MEAN: 288.0}))
    live.update(row())
    assert "eval   288" in live.line()


def test_numbers_stand_below_each_other():
    live = LiveLine(io.StringIO(), stop_wall_s=36_000.0, is_tty=False)
    live.update(row(**{names.WALL_S: 9.0, names.FRAMES: 400, names.RETURN_MEAN: -8.0, names.UPDATES: 0}))
    early = live.line()
    live.update(row(**{names.WALL_S: 7200.0, names.FRAMES: 1_540_000, names.FRAMES_PER_S: 12_300.0}))
    assert [early.index(word) for word in ("frames", "/s", "return", "updates", "ETA")] == [
        live.line().index(word) for word in ("frames", "/s", "return", "updates", "ETA")
    ]


def test_elapsed_time_comes_from_the_clock_where_no_metric_says_it(clock):
    live = LiveLine(io.StringIO(), is_tty=False, clock=clock)
    clock.now_s += 65
    live.update({names.FRAMES: 1})
    assert live.line().split()[0] == "1:05"


@pytest.mark.parametrize("width", [200, 80, 50, 20, 5])
def test_on_a_terminal_one_line_is_rewritten_and_fits(columns, width):
    columns(width)
    out = io.StringIO()
    live = LiveLine(out, stop_frames=100_000, is_tty=True)
    for frames in (1_000, 58_200, 99_000):
        live.update(row(**{names.FRAMES: frames, names.EVAL_RETURN_MEAN: 288.0, names.EVAL_RETURN_P10: 120.0}))
    assert "\n" not in out.getvalue()
    assert all(len(piece) < width for piece in out.getvalue().split("\r"))
    live.close()
    assert screen(out.getvalue()) == [live.line(width - 1).rstrip(), ""]


def test_a_narrow_terminal_keeps_what_matters_most(columns):
    columns(60)
    out = io.StringIO()
    LiveLine(out, stop_frames=100_000, is_tty=True).update(row())
    assert "58.2k frames" in screen(out.getvalue())[0]
    assert "return   312" in screen(out.getvalue())[0]
    assert "updates" not in screen(out.getvalue())[0]


def test_a_shorter_line_leaves_nothing_of_the_longer_one(columns):
    columns(120)
    out = io.StringIO()
    live = LiveLine(out, is_tty=True)
    live.update(row(**{names.WALL_S: 36_000.0, names.RETURN_MEAN: -1_000_000.0}))
    live.update(row())
    assert screen(out.getvalue()) == [live.line()]


def test_a_note_stands_above_the_line(columns):
    columns(120)
    out = io.StringIO()
    live = LiveLine(out, is_tty=True)
    live.note("before")
    live.update(row())
    live.note("checkpoint 3 saved\nin 0.2 s")
    assert screen(out.getvalue()) == ["before", "checkpoint 3 saved", "in 0.2 s", live.line()]
    live.close()
    live.close()
    assert screen(out.getvalue()) == ["before", "checkpoint 3 saved", "in 0.2 s", live.line(), ""]


def test_elsewhere_a_plain_line_comes_first_last_and_every_30_s(clock):
    out = io.StringIO()
    live = LiveLine(out, is_tty=False, clock=clock)
    for second in range(70):
        live.update(row(**{names.WALL_S: float(second)}))
        clock.now_s += 1.0
    live.note("a note")
    live.close()
    live.close()
    lines = out.getvalue().splitlines()
    assert [line.split()[0] for line in lines] == ["0:00", "0:30", "1:00", "a", "1:09"]
    assert "\r" not in out.getvalue()


def test_the_last_plain_line_is_not_said_twice(clock):
    out = io.StringIO()
    live = LiveLine(out, is_tty=False, clock=clock)
    live.update(row())
    live.close()
    assert len(out.getvalue().splitlines()) == 1


def test_whether_it_is_a_terminal_is_asked_of_the_stream(columns):
    columns(120)

    class Terminal(io.StringIO):
        def isatty(self):
            return True

    out = Terminal()
    LiveLine(out).update(row())
    assert out.getvalue().startswith("\r")


def test_a_terminal_that_is_gone_does_not_stop_training(caplog):
    class Gone(io.StringIO):
        def write(self, text):
            raise OSError(errno.EIO, "Input/output error")

    live = LiveLine(Gone(), is_tty=True)
    live.update(row())
    live.update(row())
    live.note("text")
    live.close()
    assert len(caplog.records) == 1


@pytest.fixture
def path(tmp_path):
    return tmp_path / "trial" / "progress.csv"


def test_rows_are_there_at_once(path):
    progress = ProgressCsv(path)
    progress.append({names.FRAMES: 400, names.RETURN_MEAN: -7.25})
    assert path.read_text() == "train/frames,train/return_mean\n400,-7.25\n"
    progress.append({names.FRAMES: 800, names.RETURN_MEAN: 3.0})
    assert path.read_text() == "train/frames,train/return_mean\n400,-7.25\n800,3.0\n"


def test_a_new_column_widens_the_earlier_rows(path):
    progress = ProgressCsv(path)
    progress.append({"a": 1, "b": 2})
    progress.append({"b": 3, "c,d": 4})
    progress.append({"a": 5})
    assert path.read_text() == 'a,b,"c,d"\n1,2,\n,3,4\n5,,\n'
    assert os.listdir(path.parent) == ["progress.csv"]


def test_a_second_start_goes_on_below(path):
    ProgressCsv(path).append({"a": 1, "b": 2})
    ProgressCsv(path).append({"b": 3})
    assert path.read_text() == "a,b\n1,2\n,3\n"


@pytest.mark.parametrize(
    ("left", "after"),
    [
        ("a,b\n1,2\n3,4", "a,b\n1,2\n5,6\n"),  # nobody knows whether it said 4 or 41
        ("a,b\n1,2\n3,4\n", "a,b\n1,2\n3,4\n5,6\n"),
        ("a,", "a,b\n5,6\n"),
        ("", "a,b\n5,6\n"),
    ],
)
def test_what_a_kill_left_half_written_is_dropped(path, left, after):
    path.parent.mkdir()
    path.write_text(left)
    ProgressCsv(path).append({"a": 5, "b": 6})
    assert path.read_text() == after


def test_truncate_after_drops_what_the_resumed_run_writes_again(path):
    progress = ProgressCsv(path)
    for frames in (100, 200, 300, 400):
        progress.append({names.FRAMES: frames, "m": frames / 8})
    with path.open("a") as file:
        file.write("250")
    resumed = ProgressCsv(path)
    resumed.truncate_after(200)
    assert path.read_text() == "train/frames,m\n100,12.5\n200,25.0\n"
    resumed.append({names.FRAMES: 260, "m": 1.5, "new": 2})
    assert path.read_text() == "train/frames,m,new\n100,12.5,\n200,25.0,\n260,1.5,2\n"


def test_truncate_after_drops_damaged_lines_and_takes_a_file_that_is_not_there(path):
    ProgressCsv(path).truncate_after(100)
    path.write_text("train/frames,m\n100,1\n\x00\x00\x00\n150\n180,2,3\n190,\n")
    ProgressCsv(path).truncate_after(200)
    assert path.read_text() == "train/frames,m\n100,1\n190,\n"


def test_rows_wait_while_the_disk_is_full(path, monkeypatch, caplog):
    progress = ProgressCsv(path)
    progress.append({"a": 1})
    opened = Path.open

    def full(self, *args, **kwargs):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(Path, "open", full)
    progress.append({"a": 2})
    progress.append({"a": 3})
    monkeypatch.setattr(Path, "open", opened)
    progress.append({"a": 4})
    assert path.read_text() == "a\n1\n2\n3\n4\n"
    assert [record.levelno for record in caplog.records] == [logging.WARNING]


def test_a_deleted_file_begins_anew(path):
    progress = ProgressCsv(path)
    progress.append({"a": 1})
    path.unlink()
    progress.append({"a": 2})
    assert path.read_text() == "a\n2\n"
