"""`python -m envs.twin env=trackmania`: several twins at their ports, and wrong requests in words."""

import functools
import re
import signal
import subprocess
import sys

import pytest
import yaml

from benchmarks.trackmania_real_time import twin
from envs.trackmania.trajectory import load_trajectory
from envs.trackmania.twin.faults import Faults
from envs.trackmania.twin.frame_channel import FrameClient
from envs.trackmania.twin.server import TwinServer


def command(*words):
    return [sys.executable, "-m", "envs.twin", *words]


@pytest.fixture
def started(start_twins):
    return functools.partial(start_twins, "env=trackmania")


def test_twins_of_a_command_serve_and_end_on_ctrl_c(started, plain_client, eventually):
    process, lines = started("port=0", "num_games=2", "twin.speed=0", twins=2)
    for line in lines:
        assert "lock-step" in line
        port, frames = (int(re.search(form, line)[1]) for form in (r"127\.0\.0\.1:(\d+)", r"frames (\d+)"))
        client, steps = plain_client(("127.0.0.1", port)), FrameClient("127.0.0.1", frames, timeout_s=20.0)
        steps.step(0.0)  # whoever waits is accepted
        steps.step(0.05)
        assert len(client.records(5)) == 5
        assert steps.screenshot("full")[0].shape == (128, 256, 3)
        steps.close()
    process.send_signal(signal.SIGINT)
    assert process.wait(20.0) == 130
    assert "Traceback" not in process.stderr.read()


def test_faults_and_layouts_are_keys(started, plain_client):
    _, (line,) = started(
        "port=0", "twin.layout=RACE16", "twin.faults.close_after_frames=3", "twin.game.frame_rate_fps=200",
        "twin.readiness_port=0", "twin.ghost_port=0",
    )  # fmt: skip
    assert "RACE16" in line
    assert "ghosts" in line
    assert "readiness" in line
    client = plain_client(("127.0.0.1", int(re.search(r"127\.0\.0\.1:(\d+)", line)[1])), 16)
    for _ in range(3):
        client.floats()
    with pytest.raises(EOFError):
        client.floats()


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["env=nothing"], "trackmania"),
        (["twin.game.fps=3"], "frame_rate_fps"),
        (["twin.layout=TMRL12"], "TMRL11"),
        (["port=65530", "num_games=5"], "65535"),
        (["num_games=0"], "num_games"),
        (["twin.speed=fast"], "speed"),
        (["twin.faults.copies=0"], "copies"),
        (["twin._target_=envs.nothing.Twin"], "does not import"),
    ],
)
def test_wrong_requests_are_refused_in_words(root, words, says):
    done = subprocess.run(command(*words), cwd=root, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


def test_the_yaml_has_the_constructors_defaults(root):
    section = yaml.safe_load((root / "conf" / "twin" / "trackmania.yaml").read_text())
    assert section["faults"] == vars(Faults())
    del section["_target_"]
    server = TwinServer(**section | {"port": 0, "speed": 0})
    server.close()


def test_the_benchmark_of_real_time_finds_its_twin(plain_client, tmp_path):
    file = tmp_path / "line.npz"
    with twin(file, seed=0, port=0) as address:
        host, port = address.split(":")
        first = plain_client((host, int(port))).record()
    start = load_trajectory(file).points[0]
    assert [first[axis] for axis in "xyz"] == pytest.approx(start, abs=0.5)  # nobody has pressed gas
