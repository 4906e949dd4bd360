"""The plugin's ego server without its socket: datagrams in, datagrams out, as the original answers them or leniently.

Strict, it dies of what the original dies of, trusts every sender, and lets controls stay as they were. Lenient, it
counts what it does not understand, listens to its client alone, and lets go of the controls when the client is gone.
"""

import json
import logging
import math
from collections import Counter
from collections.abc import Callable
from typing import Any

from envs.arguments import check_range
from envs.assetto_corsa.twin.ego_stream import DISCONNECT, Address, EgoStream
from envs.assetto_corsa.twin.game import TwinGame
from envs.assetto_corsa.twin.held_controls import HeldControls

CONNECT, RESET = "connect", "reset"
LOCKSTEP_KEY, TOKEN_KEY = "lockstep", "token"  # in control objects; the plugin ignores keys that it does not know
MOST_BYTES = 1024  # of a datagram that the plugin reads
QUIET_US = 100_000  # after `identified`, on the game's clock: nothing is heard or sent
RESEND_S = 1.0  # in lock-step, without a control

log = logging.getLogger(__name__)


class EgoSession:
    """One plugin's clients, of whom the newest counts.

    Args:
        game: that they drive. Whoever calls holds its lock.
        send: takes a datagram and where it goes.
        is_strict: as the original, or lenient.
        is_lockstep: whether each control advances the game by one state.
        token: without which, under `token`, control objects are ignored; None: not needed. Lenient only.
        accepts_foreign: whether controls of others than the client count. Lenient only.
        watchdog_s: without a control, after which the controls go safe; 0: never. Lenient only, in real time.
        has_extra_keys: whether states have numeric keys besides the 90. Lenient only.
        seed: of the orders of keys.

    Attributes:
        counts: what was heard, by kind: `connect`, `disconnect`, `reset`, `control`, `fatal`, `foreign`, `token`,
            `watchdog`, `resent`.
        last_fatal: why the newest fatal input was one.

    Raises:
        ConfigError: `watchdog_s` is out of range.
    """

    def __init__(
        self,
        game: TwinGame,
        send: Callable[[bytes, Address], None],
        *,
        is_strict: bool = False,
        is_lockstep: bool = False,
        token: str | None = None,
        accepts_foreign: bool = False,
        watchdog_s: float = 1.0,
        has_extra_keys: bool = False,
        seed: int = 0,
    ) -> None:
        check_range("watchdog_s", watchdog_s, 0.0, 3600.0)
        self._game, self._controls = game, HeldControls(game)
        self._stream = EgoStream(game, send, has_extra_keys=has_extra_keys and not is_strict, seed=seed)
        self.is_strict, self._is_lockstep, self._asked_lockstep = is_strict, is_lockstep, False
        self._token, self._accepts_foreign, self._watchdog_s = token, accepts_foreign, watchdog_s
        self._heard_s, self._quiet_until_us = -math.inf, 0
        self.counts: Counter[str] = Counter()
        self.last_fatal = ""

    @property
    def is_dead(self) -> bool:
        """Whether the server has died; only `revive` helps."""
        return self._stream.is_dead

    @property
    def is_lockstep(self) -> bool:
        """Whether the game waits for the client's controls."""
        return self._is_lockstep or self._asked_lockstep

    @property
    def quiet_until_us(self) -> int | None:
        """Until when, on the game's clock, nothing is to be heard or sent; None: now it is."""
        return self._quiet_until_us if self._quiet_until_us > self._game.time_us else None

    def hear(self, data: bytes, sender: Address, now_s: float) -> None:
        """Take a datagram.

        Args:
            data: of which the original reads 1024 bytes.
            sender: its address.
            now_s: on a monotonic wall clock.
        """
        if self.is_dead or self._game.faults.silent:
            return
        if not self.is_strict and len(data) > MOST_BYTES:
            self._fatal(f"{len(data)} bytes")
            return
        try:
            text = data[:MOST_BYTES].decode()
        except UnicodeDecodeError:
            self._fatal("no UTF-8")
            return
        if text == CONNECT:
            self._connect(sender, now_s)
        elif text == DISCONNECT:
            if self._is_foreign(sender):
                self.counts["foreign"] += 1
            else:
                self._disconnect()
        elif text == RESET:
            self.counts["reset"] += 1
            log.info("The word reset does not move the car.")
        else:
            self._control(text, sender, now_s)

    def emit(self) -> None:
        """Send the state as it is now to the client, if there is one and it is not quiet."""
        if self.quiet_until_us is None:
            self._stream.emit()

    def watch(self, now_s: float) -> None:
        """Do what silence calls for: let go of the controls, or in lock-step send the last state again."""
        if self.is_dead or self._stream.client is None:
            return
        if self.is_lockstep:
            if now_s - self._heard_s >= RESEND_S and self._stream.repeat():
                self._heard_s = now_s
                self.counts["resent"] += 1
        elif not self.is_strict and 0.0 < self._watchdog_s < now_s - self._heard_s and not self._controls.is_safe:
            self.counts["watchdog"] += 1
            log.warning("No control for %g s: the controls go safe.", self._watchdog_s)
            self._controls.let_go()

    def revive(self) -> None:
        """Begin anew after a death, as a new session of the game would."""
        self._stream.revive()
        self._controls.forget()

    def _connect(self, sender: Address, now_s: float) -> None:
        self.counts["connect"] += 1
        self._asked_lockstep, self._heard_s = False, now_s
        self._controls.forget()
        self._stream.begin(sender)
        if self._is_lockstep:
            self.emit()
        else:
            self._quiet_until_us = self._game.time_us + QUIET_US

    def _disconnect(self) -> None:
        self.counts["disconnect"] += 1
        self._stream.client, self._asked_lockstep = None, False
        self._game.out_of_sync = 0
        if not self.is_strict:
            self._controls.let_go()

    def _control(self, text: str, sender: Address, now_s: float) -> None:
        try:
            parsed = json.loads(text)
        except (ValueError, RecursionError):
            self._fatal("no JSON")
            return
        if not isinstance(parsed, dict):
            self._fatal("no object")
        elif self._stream.client is None:
            self._fatal("a control before connect")
        elif self._is_foreign(sender):
            self.counts["foreign"] += 1
        elif not self.is_strict and self._token is not None and parsed.get(TOKEN_KEY) != self._token:
            self.counts["token"] += 1
        else:
            self._take(parsed, now_s)

    def _take(self, parsed: dict[str, Any], now_s: float) -> None:
        if (fatal := self._controls.take(parsed)) is not None:
            self._fatal(fatal)
            return
        self.counts["control"] += 1
        self._heard_s = now_s
        if not self.is_strict and LOCKSTEP_KEY in parsed:
            self._asked_lockstep = bool(parsed[LOCKSTEP_KEY])
        if self.is_lockstep:
            self._quiet_until_us = 0
            self._game.advance_to(self._game.time_us + self._game.step_us)
            self.emit()

    def _is_foreign(self, sender: Address) -> bool:
        return not (
            self.is_strict or self._accepts_foreign or sender == self._stream.client or self._stream.client is None
        )

    def _fatal(self, why: str) -> None:
        """Die of an input, or count it."""
        self.counts["fatal"] += 1
        self.last_fatal = why
        if not self.is_strict:
            log.warning("The plugin would die of this datagram: %s.", why)
            return
        log.error("The ego server dies: %s.", why)
        self._stream.die()
