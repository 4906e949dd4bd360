"""What the plugin's ego server sends: states to the client of the moment, and what faults make of that."""

from collections.abc import Callable

from envs.assetto_corsa.twin.columns import LEFT_M, S_M
from envs.assetto_corsa.twin.game import TwinGame
from envs.assetto_corsa.twin.state_wire import StateWire

DISCONNECT, IDENTIFIED = "disconnect", b"identified"

Address = tuple[str, int]
NOBODY: Address = ("", 0)  # a client that nothing is sent to


class EgoStream:
    """The way to one client, the newest.

    Args:
        game: whose states are sent.
        send: takes a datagram and where it goes.
        has_extra_keys: whether states have numeric keys besides the 90.
        seed: of the orders of keys.

    Attributes:
        client: who gets states; None: nobody.
        is_dead: whether the server has died, and sends nothing.
    """

    def __init__(
        self, game: TwinGame, send: Callable[[bytes, Address], None], *, has_extra_keys: bool, seed: int
    ) -> None:
        self._game, self._send_datagram, self._has_extra_keys = game, send, has_extra_keys
        self._wire = StateWire(seed)
        self._stalled_until_us = 0
        self.client: Address | None = None
        self.is_dead = self._has_restarted = False

    def begin(self, client: Address) -> None:
        """Tell a new client that it is one; its states count from 1."""
        self.client, self._has_restarted = client, False
        self._game.steps = 0
        self._wire.begin()
        self._send(IDENTIFIED, client)

    def emit(self) -> None:
        """Send the state as it is now to the client, if there is one."""
        client, game = self.client, self._game
        if client is None or self.is_dead:
            return
        game.steps += 1
        state = game.state()
        if self._has_extra_keys:
            state |= {"twin_s_m": float(game.car_state[S_M]), "twin_left_m": float(game.car_state[LEFT_M])}
        sent = self._wire.datagrams(state, game.faults)
        if game.time_us >= self._stalled_until_us:
            for data in sent:
                self._send(data, client)
        self._strike(client)

    def repeat(self) -> bool:
        """Send the newest state once more; return whether there was one."""
        if self.client is None or self._wire.newest is None:
            return False
        self._send(self._wire.newest, self.client)
        return True

    def die(self) -> None:
        """Say a last word."""
        if self.client is not None:
            self._send(DISCONNECT.encode(), self.client)
        self.is_dead = True

    def revive(self) -> None:
        """Begin anew without a client."""
        self.is_dead, self.client = False, None
        self._game.steps = self._game.out_of_sync = 0

    def _send(self, data: bytes, client: Address) -> None:
        if client != NOBODY:
            self._send_datagram(data, client)

    def _strike(self, client: Address) -> None:
        """Let happen what a fault has for this many states."""
        game, number, faults = self._game, self._game.steps, self._game.faults
        if number == faults.stall_after_states:
            self._stalled_until_us = game.time_us + round(1e6 * faults.stall_s)
        if number == faults.identified_after_states:
            self._send(IDENTIFIED, client)
        if number == faults.disconnect_after_states:
            self._send(DISCONNECT.encode(), client)
        if number == faults.teleport_after_states:
            game.teleport(0.5 * game.track.closed_length_m)
        if number == faults.restart_after_states and not self._has_restarted:
            self._has_restarted = True
            game.restart()
        if number == faults.usurped_after_states:
            self.client, game.steps = NOBODY, 0
        if number == faults.die_after_states:
            self.die()
