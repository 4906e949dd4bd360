"""`python -m envs.twin env=roblox`: a twin that calls, with the specification's words as keys."""

import os
import re
import signal
import subprocess
import sys

import pytest
import yaml


def command(*words):
    return [sys.executable, "-m", "envs.twin", "env=roblox", *words]


def test_twins_of_a_command_call_the_server(root, plain_server):
    server = plain_server()
    words = [
        f"url={server.url}",
        "dialect=v1",
        "vehicle=cart5",
        "seed=3",
        "speed=2",
        "fps=30",
        "nan=0.0",
        "num_games=2",
    ]
    process = subprocess.Popen(
        command(*words), cwd=root, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )  # fmt: skip
    try:
        lines = [process.stdout.readline() for _ in range(2)]
        for number, line in enumerate(lines):
            assert re.search(rf"^Twin {number}: v1 with cart5, track {3 + number}, to {server.url}; 2 x", line), line
        (car,) = server.spawn()
        entry = server.until(lambda message: isinstance(message, dict))[-1][car]
        assert len(entry["obs"]) == 13
        process.send_signal(signal.SIGINT)
        assert process.wait(20.0) == 130
        assert "Traceback" not in process.stderr.read()
    finally:
        process.kill()
        process.wait(10.0)
        process.stdout.close()
        process.stderr.close()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["dialect=v3"], "v0, v1, v2"),
        (["drop_tick=0.5"], "drop_ticks"),
    ],
)
def test_wrong_requests_are_refused_in_words(root, words, says):
    done = subprocess.run(command(*words), cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_yaml_has_the_constructors_defaults(root):
    import inspect

    from envs.roblox.twin.faults import Faults
    from envs.roblox.twin.game import RobloxGame

    section = yaml.safe_load((root / "conf" / "twin" / "roblox.yaml").read_text())
    keys = {str(key) if key == key else "nan": value for key, value in section.items()}
    own = {name: one.default for name, one in inspect.signature(RobloxGame).parameters.items()} | vars(Faults())
    del keys["twin"]
    assert {name: keys.pop(name) for name in own} == own
    assert set(keys) == {"url", "speed"}
    passed = {**section["twin"]["game"], **section["twin"]["faults"]}
    assert {str(name) for name in passed} == set(own)
    assert all(value == f"${{{name}}}" for name, value in passed.items())
