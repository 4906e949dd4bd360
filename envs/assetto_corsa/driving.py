"""Episodes over a link: checks before the first control, start-up steps, and one attempt to get a lost game back."""

import logging
from collections.abc import Callable

from envs.arguments import check_range
from envs.assetto_corsa.controls import NEUTRAL, Controls
from envs.assetto_corsa.faults import LINK_LOST, RATE, GameMismatchError, LinkFault
from envs.assetto_corsa.link import GameLink
from envs.assetto_corsa.preflight import Expected, GameFacts, check_facts, check_measured_rate
from envs.assetto_corsa.received import Received
from envs.assetto_corsa.state_keys import State

log = logging.getLogger(__name__)

STARTUP_STEPS = 3
_RATE_STATES = (12, 25)  # after the first, that the rate is measured over; the second only if the first is off
_MOST_RECONNECTS = 3  # in an episode: two clients that take the game from each other would never end


class Drive:
    """Drive one game.

    Args:
        link: to the game.
        expected: what the game is to be.
        state_timeout_s: for each state.
        measures_rate: whether the first reset watches half a second of states before it drives.
        see: is called with the facts at the first reset, before anything is touched.

    Attributes:
        link: as above.
        expected: as above.
        facts: what the game said at the first reset, or the first after a loss; None until then.
        rate_hz: of states, as measured; None where it was not.
        reconnects: games that were lost and got back.
    """

    def __init__(
        self,
        link: GameLink,
        expected: Expected,
        *,
        state_timeout_s: float = 0.5,
        measures_rate: bool = True,
        see: Callable[[GameFacts], None] = lambda facts: None,
    ) -> None:
        check_range("state_timeout_s", state_timeout_s, 1e-3, 60.0)
        self.link, self.expected, self._timeout_s, self._see = link, expected, state_timeout_s, see
        self._measures_rate = measures_rate
        self.facts: GameFacts | None = None
        self.rate_hz: float | None = None
        self.reconnects = 0
        self._reconnects_before = 0

    def start(self) -> Received:
        """Begin an episode: put the car back, and return the state that its first action is chosen in.

        Raises:
            LinkFault: the game does not answer.
            GameMismatchError: it is set up otherwise.
            ProtocolError: it says something else than the plugin does.
        """
        if self.facts is None:
            facts = self.link.inspect()
            check_facts(self.expected, facts)
            self._see(facts)
            self.facts = facts
        self._reconnects_before = self.reconnects
        try:
            received = self.link.begin()
            if self.link.is_real_time and self._measures_rate and self.rate_hz is None:
                self.rate_hz = self._rate(received.state)
                if self.rate_hz is None:
                    self._measures_rate = False
                    received = self.link.reconnect()
            for _ in range(STARTUP_STEPS):
                self.link.send(NEUTRAL)
                received = self.receive()
        except BaseException as error:
            self._forget(error)
            self.link.leave()
            raise
        return received

    def send(self, controls: Controls) -> None:
        """Hold the controls.

        Raises:
            LinkFault: the game is gone.
        """
        try:
            self.link.send(controls)
        except LinkFault as fault:
            self._forget(fault)
            raise

    def receive(self) -> Received:
        """Return the newest state since `send`; where none comes, look for the game once.

        Raises:
            LinkFault: the game is gone.
        """
        try:
            return self.link.receive(self._timeout_s)
        except LinkFault as fault:
            if fault.cause != LINK_LOST or self.reconnects - self._reconnects_before >= _MOST_RECONNECTS:
                self._forget(fault)
                raise
            log.warning("%s Looking for it once.", fault)
            try:
                received = self.link.reconnect()
            except LinkFault as second:
                self._forget(second)
                raise LinkFault(LINK_LOST, "the other end", f"is lost ({fault}; then: {second}).") from second
            self.reconnects += 1
            return received

    def _forget(self, error: BaseException) -> None:
        """Ask again at the next reset who the game is, if it was lost: another may come back."""
        if isinstance(error, LinkFault):
            self.facts = self.rate_hz = None

    def _rate(self, first: State) -> float | None:
        """Return the rate of states; None of a twin in lock-step, which sends none by itself."""
        begun = first
        for num_states in _RATE_STATES:
            last = first
            while last["steps"] - first["steps"] < num_states:
                try:
                    last = self.link.receive(2 * self._timeout_s).state
                except LinkFault as fault:
                    if fault.cause != LINK_LOST:
                        raise
                    if last is begun:
                        return None
                    raise GameMismatchError(RATE, f"Expected 25 states/s, got a few and then none: {fault}") from fault
            try:
                return check_measured_rate(first, last)
            except GameMismatchError as error:  # a game that has just put a car back may stutter once
                mismatch, first = error, last
        raise mismatch
