"""Servers to talk to, and a client that knows nothing of ours: the protocol from its description alone."""

import base64
import contextlib
import json
import socket
import threading

import numpy as np
import pytest

from envs.carracing.env import CarRacingEnv
from envs.remote.strict import StrictServer


class RawClient:
    """Lines over a socket, with deadlines; states as the original's five values."""

    def __init__(self, address, timeout_s=10.0):
        self.socket = socket.create_connection(address, timeout=timeout_s)
        self.socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.file = self.socket.makefile("rb")

    def send(self, message):
        text = message if isinstance(message, bytes) else json.dumps(message).encode()
        self.socket.sendall(text + b"\n")

    def line(self):
        return self.file.readline()

    def ask(self, kind, **fields):
        self.send({"type": kind, **fields})
        return json.loads(self.line())

    def state(self, kind="GET_STATE", **fields):
        told = self.ask(kind, **fields)
        assert told["type"] == "STATE", told
        return told

    def hello(self, **fields):
        return self.ask("HELLO", protocol=2, **fields)

    def is_silent(self, seconds=0.3):
        """Whether no byte comes; the next call would read it."""
        self.socket.settimeout(seconds)
        try:
            return self.socket.recv(1, socket.MSG_PEEK) == b"" and False
        except TimeoutError:
            return True
        finally:
            self.socket.settimeout(10.0)

    def close(self):
        self.file.close()
        self.socket.close()


def frame_of(told):
    return np.frombuffer(base64.b64decode(told["frame"]), np.uint8).reshape(told["frame_shape"])


class WatchedCarRacing(CarRacingEnv):
    """A CarRacing that remembers what happened: the truth that clients are told of."""

    def __init__(self, **arguments):
        super().__init__(**arguments)
        self.episodes = []

    def reset(self, **arguments):
        result = super().reset(**arguments)
        self.episodes.append({"rewards": [], "controls": [], "first": self.stock_view(), "last": None})
        return result

    def step_controls(self, controls):
        result = super().step_controls(controls)
        episode = self.episodes[-1]
        episode["rewards"].append(result[1])
        episode["controls"].append(np.array(controls))
        if result[2] or result[3]:
            episode["last"] = self.stock_view()
        return result


@pytest.fixture
def connect():
    """Return a function that connects a raw client and reads the greeting."""
    clients = []

    def open_client(address, *, greet=True):
        client = RawClient(address)
        clients.append(client)
        if greet:
            client.greeting = client.line()
        return client

    yield open_client
    for client in clients:
        client.close()


@pytest.fixture
def serve(serve_here):
    """Return a function that serves CarRacings in this process, on a clock that may run faster than real time."""
    servers = []

    def start(num_games=1, *, step_s=0.02, hold_s=0.5, seed=None, token=None, **env):
        arguments = {"renderer": "fast", "image_size": 16, "render_mode": "rgb_array"} | env
        server = serve_here(
            lambda training: WatchedCarRacing(training=training, **arguments),
            num_games,
            step_s=step_s,
            hold_s=hold_s,
            seed=seed,
            token=token,
        )
        server.truth = [game.world._env for game in server.games]
        servers.append(server)
        return server

    yield start
    for server in servers:
        server.close()


@pytest.fixture
def strict():
    """Return a function that starts the strict server in a thread; `thread` ends when the server has."""
    started = []

    def start(**changes):
        arguments = {"host": "127.0.0.1", "port": 0, "num_games": 1, "render": "none", "max_steps": 1000, "seed": None}
        server = StrictServer(**arguments | changes)
        server.thread = threading.Thread(target=server.serve, daemon=True)
        server.thread.start()
        server.address = server.host, server.port
        started.append(server)
        return server

    yield start
    for server in started:
        if server.thread.is_alive():  # nobody came, or somebody is still there
            server._is_running = False
            with contextlib.suppress(OSError):
                socket.create_connection(server.address, timeout=1.0).close()
            server.thread.join(5.0)


@pytest.fixture(scope="session")
def frame():
    """Return the function from a STATE to its picture."""
    return frame_of
