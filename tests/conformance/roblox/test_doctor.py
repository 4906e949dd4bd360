"""The doctor names what is the matter with a game."""

import json

import pytest

from envs.factory import diagnose
from envs.roblox import hubs

TARGET = {"_target_": "envs.roblox.env.RobloxEnv"}


def findings(seconds=2.0, **arguments):
    return {one.check: one for one in diagnose(TARGET | arguments, seconds)}


@pytest.fixture
def played(monkeypatch):
    """Return a function that has a twin, with faults, come to whatever server the doctor starts."""
    from envs.roblox import hub_world
    from envs.roblox.twin.client import TwinClient

    twins, lease = [], hub_world.lease_hub

    def play(speed=10.0, faults=None, **game):
        def lease_and_play(*arguments, **keys):
            hub = lease(*arguments, **keys)
            twins.append(TwinClient(f"{hub.url}/abc", speed=speed, game=game, faults=faults))
            return hub

        monkeypatch.setattr(hub_world, "lease_hub", lease_and_play)
        return {"port": 0, "speed": speed}

    yield play
    for twin in twins:
        twin.close()
    hubs.end_all()


def test_a_game_that_is_lost_for_good_is_a_finding_and_the_others_stay(played):
    found = findings(8.0, **played(dialect="v0", faults={"disconnect_after": 5.0}), dialect="v0")
    assert found["connection"].verdict == "problem"
    assert "did not come back" in found["connection"].found
    assert "v0 has to be started again" in found["connection"].cure
    assert found["dialect"].found == "v0"
    assert found["width"].verdict == found["cars"].verdict == "ok"
    assert found["account"].verdict == "ok"


def test_a_game_that_is_lost_and_comes_back_is_no_slow_game(played):
    found = findings(20.0, **played(dialect="v2", faults={"disconnect_after": 8.0}), dialect="v2")
    assert found["connection"].verdict == "warning"
    assert "and back" in found["connection"].found
    assert found["tick rate"].verdict == "ok", found["tick rate"]


def test_a_wrong_width_is_a_finding_even_where_it_is_to_be_an_error(played):
    found = findings(1.0, **played(vehicle="cart5"), dialect="v2", strict_width=True)
    assert found["width"].verdict == "problem"
    assert "obs_preset=auto" in found["width"].cure


def test_without_a_game_the_width_is_not_waited_for_in_vain():
    found = findings(port=0, connect_timeout_s=0.2, obs_preset="auto")
    assert found["game"].verdict == "problem"
    hubs.end_all()


def test_a_car_that_sees_nothing_is_named(scripted, entry, monkeypatch):
    world = scripted(2, dialect="v0")
    seeing, blind = world.games[0].cars
    blinded = {name: value for name, value in entry(width=19).items() if name != "obs"}
    world.idle = [lambda game: {seeing.id: entry(width=19), blind.id: blinded}]
    monkeypatch.setattr("envs.roblox.doctor.open_world", lambda *_, **__: world)
    found = findings(cars=2, dialect="v0")
    assert found["cars"].verdict == "problem"
    assert blind.id in found["cars"].found
    assert seeing.id not in found["cars"].found
    assert "rays" in found["cars"].cure


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
