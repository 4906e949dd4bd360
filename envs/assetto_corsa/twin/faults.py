"""What can go wrong with the game, its plugin and the network, each as a switch."""

from dataclasses import dataclass

from envs.arguments import check_choice, check_range, check_types
from envs.assetto_corsa.state_keys import STATE_KEYS


@dataclass(frozen=True, kw_only=True)
class Faults:
    """Faults of a twin; none by default.

    `*_after_states` counts the states of a connection: after so many of them it happens; None: never.

    Attributes:
        refuse: nobody listens at any port: the plugin is not loaded.
        silent: the ego port hears everything and answers nothing.
        no_reset: the patch that resets the car is missing: TCP `reset` changes nothing.
        slow_reply_s: before each management reply.
        reply_piece_bytes: management replies come in pieces of this size; None: whole.
        reply_pause_s: between two pieces.
        half_reply: management replies end in their middle, and the connection is closed.
        wrong_car: the car that the static info names.
        wrong_track: the track that it names.
        wrong_config: name of a config key, of the 28, whose value is another one (numbers doubled, booleans turned).
        frame_rate_fps: of the game, where it is not what the plugin is set to: all rates are off by that.
        lose_every: every so many-th state is lost on the way.
        burst_states: states are held back until there are so many, and then come at once.
        copies: of each state.
        stall_after_states: no states for a while, and the game goes on.
        stall_s: how long, on the game's clock.
        nan_after_states: from then on one value is not a number.
        nan_key: which.
        missing_key: a key that states lack.
        truncate_bytes: states end after so many bytes; None: whole.
        die_after_states: the ego server sends `disconnect` and is dead, as after a fatal input.
        disconnect_after_states: it sends `disconnect` and goes on.
        identified_after_states: it sends one more `identified`.
        usurped_after_states: somebody else connects, and the stream is theirs.
        restart_after_states: the plugin starts anew: `steps` from 1, and the lap count and best lap are gone.
        teleport_after_states: the car is put half a lap on.
        ignore_controls: commands have no effect: no joystick, or another mode than the client's.
        freeze_steer_after_states: the wheel stays where it is.
        stay_in_neutral: the gearbox never engages.

    Raises:
        ConfigError: a value is of another type, or out of range.
    """

    refuse: bool = False
    silent: bool = False
    no_reset: bool = False
    slow_reply_s: float = 0.0
    reply_piece_bytes: int | None = None
    reply_pause_s: float = 0.005
    half_reply: bool = False
    wrong_car: str | None = None
    wrong_track: str | None = None
    wrong_config: str | None = None
    frame_rate_fps: float | None = None
    lose_every: int | None = None
    burst_states: int = 1
    copies: int = 1
    stall_after_states: int | None = None
    stall_s: float = 5.0
    nan_after_states: int | None = None
    nan_key: str = "speed"
    missing_key: str | None = None
    truncate_bytes: int | None = None
    die_after_states: int | None = None
    disconnect_after_states: int | None = None
    identified_after_states: int | None = None
    usurped_after_states: int | None = None
    restart_after_states: int | None = None
    teleport_after_states: int | None = None
    ignore_controls: bool = False
    freeze_steer_after_states: int | None = None
    stay_in_neutral: bool = False

    def __post_init__(self) -> None:
        check_types(type(self), vars(self))
        for name, value in vars(self).items():
            if name.endswith("_after_states") and value is not None:
                check_range(name, value, 1)
        for name in ("reply_piece_bytes", "truncate_bytes"):
            if getattr(self, name) is not None:
                check_range(name, getattr(self, name), 1)
        if self.lose_every is not None:
            check_range("lose_every", self.lose_every, 1)
        if self.frame_rate_fps is not None:
            check_range("frame_rate_fps", self.frame_rate_fps, 1.0, 1000.0)
        for name, most in (("burst_states", 1000), ("copies", 1000)):
            check_range(name, getattr(self, name), 1, most)
        for name in ("slow_reply_s", "reply_pause_s", "stall_s"):
            check_range(name, getattr(self, name), 0.0, 3600.0)
        for name in ("nan_key", "missing_key"):
            if getattr(self, name) is not None:
                check_choice(name, getattr(self, name), tuple(STATE_KEYS))
