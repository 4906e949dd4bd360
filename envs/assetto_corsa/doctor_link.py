"""Checks of the link: is the plugin there, is it the right game, do states come, how fast and how late."""

import time
from collections.abc import Generator, Iterator
from dataclasses import dataclass

import numpy as np

from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.faults import CAR, GEARS, IMAGE, LINK_LOST, MODE, RATE, TRACK, GameMismatchError, LinkFault
from envs.assetto_corsa.link import GameLink
from envs.assetto_corsa.preflight import STATE_RATE_HZ, GameFacts, check_measured_rate, mismatches
from envs.assetto_corsa.state_keys import State
from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.errors import ConfigError, ProtocolError, SimulatorUnavailable
from envs.findings import PROBLEM, SKIPPED, WARNING, Finding

MANAGEMENT, EGO, MEASURED, LATE, GEOMETRY = (
    "3 plugin",
    "9 states",
    "10 measured rate",
    "11 late states",
    "8 track files",
)
_CHECKS = {CAR: "4 car", TRACK: "5 track", MODE: "6 mode", RATE: "7 rates", GEARS: "12 gearbox", IMAGE: "16 pictures"}
_SETTINGS = (CAR, TRACK, MODE, RATE, GEARS)
_NOT_REACHED = "not reached"
_SLOW_S, _LATE_S, _LOST = 2.0, 0.06, 0.01
_AWAY_M, _LENGTH_M = 30.0, 20.0


@dataclass(frozen=True)
class LinkLook:
    """What the link was found to be.

    Attributes:
        has_states: whether states come.
        is_right: whether it is the game that the env expects, so that it may be driven.
    """

    has_states: bool = False
    is_right: bool = False


def link_checks(env: AssettoCorsaEnv, place: str, seconds: float) -> Generator[Finding, None, LinkLook]:
    """Yield the findings; return whether there is something to drive."""
    link = env.race.parts.drive.link
    began = time.monotonic()
    try:
        facts = link.inspect()
    except (SimulatorUnavailable, ProtocolError) as error:
        yield Finding(place, MANAGEMENT, str(error), PROBLEM, "Nothing else can be looked at before.")
        for check in (*(_CHECKS[kind] for kind in _SETTINGS), GEOMETRY, EGO, MEASURED, LATE):
            yield Finding(place, check, f"{_NOT_REACHED}: the plugin does not answer", SKIPPED)
        return LinkLook()
    yield _answered(time.monotonic() - began, facts, place)
    is_right = True
    try:
        told = {CAR: facts.car, TRACK: facts.track, MODE: "", RATE: "", GEARS: ""}
        wrong = {one.kind: str(one) for one in mismatches(env.race.parts.drive.expected, facts)}
        facts.track_length_m  # noqa: B018 (raises if the plugin does not tell it)
    except ProtocolError as error:
        cure = "Another version of the plugin? Install that of assetto_corsa_gym."
        yield Finding(place, _CHECKS[CAR], str(error), PROBLEM, cure)
        for check in (*(_CHECKS[kind] for kind in _SETTINGS if kind != CAR), GEOMETRY, EGO, MEASURED, LATE):
            yield Finding(place, check, f"{_NOT_REACHED}: the plugin does not say what is loaded", SKIPPED)
        return LinkLook()
    for kind, check in _CHECKS.items():
        if kind in wrong:
            is_right = is_right and kind == IMAGE
            yield Finding(place, check, wrong[kind], PROBLEM, "Nothing is driven until this fits.")
        elif kind in told:
            yield Finding(place, check, told[kind] or "as expected")
    yield _geometry(env, facts, place)
    states, findings = _watch(link, place, seconds)
    yield from findings
    return LinkLook(bool(states), is_right)


def _answered(took_s: float, facts: GameFacts, place: str) -> Finding:
    found = f"answers in {took_s:.2f} s, version {facts.config.get('version', 'unknown')}"
    if took_s > _SLOW_S:
        cure = "Another program may hold the connection, or the game hangs in a menu: the plugin answers one at a time."
        return Finding(place, MANAGEMENT, found, WARNING, cure)
    return Finding(place, MANAGEMENT, found)


