"""What becomes of a state on its way to the client: its text, or what a fault makes of it."""

import json
import math
from typing import Any

from envs.assetto_corsa.twin.faults import Faults
from envs.assetto_corsa.twin.state import StateText


class StateWire:
    """Turn states into datagrams.

    Args:
        seed: of the orders of keys.

    Attributes:
        newest: datagram of the newest state, as it was meant; None before the first.
    """

    def __init__(self, seed: int = 0) -> None:
        self._text = StateText(seed)
        self._waiting: list[bytes] = []
        self.newest: bytes | None = None

    def begin(self) -> None:
        """Forget what waits for a client that is gone."""
        self._waiting.clear()
        self.newest = None

    def datagrams(self, state: dict[str, Any], faults: Faults) -> list[bytes]:
        """Return what is sent at a state's moment: mostly one datagram.

        Args:
            state: the 90 keys, and perhaps more. `steps` counts from 1 on the connection.
            faults: which strike.
        """
        number = state["steps"]
        data = self._write(state, number, faults)
        self.newest = data
        if faults.lose_every is not None and number % faults.lose_every == 0:
            return []
        self._waiting += [data] * faults.copies
        if number % faults.burst_states:
            return []
        sent, self._waiting = self._waiting, []
        return sent

    def _write(self, state: dict[str, Any], number: int, faults: Faults) -> bytes:
        if faults.missing_key is not None:
            state = {key: value for key, value in state.items() if key != faults.missing_key}
        if faults.nan_after_states is not None and number > faults.nan_after_states:
            value = state.get(faults.nan_key)
            nan = [math.nan, *value[1:]] if isinstance(value, list) else math.nan
            data = json.dumps(state | {faults.nan_key: nan}).encode()  # as the plugin would: NaN is no JSON
        else:
            data = self._text.text(state)
        return data[: faults.truncate_bytes]
