"""What can go wrong with the game and its wire, each as a switch."""

from dataclasses import dataclass

from envs.arguments import check_range, check_types
from envs.trackmania.twin.records import check_layout


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Faults of a twin; none by default.

    `*_after_frames` counts from the frame that is shown when the faults are set; 0 means at once.

    Attributes:
        refuse: nobody listens at the telemetry port.
        silent: connections are accepted, and nothing is sent: the game is in a menu.
        close_after_frames: the connection is closed after so many frames on it.
        half_after_frames: after so many frames on a connection, half a record is sent and it is closed.
        one_byte_writes: each byte is a packet of its own.
        burst_frames: so many records are sent in one write.
        copies: each record is sent so many times.
        wrong_layout: this layout is sent instead of the twin's own.
        next_layout: this layout is sent from the second connection on.
        stall_after_frames: no frames come for `stall_s`, and the game goes on.
        stall_s: how long.
        freeze_after_frames: the game stands still for `freeze_s`: no frames, no physics.
        freeze_s: how long.
        restart_after_frames: the race begins anew by itself, in mid-episode.
        nan_after_frames: from then on `nan_field` is not a number.
        nan_field: index of it in the record.
        nan_frames: for how many frames.
        teleport_after_frames: the car is put `teleport_m` farther along the road.
        teleport_m: negative: back.
        stale_finish_frames: frames after a restart that still show the finish.
        finish_stuck: the finish flag is always up.
        ignore_pad: control datagrams have no effect: the pad is not plugged in, or the window has no focus.
        ignore_restart: the restart button has no effect.
        popup_blocks: after a finish no control but A, which closes the pop-up, has any effect.

    Raises:
        ConfigError: a value is of another type, or out of range.
    """

    refuse: bool = False
    silent: bool = False
    close_after_frames: int | None = None
    half_after_frames: int | None = None
    one_byte_writes: bool = False
    burst_frames: int = 1
    copies: int = 1
    wrong_layout: str | None = None
    next_layout: str | None = None
    stall_after_frames: int | None = None
    stall_s: float = 5.0
    freeze_after_frames: int | None = None
    freeze_s: float = 5.0
    restart_after_frames: int | None = None
    nan_after_frames: int | None = None
    nan_field: int = 2
    nan_frames: int = 1_000_000_000
    teleport_after_frames: int | None = None
    teleport_m: float = 200.0
    stale_finish_frames: int = 0
    finish_stuck: bool = False
    ignore_pad: bool = False
    ignore_restart: bool = False
    popup_blocks: bool = False

    def __post_init__(self) -> None:
        check_types(type(self), vars(self))
        for name, value in vars(self).items():
            if name.endswith("_frames") and value is not None:
                check_range(name, value, 1 if name in ("burst_frames", "nan_frames") else 0)
        check_range("copies", self.copies, 1, 1000)
        check_range("nan_field", self.nan_field, 0)
        for name in ("stall_s", "freeze_s"):
            check_range(name, getattr(self, name), 0.0)
        for layout in (self.wrong_layout, self.next_layout):
            if layout is not None:
                check_layout(layout)
