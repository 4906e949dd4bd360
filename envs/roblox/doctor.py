"""`python -m envs.doctor env=roblox`: waits for a game, and goes through what goes wrong with these games."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.errors import SimulatorUnavailable
from envs.findings import PROBLEM, SKIPPED, WARNING, Finding
from envs.roblox.choices import options_of
from envs.roblox.env import LOCKSTEP
from envs.roblox.game import Game
from envs.roblox.options import Options, open_world
from envs.roblox.pairing import BLIND_CURE, CARS_CURE
from envs.roblox.progress import TICK_S
from envs.roblox.vector import RobloxVectorEnv
from envs.roblox.widths import V0, V2
from envs.roblox.worlds import World

WAIT_S = 60.0  # for a game; those that reconnect do so every 5 s
BACK_S = 15.0  # for one that was lost
CHECKS = (
    "port",
    "game",
    "connection",
    "dialect",
    "width",
    "cars",
    "numbers",
    "tick rate",
    "driving",
    "laps",
    "freeze",
    "round trip",
    "account",
)
_BLOCKED = {1194}  # and all below 1024 but these:
_OPEN = {80, 443}
_GAME_CURE = (
    "Start the game in Studio: WebSockets work there alone, not in published games. Are HTTP requests allowed (Game "
    "Settings, Security), and does the game's URL name this host, this port and /ws/NAME? A v0 game tries once: start "
    "it after this command. Studio has six stream clients at most: close others."
)
_LOST_CURE = (
    "What does Studio's output say: was the game stopped, or did an error end its loop? Games leave when they hear "
    "nothing for 20 s; v1 and v2 come back by themselves, v0 has to be started again."
)
_RATE_CURE = "Keep Studio's window in front and its frame rate at 60: below 15 frames/s ticks come late."


def diagnose(arguments: Mapping[str, Any], seconds: float) -> list[Finding]:
    """Look at a game, in the order in which causes hide each other.

    Args:
        arguments: of `RobloxEnv`.
        seconds: for which it is watched.

    Raises:
        ConfigError: an argument is wrong, or the port is taken.
    """
    options = options_of(arguments)
    patience = {
        "connect_timeout_s": min(options.connect_timeout_s, WAIT_S),
        "reconnect_timeout_s": min(options.reconnect_timeout_s, BACK_S),
    }
    looked = {**arguments, **patience, "games": 1, "actions": "game", "strict_width": False}  # all is a finding
    world = open_world(options_of(looked), options.cars, runner=0, seeds=list(range(options.cars)))
    try:
        found = {one.check: one for one in _all(world, looked, options, seconds)}
    finally:
        world.close()  # the env, if there is one, has no more to close
    place = env_place(options)
    skipped = (Finding(place, check, "not reached", SKIPPED) for check in CHECKS)
    return [found.get(one.check, one) for one in skipped]


def env_place(options: Options) -> str:
    """Return where games are looked for, in words."""
    return f"twin ({options.twin})" if options.twin else f"{options.host}:{options.port}"


def _all(world: World, looked: Mapping[str, Any], options: Options, seconds: float) -> Iterator[Finding]:
    place, game = env_place(options), world.games[0]
    yield _port(place, options)
    try:
        env = RobloxVectorEnv(options.cars, world=world, **looked)  # which may wait for the first observation
        env.reset()
    except SimulatorUnavailable as error:
        if not game.counters.connections:
            yield Finding(place, "game", str(error), PROBLEM, _GAME_CURE)
            return
        yield Finding(place, "game", f"{game.counters.connections} connections, and then: {game.fault or error}")
        yield _cars(game, place)
        return
    yield Finding(place, "game", f"connected, {len(game.cars)} cars asked for")
    yield from _look(env, game, place, seconds, may_freeze=options.twin != LOCKSTEP)


def _look(env: RobloxVectorEnv, game: Game, place: str, seconds: float, *, may_freeze: bool) -> Iterator[Finding]:
    watched = _Watched()
    actions = np.tile(np.array([1.0, 0.0, -1.0], np.float32), (env.num_envs, 1))
    until_s = env.world.now() + seconds
    while env.world.now() < until_s and not watched.lost:
        watched.step(env, game, actions)
    yield _connection(game, watched, place)
    yield _dialect(game, place)
    yield _width(game, place)
    yield _cars(game, place)
    yield _numbers(game, place)
    yield _rate(watched, place)
    yield _driving(watched, place)
    yield _laps(game, place)
    if not may_freeze or not game.is_running:
        yield Finding(place, "freeze", "the game is gone" if may_freeze else "time waits anyway", SKIPPED)
    else:
        yield _frozen(env, game, place)
    yield _round_trip(game, place)
    account = env.account()
    gone = account["sent"] - sum(value for name, value in account.items() if name != "sent")
    told = ", ".join(f"{name} {value:.2f}" for name, value in account.items())
    yield Finding(place, "account", told, PROBLEM if abs(gone) > 1e-6 else "ok")


@dataclass
class _Watched:
    """What was seen of a game while it was driven.

    Attributes:
        seconds: that it was connected.
        ticks: that came in them.
        fastest_mps: of any car.
        ends: of episodes.
        lost: why it was given up; empty: it was not.
    """

    seconds: float = 0.0
    ticks: int = 0
    fastest_mps: float = 0.0
    ends: int = 0
    lost: str = ""

    def step(self, env: RobloxVectorEnv, game: Game, actions: npt.NDArray[np.float32]) -> None:
        """Drive one decision."""
        began_s, ticks, connections = env.world.now(), game.counters.ticks, game.counters.connections
        was_there = game.is_running
        try:
            _, _, terminated, truncated, infos = env.step(actions)
        except SimulatorUnavailable as error:
            self.lost = str(error)
            return
        if was_there and game.is_running and game.counters.connections == connections:
            self.seconds += env.world.now() - began_s
            self.ticks += game.counters.ticks - ticks
        self.fastest_mps = max(self.fastest_mps, float(infos["speed_mps"].max()))
        self.ends += int((terminated | truncated).sum())


def _connection(game: Game, watched: _Watched, place: str) -> Finding:
    losses = game.counters.losses
    if watched.lost or (losses and not game.is_connected):
        told = f"lost: {game.fault}; it did not come back" + (f" within {BACK_S:g} s" if watched.lost else " yet")
        return Finding(place, "connection", told, PROBLEM, _LOST_CURE)
    if losses:
        return Finding(place, "connection", f"lost {losses} times, and back; last: {game.fault}", WARNING, _LOST_CURE)
    return Finding(place, "connection", f"held for {watched.seconds:.1f} s")


def _port(place: str, options: Options) -> Finding:
    port = options.port
    if not options.twin and (port in _BLOCKED or (0 < port < 1024 and port not in _OPEN)):
        cure = "Roblox does not connect to ports below 1024, but for 80 and 443, nor to 1194: choose env.port=8000."
        return Finding(place, "port", f"port {port}", PROBLEM, cure)
    return Finding(place, "port", f"listening, ws://HOST:{port}/ws/NAME" if not options.twin else "any free one")


def _dialect(game: Game, place: str) -> Finding:
    hello = f", says hello: {game.hello}" if game.hello else ""
    if game.doubt is not None:
        return Finding(place, "dialect", game.doubt, WARNING, "Choose env.dialect as the end's reward says.")
    return Finding(place, "dialect", f"{game.dialect or game.last_dialect}{hello}")


def _width(game: Game, place: str) -> Finding:
    told = f"{game.fitting.width} numbers in an observation"
    if game.counters.wrong_widths:
        cure = "car16 is Car, Bus and Truck, cart5 is Quad and Golf cart; env.obs_preset=auto takes any."
        return Finding(place, "width", f"{told} expected, {game.counters.wrong_widths} others came", PROBLEM, cure)
    return Finding(place, "width", told)


def _cars(game: Game, place: str) -> Finding:
    blind = [car.id for car in game.cars if car.is_blind]
    if blind:
        return Finding(place, "cars", f"{', '.join(blind)} never observed anything", PROBLEM, BLIND_CURE)
    missing = [car.id for car in game.cars if not car.fold.sent.ticks]
    if missing:
        return Finding(place, "cars", f"{', '.join(missing)} never appeared", PROBLEM, CARS_CURE)
    respawned = f", {game.counters.respawns} respawns" if game.counters.respawns else ""
    return Finding(place, "cars", f"all {len(game.cars)} appeared{respawned}")


def _numbers(game: Game, place: str) -> Finding:
    counts = game.counters
    odd = {
        "numbers that are none": counts.nonfinite,
        "parts of a wrong type": counts.malformed,
        "entries of unknown cars": counts.unknown_ids,
        "frames that are no messages": counts.bad_messages,
    }
    told = ", ".join(f"{number} {what}" for what, number in odd.items() if number)
    if told:
        cure = "They count as 0, or for nothing. Unknown cars are an earlier connection's: restart the game."
        return Finding(place, "numbers", told, WARNING, cure)
    return Finding(place, "numbers", f"{counts.messages} messages, all sound")


def _rate(watched: _Watched, place: str) -> Finding:
    if watched.seconds < TICK_S:
        return Finding(place, "tick rate", "the game was gone too soon", SKIPPED)
    ticks_per_s = watched.ticks / watched.seconds
    told = f"{ticks_per_s:.1f} ticks/s"
    if not 12.0 <= ticks_per_s <= 18.0:
        return Finding(place, "tick rate", f"{told}, expected 15", WARNING, _RATE_CURE)
    return Finding(place, "tick rate", told)


def _driving(watched: _Watched, place: str) -> Finding:
    told = f"full throttle brings {watched.fastest_mps:.1f} m/s, {watched.ends} episodes ended"
    if watched.seconds and watched.fastest_mps < 1.0:
        cure = "Do the cars hang, or does an autopilot of the game's own hold them? Watch in Studio what they do."
        return Finding(place, "driving", told, PROBLEM, cure)
    return Finding(place, "driving", told)


def _laps(game: Game, place: str) -> Finding:
    if game.counters.foreign_rewards:
        cure = "Switch TerminateAll off, or have the game tell info {lap, progress}: examples/roblox/ shows how."
        return Finding(place, "laps", "not told: rewards are for places in a race too", WARNING, cure)
    return Finding(place, "laps", "told by the game, or undone from its rewards")


def _frozen(env: RobloxVectorEnv, game: Game, place: str) -> Finding:
    """Freeze for a second, and see whether cars vanish from the ticks."""
    if game.dialect == V0:
        cure = "While networks learn, its cars get zero actions and may end their episodes: collect short rollouts."
        return Finding(place, "freeze", "v0 cannot be frozen", WARNING, cure)
    before = game.counters.empty_ticks
    env.freeze()
    with env.world.lock:
        env.world.wait(lambda: game.counters.empty_ticks > before, env.world.now() + 1.0)
    env.freeze(False)
    if game.counters.empty_ticks == before:
        return Finding(place, "freeze", "cars go on for 1 s after FREEZE", PROBLEM, "Is it v0? Choose env.dialect=v0.")
    return Finding(place, "freeze", "frozen and let go")


def _round_trip(game: Game, place: str) -> Finding:
    summary = game.round_trips.summary()
    if game.dialect != V2 or not summary["samples"]:
        return Finding(place, "round trip", "only v2 answers pings", SKIPPED)
    told = f"{summary['p50_ms']:.1f} ms, at most {summary['max_ms']:.1f} ms"
    if summary["p50_ms"] > 50.0:
        return Finding(place, "round trip", told, WARNING, "Train on the game's own PC, or on a wired network.")
    return Finding(place, "round trip", told)
