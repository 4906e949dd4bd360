"""What a game with the companion sample says of itself first."""

from typing import Any

from envs.roblox import messages
from envs.roblox.rays import Rays
from envs.roblox.twin.rules import Rules
from envs.roblox.widths import NUM_ACTIONS

_VEHICLES = {"car16": "Car", "cart5": "Quad"}  # what the game calls them


def hello(rules: Rules, rays: Rays, *, vehicle: str, width: int, fps: int, seed: int) -> dict[str, Any]:
    """Return the message.

    Args:
        rules: of the dialect.
        rays: of the vehicle.
        vehicle: `car16` or `cart5`.
        width: numbers in an observation.
        fps: ticks a second.
        seed: of the circuit.
    """
    names = [*rays.names(), "nitro", "velocity", "reverse"]
    names += ["last_throttle", "last_steering", "last_nitro"] if rules.observes_action else []
    said = {
        "protocol": 2,
        "obs_dim": width,
        "obs_names": names,
        "act_dim": NUM_ACTIONS,
        "fps": fps,
        "vehicle": _VEHICLES[vehicle],
        "track_seed": seed,
        "commands": [messages.SET_TRACK],
    }
    return {messages.HELLO: said}
