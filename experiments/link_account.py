"""What the links to remote games have been like, counted step by step."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.contract import LINK_AGE_S, LINK_RECONNECTS, LINK_SKIPPED


@dataclass
class LinkAccount:
    """Sums over decisions.

    Attributes:
        decisions: of games behind a link.
        age_s: sum of how old what they showed was.
        skipped: ticks that nobody saw.
        reconnects: games that were lost and got back.
    """

    decisions: int = 0
    age_s: float = 0.0
    skipped: int = 0
    reconnects: int = 0

    def add(self, other: "LinkAccount") -> None:
        """Add another account to this one."""
        self.decisions += other.decisions
        self.age_s += other.age_s
        self.skipped += other.skipped
        self.reconnects += other.reconnects


class LinkReadings:
    """Read accounts out of the infos of a vector env; envs without a link leave them empty."""

    def __init__(self) -> None:
        self._account = LinkAccount()
        self._reconnects_before = 0

    def add(self, infos: dict[str, Any], valid: npt.NDArray[np.bool_]) -> None:
        """Count one step, of the envs where it was a decision."""
        if LINK_AGE_S not in infos:
            return
        self._account.decisions += int(valid.sum())
        self._account.age_s += float(np.where(valid, infos[LINK_AGE_S], 0.0).sum())
        self._account.skipped += int(np.where(valid, infos[LINK_SKIPPED], 0).sum())
        reconnects = int(np.max(infos[LINK_RECONNECTS]))
        self._account.reconnects += reconnects - self._reconnects_before
        self._reconnects_before = reconnects

    def take(self) -> LinkAccount:
        """Return what was counted since the last time."""
        taken, self._account = self._account, LinkAccount()
        return taken
