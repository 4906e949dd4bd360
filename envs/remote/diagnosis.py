"""What is the matter with a game server: reach, dialect, rates, round trips, ends and clocks."""

import time
from collections.abc import Iterator
from typing import Any

import numpy as np

from envs.errors import ProtocolError
from envs.findings import OK, PROBLEM, WARNING, Finding
from envs.remote import spaces
from envs.remote.gates import HostsGate
from envs.remote.messages import FREE, LOCKSTEP, MAX_REPEAT
from envs.remote.session import ServerError, Session

_PINGS = 200
_SLOW_MS = 5.0
_CLOCK_S = 1.0
_MAX_STEPS = 100  # of MAX_REPEAT ticks, until an end is given up


def diagnose(gate: HostsGate, place: str, seconds: float) -> Iterator[Finding]:
    """Look at the server of `place`; drives a game that is free, disturbs none that is not.

    Args:
        gate: leads there.
        place: one of the gate's.
        seconds: for which rates are watched.
    """
    began = time.monotonic()
    try:
        session = gate.open(place, 5.0)
    except (OSError, ProtocolError, ServerError) as error:
        yield Finding(place, "reach", _short(error), PROBLEM, _cure_of(error))
        return
    try:
        yield Finding(place, "reach", f"answered in {1000 * (time.monotonic() - began):.1f} ms")
        if session.protocol == 2:
            yield from _diagnose_version_2(session, place, seconds)
        else:
            yield from _diagnose_version_1(session, place, seconds)
    except (OSError, ProtocolError, ServerError) as error:
        yield Finding(place, "conversation", _short(error), PROBLEM, _cure_of(error))
    finally:
        session.close()


def _diagnose_version_2(session: Session, place: str, seconds: float) -> Iterator[Finding]:
    greeting = session.handshake
    free = greeting.get("free", "?")
    served = f"version 2, {greeting.get('env_id')}, {session.num_games} games, {free} free"
    yield Finding(place, "dialect", served)
    welcome = session.hello(mode=LOCKSTEP, games=1).fields
    yield Finding(place, "observations", str(spaces.build(welcome.get("obs"))))
    yield Finding(place, "actions", f"{spaces.build(welcome.get('act'))}, {welcome.get('decision')} ticks a decision")
    yield _round_trip(place, lambda: session.request("PING", t=time.time()))
    yield _clock(session, place)
    claimed = welcome.get("games") or []
    if not claimed:
        cure = "Wait until a runner ends, or serve one game more (num_games): the others are driven and left alone."
        yield Finding(place, "games", "none is free to be tried", WARNING, cure)
        return
    game_id = int(claimed[0])
    yield _bandwidth(session, place, game_id)
    yield _ends(session, place, game_id)
    yield from _rates(session, place, game_id, seconds)


def _diagnose_version_1(session: Session, place: str, seconds: float) -> Iterator[Finding]:
    cure = (
        "Serve with python -m envs.serve for seeds, lock-step and ends that are never lost, or use env=remote_original."
    )
    found = f"version 1 alone, {session.num_games} games"
    yield Finding(place, "dialect", found, WARNING, cure)
    yield _round_trip(place, lambda: session.request("GET_STATE", game_id=0))
    ticks, lost_ends, ends, reads, last = 0, 0, 0, 0, -1
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        state = session.request("GET_STATE", game_id=0).states[0]
        steps = int(state.telemetry.get("steps", 0))
        reads += 1
        ends += bool(state.done)
        if last >= 0:
            ticks += max(0, steps - last)
            lost_ends += steps < last and not state.done
        last = steps
        time.sleep(0.005)
    yield Finding(place, "rate", f"{ticks / seconds:.1f} ticks/s, {reads / seconds:.0f} looks/s")
    verdict, cure = (PROBLEM, "This server shows ends by chance: returns will be wrong.") if lost_ends else (OK, "")
    yield Finding(place, "ends", f"{ends} shown, {lost_ends} lost in {seconds:g} s", verdict, cure)


def _round_trip(place: str, ask: Any) -> Finding:
    times = []
    for _ in range(_PINGS):
        began = time.perf_counter()
        ask()
        times.append(1000 * (time.perf_counter() - began))
    middle, late = float(np.percentile(times, 50)), float(np.percentile(times, 99))
    found = f"p50 {middle:.2f} ms, p99 {late:.2f} ms"
    if middle < _SLOW_MS:
        return Finding(place, "round trip", found)
    cure = "A cable instead of a radio, a runner nearer to the game, or fewer decisions (env.action_repeat)."
    return Finding(place, "round trip", found, WARNING, cure)


