"""The doctor names what is the matter with a game."""

import json

import pytest

from envs.factory import diagnose
from envs.roblox import hubs

TARGET = {"_target_": "envs.roblox.env.RobloxEnv"}


def findings(seconds=2.0, **arguments):
    return {one.check: one for one in diagnose(TARGET | arguments, seconds)}


@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_a_sound_game_has_no_problem(dialect):
    found = findings(twin="lockstep", dialect=dialect, cars=2)
    assert {name: one.verdict for name, one in found.items() if one.verdict not in ("ok", "skipped")} == {}
    assert dialect in found["dialect"].found
    assert "15.0 ticks/s" in found["tick rate"].found


def test_no_game_is_the_only_problem_and_says_what_to_do():
    found = findings(port=0, connect_timeout_s=0.2)
    assert [name for name, one in found.items() if one.verdict == "problem"] == ["game"]
    assert "Studio" in found["game"].cure
    assert "HTTP requests" in found["game"].cure
    assert found["dialect"].verdict == "skipped"
    hubs.end_all()


def test_a_port_that_roblox_does_not_reach_is_named(monkeypatch):
    monkeypatch.setattr(
        "envs.roblox.hub.listen_at", lambda host, port, what: __import__("socket").create_server((host, 0))
    )
    found = findings(port=1194, connect_timeout_s=0.2)
    assert found["port"].verdict == "problem"
    hubs.end_all()


def test_a_car_that_does_not_appear_is_named():
    found = findings(twin="lockstep", dialect="v2", cars=2, twin_game={"no_spawn": 1}, seconds=1.0)
    assert found["cars"].verdict == "problem"
    assert "car_0" in found["cars"].found


def test_findings_are_plain():
    from dataclasses import asdict

    assert json.dumps([asdict(one) for one in diagnose(TARGET | {"twin": "lockstep", "cars": 1}, 0.5)])
