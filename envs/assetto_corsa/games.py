"""Which game is driven: the real one, a twin over sockets, or one in lock-step; each as a link."""

import importlib
import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from envs.assetto_corsa.controls import safe_controls
from envs.assetto_corsa.ego_client import EgoClient
from envs.assetto_corsa.joystick import NullSink, joystick_sink
from envs.assetto_corsa.link import GameLink, SocketLink
from envs.assetto_corsa.lockstep import LockstepLink
from envs.assetto_corsa.management import ManagementClient
from envs.assetto_corsa.preflight import LOCAL, GameFacts
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.errors import ConfigError

LOCKSTEP = "lockstep"
_TWIN = "envs.assetto_corsa.twin"
_OPPONENTS, _MANAGEMENT = 1, 2  # ports beside the ego channel's
_NOT_A_LAYOUT = ("", "-1")

log = logging.getLogger(__name__)


@dataclass(frozen=True)
class GameSettings:
    """What a game is found and driven with.

    Attributes:
        host: of the game.
        port: of its ego channel; opponents are at the next, management at the one after.
        car: as the game calls it.
        mode: `remote` or `local`.
        joystick: of local mode.
        shifts_itself: whether the game's gearbox is automatic.
        connect_tries: before a game is given up.
        connect_wait_s: for an answer to each.
        reset_wait_s: that the game gets to put the car back.
        safe_brake: when nobody drives, -1 … 1.
    """

    host: str
    port: int
    car: str
    mode: str
    joystick: str
    shifts_itself: bool
    connect_tries: int
    connect_wait_s: float
    reset_wait_s: float
    safe_brake: float


@dataclass(frozen=True)
class Game:
    """A game that can be connected to.

    Attributes:
        link: returns it, when it is first needed.
        host: of a game elsewhere; None of one in this process.
        opponents: address of the other cars' stream; None where there is none, or where they are asked directly.
        cars: returns the other cars of a twin in lock-step, as the stream would tell them.
        track: that the game itself knows: twins do.
        load_track: asks a game for its track.
        pictures: takes one of a twin in this process: width, height, colour mode.
        renew: makes the game of a seed, for resets with one; None where that cannot be.
        end: ends what was started for it.
    """

    link: Callable[[], GameLink]
    host: str | None = None
    opponents: tuple[str, int] | None = None
    cars: Callable[[], list[dict[str, Any]]] | None = None
    track: AcTrack | None = None
    load_track: Callable[[GameFacts], AcTrack] | None = None
    pictures: Callable[[int, int, str], Any] | None = None
    renew: Callable[[int], None] | None = None
    end: Callable[[], None] = lambda: None


def real_game(settings: GameSettings) -> Game:
    """Return the game at `host`, which is looked for when it is first driven."""
    host, port = settings.host, settings.port
    management = ManagementClient(host, port + _MANAGEMENT)

    def load_track(facts: GameFacts) -> AcTrack:
        from envs.assetto_corsa.tracks.lanes import track_from_info

        name, layout = str(facts.static_info["TrackName"]), str(facts.static_info.get("TrackConfiguration", ""))
        layout = "" if layout in _NOT_A_LAYOUT else layout
        log.info("Taking the borders and the line of %s from the game.", facts.track)
        return track_from_info(management.track_info(), name, layout, facts.track_length_m)

    return Game(
        lambda: _socket_link(settings, (host, port), management),
        host=host,
        opponents=(host, port + _OPPONENTS),
        load_track=load_track,
    )


def lockstep_twin(settings: GameSettings, arguments: Mapping[str, Any]) -> Game:
    """Return a twin in this process whose time waits for the env."""
    make = _twin_class("game", "TwinGame")
    chosen = _twin_arguments(settings, arguments)
    first = make(**chosen)
    link = LockstepLink(lambda seed: make(**_start(seed, first.track) | chosen | {"track": first.track}), first)

    def picture(width: int, height: int, mode: str) -> Any:
        return link.game.picture(width, height, mode)

    return Game(
        lambda: link,
        cars=lambda: link.game.opponents(),
        track=first.track,
        pictures=picture,
        renew=link.renew,
    )


def _start(seed: int, track: AcTrack) -> dict[str, Any]:
    """Return where the car of a seed starts, unless the config says it: episodes would all be alike otherwise."""
    random = np.random.default_rng(seed)
    return {"start_row": int(random.integers(track.num_rows)), "start_left_m": float(random.uniform(-1.0, 1.0))}


def served_twin(settings: GameSettings, arguments: Mapping[str, Any]) -> Game:
    """Return a twin that runs beside the env in real time, and is driven through sockets as the game is."""
    chosen = _twin_arguments(settings, arguments)
    server = _twin_class("server", "TwinServer")(port=0, game=chosen)

    def picture(width: int, height: int, mode: str) -> Any:
        with server.lock:
            return server.game.picture(width, height, mode)

    return Game(
        lambda: _socket_link(settings, server.ego, ManagementClient(*server.management)),
        opponents=server.opponents,
        track=server.game.track,
        pictures=picture,
        end=server.close,
    )


def _socket_link(settings: GameSettings, ego: tuple[str, int], management: ManagementClient) -> SocketLink:
    client = EgoClient(
        *ego,
        connect_tries=settings.connect_tries,
        connect_wait_s=settings.connect_wait_s,
        safe_brake=settings.safe_brake,
    )
    return SocketLink(
        client,
        management,
        make_sink=(lambda: joystick_sink(settings.joystick)) if settings.mode == LOCAL else NullSink,
        safe=safe_controls(settings.safe_brake),
        reset_wait_s=settings.reset_wait_s,
    )


def _twin_arguments(settings: GameSettings, arguments: Mapping[str, Any]) -> dict[str, Any]:
    if settings.mode == LOCAL:
        raise ConfigError("A twin has no joystick to move: env.twin needs env.mode=remote.")
    return {"car": settings.car, "is_automatic": settings.shifts_itself} | dict(arguments)


def _twin_class(module: str, name: str) -> Callable[..., Any]:
    try:
        found: Callable[..., Any] = getattr(importlib.import_module(f"{_TWIN}.{module}"), name)
    except ImportError as error:
        raise ConfigError(f"env.twin needs {_TWIN}.{module}, which does not import ({error}).") from error
    return found
