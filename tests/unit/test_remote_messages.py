"""What a served game takes for a message, and what it says to everything else."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.remote import messages, parsing
from envs.remote.messages import MessageError
from envs.remote.parsing import parse


def line(**fields):
    return json.dumps(fields).encode()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (b'{"type": "GET_STATE"}', messages.GetState()),
        (b'{"type": "GET_STATE", "game_id": 3, "req": "a"}', messages.GetState(game_id=3, request="a")),
        (b'{"type": "RESET", "seed": 7, "game_id": 1}', messages.Reset(seed=7, game_id=1)),
        (b'{"type": "SET_ACTION", "action": {"steer": 1}}', messages.SetAction(action={"steer": 1})),
        (b'{"type": "STEP", "action": [0, 1], "repeat": 4}', messages.Step(action=[0, 1], repeat=4)),
        (b'{"type": "STEP_BATCH", "actions": {"1": 2, "0": 3}}', messages.StepBatch(actions={1: 2, 0: 3})),
        (
            b'{"type": "RESET_BATCH", "resets": {"2": {"seed": 5}}, "req": 9}',
            messages.ResetBatch(resets={2: messages.Reset(game_id=2, seed=5, request=9)}, request=9),
        ),
        (b'{"type": "HELLO", "protocol": 2, "mode": "lockstep"}', messages.Hello(protocol=2, mode="lockstep")),
        (b'{"type": "PING", "t": 1.5}', messages.Ping(t=1.5)),
        (b'{"type": "CLOSE", "later": "words"}', messages.Close()),
        (
            b'{"type": "CONFIG", "size": [64, 64], "encoding": "bin"}',
            messages.Config(values={"size": [64, 64], "encoding": "bin"}),
        ),
    ],
)
def test_messages_are_read(text, expected):
    assert parse(text) == expected


@pytest.mark.parametrize(
    ("text", "code", "words"),
    [
        (b"", "bad_json", "JSON object"),
        (b"\xff\xfe", "bad_json", "UTF-8"),
        (b"[" * 200_000, "bad_json", "JSON"),
        (b'{"type": "PING", "t": ' + b"9" * 5000 + b"}", "bad_json", "JSON"),
        (b"[1]", "bad_message", "list"),
        (b"{}", "unknown_type", "None"),
        (b'{"type": {}}', "unknown_type", ""),
        (b'{"type": "JUMP"}', "unknown_type", "Unknown command type: JUMP"),
        (b'{"type": "GET_STATE", "game_id": "1"}', "bad_game_id", "game_id"),
        (b'{"type": "GET_STATE", "game_id": -1}', "bad_game_id", "Invalid game_id: -1"),
        (b'{"type": "GET_STATE", "game_id": true}', "bad_game_id", "True"),
        (b'{"type": "STEP", "repeat": 101}', "bad_message", "1 … 100"),
        (b'{"type": "RESET", "seed": -1}', "bad_message", "seed"),
        (b'{"type": "RESET", "options": 3}', "bad_message", "options"),
        (b'{"type": "STEP_BATCH", "actions": []}', "bad_message", "actions"),
        (b'{"type": "STEP_BATCH", "actions": {"one": 1}}', "bad_message", "whole numbers"),
        (b'{"type": "RESET_BATCH", "resets": {"0": 1}}', "bad_message", "resets.0"),
        (b'{"type": "HELLO", "protocol": 3}', "bad_message", "protocol"),
        (b'{"type": "HELLO", "protocol": 2, "mode": "fast"}', "bad_message", "lockstep"),
        (b'{"type": "HELLO", "protocol": 2, "token": 5}', "bad_message", "token"),
    ],
)
def test_the_rest_is_refused_in_words(text, code, words):
    with pytest.raises(MessageError) as caught:
        parse(text)
    assert caught.value.code == code
    assert words in str(caught.value)


def test_refusals_say_what_they_answer():
    with pytest.raises(MessageError) as caught:
        parse(line(type="STEP", req="r1", game_id=2, repeat=0))
    assert (caught.value.request, caught.value.game_id) == ("r1", 2)


JSON = st.sampled_from(
    [
        None,
        True,
        False,
        -1,
        0,
        1,
        2,
        10**30,
        1.5,
        -1e300,
        "",
        "0",
        "lockstep",
        [],
        [0],
        {},
        {"0": 1},
        {"0": {"seed": 1}},
        {"x": {}},
    ]
)


def refusal_of(text):
    """Return what a line is refused with, or nothing."""
    try:
        parse(text)
    except MessageError as error:
        return str(error)
    return ""


NAMES = ["game_id", "action", "actions", "repeat", "seed", "options", "resets", "protocol", "token", "mode", "t", "req"]


@given(st.sampled_from(sorted(parsing._READERS)), st.dictionaries(st.sampled_from(NAMES), JSON, max_size=6))
def test_no_message_is_more_than_refused(kind, fields):
    refusal = refusal_of(json.dumps({"type": kind, **fields}).encode())
    assert len(refusal) < 400


@given(st.binary(max_size=60))
def test_no_bytes_are_more_than_refused(text):
    assert len(refusal_of(text)) < 400
