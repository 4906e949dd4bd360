"""One client's conversation with the games of a server: lines in, bytes out. No sockets here."""

import hmac
import logging
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from envs.remote import messages, replies
from envs.remote.clock import RealTimeClock
from envs.remote.messages import BAD_GAME_ID, MAX_REPEAT, Message, MessageError
from envs.remote.parsing import parse
from envs.remote.served_game import ServedGame
from envs.remote.snapshot import Told
from envs.remote.spaces import describe
from envs.remote.view import RGB, View

PROTOCOL = 2
FEATURES = ("step", "batch", "seed", "bin", "wait", "lease", "obs", "claim", "look")
LINE_LIMIT = 1 << 20  # bytes of a client's line

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class Service:
    """What all connections of a server share.

    Attributes:
        games: all that are served, by their numbers.
        clock: of the free-running games.
        env_id: what is served, in words.
        token: that a client must know, or None.
        tell_token: tell it in the greeting: a game that dials out proves so who it is.
    """

    games: Sequence[ServedGame]
    clock: RealTimeClock
    env_id: str
    token: str | None = None
    tell_token: bool = False


class Conversation:
    """Answer one client, which begins in version 1 and may ask for version 2.

    Args:
        service: the games.
        number: of this connection.
    """

    def __init__(self, service: Service, number: int) -> None:
        self._service, self._number = service, number
        self._view = View()
        self._is_negotiated = False
        self._is_known = service.token is None
        #: the connection is to be closed once the answer was sent
        self.is_over = False

    @property
    def wants_pictures(self) -> bool:
        """Whether its answers hold pictures."""
        return self._view.has_pictures

    @property
    def wants_telemetry(self) -> bool:
        """Whether its answers hold telemetry: the env's own observation is told without."""
        return not self._view.obs

    @property
    def is_known(self) -> bool:
        """Whether the client has shown the token, if there is one."""
        return self._is_known

    def greeting(self) -> bytes:
        """Return the HANDSHAKE, which comes before the client speaks."""
        service = self._service
        told = {"token": service.token} if service.tell_token and service.token is not None else {}
        return replies.line(
            {
                "type": "HANDSHAKE",
                "num_games": len(service.games),
                "free": sum(not game.is_leased for game in service.games),
                "protocol": PROTOCOL,
                "features": FEATURES,
                "fps": round(1.0 / service.clock.step_s, 3),
                "env_id": service.env_id,
                "auth": service.token is not None,
                **told,
            }
        )

    def answer(self, line: bytes) -> bytes:
        """Return the answer to a client's line; empty where there is none."""
        try:
            message = parse(line)
            if not self._is_known and not isinstance(message, messages.Hello):
                raise MessageError(messages.AUTH_REQUIRED, "This server wants a token: begin with HELLO.")
            return self._obey(message)
        except MessageError as error:
            return self.refusal(error)

    def refusal(self, error: MessageError) -> bytes:
        """Return the answer to what cannot be obeyed; a client without the token is told nothing else."""
        if not self._is_known:
            error = MessageError(messages.AUTH_REQUIRED, "This server wants a token: begin with HELLO.")
        self.is_over = self.is_over or error.code == messages.AUTH_REQUIRED
        if error.kind == messages.SetAction.kind and not (self._is_negotiated or self.is_over):
            return b""  # would be taken for the answer to the client's next message: games count it instead
        # a client that has not said HELLO is told the code too where it must hang up: it may be of version 2
        return replies.error(error, is_negotiated=self._is_negotiated or self.is_over)

    def close(self) -> None:
        """Let go of all games."""
        for game in self._service.games:
            game.release(self)

    def _obey(self, message: Message) -> bytes:
        if not self._is_negotiated and not isinstance(message, _VERSION_1):
            raise MessageError(messages.UNKNOWN_TYPE, f"Unknown command type: {message.kind}", request=message.request)
        try:
            return _ANSWERS[type(message)](self, message)
        except MessageError as error:
            error.request, error.kind = message.request, message.kind
            raise
        except Exception as error:  # a bug of ours shall not cost the client its games
            log.exception("%s of connection %d failed.", message.kind, self._number)
            text = f"{message.kind} failed ({type(error).__name__}: {error})."
            failure = MessageError(messages.ENV_ERROR, text[:200], request=message.request)
            failure.kind = message.kind
            raise failure from error

    def _hello(self, message: messages.Hello) -> bytes:
        token = self._service.token
        told = (message.token or "").encode(errors="replace")
        if token is not None and not hmac.compare_digest(told, token.encode()):
            raise MessageError(messages.AUTH_REQUIRED, "This server wants a token: this is not it.")
        self._is_known = self._is_negotiated = True
        self._view = self._view.changed({"mode": message.mode})
        world = self._service.games[0].world
        return replies.answer(
            "WELCOME",
            message.request,
            protocol=PROTOCOL,
            conn=self._number,
            games=self._claim(message.games) if message.games else list(range(len(self._service.games))),
            mode=message.mode,
            obs=describe(world.observation_space),
            act=describe(world.action_space),
            decision=world.decision,
            limits={"line": LINE_LIMIT, "repeat": MAX_REPEAT},
        )

    def _claim(self, wanted: int) -> list[int]:
        """Lease as many games as are wanted, or as there are."""
        claimed: list[int] = []
        for game in self._service.games:
            if len(claimed) < wanted and not game.is_leased and game.claim(self):
                claimed.append(game.game_id)
        return claimed

    def _set_action(self, message: messages.SetAction) -> bytes:
        self._game(message.game_id).set_action(self, message.action)
        return b""

    def _get_state(self, message: messages.GetState) -> bytes:
        game = self._game(message.game_id)
        if not self._is_negotiated:
            return replies.state_v1(game.state(self))
        told = game.state(self, wait_ticks=message.wait_ticks, timeout_s=message.timeout_ms / 1000)
        return replies.state(told, self._view, message.request)

    def _look(self, message: messages.Look) -> bytes:
        view = replace(self._view, obs=False, frame=RGB, size=None)
        return replies.state(self._game(message.game_id).look(), view, message.request)

    def _reset(self, message: messages.Reset) -> bytes:
        told = self._begin(message)
        if not self._is_negotiated:
            return replies.state_v1(told)
        return replies.state(told, self._view, message.request)

    def _begin(self, message: messages.Reset) -> Told:
        view, seed = self._view, message.seed if self._is_negotiated else None
        options = message.options if self._is_negotiated else None
        return self._game(message.game_id).reset(self, seed, options, mode=view.mode, training=view.training)

    def _step(self, message: messages.Step) -> bytes:
        return replies.state(
            self._advance(message.game_id, message.action, message.repeat), self._view, message.request
        )

    def _advance(self, game_id: int, action: Any, repeat: int) -> Told:
        return self._game(game_id).step(self, action, repeat, autoreset=self._view.autoreset)

    def _step_batch(self, message: messages.StepBatch) -> bytes:
        actions = message.actions
        return self._batch(actions, message, lambda game_id: self._advance(game_id, actions[game_id], message.repeat))

    def _reset_batch(self, message: messages.ResetBatch) -> bytes:
        return self._batch(message.resets, message, lambda game_id: self._begin(message.resets[game_id]))

    def _batch(self, wanted: dict[int, Any], message: Message, do: Callable[[int], Told]) -> bytes:
        """Answer for several games: what fails for one is told beside the states of the others."""
        told: list[Told] = []
        errors: dict[int, MessageError] = {}
        for game_id in sorted(wanted):
            try:
                told.append(do(game_id))
            except MessageError as error:
                errors[game_id] = error
        return replies.states(told, errors, self._view, message.request)

    def _config(self, message: messages.Config) -> bytes:
        self._view = self._view.changed(message.values)
        return replies.answer("CONFIG_OK", message.request, **self._view.values())

    def _ping(self, message: messages.Ping) -> bytes:
        return replies.answer(
            "PONG",
            message.request,
            t=message.t,
            t_wall=time.time(),
            tick_hz=[round(game.tick_hz, 2) for game in self._service.games],
            overruns=self._service.clock.overruns,
        )

    def _close(self, message: messages.Close) -> bytes:
        self.is_over = True
        return b""

    def _game(self, game_id: int) -> ServedGame:
        if game_id >= len(self._service.games):
            raise MessageError(BAD_GAME_ID, f"Invalid game_id: {game_id}", game_id=game_id)
        return self._service.games[game_id]


_VERSION_1 = (messages.SetAction, messages.GetState, messages.Reset, messages.Close, messages.Hello)

_ANSWERS: dict[type[Message], Callable[[Conversation, Any], bytes]] = {
    messages.Hello: Conversation._hello,
    messages.SetAction: Conversation._set_action,
    messages.GetState: Conversation._get_state,
    messages.Look: Conversation._look,
    messages.Reset: Conversation._reset,
    messages.ResetBatch: Conversation._reset_batch,
    messages.Step: Conversation._step,
    messages.StepBatch: Conversation._step_batch,
    messages.Config: Conversation._config,
    messages.Ping: Conversation._ping,
    messages.Close: Conversation._close,
}
