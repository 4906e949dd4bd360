"""Words that people and other programs write: flags, addresses, ports, spaces."""

import socket

import numpy as np
import pytest
from gymnasium import spaces

from envs.errors import ConfigError, ProtocolError
from envs.flags import rewritten
from envs.ports import listen_at, ports_of
from envs.remote.addresses import parse_address
from envs.remote.spaces import assembled, build, describe


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ("--num-games 6 --port 5556", ["num_games=6", "port=5556"]),
        ("--strict --seed 1", ["strict=true", "seed=1"]),
        ("--num-games 2 --strict", ["num_games=2", "strict=true"]),
        ("--render=none env=dummy --strict", ["render=none", "env=dummy", "strict=true"]),
        ("--strict env=dummy", ["strict=true", "env=dummy"]),
        ("env=dummy --help", ["env=dummy", "--help"]),
        ("--cfg job", ["--cfg", "job"]),
        ("--max-steps", ["max_steps="]),
    ],
)
def test_flags_become_keys(typed, keys):
    assert rewritten(typed.split(), switches=("strict",)) == keys


def test_addresses():
    assert parse_address("pc1:5555", "x") == ("pc1", 5555)
    assert parse_address("[::1]:80", "x") == ("::1", 80)
    for wrong in ("pc1", "pc1:", ":5", "pc1:0", "pc1:70000", "pc1:five", "", 5555):
        with pytest.raises(ConfigError, match=r"env\.hosts as HOST:PORT"):
            parse_address(wrong, "env.hosts")


def test_games_of_all_runners_have_ports_of_their_own():
    used = [
        port
        for runner in range(3)
        for game in range(4)
        for port in ports_of(6000, runner=runner, games_per_runner=4, game=game, ports_per_game=3)
    ]
    assert used == list(range(6000, 6000 + 3 * 4 * 3))
    with pytest.raises(ConfigError, match="leaves no room for game 3 of runner 2"):
        ports_of(65530, runner=2, games_per_runner=4, game=3, ports_per_game=3)


def test_a_port_that_is_taken_is_refused_in_words():
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(ConfigError, match=rf"The tests cannot listen at 127.0.0.1:{port} .*Choose another port"):
            listen_at("127.0.0.1", port, "The tests")


@pytest.mark.parametrize(
    "space",
    [
        spaces.Box(0, 255, (8, 8, 1), np.uint8),
        spaces.Box(np.array([-1, 0, 0], np.float32), np.array([1, 1, 1], np.float32)),
        spaces.Box(-np.inf, np.inf, (3,), np.float64),
        spaces.Box(np.array([0.1, -np.inf], np.float32), np.array([np.inf, 0.3], np.float32)),
        spaces.Discrete(5),
        spaces.Discrete(3, start=-1),
        spaces.Dict(
            {"image": spaces.Box(0, 255, (4, 4, 3), np.uint8), "telemetry": spaces.Box(-5, 5, (23,), np.float32)}
        ),
    ],
)
def test_spaces_survive_the_way(space):
    import orjson

    assert build(orjson.loads(orjson.dumps(describe(space)))) == space


@pytest.mark.parametrize(
    "wrong",
    [
        None,
        [],
        {},
        {"kind": "sphere"},
        {"kind": "box", "dtype": "object", "shape": [1], "low": 0, "high": 1},
        {"kind": "box", "dtype": "uint8", "shape": [1 << 20, 1 << 20], "low": 0, "high": 1},
        {"kind": "box", "dtype": "uint8", "shape": [-1], "low": 0, "high": 1},
        {"kind": "box", "dtype": "uint8", "shape": [2], "low": [0], "high": 1},
        {"kind": "box", "dtype": "uint8", "shape": "ab", "low": 0, "high": 1},
        {"kind": "discrete", "n": -1, "start": 0},
        {"kind": "dict", "parts": {"a": {"kind": "discrete", "n": 2, "start": 0}}},
        {"kind": "dict", "parts": {str(index): {} for index in range(100)}},
    ],
)
def test_what_is_no_space_is_refused(wrong):
    with pytest.raises(ProtocolError, match="Expected the description of a space"):
        build(wrong)


def test_spaces_that_cannot_be_told_are_refused():
    with pytest.raises(ProtocolError, match="to serve"):
        describe(spaces.MultiBinary(3))


def test_observations_are_put_together_and_checked():
    space = spaces.Dict({"a": spaces.Box(0, 1, (2,), np.float32), "b": spaces.Box(0, 255, (1,), np.uint8)})
    arrays = {"b": np.zeros(1, np.uint8), "a": np.ones(2, np.float32)}
    assert list(assembled(space, arrays)) == ["a", "b"]
    assert assembled(space["b"], {"obs": arrays["b"]}) is arrays["b"]
    for wrong in ({"a": arrays["a"]}, arrays | {"a": np.ones(3, np.float32)}, arrays | {"b": np.zeros(1)}):
        with pytest.raises(ProtocolError, match=r"Expected observation '[ab]' as"):
            assembled(space, wrong)
