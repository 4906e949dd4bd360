"""The pad that another process holds: a datagram says how it is pressed, and buttons act when they go down."""

import struct

from envs.trackmania.twin.game import TwinGame

DATAGRAM = struct.Struct("<BBhH")  # right trigger, left trigger, left stick x, button bits
A, B = 0x1000, 0x2000
_TRIGGER, _STICK = 255, 32767


class Pad:
    """One game's pad.

    Args:
        game: that it controls.

    Attributes:
        taken: datagrams that were understood.
        refused: datagrams of another size.
    """

    def __init__(self, game: TwinGame) -> None:
        self._game = game
        self._held = 0
        self.taken = self.refused = 0

    def take(self, datagram: bytes) -> None:
        """Press the pad as a datagram says; one of another size changes nothing."""
        if len(datagram) != DATAGRAM.size:
            self.refused += 1
            return
        self.taken += 1
        gas, brake, steer, buttons = DATAGRAM.unpack(datagram)
        pushed, self._held = buttons & ~self._held, buttons
        if self._game.faults.ignore_pad:
            return
        self._game.press(gas / _TRIGGER, brake / _TRIGGER, max(steer / _STICK, -1.0))
        if pushed & B:
            self._game.restart()
        if pushed & A:
            self._game.close_popup()


def datagram(gas: float, brake: float, steer: float, *, buttons: int = 0) -> bytes:
    """Return the datagram of a pad that is pressed so, in its resolution; gas and brake at or below 0 are released.

    Args:
        gas: 0 … 1.
        brake: 0 … 1.
        steer: -1 … 1, positive to the right.
        buttons: `A` and `B`, or-ed.
    """
    triggers = (round(_TRIGGER * min(max(value, 0.0), 1.0)) for value in (gas, brake))
    return DATAGRAM.pack(*triggers, round(_STICK * min(max(steer, -1.0), 1.0)), buttons)
