"""The registry of an MLflow server, and addresses at which none answers."""

import contextlib
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request

import pytest

from envs.errors import ConfigError
from experiments.backlog import _REFUSALS
from experiments.registry.register import register
from experiments.registry.store import RegistryError
from experiments.runs import find_policy_folder
from experiments.tracking import MlflowTracker


@pytest.fixture
def server(tmp_path):
    """Return the address of an MLflow server that keeps artifacts itself."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "server", "--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    where = ["--backend-store-uri", f"sqlite:///{tmp_path}/mlflow.db", "--artifacts-destination", f"{tmp_path}/kept"]
    with (tmp_path / "server.log").open("w") as log:
        process = subprocess.Popen([*command, *where], stdout=log, stderr=log, start_new_session=True, cwd=tmp_path)
    address = f"http://127.0.0.1:{port}"
    try:
        for _ in range(600):
            assert process.poll() is None, (tmp_path / "server.log").read_text()
            with contextlib.suppress(OSError), urllib.request.urlopen(f"{address}/health", timeout=1):
                break
            time.sleep(0.25)
        else:
            pytest.fail(f"no answer: {(tmp_path / 'server.log').read_text()}")
        yield address
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


@pytest.mark.timing
def test_a_server_does_as_well_as_a_database(server, make_policy, tmp_path, tracks, config, evaluation_of):
    tracker = MlflowTracker(uri=server, artifact_root=str(tmp_path / "unused"), experiment="night")
    run = tracker.run_id(tracker.start_run(name="run 0", tags={}, params={}), timeout_s=60.0)
    tracker.close()
    assert register(server, run, make_policy(1), evaluation_of(tracks), config).is_champion
    verdict = register(server, run, make_policy(2, frames=2000), evaluation_of(tracks + 5), config)
    assert (verdict.version, verdict.is_champion) == (2, True)
    assert not register(server, run, make_policy(3), evaluation_of(tracks), config).is_champion
    for word in ("models:/chicane-carracing@champion", f"mlflow:{run}"):
        folder, _ = find_policy_folder(word, tmp_path / "out", server)
        assert (folder / "policy.safetensors").read_bytes() == (
            make_policy(2, frames=2000) / "policy.safetensors"
        ).read_bytes()
    for word, words in {
        "models:/chicane-carracing@best": r"no alias best; it has chicane-carracing@champion \(version 2\)",
        "models:/chicane-carracing/9": "has no version 9",
        "models:/chicane-moon/1": "Registered: chicane-carracing",
        "mlflow:0123": "MLflow has no run 0123",
    }.items():
        with pytest.raises(ConfigError, match=words):
            find_policy_folder(word, tmp_path / "out", server)
    assert not (tmp_path / "unused").exists()


@pytest.mark.parametrize("scheme", ["http", "postgresql", "mysql+pymysql"])
def test_an_address_that_nobody_answers_at_says_so_at_once(tmp_path, enter, tracks, scheme):
    """MLflow by itself would try a database for 100 s, without a word."""
    with socket.socket() as probe:  # bound and not listening: nobody else takes the port
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        address = f"{scheme}://someone:secret@127.0.0.1:{port}/mlflow"
        with pytest.raises(ConfigError, match=r"cannot be looked up \(paths\.mlflow_uri=") as error:
            find_policy_folder("models:/chicane-carracing@champion", tmp_path / "out", address)
        with pytest.raises(RegistryError) as outage:
            enter(tracks, uri=address)
    for said in (error.value, outage.value):
        assert "secret" not in str(said)
        assert str(port) in str(said)
    assert outage.value.error_code not in _REFUSALS
