"""How a wrong request is made."""

import sys

import pytest

from envs.app import run_app
from experiments.schema import register_schema
from tune.start import run


@pytest.fixture
def refuse(monkeypatch, capsys, tmp_path):
    """Return a function that runs a command line which must be refused, and returns the message."""

    def refused(*words, main=run, config_name="config"):
        register_schema()
        monkeypatch.setattr("tune.execution.start_ray", lambda *_: pytest.fail("the request was not refused"))
        outputs = [] if config_name == "serve" else [f"paths.outputs={tmp_path / 'outputs'}"]
        monkeypatch.setattr(sys, "argv", ["command", *outputs, *words])
        with pytest.raises(SystemExit) as stop:
            run_app(main, config_name=config_name)
        message = capsys.readouterr().err
        assert stop.value.code == 2, message
        assert "Traceback" not in message
        return message

    return refused
