"""Whether a track from elsewhere can be one: spacing, widths, sides, crossings. Each complaint names its rows."""

import numpy as np
import numpy.typing as npt

from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.errors import ConfigError
from envs.track.crossings import first_crossing

SPACING_M = (0.2, 10.0)  # between neighbouring rows of the line
WIDTH_M = (4.0, 40.0)
_MOST_ROWS = 5  # that a complaint names


def check_track(track: AcTrack, source: str) -> None:
    """Refuse a track that nobody could drive on.

    Args:
        track: finite and of one length, which `AcTrack` itself checks.
        source: where it came from, for the message.

    Raises:
        ConfigError: lists all that is wrong, with rows.
    """
    wrong = complaints(track)
    if wrong:
        raise ConfigError(f"The track {track.full_name} of {source} cannot be used: {' '.join(wrong)}")


def complaints(track: AcTrack) -> list[str]:
    """Return what is wrong with a track, sentence by sentence; nothing if nothing is."""
    found = []
    ahead = np.roll(track.line_m, -1, axis=0) - track.line_m
    spacing = np.linalg.norm(ahead, axis=1)
    low, high = SPACING_M
    if spacing[-1] < low:
        found.append(
            f"Its last row, {len(spacing) - 1}, is {spacing[-1]:.3g} m from its first, expected {low:g} … {high:g} m: "
            "a closing duplicate must be dropped."
        )
    found += _outside("rows of its line are", "apart", spacing[:-1], low, high)
    if spacing[-1] > high:
        found.append(
            f"Its line does not close: the last row, {len(spacing) - 1}, is {spacing[-1]:.4g} m from the first, "
            f"expected at most {high:g} m."
        )
    found += _outside("it is", "wide", track.widths_m, *WIDTH_M)
    tangents = np.roll(track.line_m, -1, axis=0) - np.roll(track.line_m, 1, axis=0)
    for name, border, side in (("left", track.left_m, 1.0), ("right", track.right_m, -1.0)):
        offset = border - track.line_m
        across = side * (tangents[:, 0] * offset[:, 1] - tangents[:, 1] * offset[:, 0])
        rows = np.flatnonzero(across <= 0.0)
        if len(rows):
            found.append(
                f"Its {name} border is not on the {name} of the line at {_named(rows)}: are the borders swapped, or "
                "the rows against the driving direction?"
            )
    for one_name, one, other_name, other in (
        ("left", track.left_m, "left", track.left_m),
        ("right", track.right_m, "right", track.right_m),
        ("left", track.left_m, "right", track.right_m),
    ):
        crossing = first_crossing(one, other, closed=True)
        if crossing:
            found.append(
                f"Its {one_name} border at row {crossing[0]} crosses the {other_name} one at row {crossing[1]}."
            )
    return found


def _outside(what: str, unit: str, values: npt.NDArray[np.float64], low: float, high: float) -> list[str]:
    rows = np.flatnonzero((values < low) | (values > high))
    if not len(rows):
        return []
    worst = int(rows[np.argmax(np.abs(values[rows] - np.clip(values[rows], low, high)))])
    return [
        f"At {_named(rows)} {what} not {low:g} … {high:g} m {unit}; the worst is row {worst}: {values[worst]:.4g} m."
    ]


def _named(rows: npt.NDArray[np.int64]) -> str:
    shown = ", ".join(map(str, rows[:_MOST_ROWS]))
    more = f" and {len(rows) - _MOST_ROWS} more" if len(rows) > _MOST_ROWS else ""
    return f"row {shown}" if len(rows) == 1 else f"rows {shown}{more}"
