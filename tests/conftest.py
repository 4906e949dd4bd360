"""Fixtures that several layers of tests share."""

import signal
import sys
from pathlib import Path
from typing import Any

import hydra
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
