"""What is told to the plugin: two words and the control object, byte for byte as its own client sends them.

Nothing else may ever be sent: the plugin's server dies of what it does not expect, until the game is started again.
"""

import json
import math
from dataclasses import dataclass

from envs.assetto_corsa.cars import RELEASED
from envs.errors import ProtocolError

CONNECT, DISCONNECT = b"connect", b"disconnect"
MOST_BYTES = 1024  # the plugin reads no more of a datagram, and dies of the rest


@dataclass(frozen=True)
class Controls:
    """What the joystick is to do, in the plugin's units.

    Attributes:
        steer: of the wheel, -1 … 1, positive to the right; the car's lock may be nearer (`CarControls.norm`).
        acc: throttle, -1 released … 1 full.
        brake: likewise.
        enable_gear_shift: whether the two buttons are looked at.
        shift_up: whether the button is held.
        shift_down: likewise; up wins.
    """

    steer: float
    acc: float
    brake: float
    enable_gear_shift: bool = False
    shift_up: bool = False
    shift_down: bool = False

    def __post_init__(self) -> None:
        """Refuse what is no number: JSON has no word for it."""
        if not (math.isfinite(self.steer) and math.isfinite(self.acc) and math.isfinite(self.brake)):
            raise ProtocolError(
                f"Expected finite controls, got steer {self.steer}, acc {self.acc}, brake {self.brake}. "
                "Has the policy diverged?"
            )

    def datagram(self, server_steps: int) -> bytes:
        """Return the control object.

        Args:
            server_steps: `steps` of the newest state that came.
        """
        text = json.dumps(
            {
                "steer": float(self.steer),
                "acc": float(self.acc),
                "brake": float(self.brake),
                "enable_gear_shift": bool(self.enable_gear_shift),
                "shift_up": bool(self.shift_up),
                "shift_down": bool(self.shift_down),
                "server_steps": int(server_steps),
            }
        )
        return text.encode("ascii")


NEUTRAL = Controls(0.0, RELEASED, RELEASED)  # what a client begins with


def safe_controls(brake: float) -> Controls:
    """Return what may hold for ever: straight on, no throttle, and so much brake, -1 … 1."""
    return Controls(0.0, RELEASED, brake)