def _clock(session: Session, place: str) -> Finding:
    began = time.time()
    told = float(session.request("PING", t=began).fields.get("t_wall", 0.0))
    offset = told - 0.5 * (began + time.time())
    if abs(offset) < _CLOCK_S:
        return Finding(place, "clock", f"{1000 * offset:+.0f} ms from here")
    cure = "Let both machines take their time from the network (NTP); times in logs will not fit otherwise."
    return Finding(place, "clock", f"{offset:+.1f} s from here", WARNING, cure)


def _bandwidth(session: Session, place: str, game_id: int) -> Finding:
    session.request("CONFIG", obs=True, encoding="bin")
    session.request("RESET", game_id=game_id, seed=0)
    before = session.link.counts.bytes_received
    session.request("GET_STATE", game_id=game_id)
    size = session.link.counts.bytes_received - before
    fps = float(session.handshake.get("fps", 0.0))
    return Finding(place, "bandwidth", f"{size:,} bytes a state, {size * fps / 1e6:.2f} MB/s if every tick is told")


def _ends(session: Session, place: str, game_id: int) -> Finding:
    """Drive an episode in lock-step to its end, which must be told once, with all of its ticks."""
    action = _idle(session)
    first = session.request("RESET", game_id=game_id, seed=0).states[0]
    ticks = 0
    for _ in range(_MAX_STEPS):
        state = session.request("STEP", game_id=game_id, action=action, repeat=MAX_REPEAT).states[0]
        ticks += state.ticks
        if state.done:
            break
    else:
        return Finding(place, "ends", f"none within {ticks:,} ticks")
    after = session.request("STEP", game_id=game_id, action=action, repeat=1).states[0]
    found = f"told once, after {ticks:,} ticks, all of them told"
    if state.tick - first.tick == ticks and after.reset and not after.done:
        return Finding(place, "ends", found)
    counted = f"{state.tick - first.tick:,} ticks made, {ticks:,} told"
    return Finding(place, "ends", counted, PROBLEM, "Update the server: this one loses or repeats what happened.")


def _rates(session: Session, place: str, game_id: int, seconds: float) -> Iterator[Finding]:
    """Let the game run freely, and look at every tick."""
    wanted = float(session.handshake.get("fps", 0.0))
    session.request("CONFIG", mode=FREE)
    session.request("RESET", game_id=game_id)
    overruns = int(session.request("PING", t=0.0).fields.get("overruns", 0))
    looks = skipped = repeated = ticks = 0
    began = time.monotonic()
    while (elapsed := time.monotonic() - began) < seconds:
        state = session.request("GET_STATE", game_id=game_id, wait_ticks=1, timeout_ms=1000).states[0]
        looks += 1
        ticks += state.ticks
        skipped += max(0, state.ticks - 1)
        repeated += state.ticks == 0
    rate = ticks / elapsed
    late = int(session.request("PING", t=0.0).fields.get("overruns", 0)) - overruns
    found = f"{rate:.1f} of {wanted:g} ticks/s, {late} overruns"
    if wanted and rate < 0.95 * wanted:
        cure = "Serve fewer games in one process (num_games), or start several servers and name all in env.hosts."
        yield Finding(place, "real time", found, WARNING, cure)
    else:
        yield Finding(place, "real time", found)
    counted = f"{skipped} ticks skipped, {repeated} looks without a tick, of {looks}"
    if skipped > 0.05 * max(ticks, 1):
        cure = "This machine or the network is too slow for every tick: raise env.action_repeat, or use lock-step."
        yield Finding(place, "skips", counted, WARNING, cure)
    else:
        yield Finding(place, "skips", counted)


def _idle(session: Session) -> Any:
    space = spaces.build(session.request("HELLO", protocol=2, token=session.token, mode=LOCKSTEP).fields.get("act"))
    return 0 if space.shape == () else np.zeros(space.shape or ()).tolist()


def _short(error: BaseException) -> str:
    return str(error).splitlines()[0] if str(error) else type(error).__name__


def _cure_of(error: BaseException) -> str:
    """Return what to do about a conversation that did not come about."""
    text = str(error).lower()
    if isinstance(error, ServerError) and error.code == "auth_required":
        return "Set CHICANE_TOKEN to the server's token."
    if isinstance(error, ServerError) and error.code == "busy":
        return "Raise the server's max_clients, or end clients that hang about."
    if "refused" in text:
        return "Nothing listens there: start python -m envs.serve, and compare the port that it prints."
    if "certificate" in text or "ssl" in text:
        return "Compare tls_authority here with tls_certificate there; the name that is dialled must be in it."
    if "name or service" in text or "getaddrinfo" in text or "nodename" in text:
        return "No machine of that name is known here: try its address."
    if "timed out" in text or "in time" in text:
        return "A firewall may drop it, the server may be frozen, or one side alone encrypts (tls_authority)."
    if isinstance(error, ProtocolError):
        return "Something else listens there, or the server encrypts and env.tls_authority is not set."
    return "Look at the server's own output."
