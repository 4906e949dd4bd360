"""Checks that drive: gears, pedals, steering, signs, putting the car back, an episode of the env itself."""

import math
import time
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from envs.assetto_corsa import gears
from envs.assetto_corsa.cars import CARS
from envs.assetto_corsa.controls import Controls
from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.link import AWAY_M, GameLink
from envs.assetto_corsa.sign_audit import OPPOSITE, UNKNOWN, audit
from envs.assetto_corsa.state_keys import State
from envs.errors import ConfigError, ProtocolError, SimulatorUnavailable
from envs.findings import PROBLEM, SKIPPED, WARNING, Finding

PEDALS, NEUTRAL_GEAR, STEERING, SIGNS, RESET, EPISODE = (
    "13 pedals",
    "14 gears",
    "15 steering",
    "18 signs",
    "19 reset",
    "20 episode",
)
_ALL = (PEDALS, NEUTRAL_GEAR, STEERING, SIGNS, RESET, EPISODE)
_GO, _TURN, _BRAKE = 75, 10, 15  # states of 40 ms
_TOO_LITTLE_M = 25.0
_STEER, _FIRST_GEAR = 0.06, 2
_STEPS = 50
_LATE_MS = 40.0


@dataclass
class _Drive:
    """What was held, and what came of it."""

    link: GameLink
    states: list[State] = field(default_factory=list)
    steers: list[float] = field(default_factory=list)

    def hold(self, num_states: int, steer: float, acc: float, brake: float) -> list[State]:
        came = []
        for _ in range(num_states):
            self.link.send(Controls(steer, acc, brake))
            came.append(self.link.receive(1.0).state)
            self.steers.append(steer)
        self.states += came
        return came


def drive_checks(env: AssettoCorsaEnv, place: str, *, is_there: bool, is_right: bool) -> Iterator[Finding]:
    """Yield the findings; nothing is driven where no states come, or in another car, track or mode than expected."""
    if not (is_there and is_right):
        reason = "no states come" if not is_there else "the game is set up otherwise"
        yield from (Finding(place, check, f"not driven: {reason}", SKIPPED) for check in _ALL)
        return
    drive = _Drive(env.race.parts.drive.link)
    done: list[Finding] = []
    try:
        for finding in _driven(drive, env, place):
            done.append(finding)
            yield finding
    except (SimulatorUnavailable, ProtocolError) as error:
        known = {finding.check for finding in done}
        missing = [check for check in _ALL if check not in known]
        yield Finding(place, missing[0], f"the link was lost on the way: {error}", PROBLEM, "Run the doctor again.")
        yield from (Finding(place, check, "not reached", SKIPPED) for check in missing[1:])


def _driven(drive: _Drive, env: AssettoCorsaEnv, place: str) -> Iterator[Finding]:
    start = drive.link.begin().state
    moving = drive.hold(_GO, 0.0, 0.6, -1.0)
    left, right = drive.hold(_TURN, -_STEER, 0.0, -1.0), drive.hold(_TURN, _STEER, 0.0, -1.0)
    drive.hold(_TURN, 0.0, 0.0, -1.0)
    stopping = drive.hold(_BRAKE, 0.0, -1.0, 0.0)
    yield _pedals(moving, stopping, place)
    yield _gears(env, moving, place)
    yield _steering(env, left, right, place)
    yield _signs(drive, place)
    yield from _put_back(drive, start, place)
    yield _episode(env, place)


def _pedals(moving: list[State], stopping: list[State], place: str) -> Finding:
    acc, brake = moving[-1]["accStatus"], stopping[-1]["brakeStatus"]
    found = f"throttle 0.80 is told as {acc:.2f}, half the brake as {brake:.3f} (0.19 with the shipped profile)"
    if acc < 0.5 or brake < 0.05:
        cure = (
            "Commands do not reach the car: load the plugin's control profile in the game (Controls, Load), keep the "
            "game's window in front, and see that the mode of plugin and env is the same."
        )
        return Finding(place, PEDALS, found, PROBLEM, cure)
    if abs(acc - 0.8) > 0.05 or abs(brake - 0.1895) > 0.03:
        cure = "The control profile is another than the shipped one: linear throttle, brake gamma 2.4."
        return Finding(place, PEDALS, found, WARNING, cure)
    return Finding(place, PEDALS, found)


