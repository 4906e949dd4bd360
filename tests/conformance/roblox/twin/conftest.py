"""A server that knows nothing of ours, and games that can be followed by hand."""

import json
import math
import queue
import threading

import numpy as np
import pytest

from envs.roblox.rays import RAYS
from envs.roblox.twin.circuit import Circuit
from envs.roblox.twin.game import RobloxGame
from envs.track.track import Track

ENV = "3f2a0000-0000-4000-8000-00000000000{}"
STRAIGHT, RADIUS = 850.0, (3400.0 - 2 * 850.0) / (2 * math.pi)
ARC_CHORD = 2 * RADIUS * math.sin(0.05 * math.pi)  # ten checkpoints in each half turn
STADIUM_LAP = 20 * 85.0 + 20 * ARC_CHORD  # along its 40 checkpoints


def stadium():
    """Return a road 49 studs wide: 850 along +x from the origin, half a turn to the left, and back."""
    along = np.arange(0.0, STRAIGHT, 1.0)
    turned = np.linspace(0.0, math.pi, 850, endpoint=False)
    bend = np.stack([STRAIGHT + RADIUS * np.sin(turned), RADIUS - RADIUS * np.cos(turned)], axis=1)
    half = np.concatenate([np.stack([along, np.zeros(len(along))], axis=1), bend])
    other = np.array([STRAIGHT, 2 * RADIUS]) - half
    return Track.from_widths(np.concatenate([half, other]), 24.5, 24.5)


STADIUM = stadium()


def ids(count, env=0):
    return [f"car_{number}_env_{ENV.format(env)}" for number in range(count)]


def command(name, data=None, env=0):
    return {"command": name, "envid": ENV.format(env), "data": {} if data is None else data}


class Driven:
    """A game, and short words for what a server does to it.

    Args:
        game: to be driven.
        cars: how many cars of env 0 are spawned at once.
    """

    def __init__(self, game, cars):
        self.game = game
        self.cars = ids(cars)
        if cars:
            self.say("SPAWN_AGENTS", {"agents": self.cars})

    def say(self, name, data=None, env=0):
        return self.game.handle(command(name, data, env))

    def act(self, *action, car=None):
        return self.say("ACTION", {name: list(action) for name in ([car] if car else self.cars)})

    def ticks(self, count):
        return [message for _ in range(count) for message in self.game.advance_to_tick()]

    def tick(self):
        (message,) = self.game.advance_to_tick()
        return message

    def entry(self, car=None):
        """Return a car's entry in the next tick."""
        return self.tick()[car or self.cars[0]]

    def slot(self, car=None):
        return self.game.fleet.slots[car or self.cars[0]]

    def speed(self, car=None):
        return self.game.fleet.speed[self.slot(car)]

    def place(self, x, y=0.0, heading=0.0, *, speed=0.0, last=None, car=None):
        """Put a car on the first straight of the stadium, as if it had driven there."""
        fleet, slot = self.game.fleet, self.slot(car)
        fleet.pose[slot], fleet.speed[slot], fleet.segment[slot] = (x, y, heading), speed, -1
        fleet.last[slot] = int(x // 85.0) if last is None else last
        fleet.total[slot] = self.game.world.progress(np.array([slot]))[0]

    def until_end(self, car=None, most=400, action=None):
        """Return the first car's entries until one has a flag; None where it is missing."""
        name, entries = car or self.cars[0], []
        for _ in range(most):
            if action is not None:
                self.act(*action, car=name)
            message = self.tick()
            entry = message.get(name) if isinstance(message, dict) else None
            entries.append(entry)
            if entry and (entry["terminated"] or entry["truncated"]):
                return entries
        raise AssertionError("no end")


@pytest.fixture(scope="session")
def driven():
    """Return a function from arguments of `RobloxGame` to one on the stadium, with cars in it."""

    def make(dialect="v2", cars=1, **arguments):
        game = RobloxGame(0, dialect=dialect, **arguments)
        game.world.circuit = Circuit(STADIUM, RAYS[game.vehicle], arguments.get("num_spawns", 32))
        return Driven(game, cars)

    make.ids, make.command, make.lap, make.chord = ids, command, STADIUM_LAP, ARC_CHORD
    return make


class PlainServer:
    """Accept connections; keep what they say, each by itself; say what is wanted to the one that was met last."""

    def __init__(self, port=0):
        from websockets.sync.server import serve

        self.arrivals, self.paths = queue.Queue(), []
        self.socket = self.frames = None
        self._server = serve(self._talk, "127.0.0.1", port, compression=None, ping_interval=None)
        self.port = self._server.socket.getsockname()[1]
        self.url = f"ws://127.0.0.1:{self.port}/ws/twin"
        self._thread = threading.Thread(target=self._server.serve_forever, daemon=True)
        self._thread.start()

    def _talk(self, socket):
        from websockets.exceptions import ConnectionClosed

        self.paths.append(socket.request.path)
        frames = queue.Queue()
        self.arrivals.put((socket, frames))
        try:
            while True:
                frames.put(socket.recv())
        except ConnectionClosed:
            pass

    def say(self, name, data=None, env=0):
        self.socket.send(json.dumps(command(name, data, env)))

    def frame(self, timeout_s=20.0):
        return self.frames.get(timeout=timeout_s)

    def until(self, holds, most=3000):
        """Return the first message of which something holds, and those before it."""
        messages = []
        for _ in range(most):
            messages.append(json.loads(self.frame()))
            if holds(messages[-1]):
                return messages
        raise AssertionError("it did not come")

    def meet(self):
        """Wait for the next connection, which is talked to from now on."""
        self.socket, self.frames = self.arrivals.get(timeout=60.0)

    def spawn(self, count=1):
        """Wait for a connection, spawn cars and wait for them; return their ids."""
        self.meet()
        self.say("SPAWN_AGENTS", {"agents": ids(count)})
        self.until(lambda message: isinstance(message, dict) and ids(count)[0] in message)
        return ids(count)

    def close(self):
        self._server.shutdown()
        self._thread.join(5.0)


@pytest.fixture
def plain_server():
    """Return a function that starts a server at a port, 0 for any."""
    pytest.importorskip("websockets")
    servers = []

    def start(port=0):
        servers.append(PlainServer(port))
        return servers[-1]

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def twin():
    """Return a function that starts a twin client, ten times as fast as a game."""
    pytest.importorskip("websockets")
    from envs.roblox.twin.client import TwinClient

    clients = []

    def start(url, *, speed=10.0, **arguments):
        clients.append(TwinClient(url, speed=speed, **arguments))
        return clients[-1]

    yield start
    for client in clients:
        client.close()
