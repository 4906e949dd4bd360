"""`python -m envs.twin env=assetto_corsa`: twins at their ports, and wrong requests in words."""

import functools
import inspect
import re
import signal
import subprocess
import sys

import pytest
import yaml

from envs.assetto_corsa.twin.faults import Faults
from envs.assetto_corsa.twin.game import TwinGame
from envs.assetto_corsa.twin.server import TwinServer
from envs.errors import ConfigError


def command(*words):
    return [sys.executable, "-m", "envs.twin", "env=assetto_corsa", *words]


@pytest.fixture
def started(start_twins):
    return functools.partial(start_twins, "env=assetto_corsa")


class Told:
    """Where a line says that a twin is."""

    def __init__(self, line):
        self.ego = "127.0.0.1", int(re.search(r"127\.0\.0\.1:(\d+)/udp", line)[1])
        self.management = "127.0.0.1", int(re.search(r"management (\d+)", line)[1])


@pytest.mark.point("assetto_corsa", 55)
def test_twins_of_a_command_serve_and_end_on_ctrl_c(started, ego, ask):
    process, lines = started("port=0", "num_games=2", "twin.speed=0", "twin.game.car=bmw_z4_gt3", twins=2)
    names = set()
    for line in lines:
        assert "lock-step" in line
        assert "not the game" in line
        told = Told(line)
        client = ego(told)
        client.connect()
        assert client.drive(acc=1.0)["steps"] == 2
        info = ask(told, "get_static_info")
        assert info["CarName"] == "bmw_z4_gt3"
        names.add(info["TrackName"])
    assert len(names) == 2  # a seed each
    process.send_signal(signal.SIGINT)
    assert process.wait(20.0) == 130
    assert "Traceback" not in process.stderr.read()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["twin.game.fps=3"], "start_row"),
        (["twin.faults.copies=0"], "copies"),
    ],
)
def test_wrong_requests_are_refused_in_words(root, words, says):
    done = subprocess.run(command("port=0", *words), cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({"game": {"car": "lada"}}, "dallara_f317"),
        ({"game": {"mode": "both"}}, "remote"),
        ({"speed": -1.0}, "speed"),
        ({"port": 65534}, "65533"),
        ({"watchdog_s": -1.0}, "watchdog_s"),
    ],
)
def test_wrong_arguments_are_refused_in_words(ring, arguments, says):
    with pytest.raises(ConfigError, match=says):
        TwinServer(**{"port": 0} | arguments | {"game": {"track": ring} | arguments.get("game", {})})


def test_the_yaml_has_the_constructors_defaults(root):
    section = yaml.safe_load((root / "conf" / "twin" / "assetto_corsa.yaml").read_text())
    assert section["faults"] == vars(Faults())

    def defaults(constructor, without):
        parameters = inspect.signature(constructor).parameters.values()
        return {parameter.name: parameter.default for parameter in parameters if parameter.name not in without}

    assert section["game"] == defaults(TwinGame, {"faults"}) | {"config": {}}
    own = {name: value for name, value in section.items() if name not in ("_target_", "game", "faults")}
    assert own == defaults(TwinServer, {"host", "port", "number", "game", "faults"})


def test_by_default_the_plugins_ports_are_meant():
    assert TwinServer.default_port == 2345
    assert TwinServer.ports_per_game == 3


def test_ports_are_side_by_side(twin):
    from envs.ports import bind_datagrams

    free = bind_datagrams("127.0.0.1", 0, "nobody")
    port = free.getsockname()[1]
    free.close()
    if port > 65533:
        pytest.skip("the free port is the last one")
    server = twin(port=port, game={"num_opponents": 1})
    assert (server.ego[1], server.opponents[1], server.management[1]) == (port, port + 1, port + 2)
