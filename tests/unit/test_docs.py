"""Programs in the documentation run."""

import re

import pytest

from envs.dummy import DummyEnv
from envs.remote.clock import RealTimeClock
from envs.remote.conversation import Service
from envs.remote.served_game import ServedGame
from envs.remote.server import GameServer
from envs.remote.world import World


@pytest.fixture
def port():
    world = World(lambda training: DummyEnv(training=training, render_mode="rgb_array"))
    server = GameServer(Service(games=[ServedGame(0, world)], clock=RealTimeClock(0.002), env_id="DummyEnv"))
    yield server.listen("127.0.0.1", 0)[1]
    server.close()


def test_the_client_in_docs_remote(root, port):
    program = re.search(r"```python\n(.*?)```", (root / "docs" / "remote.md").read_text(), re.DOTALL)[1]
    names = {}
    exec(program.replace("5555", str(port)), names)
    assert names["telemetry"]["steps"] >= 1
    assert names["frame"].shape[2] == 3
