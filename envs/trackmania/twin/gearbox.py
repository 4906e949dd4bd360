"""An automatic gearbox with five gears: the fields `gear` and `rpm`, which drive nothing."""

REVERSE, FIRST = -1, 1
IDLE_RPM, LIMIT_RPM = 1000.0, 11000.0
_TOP_MPS = (20.0, 34.0, 52.0, 74.0, 105.0)  # of each gear, at the limit
_REVERSE_MPS = 12.0
_UP_RPM, _DOWN_RPM = 10500.0, 5500.0  # apart enough that no shift asks for the opposite one


def shifted(gear: int, ahead_mps: float) -> tuple[int, float]:
    """Return the gear after this one at a speed, and the engine's revolutions a minute.

    Args:
        gear: -1 for reverse, else 1 … 5.
        ahead_mps: speed, negative backwards.
    """
    if ahead_mps < -0.5:
        return REVERSE, _revolutions(-ahead_mps, _REVERSE_MPS)
    gear, ahead = max(gear, FIRST), max(ahead_mps, 0.0)
    while gear < len(_TOP_MPS) and _revolutions(ahead, _TOP_MPS[gear - 1]) > _UP_RPM:
        gear += 1
    while gear > FIRST and _revolutions(ahead, _TOP_MPS[gear - 1]) < _DOWN_RPM:
        gear -= 1
    return gear, _revolutions(ahead, _TOP_MPS[gear - 1])


def _revolutions(speed_mps: float, top_mps: float) -> float:
    return max(IDLE_RPM, LIMIT_RPM * speed_mps / top_mps)
