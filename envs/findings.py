"""What a diagnosis finds, and how it is told to people."""

from collections.abc import Sequence
from dataclasses import dataclass

OK, WARNING, PROBLEM, SKIPPED = "ok", "warning", "problem", "skipped"


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        place: where, such as `pc1:5555`.
        check: what was looked at.
        found: what there was.
        verdict: `ok`, `warning`, `problem`, or `skipped` where it could not be looked at.
        cure: what to do, where it is not ok.
    """

    place: str
    check: str
    found: str
    verdict: str = OK
    cure: str = ""


def as_table(findings: Sequence[Finding]) -> str:
    """Return the findings, place by place, and below each that is not ok its cure."""
    width = max((len(one.check) for one in findings), default=0)
    lines: list[str] = []
    place = None
    for one in findings:
        if one.place != place:
            place = one.place
            lines.append(place)
        lines.append(f"  {one.check:<{width}}  {one.verdict:<7}  {one.found}")
        if one.cure:
            lines.append(f"  {'':<{width}}  {'':<7}  -> {one.cure}")
    return "\n".join(lines)
