"""From bytes to records: however the stream is cut, the same records come out, and the newest complete one counts."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.trackmania.layouts import POSITION, RACE_TIME_MS, RACE_TIME_S, Layout


@dataclass(frozen=True)
class Record:
    """What a plugin told about one frame of the game.

    Attributes:
        layout: says what the values are.
        values: the floats, as they came.
        received_s: when it was received, on the reader's clock.
        number: how many records of this connection came before it.
    """

    layout: Layout
    values: tuple[float, ...]
    received_s: float
    number: int = 0

    def __getitem__(self, name: str) -> float:
        """Return a field; KeyError if the layout has none of this name."""
        return self.values[self.layout.place(name)]

    def __contains__(self, name: str) -> bool:
        """Whether the layout has a field of this name."""
        return name in self.layout

    def vector(self, names: tuple[str, ...]) -> npt.NDArray[np.float64]:
        """Return several fields, `(len(names),)`."""
        return np.array([self[name] for name in names])

    @property
    def position_m(self) -> npt.NDArray[np.float64]:
        """Position `(3,)` as x, y and z, metres, y up."""
        return self.vector(POSITION)

    @property
    def race_time_s(self) -> float | None:
        """The game's own race clock, seconds; None if the layout has none."""
        if RACE_TIME_S in self:
            return self[RACE_TIME_S]
        return self[RACE_TIME_MS] / 1000.0 if RACE_TIME_MS in self else None

    @property
    def is_sound(self) -> bool:
        """Whether it is finite and within the ranges of its fields."""
        return self.layout.fits_one(self.values)


class RecordStream:
    """Cut a stream of bytes into records. The first byte fed begins a record.

    Args:
        layout: of the stream.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        self._fragment = bytearray()
        self._seen = 0

    @property
    def seen(self) -> int:
        """Complete records so far."""
        return self._seen

    def feed(self, data: bytes, received_s: float) -> list[Record]:
        """Return the records that are complete now, oldest first; what is left waits for the next call.

        Args:
            data: any number of bytes.
            received_s: when they came, on the reader's clock.
        """
        self._fragment += data
        size = self.layout.num_bytes
        whole = len(self._fragment) // size
        block = bytes(self._fragment[: whole * size])
        del self._fragment[: whole * size]
        records = [
            Record(self.layout, self.layout.values(block[place * size : (place + 1) * size]), received_s, number)
            for place, number in enumerate(range(self._seen, self._seen + whole))
        ]
        self._seen += whole
        return records


class NewestRecord:
    """Keep the newest sound record and count what happened to the others.

    Attributes:
        seen: records that came.
        skipped: sound ones that a newer one replaced before anybody took them.
        unsound: those that were not finite or out of range; they replace nothing.
    """

    def __init__(self) -> None:
        self.seen = self.skipped = self.unsound = 0
        self._newest: Record | None = None
        self._was_taken = True

    @property
    def newest(self) -> Record | None:
        """The newest sound record, whether it was taken or not."""
        return self._newest

    def put(self, record: Record) -> bool:
        """Take notice of a record; return whether it is sound."""
        self.seen += 1
        if not record.is_sound:
            self.unsound += 1
            return False
        self.skipped += not self._was_taken
        self._newest, self._was_taken = record, False
        return True

    def take(self) -> Record | None:
        """Return the newest sound record, again if none has come since; None if there was none."""
        self._was_taken = True
        return self._newest

    def forget(self) -> None:
        """Drop the record, as after a lost connection; counts stay."""
        self._newest, self._was_taken = None, True


def as_block(data: bytes, layout: Layout) -> npt.NDArray[Any]:
    """Return the complete records that `data` begins with, `(N, F)` float32; a fragment at its end is left out."""
    whole = len(data) // layout.num_bytes
    return np.frombuffer(data, "<f4", whole * layout.num_floats).reshape(whole, layout.num_floats)
