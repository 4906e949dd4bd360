"""What can go wrong between the game and a server, each as a switch."""

from dataclasses import dataclass

from envs.arguments import check_range, check_types


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Faults of a twin's wire; none by default.

    Attributes:
        drop_ticks: probability that a tick is not sent.
        dup_ticks: probability that it is sent twice.
        nan: probability that one number of a tick is `nan`, `inf` or `-inf`, as Roblox writes them.
        stall_after: seconds of the game after which a connection goes quiet, though it stays; None: never.
        disconnect_after: seconds of the game after which a connection breaks; None: never.
        width: numbers in each observation, whatever the vehicle has; None: the vehicle's.
        binary_frame: every tenth tick is a binary frame.

    Raises:
        ConfigError: a value is of another type, or out of range.
    """

    drop_ticks: float = 0.0
    dup_ticks: float = 0.0
    nan: float = 0.0
    stall_after: float | None = None
    disconnect_after: float | None = None
    width: int | None = None
    binary_frame: bool = False

    def __post_init__(self) -> None:
        check_types(type(self), vars(self))
        for name in ("drop_ticks", "dup_ticks", "nan"):
            check_range(name, getattr(self, name), 0.0, 1.0)
        for name in ("stall_after", "disconnect_after", "width"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 0)
