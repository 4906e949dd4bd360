"""Twins to talk to, and a client that knows nothing of ours: telemetry from its description alone."""

import socket
import struct

import pytest

from envs.errors import ConfigError
from envs.trackmania.trajectory import Trajectory
from envs.trackmania.twin.game import TwinGame
from envs.trackmania.twin.server import TwinServer

FIELDS = ("speed", "distance", "x", "y", "z", "steer", "gas", "brake", "finished", "gear", "rpm")
A, B = 0x1000, 0x2000


class PlainClient:
    """Connect, and read records of so many little-endian floats; nothing is ever written."""

    def __init__(self, address, num_floats=11, timeout_s=5.0):
        self.socket = socket.create_connection(address, timeout=timeout_s)
        self.form = struct.Struct(f"<{num_floats}f")
        self.rest = b""

    def floats(self):
        """Return the next record."""
        while len(self.rest) < self.form.size:
            piece = self.socket.recv(1024)
            if not piece:
                raise EOFError(f"closed with {len(self.rest)} bytes left over")
            self.rest += piece
        record, self.rest = self.rest[: self.form.size], self.rest[self.form.size :]
        return self.form.unpack(record)

    def record(self):
        return dict(zip(FIELDS, self.floats(), strict=True))

    def records(self, count):
        return [self.record() for _ in range(count)]

    def is_silent(self, seconds=0.3):
        """Whether no byte comes, and the connection stays."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) is None
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(5.0)

    def close(self):
        self.socket.close()


class PlainPad:
    """Six bytes to the pad's port."""

    def __init__(self, address):
        self.socket, self.address = socket.socket(socket.AF_INET, socket.SOCK_DGRAM), address

    def send(self, right=0, left=0, stick=0, buttons=0):
        self.socket.sendto(struct.pack("<BBhH", right, left, stick, buttons), self.address)

    def close(self):
        self.socket.close()


@pytest.fixture
def twin():
    """Return a function that starts a twin at free ports, in lock-step unless told otherwise."""
    started = []

    def start(**arguments):
        server = TwinServer(**{"port": 0, "speed": 0.0} | arguments)
        started.append(server)
        return server

    yield start
    for server in started:
        server.close()


@pytest.fixture
def plain_client():
    """Return a function that connects a client to an address."""
    clients = []

    def connect(address, num_floats=11):
        clients.append(PlainClient(address, num_floats))
        return clients[-1]

    yield connect
    for client in clients:
        client.close()


@pytest.fixture
def read(eventually, plain_client):
    """Return a function that connects a plain client to a twin, which has accepted it then."""

    def connect(server, num_floats=11, *, accepted=True):
        before = server._port.accepted
        client = plain_client(server.telemetry, num_floats)
        if accepted:
            eventually(lambda: server.step(0) and server._port.accepted > before)
        return client

    return connect


@pytest.fixture
def pad():
    """Return a function that makes a pad for a twin."""
    pads = []

    def plug(server):
        pads.append(PlainPad(server.pad_address))
        return pads[-1]

    yield plug
    for one in pads:
        one.close()


@pytest.fixture
def game():
    """Return a function that starts a twin with faults, in real time, at three ports side by side."""
    servers = []

    def start(*, frame_rate_fps=100.0, **faults):
        while True:
            with socket.create_server(("127.0.0.1", 0)) as probe:
                port = probe.getsockname()[1]
            try:
                server = TwinServer(
                    port=port, game={"countdown_s": 0.0, "frame_rate_fps": frame_rate_fps}, faults=faults
                )
            except ConfigError:  # one of the three is taken
                continue
            servers.append(server)
            return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture(scope="session")
def line(tmp_path_factory):
    """Return the file of the trajectory of the twin's road."""
    file = tmp_path_factory.mktemp("line") / "line.npz"
    Trajectory(TwinGame().trajectory()).save(file)
    return str(file)
