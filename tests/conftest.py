"""Fixtures that several layers of tests share."""

import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import hydra
import psutil
import pytest
from hydra.core.global_hydra import GlobalHydra

from experiments.plan import Plan
from experiments.schema import register_schema, to_plain

ROOT = Path(__file__).resolve().parent.parent

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # a shell's background job: commands under test would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_finish(session):
    """One thread for torch: processes of tests share the cores, and threads that wait for each other spin."""
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)


@pytest.fixture(scope="session")
def root():
    return ROOT


@pytest.fixture(scope="session")
def tiny_plan():
    """Return a function that makes the plan of a tiny trial: one runner of four envs shares two cores with it."""
    tiny = {
        "num_cpus": 2,
        "num_gpus": 0,
        "num_env_runners": 1,
        "envs_per_runner": 4,
        "learner_threads": 1,
        "has_own_cores": False,
        "process_cpus": 0.5,
        "precision": "float32",
    }
    return lambda **changes: Plan(**tiny | changes)


@pytest.fixture(scope="session")
def compose():
    """Return a function from the words of a command line to a run's plain config."""
    register_schema()

    def composed(*words: str) -> dict[str, Any]:
        GlobalHydra.instance().clear()
        with hydra.initialize_config_dir(str(ROOT / "conf"), version_base="1.3"):
            config = hydra.compose("config", overrides=list(words), return_hydra_config=True)
        chosen = config.hydra.runtime.choices
        plain = to_plain(hydra_free(config))
        choices = {group: chosen[group] for group in ("env", "model", "algo", "experiment", "debug")}
        return plain | {"choices": choices | {"preset": config.model.get("preset")}, "words": list(words)}

    return composed


def hydra_free(config):
    from omegaconf import open_dict

    with open_dict(config):
        del config["hydra"]
    return config


@pytest.fixture
def serve_process(root):
    """Return a function that starts `python -m envs.serve` and returns the process, with its address if it listens."""
    processes = []

    def start(*words):
        process = subprocess.Popen(
            [sys.executable, "-m", "envs.serve", *words],
            cwd=root,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=os.environ | {"PYTHONUNBUFFERED": "1"},
        )
        processes.append(process)
        line = process.stdout.readline()
        assert line.startswith("Serving"), line + process.stderr.read()
        found = re.search(r"at ([\d.]+):(\d+)", line)
        process.address = (found[1], int(found[2])) if found else None
        return process

    yield start
    for process in processes:
        if process.poll() is None:
            process.send_signal(signal.SIGKILL)
        process.wait(10.0)
        process.stdout.close()
        process.stderr.close()


@pytest.fixture(scope="session")
def eventually():
    """Return a function that waits until something holds, or fails."""

    def wait(condition, timeout_s=10.0):
        deadline = time.monotonic() + timeout_s
        while not condition():
            assert time.monotonic() < deadline, "it did not happen in time"
            time.sleep(0.005)

    return wait


@pytest.fixture(scope="session")
def freeze():
    """Return a function that stops a process, and returns when it has stopped: a signal takes its time."""

    def stop(process):
        process.send_signal(signal.SIGSTOP)
        deadline = time.monotonic() + 10.0
        while psutil.Process(process.pid).status() != psutil.STATUS_STOPPED:
            assert time.monotonic() < deadline, "it did not stop"
            time.sleep(0.005)

    return stop


@pytest.fixture(scope="session")
def serve_here():
    """Return a function that serves envs in this process and returns the server; `host` is its HOST:PORT."""
    from envs.remote.clock import RealTimeClock
    from envs.remote.conversation import Service
    from envs.remote.served_game import ServedGame
    from envs.remote.server import GameServer
    from envs.remote.world import World

    servers = []

    def serve(make, num_games=1, *, step_s=0.02, hold_s=0.5, seed=None, token=None, **limits):
        seeds = [None if seed is None else seed + index for index in range(num_games)]
        games = [ServedGame(index, World(make, one), hold_s=hold_s) for index, one in enumerate(seeds)]
        service = Service(games=games, clock=RealTimeClock(step_s), env_id=games[0].world.env_id, token=token)
        server = GameServer(service, **limits)
        servers.append(server)
        server.games = games
        server.address = server.listen("127.0.0.1", 0)
        server.host = f"{server.address[0]}:{server.address[1]}"
        return server

    yield serve
    for server in servers:
        server.close()
