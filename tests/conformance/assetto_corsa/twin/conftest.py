"""Twins to talk to, and clients that know nothing of ours: written from the protocol's description alone."""

import ast
import json
import socket

import numpy as np
import pytest

from envs.assetto_corsa.tracks.ac_track import AcTrack
from envs.assetto_corsa.twin.ego_session import EgoSession
from envs.assetto_corsa.twin.faults import Faults
from envs.assetto_corsa.twin.game import TwinGame
from envs.assetto_corsa.twin.server import TwinServer

RADIUS_M, ROWS = 200.0, 1000
SENDER, OTHER = ("10.0.0.1", 1111), ("10.0.0.2", 2222)


def circle(radius_m=RADIUS_M, half_width_m=6.0, rows=ROWS):
    """Return an anticlockwise circle around the origin, row 0 on +x."""
    angles = 2 * np.pi * np.arange(rows) / rows
    unit = np.stack([np.cos(angles), np.sin(angles)], axis=-1)
    length = 2 * rows * radius_m * np.sin(np.pi / rows)
    left, right = (radius_m - half_width_m) * unit, (radius_m + half_width_m) * unit
    return AcTrack("ring", "", left, right, radius_m * unit, None, None, length)


@pytest.fixture(scope="session")
def ring():
    return circle()


@pytest.fixture(scope="session")
def wide_ring():
    """Return a circle so large that a car drives nearly straight on."""
    return circle(3000.0, 40.0, 4000)


@pytest.fixture
def game(ring):
    """Return a function that makes a game on the circle."""

    def make(**arguments):
        if isinstance(faults := arguments.get("faults"), dict):
            arguments["faults"] = Faults(**faults)
        return TwinGame(**{"track": ring} | arguments)

    return make


def control(steps, steer=0.0, acc=-1.0, brake=-1.0, **more):
    """Return a control object, byte for byte as the original's client writes it."""
    values = {"steer": steer, "acc": acc, "brake": brake}
    values |= {"enable_gear_shift": False, "shift_up": False, "shift_down": False, "server_steps": steps}
    return json.dumps(values | more).encode()


class Session:
    """An ego server without its socket, on a clock that this test moves."""

    def __init__(self, game, **options):
        self.sent = []
        self.game, self.now_s = game, 0.0
        self.ego = EgoSession(game, lambda data, to: self.sent.append((data, to)), **options)

    def say(self, data, sender=SENDER):
        """Send a datagram, and return what came back, with whom it went to."""
        self.sent.clear()
        self.ego.hear(data if isinstance(data, bytes) else data.encode(), sender, self.now_s)
        return list(self.sent)

    def wait(self, duration_s, *, states=True):
        """Let time pass in steps of 40 ms, with a state after each; return what came."""
        self.sent.clear()
        for _ in range(round(duration_s / 0.04)):
            self.now_s += 0.04
            self.game.advance(0.04)
            if states and not self.ego.is_lockstep:
                self.ego.emit()
            self.ego.watch(self.now_s)
        return list(self.sent)

    def states(self, duration_s):
        return [json.loads(data) for data, _ in self.wait(duration_s) if data.startswith(b"{")]

    def connect(self, sender=SENDER):
        """Connect, and let the silence pass."""
        assert self.say(b"connect", sender)[0] == (b"identified", sender)
        if not self.ego.is_lockstep:
            self.wait(0.08)


@pytest.fixture
def session(game):
    """Return a function that makes a session; options of games under `game`."""

    def make(*, game_options=None, **options):
        return Session(game(**(game_options or {})), **options)

    return make


class PlainEgo:
    """A client of the ego channel."""

    def __init__(self, address, timeout_s=5.0):
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.socket.settimeout(timeout_s)
        self.address = address
        self.steps = 0

    def send(self, data):
        self.socket.sendto(data if isinstance(data, bytes) else data.encode(), self.address)

    def receive(self):
        return self.socket.recv(1 << 18)

    def connect(self):
        self.send("connect")
        assert self.receive() == b"identified"
        return self.state()

    def state(self):
        state = json.loads(self.receive())
        self.steps = state["steps"]
        return state

    def drive(self, **commands):
        """Send a control, and return the next state."""
        self.send(control(self.steps, **commands))
        return self.state()

    def is_silent(self, seconds=0.3):
        self.socket.settimeout(seconds)
        try:
            self.socket.recv(1 << 18)
            return False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5.0)

    def close(self):
        self.socket.close()


@pytest.fixture
def twin(ring):
    """Return a function that starts a twin at free ports, in lock-step unless told otherwise."""
    started = []

    def start(**arguments):
        game = {"track": ring} | arguments.pop("game", {})
        started.append(TwinServer(**{"port": 0, "speed": 0.0, "game": game} | arguments))
        return started[-1]

    yield start
    for server in started:
        server.close()


@pytest.fixture
def ego():
    """Return a function that makes a client of a twin's ego channel."""
    clients = []

    def make(server):
        clients.append(PlainEgo(server.ego))
        return clients[-1]

    yield make
    for client in clients:
        client.close()


@pytest.fixture
def tcp():
    """Return a function that connects to an address."""
    connections = []

    def connect(address, timeout_s=5.0):
        connections.append(socket.create_connection(address, timeout=timeout_s))
        return connections[-1]

    yield connect
    for connection in connections:
        connection.close()


@pytest.fixture
def ask(tcp):
    """Return a function that asks a twin's management service, over a connection of its own, and parses the reply."""

    def asked(server, command):
        connection = tcp(server.management)
        connection.sendall(command.encode())
        text = b""
        while True:
            piece = connection.recv(1 << 20)
            assert piece, f"closed after {text[:60]}"
            text += piece
            try:
                parsed = ast.literal_eval(text.decode())
            except SyntaxError:
                continue
            connection.close()
            return parsed

    return asked


@pytest.fixture(scope="session")
def words():
    """Return what makes control objects."""
    return control