def _gears(env: AssettoCorsaEnv, moving: list[State], place: str) -> Finding:
    gear, speed, rpm = (moving[-1][key] for key in ("actualGear", "speed", "RPM"))
    found = f"gear {gear - 1}, {speed:.1f} m/s, {rpm:.0f} rev/min after {_GO / 25:g} s of throttle"
    if gear < _FIRST_GEAR and env.race.parts.gears == gears.AUTO:
        cure = (
            "The car stays in neutral: switch the automatic gearbox and the automatic clutch on (Assists), or drive "
            "with env.gears=box. Leave the pits and wait for the green light."
        )
        return Finding(place, NEUTRAL_GEAR, found, PROBLEM, cure)
    if gear >= _FIRST_GEAR and speed < 2.0:
        cure = "The car does not move: does it stand in the pits, before a start, or without fuel?"
        return Finding(place, NEUTRAL_GEAR, found, WARNING, cure)
    return Finding(place, NEUTRAL_GEAR, found)


def _steering(env: AssettoCorsaEnv, left: list[State], right: list[State], place: str) -> Finding:
    one, other = left[-1]["steerAngle"], right[-1]["steerAngle"]
    car = env.race.parts.actions.car
    wanted = _STEER * car.scale
    found = f"{-_STEER:g} is told as {one:.1f}°, {_STEER:g} as {other:.1f}° (±{wanted:.1f}° expected)"
    if abs(other - one) < 0.2 * wanted:
        cure = (
            "The wheel is frozen: keep the game's window in front, end Steam Input and other wheels, load the control "
            "profile again; on Linux, the profile must name our pad and no other 'X-Box 360'."
        )
        return Finding(place, STEERING, found, PROBLEM, cure)
    if other < one:
        return Finding(place, STEERING, found, PROBLEM, "The axis is reversed in the control profile.")
    if abs(other - wanted) > 0.1 * wanted or abs(one + wanted) > 0.1 * wanted:
        known = "" if car.name in CARS else " Measure it for this car."
        cure = f"The steer map is another: the profile's lock is to be 900°, linear, without filter.{known}"
        return Finding(place, STEERING, found, WARNING, cure)
    return Finding(place, STEERING, found)


def _signs(drive: _Drive, place: str) -> Finding:
    signs = audit(drive.states, drive.steers)
    words = ", ".join(f"{sign.channel} {sign.verdict}" for sign in signs)
    opposite = [sign.channel for sign in signs if sign.verdict == OPPOSITE]
    if opposite:
        cure = (
            f"{', '.join(opposite)}: the game's sign is not the one that we take (nobody had verified it). Policies of "
            "twins will not fit; please report it."
        )
        return Finding(place, SIGNS, words, WARNING, cure)
    if any(sign.verdict == UNKNOWN for sign in signs):
        return Finding(place, SIGNS, words, WARNING, "Too little happened to judge them all: give the car more room.")
    return Finding(place, SIGNS, words)


def _put_back(drive: _Drive, start: State, place: str) -> Iterator[Finding]:
    here = drive.states[-1]
    away = _between_m(start, here)
    try:
        back = drive.link.begin().state
    except SimulatorUnavailable as error:
        yield Finding(place, RESET, str(error), PROBLEM, "Without it, no episode ends where the next one begins.")
        return
    found = f"from {away:.0f} m away to {_between_m(start, back):.1f} m"
    if away < max(AWAY_M, _TOO_LITTLE_M):
        yield Finding(place, RESET, f"the car got only {away:.0f} m away: nothing to see", SKIPPED)
    elif _between_m(start, back) > AWAY_M:
        cure = "The car is put somewhere else each time: is that so wanted in the patch's settings?"
        yield Finding(place, RESET, found, WARNING, cure)
    else:
        yield Finding(place, RESET, found)


def _episode(env: AssettoCorsaEnv, place: str) -> Finding:
    try:
        env.reset()
    except (SimulatorUnavailable, ProtocolError, ConfigError) as error:
        return Finding(place, EPISODE, str(error), PROBLEM, "See the findings before.")
    action = env.action_space.sample()
    rewards, own_ms, out_of_sync = [], [], 0
    for _ in range(_STEPS):
        began = time.perf_counter()
        env.send_action(action)
        sent = time.perf_counter()
        _, reward, terminated, truncated, info = env.receive()
        own_ms.append(1000.0 * (sent - began))
        rewards.append(reward)
        out_of_sync = info["out_of_sync"]
        if terminated or truncated:
            break
    late = float(np.percentile(own_ms, 95))
    reason = info.get("reason", "not over")
    found = (
        f"{len(rewards)} steps ({reason}), reward {sum(rewards):.2f}, {out_of_sync} states out of sync, "
        f"95 % of actions sent within {late:.1f} ms"
    )
    if not all(map(math.isfinite, rewards)):
        return Finding(place, EPISODE, found, PROBLEM, "A reward is not finite: is the track the game's?")
    if late > _LATE_MS:
        return Finding(place, EPISODE, found, WARNING, "This machine is too busy to send actions in time.")
    return Finding(place, EPISODE, found)


def _between_m(one: State, other: State) -> float:
    return math.hypot(*(one[key] - other[key] for key in ("world_position_x", "world_position_y")))
