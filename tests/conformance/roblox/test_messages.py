"""Messages: what is written, and that anything can be read."""

import contextlib
import json
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from envs.errors import ProtocolError
from envs.roblox import messages
from envs.roblox.ticks import read_tick

UUID4 = "3f2a77b1-5f6e-4c7d-9a3b-0123456789ab"


@pytest.mark.point("roblox", 5)
def test_a_command_has_three_keys_and_ids_the_form_that_games_expect(driven, forwards):
    world, env = driven([2, 1])
    env.step(forwards(3))
    world.sleep(1.0)
    assert len(world.sent) >= 3
    for _, _, command in world.sent:
        assert set(command) == {"command", "envid", "data"}
    for car in (car for game in world.games for car in game.cars):
        assert re.match(r"^car_\d+_env_[0-9a-f-]{36}$", car.id)
    assert [car.id[:5] for car in world.games[0].cars] == ["car_0", "car_1", "car_0"]


def test_the_documented_messages_are_built():
    spawn = messages.agents_command("SPAWN_AGENTS", UUID4, [messages.car_id(0, UUID4)])
    assert json.loads(messages.encode(spawn)) == {
        "command": "SPAWN_AGENTS",
        "envid": UUID4,
        "data": {"agents": [f"car_0_env_{UUID4}"]},
    }
    assert messages.freeze_command(True) == {"command": "FREEZE", "envid": "", "data": {"status": True}}
    assert messages.collisions_command(False)["data"] == {"enable_collisions": False}
    assert messages.ping_command(1.5) == {"command": "PING", "envid": "", "data": {"t": 1.5}}


@pytest.mark.point("roblox", 7)
def test_an_action_is_a_flat_map_one_message_an_env_and_step(driven):
    world, env = driven([2, 1])
    env.step(np.array([[1.0, -0.25, 0.75], [5.0, -5.0, 0.0], [0.5, 0.5, 0.5]], np.float32))
    actions = world.commands("ACTION")
    first, second = (world.games[0].roster.envs[index] for index in (0, 1))
    assert [action["envid"] for action in actions] == world.games[0].roster.env_ids
    assert actions[0]["data"] == {first[0].id: [1.0, -0.25, 0.75], first[1].id: [1.0, -1.0, 0.0]}
    assert actions[1]["data"] == {second[0].id: [0.5, 0.5, 0.5]}


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_an_action_that_is_not_finite_is_refused_before_it_is_sent(driven, bad):
    world, env = driven()
    with pytest.raises(ValueError, match="finite"):
        env.step(np.array([[bad, 0.0, 0.0]], np.float32))
    assert world.commands("ACTION") == []
    with pytest.raises(ValueError, match="finite"):
        messages.action_command(UUID4, {"car": [bad, 0.0, 0.0]})
    with pytest.raises(ValueError, match="JSON compliant"):
        messages.encode({"t": bad})


@pytest.mark.point("roblox", 9)
@pytest.mark.parametrize("word", ["nan", "inf", "-inf", "NaN", "Infinity", "-Infinity", "-nan(ind)", "1e999"])
def test_words_for_numbers_become_0_and_are_counted(driven, forwards, word):
    world, env = driven()
    car = world.games[0].cars[0]
    obs = ",".join(["0.25", word] + ["0.5"] * 20)
    flags = '"terminated":false,"truncated":false'
    world.queues[0].append(f'{{"{car.id}":{{"obs":[{obs}],"reward":{word},{flags}}}}}')
    seen, rewards, _, _, _ = env.step(forwards())
    assert seen[0, :3].tolist() == [0.25, 0.0, 0.5]
    assert rewards[0] == 0.0
    assert world.games[0].is_connected
    assert world.games[0].counters.nonfinite == 2


def test_words_within_strings_stay():
    assert messages.decode('{"a, nan ,b": [nan], "x\\"inf": "inf"}').keys() == {"a, nan ,b", 'x"inf'}
    assert messages.decode('["-inf", 1]') == ["-inf", 1]


@pytest.mark.point("roblox", 8)
def test_empty_ticks_change_nothing_and_are_no_news(driven, forwards, caplog):
    world, env = driven()
    before = vars(world.games[0].cars[0].fold.newest).copy()
    for text in ("[]", "[ ]", "{}"):
        world.games[0].heard(text, world.now())
    assert vars(world.games[0].cars[0].fold.newest) == before
    assert caplog.records == []
    assert world.games[0].counters.empty_ticks == 2
    world.queues[0].append("[]")
    _, _, terminated, truncated, infos = env.step(forwards())  # the tick after it has the car
    assert not (terminated | truncated).any()
    assert infos["ticks"][0] == 1


def test_what_is_no_message_is_counted(driven, entry):
    world, _ = driven()
    game = world.games[0]
    for text in ("", "{", "nul", '"a"', "3", "[1]", '{"a": 3, "b": [1], "__what": 3}', "[" * 100_000, "x" * (1 << 20)):
        game.heard(text, world.now())
    game.heard({"car_7_env_x": entry(reward=5.0)}, world.now())
    assert game.counters.bad_messages == 5
    assert game.counters.malformed == 5
    assert game.counters.unknown_ids == 1
    assert env_is_untouched(game)


def env_is_untouched(game):
    return game.roster.account()["sent"].reward == 0.0 and game.is_connected


def test_a_message_beyond_a_mebibyte_is_refused():
    with pytest.raises(ProtocolError, match="1048576"):
        messages.decode("[" + "1," * (1 << 19) + "1]")


PARTS = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
ENTRIES = st.dictionaries(
    st.sampled_from(["obs", "reward", "terminated", "truncated", "last_observation", "info", "reason", "tick"]), PARTS
)


@given(st.dictionaries(st.sampled_from(["car", "__pong", "__hello", "__x"]), PARTS | ENTRIES) | PARTS)
@settings(max_examples=50)
def test_any_json_is_read_to_finite_numbers(value):
    tick = read_tick(value)
    for entry in tick.entries.values():
        assert np.isfinite(entry.reward)
        for vector in (entry.obs, entry.last_observation):
            assert vector is None or (np.isfinite(vector).all() and vector.ndim == 1)


@given(st.text(max_size=40))
def test_any_text_is_a_value_or_a_protocol_error(text):
    with contextlib.suppress(ProtocolError):
        messages.decode(text)
