"""Strict mode: the original server, defects included."""

import json
import os
import time
from pathlib import Path

import pytest

import envs.serve
from envs.remote.original_env import FINAL_UNKNOWN, OriginalServerEnv

KEYS = ["type", "game_id", "frame", "frame_shape", "telemetry", "reward", "done", "info"]


@pytest.mark.point("carracing_socket", 4)
def test_the_greeting_has_two_keys(strict, connect):
    assert connect(strict().address).greeting == b'{"type": "HANDSHAKE", "num_games": 1}\n'


@pytest.mark.point("carracing_socket", 5)
def test_the_first_state_has_the_originals_size_and_order(strict, connect):
    client = connect(strict().address)
    client.send({"type": "RESET", "game_id": 0})
    line = client.line()
    assert len(line) == 37_027
    assert list(json.loads(line)) == KEYS
    assert b'"frame_shape": [96, 96, 3], "telemetry": {"steps": 0, "total_reward": 0.0}, "reward": 0.0' in line


@pytest.mark.point("carracing_socket", 10)
def test_the_originals_flags_have_its_defaults(monkeypatch):
    import hydra
    from hydra.core.global_hydra import GlobalHydra

    from envs.app import CONFIG_FOLDER

    made = []

    class Recorder:
        host, port = "", 0

        def __init__(self, **arguments):
            made.append(arguments)

        def serve(self):
            pass

    monkeypatch.setattr(envs.serve, "StrictServer", Recorder)
    typed = (
        "--strict",
        "--strict --host 127.0.0.1 --port 6000 --num-games 3 --render none --max-steps 50 --seed 4 --verbose 0",
    )
    for line in typed:
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(str(CONFIG_FOLDER), version_base="1.3"):
            config = hydra.compose("serve", overrides=envs.serve.words(line.split()))
        assert envs.serve.main(config) == 0
    originals = {"host": "0.0.0.0", "port": 5555, "num_games": 1, "render": "human", "max_steps": 1000, "seed": None}
    assert made[0] == originals
    assert made[1] == {
        "host": "127.0.0.1",
        "port": 6000,
        "num_games": 3,
        "render": "none",
        "max_steps": 50,
        "seed": 4,
    }


@pytest.mark.point("carracing_socket", 19)
def test_a_second_client_gets_no_byte(strict, connect):
    server = strict()
    connect(server.address).state("RESET")
    assert connect(server.address, greet=False).is_silent()


@pytest.mark.point("carracing_socket", 19)
def test_the_end_by_its_own_limit_is_never_shown(strict, connect):
    client = connect(strict(max_steps=5).address)
    client.state("RESET")
    begun, steps = 0, 0
    while begun < 3:
        told = client.state()
        assert told["done"] is False
        begun += told["telemetry"]["steps"] < steps
        steps = told["telemetry"]["steps"]


@pytest.mark.point("carracing_socket", 19)
def test_what_it_does_not_know_stays_unanswered(strict, connect):
    client = connect(strict(num_games=2).address)
    client.send({"type": "FLY"})
    client.send(b"no json")
    client.send({"type": "SET_ACTION", "game_id": 0, "action": {"gas": 50.0}})
    assert client.is_silent()
    assert client.state(game_id=-1)["game_id"] == -1  # the last game, as Python counts


@pytest.mark.point("carracing_socket", 19)
@pytest.mark.parametrize(
    "fatal",
    [
        b'{"type": "GET_STATE", "game_id": 9}',
        b'{"type": "GET_STATE", "game_id": "0"}',
        b"[1]",
        b'{"type": "\xff"}',
        b'{"type": "SET_ACTION", "action": null}',
    ],
)
def test_what_ended_the_original_ends_it(strict, connect, fatal):
    server = strict()
    client = connect(server.address)
    client.send(fatal)
    assert client.line() == b""
    server.thread.join(10.0)
    assert not server.thread.is_alive()


@pytest.mark.point("carracing_socket", 19)
def test_its_end_is_a_success(serve_process, connect):
    process = serve_process("port=0", "strict=true", "host=127.0.0.1", "render=none")
    client = connect(process.address)
    client.send({"type": "GET_STATE", "game_id": 9})
    assert process.wait(20.0) == 0


@pytest.mark.point("carracing_socket", 19)
def test_an_action_that_is_no_number_stops_the_games_in_silence(strict, connect):
    client = connect(strict().address)
    client.state("RESET")
    for harmless in (None, float("nan")):
        client.send({"type": "SET_ACTION", "action": {"steer": harmless}})
    before = client.state()["telemetry"]["steps"]
    for _ in range(100):
        time.sleep(0.01)
        told = client.state()
        if told["telemetry"]["steps"] > before:
            break
    assert told["telemetry"]["steps"] > before
    client.send({"type": "SET_ACTION", "action": {"steer": "left"}})
    time.sleep(0.1)
    stopped = client.state()["telemetry"]
    time.sleep(0.1)
    assert client.state()["telemetry"] == stopped


@pytest.mark.slow
@pytest.mark.point("carracing_socket", 20)
def test_it_survives_what_killed_the_original(strict, connect):
    server = strict(max_steps=3)
    client = connect(server.address)
    for _ in range(200):
        client.state("RESET")
        for _ in range(3):
            client.state()
    assert server.thread.is_alive()


@pytest.mark.point("carracing_socket", 33)
def test_our_env_drives_it_and_says_what_it_could_not_see(strict):
    server = strict(max_steps=20)
    env = OriginalServerEnv(host=f"127.0.0.1:{server.port}")
    observation, info = env.reset()
    assert observation in env.observation_space
    steps = []
    for _ in range(60):
        observation, _, terminated, truncated, info = env.step(env.action_space.sample())
        assert observation in env.observation_space
        steps.append(info.get("frames"))
        if terminated or truncated:
            break
    assert truncated
    assert info[FINAL_UNKNOWN] is True
    assert 0 < sum(steps) <= 20
    env.reset()
    env.close()
    env.close()


@pytest.mark.point("carracing_socket", 1)
@pytest.mark.point("carracing_socket", 2)
@pytest.mark.skipif("CHICANE_ORIGINAL_CLIENT" not in os.environ, reason="no copy of the original's client is supplied")
@pytest.mark.parametrize("is_strict", [False, True])
def test_the_originals_own_client_drives(strict, serve, is_strict):
    """CHICANE_ORIGINAL_CLIENT: path of the original's game/socket_client.py."""
    import importlib.util

    spec = importlib.util.spec_from_file_location("original_client", Path(os.environ["CHICANE_ORIGINAL_CLIENT"]))
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    server = strict() if is_strict else serve()
    client = module.RacingGameClient("127.0.0.1", server.address[1])
    client.connect()
    client.reset(0)
    for _ in range(200):
        client.set_action({"steer": 0.0, "gas": 0.5, "brake": 0.0}, 0)
        telemetry, frame, _, _, _ = client.get_state(0)
    assert telemetry["steps"] > 0
    assert frame.shape == (96, 96, 3)
    client.disconnect()
