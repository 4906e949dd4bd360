"""The ego channel: a client that sends nothing the plugin could die of, and reads the newest state.

Source: the rules that the plugin's protocol needs (wire of assetto_corsa_gym, commit ef0fa50); its own client reads
the oldest state of its queue, waits for ever, and leaves the last command standing when it goes.
"""

import socket
import time
from collections.abc import Callable

from envs.arguments import check_range
from envs.assetto_corsa.controls import CONNECT, DISCONNECT, MOST_BYTES, Controls, safe_controls
from envs.assetto_corsa.ego_socket import GONE, EgoSocket, wait_readable
from envs.assetto_corsa.faults import LINK_LOST, NO_STATES, NOT_IDENTIFIED, REFUSED, SERVER_DIED, LinkFault
from envs.assetto_corsa.messages import Word, parse_message
from envs.assetto_corsa.received import Received, StateOrder
from envs.assetto_corsa.state_keys import State

LEAST_APART_S = 1.0  # between two `connect`: each gets its own `identified`
_BACKLOG = 32  # states; behind so many, the socket may have been full, and the newest in it is not the newest


class EgoClient:
    """One client of the plugin's ego server.

    Args:
        host: of the game.
        port: of its ego channel.
        connect_tries: before it is given up.
        connect_wait_s: for an answer to each; never less than `LEAST_APART_S` between two.
        safe_brake: what is braked when nobody drives, -1 … 1.
        now: seconds, monotonic.
        sleep: waits for seconds.
        wait: waits for a datagram, at most for seconds.

    Attributes:
        is_identified: whether the plugin takes controls from us; it would die of them otherwise.
        states: that came, over all connections.
        ignored: datagrams that came late or twice.
    """

    def __init__(
        self,
        host: str,
        port: int = 2345,
        *,
        connect_tries: int = 5,
        connect_wait_s: float = 2.0,
        safe_brake: float = 0.0,
        now: Callable[[], float] = time.monotonic,
        sleep: Callable[[float], None] = time.sleep,
        wait: Callable[[socket.socket, float], None] = wait_readable,
    ) -> None:
        check_range("connect_tries", connect_tries, 1)
        check_range("connect_wait_s", connect_wait_s, LEAST_APART_S)
        self._socket = EgoSocket(host, port, now=now, wait=wait)
        self._where = self._socket.where
        self._order = StateOrder(self._where)
        self._tries, self._wait_s, self._safe = connect_tries, connect_wait_s, safe_controls(safe_brake)
        self._now, self._sleep = now, sleep
        self._asked_s: float | None = None  # when `connect` was sent last
        self.is_identified = False
        self.states = self.ignored = 0

    def connect(self, tries: int | None = None) -> Received:
        """Open a fresh socket, become the plugin's client and return the first state.

        Raises:
            LinkFault: nobody answers, or the answer is followed by no state.
        """
        self.disconnect()
        self._socket.open()
        self._order.begin()
        try:
            self._identify(self._tries if tries is None else tries)
            first = self._next(self._now() + self._wait_s)
        except BaseException:
            self.disconnect()
            raise
        if first is None:
            self.disconnect()
            raise LinkFault(NO_STATES, self._where, f"answered, but sent no state within {self._wait_s:g} s.")
        return self._order.hand_out(first, self._now(), skipped=0)

    def send(self, controls: Controls) -> None:
        """Take what is queued, which no later control has led to, and send the controls.

        Raises:
            LinkFault: the server has died, or was restarted.
            ProtocolError: a state has missing or unsound values.
        """
        assert self.is_identified, "a control without a connection ends the plugin's server"
        while self._next(self._now()) is not None:
            pass
        data = controls.datagram(self._order.newest_steps)
        assert len(data) < MOST_BYTES
        try:
            self._socket.send(data)
        except GONE as error:
            raise self._died(error) from error

    def receive(self, timeout_s: float) -> Received:
        """Return the newest of the states that came since the last `send`, waiting for one if need be.

        Raises:
            LinkFault: none came within `timeout_s`, the server has died, or was restarted.
            ProtocolError: a state has missing or unsound values.
        """
        deadline = self._now() + timeout_s
        newest = self._next(deadline)
        if newest is None:
            # Who has been silent may have been started anew, and a control that comes before `connect` ends it again.
            self.is_identified = False
            raise LinkFault(LINK_LOST, self._where, f"sent no state within {timeout_s:g} s (env.state_timeout_s).")
        skipped = 0
        while (following := self._next(deadline if skipped == _BACKLOG else self._now())) is not None:
            newest, skipped = following, skipped + 1
        return self._order.hand_out(newest, self._now(), skipped=skipped)

    def disconnect(self) -> None:
        """Leave the car safe, and go; a second call does nothing. No error of the network comes out of it."""
        self.make_safe()
        if self.is_identified:
            self._socket.send_if_possible(DISCONNECT)
        self._socket.close()
        self.is_identified = False
        self._order.forget()

    def make_safe(self) -> None:
        """Send the safe command, if there is anybody to take it; also from a signal's handler."""
        if self.is_identified:
            self._socket.send_if_possible(self._safe.datagram(self._order.newest_steps))

    def _identify(self, tries: int) -> None:
        refused: OSError | None = None
        for _ in range(tries):
            if self._asked_s is not None:
                self._sleep(max(self._asked_s + LEAST_APART_S - self._now(), 0.0))
            self._asked_s = self._now()
            try:
                self._socket.send(CONNECT)
                if self._hears_identified(self._asked_s + self._wait_s):
                    self.is_identified = True
                    return
            except GONE as error:
                refused = error
        if refused is not None:
            raise LinkFault(REFUSED, self._where, f"has no ego server ({refused}).") from refused
        seen = f"did not answer connect, {tries} times in {self._wait_s:g} s each."
        raise LinkFault(NOT_IDENTIFIED, self._where, seen)

    def _hears_identified(self, deadline_s: float) -> bool:
        while (data := self._socket.receive(deadline_s)) is not None:
            if data == Word.IDENTIFIED.value:
                return True
        return False

    def _next(self, deadline_s: float) -> State | None:
        """Return the next state that is newer than the last, or None at the deadline; 0 looks at the queue only."""
        while True:
            try:
                data = self._socket.receive(deadline_s)
            except GONE as error:
                raise self._died(error) from error
            if data is None:
                return None
            message = parse_message(data)
            if message is Word.IDENTIFIED:  # a second answer to `connect`, from which states are counted anew
                self._order.forget()
                continue
            if message is Word.DISCONNECT:
                self.is_identified = False  # whatever is sent now would find nobody
                raise LinkFault(SERVER_DIED, self._where, "said disconnect, its last word.")
            assert isinstance(message, dict)
            if self._order.take(message, self._now()):
                self.states += 1
                return message
            self.ignored += 1

    def _died(self, error: OSError) -> LinkFault:
        return LinkFault(SERVER_DIED, self._where, f"has closed its ego channel ({error}).")
