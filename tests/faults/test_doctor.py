"""`python -m envs.doctor`: what it says of games that are well, and of those that are not."""

import json
import subprocess
import sys

import pytest

DUMMY = ("env=dummy", "env.obs=vector")


@pytest.fixture
def doctor(root):
    def look(*words):
        command = [sys.executable, "-m", "envs.doctor", "seconds=0.5", *words]
        return subprocess.run(command, cwd=root, capture_output=True, text=True, timeout=120, check=False)

    return look


def host(process):
    return f"{process.address[0]}:{process.address[1]}"


def test_a_healthy_server_passes_all_checks(serve_process, doctor):
    done = doctor(f"env.hosts=[{host(serve_process('port=0', *DUMMY))}]", "json=true")
    assert done.returncode == 0, done.stdout + done.stderr
    found = {one["check"]: one for one in json.loads(done.stdout)}
    assert list(found) == [
        "reach",
        "dialect",
        "observations",
        "actions",
        "round trip",
        "clock",
        "bandwidth",
        "ends",
        "real time",
        "skips",
    ]
    assert found["dialect"]["found"].startswith("version 2, DummyEnv, 1 games")
    assert "told once, after" in found["ends"]["found"]


def test_troubles_are_named_with_their_cures(serve_process, doctor, freeze):
    frozen, locked = serve_process("port=0", *DUMMY), serve_process("port=0", "token=secret", *DUMMY)
    freeze(frozen)
    hosts = [host(frozen), host(locked), "127.0.0.1:1"]
    done = doctor(f"env.hosts=[{','.join(hosts)}]", "env.read_timeout_s=0.5")
    assert done.returncode == 1
    cures = [line.strip() for line in done.stdout.splitlines() if "->" in line]
    assert [cure.split()[1] for cure in cures] == ["A", "Set", "Nothing"]  # firewall or frozen; token; refused


@pytest.mark.slow
def test_the_original_loses_ends(serve_process, doctor):
    process = serve_process("port=0", "strict=true", "host=127.0.0.1", "render=none", "max_steps=10")
    done = doctor("env=remote_original", f"env.host={host(process)}", "seconds=1.0")
    assert done.returncode == 1
    assert "This server shows ends by chance" in done.stdout


def test_an_env_without_a_link_is_refused(doctor):
    done = doctor("env=dummy")
    assert done.returncode == 2
    assert "runs in this process" in done.stderr
