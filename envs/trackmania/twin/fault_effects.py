"""What faults do to the game: each in its time, counted in frames from when the faults were set."""

import math
import struct

from envs.trackmania.twin.faults import Faults
from envs.trackmania.twin.race import SECOND_US
from envs.trackmania.twin.simulation import TICK_US, Simulation


class FaultEffects:
    """Faults at work in one game; what they began goes on when others are set.

    Args:
        simulation: of the game.

    Attributes:
        faults: that were set last.
        still_until_us: on the game's clock; before it, nothing moves and no frame is shown.
        quiet_until_us: on the game's clock; before it, no frame is shown.
        stale_frames: for which the finish of the race before is still shown.
    """

    def __init__(self, simulation: Simulation) -> None:
        self._simulation = simulation
        self.faults, self._from = Faults(), 0
        self.still_until_us = self.quiet_until_us = self.stale_frames = 0

    def set(self, faults: Faults, number: int, time_us: int) -> None:
        """Let other things go wrong, counted from the frame `number`, which is shown now."""
        self.faults, self._from = faults, number
        self.strike(number, time_us)

    def strike(self, number: int, time_us: int) -> None:
        """Begin the faults whose time has come with the frame `number`, which is shown now."""
        count, faults, simulation = number - self._from, self.faults, self._simulation
        if count == faults.stall_after_frames:
            self.quiet_until_us = time_us + round(faults.stall_s * SECOND_US)
        if count == faults.freeze_after_frames:
            self.still_until_us = time_us + round(faults.freeze_s * SECOND_US)
            simulation.race.pause(round(faults.freeze_s * SECOND_US / TICK_US) * TICK_US)
        if count == faults.restart_after_frames:
            self.restart(time_us)
        if count == faults.teleport_after_frames:
            simulation.teleport(faults.teleport_m)

    def restart(self, time_us: int) -> None:
        """Begin the race anew; what the finish left on the screen goes, though perhaps not at once."""
        self.stale_frames = self.faults.stale_finish_frames if self._simulation.race.is_finished else 0
        self._simulation.begin(time_us)

    def spoilt(self, floats: bytes, number: int) -> bytes:
        """Return what is sent instead of a record's floats, for the frame `number`."""
        first = self.faults.nan_after_frames
        if first is None or not 0 <= number - self._from - first < self.faults.nan_frames:
            return floats
        broken = bytearray(floats)
        struct.pack_into("<f", broken, 4 * min(self.faults.nan_field, len(floats) // 4 - 1), math.nan)
        return bytes(broken)
