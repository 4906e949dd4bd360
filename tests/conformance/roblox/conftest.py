"""Games that say, tick by tick, what a test wants them to: without sockets on a clock of their own, and as clients."""

import json
from collections import deque
from contextlib import nullcontext

import numpy as np
import pytest

TICK_S = 1.0 / 15.0
ENV_IDS = [f"00000000-0000-4000-8000-00000000000{number}" for number in range(10)]


def told(value=0.5, reward=0.0, *, width=22, **more):
    """Return a car's entry; its observation is `value` everywhere."""
    return {"obs": [value] * width, "reward": reward, "terminated": False, "truncated": False} | more


class ScriptedWorld:
    """A world whose games tick what was queued for them; without a queue, `idle` says what.

    Attributes:
        sent: every command with its time and game.
        idle: for each game, a function from it to what it says; None: it does not tick.
    """

    def __init__(self, games, idle):
        self.games, self.lock = games, nullcontext()
        self.idle = [idle] * len(games)
        self.sent = []
        self.queues = [deque() for _ in games]
        self.time_s = 100.0
        self.place, self.reconnects = "a test", 0

    def now(self):
        return self.time_s

    def flush(self):
        for index, game in enumerate(self.games):
            self.sent += [(self.time_s, index, command) for command in game.due(self.time_s)]

    def wait(self, is_over, until_s):
        while not is_over():
            if self.time_s >= until_s:
                return False
            self.tick()
        return True

    def tick(self, ticks=1):
        for _ in range(ticks):
            self.time_s += TICK_S
            self.flush()
            for index, game in enumerate(self.games):
                says = self.queues[index].popleft() if self.queues[index] else None
                if says is None and self.idle[index] is not None:
                    says = self.idle[index](game)
                if says is not None and game.is_connected:
                    game.heard(says, self.time_s)
            self.flush()

    def sleep(self, seconds):
        """Nobody drives, and the games go on."""
        self.wait(lambda: False, self.time_s + seconds)

    def commands(self, name):
        return [command for _, _, command in self.sent if command["command"] == name]

    def renew(self, index, seed):
        return False

    def position_m(self, index, car_id):
        return None

    def note_step(self, latency_s):
        pass

    def close(self):
        pass


def all_cars(game):
    return {car.id: told(width=22 if game.settings.dialect in ("v2", "auto") else 19) for car in game.cars}


@pytest.fixture
def entry():
    """Return a function that makes a car's entry."""
    return told


@pytest.fixture
def scripted():
    """Return a function that makes a world of connected games with the cars of an env each."""
    from envs.roblox.game import Game
    from envs.roblox.settings import GameSettings

    def make(cars=1, games=1, *, is_connected=True, **settings):
        settings = GameSettings(**{"dialect": "v2", **settings})
        ids = iter(ENV_IDS)
        cars = cars if isinstance(cars, list) else [cars]
        made = [Game(cars, settings, lambda: next(ids)) for _ in range(games)]
        world = ScriptedWorld(made, all_cars)
        if is_connected:
            for game in made:
                game.connected(world.now())
        return world

    return make


@pytest.fixture
def driven(scripted):
    """Return a function that makes a scripted world and a vector env in it, which has been reset."""
    from envs.roblox.vector import RobloxVectorEnv

    def make(cars=1, games=1, *, options=None, **settings):
        world = scripted(cars, games, **settings)
        count = sum(len(game.cars) for game in world.games)
        given = {"dialect": world.games[0].settings.dialect, "actions": "game", **(options or {})}
        env = RobloxVectorEnv(count, world=world, **given)
        env.reset()
        world.sent.clear()
        return world, env

    return make


@pytest.fixture
def forwards():
    """Return a function that makes actions of N cars: full throttle."""
    return lambda count=1: np.tile(np.array([1.0, 0.0, -1.0], np.float32), (count, 1))


@pytest.fixture
def lockstep():
    """Return a function that makes a vector env of twins in lock-step."""
    from envs.roblox.vector import RobloxVectorEnv

    made = []

    def make(num_envs=4, **arguments):
        made.append(RobloxVectorEnv(num_envs, twin="lockstep", actions="game", **arguments))
        return made[-1]

    yield make
    for env in made:
        env.close()


@pytest.fixture
def hub():
    """Return a function that starts a server with seats for games of one env."""
    from envs.roblox.game import Game
    from envs.roblox.hub import RobloxHub
    from envs.roblox.settings import GameSettings

    hubs = []

    def start(games=1, cars=1, model_id=None, settings=None, **arguments):
        hub = RobloxHub("127.0.0.1", 0, **arguments)
        hubs.append(hub)
        ids = iter(ENV_IDS)
        hub.games = [Game([cars], GameSettings(**settings or {}), lambda: next(ids)) for _ in range(games)]
        hub.seat(hub.games, model_id)
        return hub

    yield start
    for one in hubs:
        one.close()


class Client:
    """A game by hand, behind a socket."""

    def __init__(self, url, origin=None):
        from websockets.sync.client import connect

        self.context = connect(url, open_timeout=10.0, compression=None, origin=origin)
        self.socket = self.context.__enter__()

    def say(self, value):
        self.socket.send(value if isinstance(value, str | bytes) else json.dumps(value))

    def hear(self, timeout_s=10.0):
        return json.loads(self.socket.recv(timeout=timeout_s))

    def hear_until(self, name):
        while True:
            command = self.hear()
            if command["command"] == name:
                return command

    def close(self):
        self.context.__exit__(None, None, None)


@pytest.fixture
def client():
    """Return a function that connects a game by hand to a URL."""
    clients = []

    def connect(url, **arguments):
        clients.append(Client(url, **arguments))
        return clients[-1]

    yield connect
    for one in clients:
        one.close()
