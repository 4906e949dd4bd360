"""What is written for a frame on one connection: a record, or what a fault makes of it."""

from typing import NamedTuple

from envs.trackmania.twin.faults import Faults


class Writes(NamedTuple):
    """Pieces to write one after the other, and whether the connection is closed then."""

    pieces: list[bytes]
    closes: bool


class Wire:
    """One connection's way of writing.

    Args:
        number: of the connection, from 0.
    """

    def __init__(self, number: int) -> None:
        self._number = number
        self._frames = 0
        self._waiting = b""

    def begin(self) -> None:
        """Count frames anew: other faults were set."""
        self._frames = 0

    def layout(self, layout: str, faults: Faults) -> str:
        """Return the layout that is written instead of the game's own."""
        if faults.next_layout is not None and self._number > 0:
            return faults.next_layout
        return faults.wrong_layout or layout

    def writes(self, record: bytes, faults: Faults) -> Writes:
        """Return what is written for a record."""
        if faults.silent:
            return Writes([], closes=False)
        if faults.close_after_frames is not None and self._frames >= faults.close_after_frames:
            return Writes([], closes=True)
        if faults.half_after_frames is not None and self._frames >= faults.half_after_frames:
            return Writes([record[: len(record) // 2]], closes=True)
        self._frames += 1
        self._waiting += record * faults.copies
        if self._frames % faults.burst_frames:
            return Writes([], closes=False)
        whole, self._waiting = self._waiting, b""
        pieces = [whole[i : i + 1] for i in range(len(whole))] if faults.one_byte_writes else [whole]
        return Writes(pieces, closes=False)
