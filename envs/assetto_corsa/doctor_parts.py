"""Checks of what lies beside the link: addresses, joystick, pictures, other cars."""

import socket
import time
from collections.abc import Iterator, Mapping
from typing import Any

from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.env_arguments import hosts_of
from envs.assetto_corsa.joystick import NONE, joystick_sink
from envs.assetto_corsa.opponents_client import OpponentsClient
from envs.assetto_corsa.preflight import LOCAL, REMOTE
from envs.errors import ProtocolError, SimulatorUnavailable
from envs.findings import PROBLEM, SKIPPED, WARNING, Finding
from envs.remote.addresses import parse_address

ADDRESS, JOYSTICK, PICTURES, OPPONENTS = "1 address", "2 joystick", "16 pictures", "17 other cars"
_OPPONENTS_S = 1.5


def part_checks(env: AssettoCorsaEnv, arguments: Mapping[str, Any], place: str) -> Iterator[Finding]:
    """Yield the findings."""
    yield _address(arguments, place)
    yield _joystick(arguments, place)
    yield _pictures(env, place)
    yield _opponents(env, place)


def _address(arguments: Mapping[str, Any], place: str) -> Finding:
    if arguments.get("twin"):
        return Finding(place, ADDRESS, "in this process")
    host, port = parse_address(hosts_of(arguments)[0], "env.hosts")
    try:
        address = socket.getaddrinfo(host, port, socket.AF_INET, socket.SOCK_DGRAM)[0][4][0]
    except OSError as error:
        cure = "Write the game machine's IPv4 address into env.hosts: the plugin listens on IPv4 only."
        return Finding(place, ADDRESS, f"{host} cannot be resolved ({error})", PROBLEM, cure)
    if str(address).startswith("127."):
        return Finding(place, ADDRESS, f"{address}: this machine")
    found = f"{address}: another machine; UDP {port} and TCP {port + 2} must get through its firewall"
    if arguments.get("mode", REMOTE) == LOCAL:
        cure = (
            "Set vjoy_executed_by_server to True in the plugin's config.py and env.mode=remote: in local mode a "
            "joystick of this machine would be moved, which the game there does not see."
        )
        return Finding(place, ADDRESS, found, PROBLEM, cure)
    return Finding(place, ADDRESS, found)


def _joystick(arguments: Mapping[str, Any], place: str) -> Finding:
    if arguments.get("mode", REMOTE) != LOCAL:
        return Finding(place, JOYSTICK, "the plugin moves its own (env.mode=remote)", SKIPPED)
    name = arguments.get("joystick", "auto")
    if name == NONE:
        return Finding(place, JOYSTICK, "a person drives (env.joystick=none)", SKIPPED)
    try:
        joystick_sink(name).close()
    except SimulatorUnavailable as error:
        cure = (
            "On Linux the control profile looks for a device whose name contains 'X-Box 360': end other pads, and see "
            "with evtest that ours is there."
        )
        return Finding(place, JOYSTICK, str(error), PROBLEM, cure)
    return Finding(place, JOYSTICK, f"{name} is there")


def _pictures(env: AssettoCorsaEnv, place: str) -> Finding:
    make = env.race.parts.images
    if make is None:
        return Finding(place, PICTURES, "this observation needs none", SKIPPED)
    try:
        images = make()
        try:
            frame = images.newest(0)
        finally:
            images.close()
    except (SimulatorUnavailable, ProtocolError) as error:
        cure = "See env.image; pictures through shared memory need the game on this machine, and Windows."
        return Finding(place, PICTURES, str(error), PROBLEM, cure)
    height, width, channels = frame.image.shape
    found = f"{width} x {height} pixels, {channels} channels, mean brightness {frame.image.mean():.0f}"
    if frame.image.max() == 0:
        cure = "Is the window minimised, covered, or not yet drawn? The plugin's page asks for 640 x 480, in a window."
        return Finding(place, PICTURES, f"{found}: all black", WARNING, cure)
    return Finding(place, PICTURES, found)


def _opponents(env: AssettoCorsaEnv, place: str) -> Finding:
    if env.game.opponents is None:
        return Finding(place, OPPONENTS, "none", SKIPPED)
    client = OpponentsClient(env.game.opponents)
    try:
        until = time.monotonic() + _OPPONENTS_S
        while not client.newest and not client.trouble and time.monotonic() < until:
            time.sleep(0.02)
        cars = client.newest
    finally:
        client.close()
    if not cars:
        return Finding(
            place,
            OPPONENTS,
            f"no stream ({client.trouble or 'nothing came'}): the plugin has one only with other cars",
            SKIPPED,
        )
    return Finding(place, OPPONENTS, f"{len(cars)} cars, the first at {cars[0].speed_mps:.1f} m/s")
