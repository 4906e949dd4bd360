"""The last lines of a run: what to type next, whatever its files and its MLflow are."""

import socket

import pytest

from envs.app import FAILED, INTERRUPTED, OK, ROOT
from tune import next_commands

OUTPUTS = str(ROOT / "outputs")
STOP = {"frames": 100, "wall_s": None, "return_mean": None}


@pytest.fixture
def said(tmp_path):
    """Return a function from a config's paths to what is said of a sweep there, by the first word of each line."""

    def say(outputs=OUTPUTS, uri=None, *, code=OK, page="#/experiments/1", is_sweep=True, tracking=None):
        uri = uri or f"sqlite:///{outputs}/mlflow.db"
        config = {
            "paths": {"outputs": outputs},
            "stop": STOP,
            "tracking": {"uri": uri} if tracking is None else tracking,
        }
        text = next_commands.next_commands(config, tmp_path, code=code, is_sweep=is_sweep, page=page)
        return dict(line.split(":", 1) for line in text.splitlines() if not line.startswith(" "))

    return say


def test_usual_places_need_no_words(said, tmp_path):
    lines = said()
    assert lines["Run folder"].strip() == str(tmp_path)
    assert lines["Train on"].strip() == "python run.py resume=latest stop.frames=200"
    assert lines["Compare"].strip() == "python -m experiments.compare sweep=latest"
    assert f"mlflow ui --backend-store-uri sqlite:///{OUTPUTS}/mlflow.db --port" in lines["MLflow"]


def test_what_is_compared_elsewhere_is_named(said, tmp_path):
    lines = said("/mnt/outputs", "http://10.0.0.5:5000/")
    words = f"sweep={tmp_path} paths.outputs=/mnt/outputs 'paths.mlflow_uri=http://10.0.0.5:5000/'"
    assert lines["Compare"].strip() == f"python -m experiments.compare {words}"
    assert lines["MLflow"].strip() == "http://10.0.0.5:5000/#/experiments/1"  # a server has its pages already


def test_nothing_is_promised_that_was_not_tracked(said):
    assert set(said(tracking={"_target_": "experiments.tracking.NoTracker"})) == {"Run folder", "Train on"}


@pytest.mark.parametrize("code", [FAILED, INTERRUPTED])
def test_a_run_that_did_not_end_goes_on(said, code):
    assert said(code=code)["Go on"].strip() == "python run.py resume=latest"
    assert ("Compare" in said(code=code)) == (code == FAILED)


def test_the_first_port_on_which_nobody_listens_is_proposed():
    with socket.socket() as one, socket.socket() as other:
        first = next(port for port in range(20_001, 30_000) if _listens(one, port))  # nobody connects from these
        second = next(port for port in range(first + 1, 30_000) if _listens(other, port))
        proposed = next_commands._free_port(first)
        assert proposed > first
        assert proposed != second
        for port in range(first, proposed):
            with socket.socket() as taken:
                assert not _listens(taken, port)
    assert next_commands._free_port(first) == first


def _listens(listener, port):
    """Let a socket listen on a port, and say whether it could."""
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        return False
    listener.listen()
    return True
