"""The servers of this process, one a port: an env that is built anew finds the one that is there, and its games."""

import threading
from collections.abc import Callable, Sequence

from envs.errors import ConfigError
from envs.roblox.game import Game
from envs.roblox.hub import RobloxHub
from envs.roblox.seats import Seat
from envs.roblox.settings import GameSettings

LINGER_S = 20.0  # real time that a port outlives its last env

_lock = threading.RLock()  # an env that nobody closed is closed wherever its memory is freed: here, too
_hubs: dict[tuple[str, int], RobloxHub] = {}
_users: dict[RobloxHub, int] = {}
_timers: dict[RobloxHub, threading.Timer] = {}


def lease_hub(host: str, port: int, *, token: str | None, speed: float, hands_on: bool = False) -> RobloxHub:
    """Return the server at a port, which is started if it is not there; port 0: a new one, anywhere.

    Raises:
        ConfigError: the port is taken by somebody else, or by a server with another token or speed.
    """
    with _lock:
        hub = _hubs.get((host, port)) if port else None
        if hub is None:
            hub = RobloxHub(host, port, token=token, speed=speed, hands_on=hands_on)
            _hubs[host, hub.address[1]] = hub
        elif not hub.is_alike(token, speed, hands_on=hands_on):
            raise ConfigError(
                f"A server with another token or speed listens at {host}:{port}: choose another env.port."
            )
        timer = _timers.pop(hub, None)
        if timer is not None:
            timer.cancel()
        _users[hub] = _users.get(hub, 0) + 1
        return hub


def give_back(hub: RobloxHub, *, lingers: bool) -> None:
    """Leave a server. With its last user it ends, or, if it lingers, a little later."""
    with _lock:
        _users[hub] -= 1
        if _users[hub]:
            return
        if lingers:
            timer = _timers[hub] = threading.Timer(LINGER_S, _end, (hub,))
            timer.daemon = True
            timer.start()
            return
    _end(hub)


def end_all() -> None:
    """End the servers that nobody uses."""
    with _lock:
        idle = [hub for hub, users in _users.items() if not users]
    for hub in idle:
        _end(hub)


def claim(
    hub: RobloxHub,
    cars: Sequence[Sequence[int]],
    settings: GameSettings,
    model_id: str | None,
    make_id: Callable[[], str],
) -> list[Seat]:
    """Return a seat for each game: those that were left with the same cars, and are still there, else new ones."""
    left = hub.left_seats()
    seats: list[Seat] = []
    for counts in cars:
        alike = [
            seat
            for seat in left
            if (seat.game.roster.cars_per_env, seat.game.settings) == (tuple(counts), settings)
            and seat.model_id == model_id
        ]
        if alike:
            seats.append(alike[0])
            alike[0].is_left = False
            left.remove(alike[0])
        else:
            seats += hub.seat([Game(counts, settings, make_id)], model_id)
    hub.remove(left)
    return seats


def _end(hub: RobloxHub) -> None:
    with _lock:
        if _users.get(hub):  # somebody came back in the meantime
            return
        _users.pop(hub, None)
        timer = _timers.pop(hub, None)
        for place in [place for place, one in _hubs.items() if one is hub]:
            del _hubs[place]
    if timer is not None:
        timer.cancel()
    hub.close()
