"""Which layout is it? Streams have no header, so all records of a burst must make sense, in one layout alone."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from envs.errors import ProtocolError
from envs.trackmania.layouts import CANDIDATES, MAX_MOVE_M, SPEED_MPS, Layout
from envs.trackmania.records import Record, as_block

BURST = 30  # complete records that a layout must have explained before it is believed
_JUMPS = 1  # restarts within a burst
_MOVING_MPS = 1.0
_SPAN_S, _SPANS = 1.0, 5  # over which a way is measured, and how many of them
_LOW, _HIGH = 0.8, 1.25  # of speed against way per time
_WATCH_S = 8.0  # of records, in which the car may have moved long enough to compare speeds
_UNITS = {"km/h": 3.6, "mm/s": 1000.0, "cm/s": 100.0}


@dataclass(frozen=True)
class Suspects:
    """Layouts that the bytes so far may have.

    Attributes:
        settled: those that explain a burst without a contradiction.
        open: those that are not contradicted, but have too few records yet.
    """

    settled: tuple[Layout, ...]
    open: tuple[Layout, ...]


def suspects(data: bytes, candidates: Sequence[Layout] = CANDIDATES) -> Suspects:
    """Return what the bytes of a connection, from its first one, can be."""
    settled: list[Layout] = []
    waiting: list[Layout] = []
    for layout in candidates:
        block = as_block(data, layout)
        if not _explains(layout, block):
            continue
        (settled if len(block) >= BURST else waiting).append(layout)
    return Suspects(tuple(settled), tuple(waiting))


def identify(data: bytes, candidates: Sequence[Layout] = CANDIDATES) -> Layout | None:
    """Return the layout of a stream, or None while that takes more bytes.

    Args:
        data: of the connection from its first byte on.
        candidates: layouts to choose from; one alone is checked.

    Raises:
        ProtocolError: no layout explains the bytes, several do, or one of which too little is known.
    """
    found = suspects(data, candidates)
    if not found.settled and not found.open:
        tried = ", ".join(f"{layout.name} ({layout.num_bytes} bytes)" for layout in candidates)
        raise ProtocolError(
            f"{len(data)} bytes came that are no records of {tried}: values are not finite or out of range, or the car "
            "jumps. Another plugin may listen at this port; see python -m envs.doctor env=trackmania."
        )
    if found.open:
        return None
    if len(found.settled) > 1:
        names = ", ".join(layout.name for layout in found.settled)
        raise ProtocolError(
            f"{len(data)} bytes came that may be records of any of {names}. Drive a few metres, which tells them "
            "apart, or set env.layout to the one that the plugin sends."
        )
    layout = found.settled[0]
    if not layout.is_known:
        raise ProtocolError(
            f"{len(data)} bytes came that only {layout.name} explains, of which too little is known to drive with. "
            "Load a plugin of a layout that env.layout takes."
        )
    return layout


def _explains(layout: Layout, block: np.ndarray) -> bool:
    if not layout.fits(block).all():
        return False
    positions = layout.positions(block).astype(np.float64)
    moves = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    # A burst is the start of a connection: one restart may fall into it, but records that are cut wrongly jump often.
    return int((moves > MAX_MOVE_M).sum()) <= _JUMPS


def speed_ratio(records: Sequence[Record]) -> float | None:
    """Return told speed over the speed that positions and receive times show, the median over seconds of a drive.

    None if there is too little of it: positions that do not move tell nothing. Whole seconds, because a reader that
    was held up gets many records at once.
    """
    positions = np.array([record.position_m for record in records]).reshape(-1, 3)
    speeds = np.abs([record[SPEED_MPS] for record in records])
    times = np.array([record.received_s for record in records])
    moves = np.linalg.norm(np.diff(positions, axis=0), axis=1)
    ratios = []
    begin = 0
    while begin < len(times):
        end = int(np.searchsorted(times, times[begin] + _SPAN_S))
        if end >= len(times):
            break
        way, passed_s = moves[begin:end], times[end] - times[begin]
        if way.max() <= MAX_MOVE_M and way.sum() >= _MOVING_MPS * passed_s:
            ratios.append(float(speeds[begin:end].mean() * passed_s / way.sum()))
        begin = end
    return float(np.median(ratios)) if len(ratios) >= _SPANS else None


def check_units(layout: Layout, ratio: float) -> None:
    """Refuse a stream whose speed is not in metres per second.

    Args:
        layout: of the stream.
        ratio: see `speed_ratio`.

    Raises:
        ProtocolError: says what unit it seems to be.
    """
    if _LOW <= ratio <= _HIGH:
        return
    unit = next((name for name, factor in _UNITS.items() if _LOW <= ratio / factor <= _HIGH), None)
    seems = f"it seems to be in {unit}" if unit else "it is no speed, or positions are no metres"
    raise ProtocolError(
        f"Expected {layout.name} to tell its speed in m/s, got {ratio:.3g} times what its positions show: {seems}. "
        "Is another plugin, or another version of it, loaded?"
    )


class UnitWatch:
    """Compare speeds with positions until that was once possible."""

    def __init__(self) -> None:
        self._records: list[Record] | None = []

    def see(self, records: Sequence[Record]) -> None:
        """Take notice of the next sound records.

        Raises:
            ProtocolError: their speed is not in metres per second.
        """
        if self._records is None:
            return
        self._records.extend(records)
        if not self._records or self._records[-1].received_s - self._records[0].received_s < _WATCH_S:
            return
        ratio = speed_ratio(self._records)
        self._records.clear()
        if ratio is not None:
            check_units(records[-1].layout, ratio)
            self._records = None
