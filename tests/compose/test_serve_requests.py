"""Wrong requests to the commands of the remote layer: exit code 2, one sentence, no traceback."""

import subprocess
import sys

import pytest


def run(root, module, *words):
    command = [sys.executable, "-m", module, *words]
    return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["num_games=0"], "num_games"),
        (["--num-games", "many"], "num_games"),
        (["hosts=[a]"], "There is no key hosts"),
        (["env=nothing"], "carracing"),
        (["connect=trainer"], "HOST:PORT"),
        (["env=dummy", "max_steps=5"], "max_steps"),
        (["env.action_history=2"], "action_history"),
        (["tls_certificate=a.pem"], "tls_key"),
        (["tls_certificate=a.pem", "tls_key=b.pem"], "a.pem"),
        (["render=window"], "human, rgb_array, none"),
    ],
)
def test_serve_refuses_in_words(root, words, says):
    done = run(root, "envs.serve", *words)
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["env=remote"], "env.hosts"),
        (["env=remote", "env.hosts=[127.0.0.1:1]", "env.connect_timeout_s=0.5"], "127.0.0.1:1"),
        (["env=remote", "env.listen=127.0.0.1:6789", "env.mode=fast"], "lockstep, free"),
    ],
)
def test_runs_refuse_in_words(root, tmp_path, words, says):
    done = subprocess.run(
        [sys.executable, "run.py", *words, f"paths.outputs={tmp_path}"],
        cwd=root,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 2, done.stderr
    assert says in done.stderr
    assert "Traceback" not in done.stderr
