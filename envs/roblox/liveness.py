"""Whether a connection lives: when we said something last, and when the game did."""

from envs.roblox.widths import V0

FROZEN_SILENCE_S = 20.0  # a frozen game says [] 15 times a second; one that says nothing for so long is dead


class Liveness:
    """Times of one connection, by the game's clock.

    Attributes:
        sent_s: when the last command was sent.
        pinged_s: when the last ping was.
        freeze_sent_s: when the last FREEZE was; None: it has shown.
        tick_s: when the last tick came.
        moving_s: since when cars are expected in ticks: when they were spawned, or let go after a freeze.
    """

    def __init__(self, now_s: float = 0.0) -> None:
        self.sent_s = self.pinged_s = self.tick_s = self.moving_s = now_s
        self.freeze_sent_s: float | None = None

    def why_close(self, now_s: float, *, is_frozen: bool, no_tick_timeout_s: float, dialect: str | None) -> str | None:
        """Return why the connection of a game with cars is to be closed: ticks have ceased; None: it is not."""
        silent_s = now_s - max(self.tick_s, self.moving_s)
        if silent_s < (FROZEN_SILENCE_S if is_frozen else no_tick_timeout_s):
            return None
        again = "Restart the game: its kind never reconnects." if dialect == V0 else "It comes back by itself."
        return f"no tick for {silent_s:.1f} s although cars are spawned (env.no_tick_timeout_s). {again}"