def _geometry(env: AssettoCorsaEnv, facts: GameFacts, place: str) -> Finding:
    """Look whether the track's files are of the game's track: a car on it is near their line."""
    track = env.track
    try:
        if track is None:
            assert env.game.load_track is not None
            track = env.game.load_track(facts)
    except (ConfigError, SimulatorUnavailable, ProtocolError) as error:
        cure = (
            "Name files in env.track: python -m envs.assetto_corsa.tracks imports borders and AI lines of new tracks."
        )
        return Finding(place, GEOMETRY, str(error), PROBLEM, cure)
    away_m, longer_m = _away_m(track, facts), abs(facts.track_length_m - track.closed_length_m)
    found = f"{track.num_rows} rows, {track.closed_length_m:.0f} m, the car {away_m:.0f} m from the line"
    if away_m > _AWAY_M or longer_m > _LENGTH_M:
        cure = "These files are of another track, layout or version: import the game's own (env.track=null asks it)."
        return Finding(place, GEOMETRY, f"{found}; the game says {facts.track_length_m:.0f} m", WARNING, cure)
    return Finding(place, GEOMETRY, found)


def _away_m(track: AcTrack, facts: GameFacts) -> float:
    position = facts.static_info.get("WorldPosition")
    if not isinstance(position, list) or len(position) != 3:
        return 0.0
    return float(track.closed_line.project(float(position[2]), float(position[0])).distance_m)  # the game's Z and X


def _watch(link: GameLink, place: str, seconds: float) -> tuple[list[State], list[Finding]]:
    try:
        first = link.begin()
    except (SimulatorUnavailable, ProtocolError) as error:
        rest = [Finding(place, check, f"{_NOT_REACHED}: no states", SKIPPED) for check in (MEASURED, LATE)]
        return [], [Finding(place, EGO, str(error), PROBLEM, "Then run the doctor again."), *rest]
    states, came_s = [first.state], [time.monotonic()]
    if not link.is_real_time:
        found = "time waits in lock-step"
        rest = [Finding(place, check, found, SKIPPED) for check in (MEASURED, LATE)]
        return states, [Finding(place, EGO, f"90 keys, state {first.state['steps']}"), *rest]
    trouble = None
    while came_s[-1] - came_s[0] < seconds:
        try:
            states.append(link.receive(1.0).state)
            came_s.append(time.monotonic())
        except (SimulatorUnavailable, ProtocolError) as error:
            trouble = error
            break
    findings = [_states(link, states, trouble, place), *_rates(states, came_s, place)]
    return ([] if trouble is not None else states), findings


def _states(link: GameLink, states: list[State], trouble: Exception | None, place: str) -> Finding:
    if trouble is None:
        return Finding(place, EGO, f"{len(states)} states of 90 keys")
    found = f"{len(states)} states, then: {trouble}"
    cure = "Then run the doctor again."
    if isinstance(trouble, LinkFault) and trouble.cause == LINK_LOST:
        try:
            link.inspect()
        except (SimulatorUnavailable, ProtocolError):
            cure = "The plugin does not answer any more: has the session ended?"
        else:
            cure = "The plugin still answers: the game is paused, or another client has connected. End other clients."
    return Finding(place, EGO, found, PROBLEM, cure)


def _rates(states: list[State], came_s: list[float], place: str) -> Iterator[Finding]:
    if len(states) < 10:
        yield from (Finding(place, check, "too few states to tell", SKIPPED) for check in (MEASURED, LATE))
        return
    try:
        found = f"{check_measured_rate(states[0], states[-1]):.2f} states/s by the game's clock"
        yield Finding(place, MEASURED, found)
    except GameMismatchError as error:
        yield Finding(place, MEASURED, str(error), PROBLEM, "Limit the frame rate, in the game or in its driver.")
    gaps = np.diff(came_s)
    lost = 1.0 - (len(states) - 1) / max(states[-1]["steps"] - states[0]["steps"], 1)
    late_s = float(np.percentile(gaps, 95))
    found = (
        f"95 % within {1000 * late_s:.0f} ms of the last ({1000 / STATE_RATE_HZ:.0f} would be in time), {lost:.1%} lost"
    )
    if late_s > _LATE_S or lost > _LOST:
        cure = (
            "Lower the graphics, use a cable instead of wireless (a state is three packets of which none may be lost), "
            "and train on another machine than the game's."
        )
        yield Finding(place, LATE, found, WARNING, cure)
    else:
        yield Finding(place, LATE, found)
