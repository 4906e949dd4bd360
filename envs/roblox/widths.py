"""How many numbers a car's observation has: its vehicle's rays decide, and the dialect; the server never does.

An observation is `ray values…, nitro 0..1, velocity -1..1, reverse 0|1`, and in v2 the previous action, 3 numbers.

Source: the vehicle files of the public game at v1; those of v2 are assumed to be the same.
"""

from envs.arguments import check_choice

V0, V1, V2, AUTO = "v0", "v1", "v2", "auto"
DIALECTS = (V0, V1, V2)

CAR16, CART5 = "car16", "cart5"
RAY_VALUES = {
    CAR16: 16,  # Car, Bus, Truck: 16 distances
    CART5: 10,  # Quad, Golf cart: 5 distances with the normal of what was hit
}
PRESETS = (*RAY_VALUES, AUTO)

NUM_STATE = 3  # nitro, velocity, reverse
NUM_ACTIONS = 3  # throttle, steering, nitro
NITRO_AT, VELOCITY_AT, REVERSE_AT = 0, 1, 2  # counted from the end of the rays


def width_of(preset: str, dialect: str) -> int | None:
    """Return the number of values of an observation; None where only the game can tell.

    With `dialect=auto` it is v2's: what v0 and v1 lack is the previous action, which the server knows by itself.

    Args:
        preset: `car16`, `cart5` or `auto`.
        dialect: `v0`, `v1`, `v2` or `auto`.

    Raises:
        ConfigError: either is unknown.
    """
    check_choice("obs_preset", preset, PRESETS)
    check_choice("dialect", dialect, (*DIALECTS, AUTO))
    if preset == AUTO:
        return None
    return RAY_VALUES[preset] + NUM_STATE + (NUM_ACTIONS if dialect in (V2, AUTO) else 0)


def rays_of(width: int, dialect: str) -> int:
    """Return how many of an observation's values are rays: where its state begins."""
    return width - NUM_STATE - (NUM_ACTIONS if dialect == V2 else 0)
