"""What came over a game's link, counted."""

from dataclasses import dataclass, fields


@dataclass
class Counters:
    """Numbers since the game's seat was made.

    Attributes:
        messages: text frames.
        ticks: of the game's clock.
        empty_ticks: those that were `[]`.
        ticks_repeated: that came twice, of games that number theirs.
        ticks_missed: that did not come, likewise.
        bad_messages: no JSON, too large, or no text.
        malformed: parts of another type than they should be.
        nonfinite: numbers that became 0.
        unknown_ids: entries of cars that are not ours.
        wrong_widths: observations that were padded or cut.
        doubled: entries of a tick that came before.
        foreign_rewards: of v2, for something else than way: laps are not told any more.
        repeated: entries of v0 cars that waited for their reset.
        respawns: of cars that were not seen for long.
        given_up: cars that did not appear after their last respawn.
        resets_repeated: v0's RESET, sent again.
        connections: of the game so far.
        losses: of connections.
        stalls: times that nobody drove.
    """

    messages: int = 0
    ticks: int = 0
    empty_ticks: int = 0
    ticks_repeated: int = 0
    ticks_missed: int = 0
    bad_messages: int = 0
    malformed: int = 0
    nonfinite: int = 0
    unknown_ids: int = 0
    wrong_widths: int = 0
    doubled: int = 0
    foreign_rewards: int = 0
    repeated: int = 0
    respawns: int = 0
    given_up: int = 0
    resets_repeated: int = 0
    connections: int = 0
    losses: int = 0
    stalls: int = 0

    def as_dict(self) -> dict[str, int]:
        """Return them by name."""
        return {one.name: getattr(self, one.name) for one in fields(self)}
