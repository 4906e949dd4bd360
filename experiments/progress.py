"""What people see of a run while it trains: one live line, and the rows of progress.csv."""

import csv
import io
import logging
import math
import os
import shutil
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TextIO

from experiments import metrics as names

_logger = logging.getLogger(__name__)


class LiveLine:
    """Say how a run goes: one line rewritten in place on a terminal, a plain line now and then anywhere else.

    Args:
        stream: where to write, usually `sys.stderr`.
        stop_frames: environment frames at which the run ends; None: no such limit.
        stop_wall_s: wall time at which the run ends, counted as `time/wall_s` is; None: no such limit.
        is_tty: whether a line can be rewritten; None: ask the stream.
        every_s: pause between two plain lines.
        clock: seconds from any start, never going back.
    """

    def __init__(
        self,
        stream: TextIO,
        *,
        stop_frames: int | None = None,
        stop_wall_s: float | None = None,
        is_tty: bool | None = None,
        every_s: float = 30.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._stream = stream
        self._stop_frames, self._stop_wall_s = stop_frames, stop_wall_s
        self._is_tty = stream.isatty() if is_tty is None else is_tty
        self._every_s, self._clock = every_s, clock
        self._started_s = clock()
        self._written_s: float | None = None  # when the last plain line was written
        self._seen: dict[str, float] = {}  # the newest finite value of each metric: eval comes once in a while
        self._dash = _dash(stream)
        self._width = 0  # characters on the terminal's line that must be overwritten
        self._is_pending = self._is_lost = False

    def update(self, metrics: Mapping[str, float]) -> None:
        """Show metrics named as in `experiments.metrics`; absent and non-finite ones keep their last value."""
        self._seen[names.WALL_S] = self._clock() - self._started_s
        self._seen.update({name: value for name, value in metrics.items() if math.isfinite(value)})
        now_s = self._clock()
        if self._is_tty:
            self._rewrite()
        elif self._written_s is None or now_s - self._written_s >= self._every_s:
            self._written_s, self._is_pending = now_s, False
            self._write(f"{self.line()}\n")
        else:
            self._is_pending = True

    def note(self, text: str) -> None:
        """Print a message above the line."""
        if not self._is_tty:
            self._write(f"{text}\n")
            return
        first, *rest = text.splitlines() or [""]
        self._write("\n".join([f"\r{first.ljust(self._width)}", *rest]) + "\n")
        self._width = 0
        if self._is_pending:
            self._rewrite()

    def close(self) -> None:
        """Leave the last state readable, and the cursor on a line of its own. Twice is fine."""
        if self._is_pending:
            self._write("\n" if self._is_tty else f"{self.line()}\n")
        self._is_pending, self._width = False, 0

    def line(self, columns: int | None = None) -> str:
        """Return the line; where `columns` are too few, the less important parts are left out first."""
        parts = self._parts()
        while columns is not None and sum(len(text) + 2 for _, text in parts) - 2 > columns and len(parts) > 1:
            parts.remove(max(parts))
        return "  ".join(text for _, text in parts)[:columns]

    def _parts(self) -> list[tuple[int, str]]:
        """Return the parts from left to right, each behind its rank: 0 is the last to be left out."""
        seen = self._seen
        frames, wall_s = seen.get(names.FRAMES, 0.0), seen.get(names.WALL_S, 0.0)
        frames_per_s = seen.get(names.FRAMES_PER_S, 0.0)
        shares: list[float] = []
        remaining_s: list[float] = []
        if self._stop_frames:
            shares.append(frames / self._stop_frames)
            if frames_per_s > 0:
                remaining_s.append((self._stop_frames - frames) / frames_per_s)
        if self._stop_wall_s:
            shares.append(wall_s / self._stop_wall_s)
            remaining_s.append(self._stop_wall_s - wall_s)

        parts = [(0, f"{duration(wall_s):>7}")]
        if shares:
            parts.append((3, f"{min(100, int(100 * max(shares))):>3} %"))
        parts.append((1, f"{short(frames):>5} frames"))
        parts.append((5, f"{short(frames_per_s):>5}/s"))
        parts.append((2, f"return {self._whole(names.RETURN_MEAN):>5}"))
        if names.EVAL_RETURN_MEAN in seen:
            parts.append((4, f"eval {self._whole(names.EVAL_RETURN_MEAN):>5}"))
        if names.EVAL_RETURN_P10 in seen:
            parts.append((7, f"(p10 {self._whole(names.EVAL_RETURN_P10):>5})"))
        parts.append((8, f"updates {short(seen.get(names.UPDATES, 0.0)):>5}"))
        if remaining_s:
            parts.append((6, f"ETA {duration(max(0.0, min(remaining_s))):>7}"))
        return parts

    def _whole(self, name: str) -> str:
        return f"{self._seen[name]:.0f}" if name in self._seen else self._dash

    def _rewrite(self) -> None:
        # One column stays free: a terminal that is filled to its last one may wrap, and \r would not come back.
        columns = max(1, shutil.get_terminal_size().columns - 1)
        text = self.line(columns)
        self._write(f"\r{text.ljust(min(self._width, columns))}")
        self._width, self._is_pending = len(text), True

    def _write(self, text: str) -> None:
        if self._is_lost:
            return
        try:
            self._stream.write(text)
            self._stream.flush()
        except OSError as error:  # the terminal or the pipe's reader is gone; training goes on without onlookers
            self._is_lost = True
            _logger.warning("The progress line has nowhere to go any more (%s); progress.csv goes on.", error)


class ProgressCsv:
    """Appends rows to a trial's progress.csv, one a training iteration, each on the disk's side as soon as it is added.

    A last line that a kill left half-written is overwritten. A disk that is full does not stop training: rows wait in
    memory and follow later.
    """

    def __init__(self, path: str | Path, *, max_waiting: int = 10_000) -> None:
        """Go on with the file, or begin it.

        Args:
            path: the file; its folder is made when missing.
            max_waiting: rows kept while the disk takes none; above it, the oldest are dropped.
        """
        self._path = Path(path)
        self._path.parent.mkdir(parents=True, exist_ok=True)
        self._max_waiting = max_waiting
        self._waiting: list[dict[str, float]] = []
        self._is_failing = False
        self._columns, self._end = self._scan()

    def append(self, row: Mapping[str, float]) -> None:
        """Add a row: metric name -> value, at least one. New names become columns, empty in earlier rows."""
        self._waiting.append(dict(row))
        try:
            self._write_waiting()
        except OSError as error:
            del self._waiting[: -self._max_waiting]
            if not self._is_failing:
                _logger.warning(
                    "%s cannot be written (%s). Its rows wait until it can; training goes on.", self._path, error
                )
            self._is_failing = True
        else:
            self._is_failing = False

    def truncate_after(self, frames: int) -> None:
        """Drop the rows with more `train/frames` than this, which a resumed run will write again."""
        rows = [row for row in self._rows() if float(row.get(names.FRAMES) or "inf") <= frames]
        self._replace(rows)

    def _scan(self) -> tuple[list[str], int]:
        """Return the columns and the number of bytes up to the last complete line."""
        data = self._path.read_bytes() if self._path.exists() else b""
        end = data.rfind(b"\n") + 1
        columns = next(csv.reader(io.StringIO(data[:end].decode())), []) if end else []
        return columns, end

    def _rows(self) -> list[dict[str, str]]:
        """Return the complete rows, as text."""
        if not self._end:
            return []
        lines = csv.reader(io.StringIO(self._path.read_bytes()[: self._end].decode()))
        next(lines)
        return [dict(zip(self._columns, cells, strict=True)) for cells in lines if len(cells) == len(self._columns)]

    def _write_waiting(self) -> None:
        if not self._path.exists():  # the first row, or someone deleted it
            self._columns, self._end = [], 0
        new = [name for row in self._waiting for name in row if name not in self._columns]
        if new:
            columns = list(dict.fromkeys([*self._columns, *new]))
            self._replace(self._rows(), columns)
        data = self._encode(self._waiting)
        with self._path.open("r+b") as file:
            file.seek(self._end)
            file.truncate()
            file.write(data)
        self._end += len(data)
        self._waiting.clear()

    def _replace(self, rows: list[dict[str, str]], columns: list[str] | None = None) -> None:
        """Write the file anew beside the old one, then put it in its place: a kill leaves one of the two whole."""
        columns = columns if columns is not None else self._columns
        data = self._encode([dict(zip(columns, columns, strict=True))], columns) if columns else b""
        data += self._encode(rows, columns)
        beside = self._path.with_name(f"{self._path.name}.new")
        beside.write_bytes(data)
        os.replace(beside, self._path)
        self._columns, self._end = columns, len(data)

    def _encode(self, rows: list[dict[str, str]] | list[dict[str, float]], columns: list[str] | None = None) -> bytes:
        text = io.StringIO()
        writer = csv.DictWriter(
            text, columns if columns is not None else self._columns, restval="", lineterminator="\n"
        )
        writer.writerows(rows)
        return text.getvalue().encode()


def _dash(stream: TextIO) -> str:
    """Return what stands for a number that is not there yet: a dash that the stream's encoding has."""
    try:
        "\N{EN DASH}".encode(getattr(stream, "encoding", None) or "utf-8")
    except UnicodeEncodeError:
        return "-"
    return "\N{EN DASH}"


def short(count: float) -> str:
    """Return a count in at most five characters: 214, 3.6k, 58.2k, 384k, 4.00M."""
    if count < 999.5:
        return f"{count:.0f}"
    for limit, form in ((99_950, "{:.1f}k"), (999_500, "{:.0f}k")):
        if count < limit:
            return form.format(count / 1e3)
    return f"{count / 1e6:.2f}M" if count < 99_995_000 else f"{count / 1e6:.0f}M"


def duration(seconds: float) -> str:
    """Return 4:32, 25:10 or 1:05:00."""
    minutes, rest_s = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest_s:02}" if hours else f"{minutes}:{rest_s:02}"
