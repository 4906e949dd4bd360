"""States as they come: in which order, how old, and how many of them nobody saw."""

from dataclasses import dataclass

from envs.assetto_corsa.faults import RESTARTED, LinkFault
from envs.assetto_corsa.state_age import StateAge
from envs.assetto_corsa.state_keys import State

_LATE = 3  # states that one may be behind another that overtook it


@dataclass(frozen=True)
class Received:
    """A state, and what is known about its way.

    Attributes:
        state: checked.
        age_s: since it was made, beyond what the quickest one took.
        skipped: states that came after the same control and were superseded.
        lost: states since the last one received that nobody saw, superseded or not.
        missing: those of them that never came.
    """

    state: State
    age_s: float = 0.0
    skipped: int = 0
    lost: int = 0
    missing: int = 0


class StateOrder:
    """Tell the newer states of a connection from those that come late or twice.

    Args:
        where: the states come from, for messages.
    """

    def __init__(self, where: str) -> None:
        self._where, self._age = where, StateAge()
        self._last: State | None = None
        self._seen_steps = 0  # of the last state that was handed out
        self._came = 0  # since then

    @property
    def newest_steps(self) -> int:
        """Number of the newest state; 0 before the first."""
        return 0 if self._last is None else int(self._last["steps"])

    def begin(self) -> None:
        """Forget all, for another connection."""
        self.forget()
        self._age.forget()

    def forget(self) -> None:
        """Expect states to be counted anew."""
        self._last, self._seen_steps, self._came = None, 0, 0

    def take(self, state: State, now_s: float) -> bool:
        """Take a state that has come, and return whether it is newer than the last.

        Raises:
            LinkFault: counting began anew.
        """
        last = self._last
        if last is not None and state["steps"] <= last["steps"]:
            if last["steps"] - state["steps"] <= _LATE and state["timestamp_ac"] <= last["timestamp_ac"]:
                return False
            seen = f"went from state {last['steps']} back to {state['steps']}: the plugin was restarted."
            raise LinkFault(RESTARTED, self._where, seen)
        self._last = state
        self._came += 1
        self._age.see(state["timestamp_ac"], now_s)
        return True

    def hand_out(self, state: State, now_s: float, *, skipped: int) -> Received:
        """Return a state with what is known about its way."""
        lost = max(state["steps"] - self._seen_steps - 1, 0) if self._seen_steps else 0
        missing = max(lost + 1 - self._came, 0)
        self._seen_steps, self._came = state["steps"], 0
        return Received(state, self._age.of(state["timestamp_ac"], now_s), skipped, lost, missing)
