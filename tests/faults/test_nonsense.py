"""Ten thousand random messages, and random answers: each side keeps to what the protocol promises."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz_targets import ClientTarget, ServerTarget, hurry

KINDS = ["HELLO", "SET_ACTION", "GET_STATE", "RESET", "RESET_BATCH", "STEP", "STEP_BATCH", "CONFIG", "PING", "CLOSE"]
NAMES = ["game_id", "action", "actions", "resets", "repeat", "seed", "options", "mode", "protocol", "token", "games"]
NAMES += ["frame", "size", "encoding", "codec", "quality", "autoreset", "obs", "training", "wait_ticks", "timeout_ms"]
NAMES += ["req", "t"]
WORDS = ["lockstep", "free", "gray", "none", "rgb", "bin", "b64", "png", "jpeg", "raw", "0", "1", "steer", "gas"]

scalars = (
    st.none() | st.booleans() | st.integers(-2, 5) | st.integers() | st.floats() | st.sampled_from(WORDS) | st.text()
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.sampled_from(WORDS) | st.text(), inner),
    max_leaves=6,
)
sensible = st.fixed_dictionaries({"type": st.sampled_from(KINDS)}) | st.fixed_dictionaries(
    {"type": st.just("HELLO"), "protocol": st.just(2), "mode": st.sampled_from(["free", "lockstep"])}
)
messages = st.builds(
    lambda one, more: json.dumps(more | one).encode(), sensible, st.dictionaries(st.sampled_from(NAMES), values)
)
lines = messages | messages | messages | st.binary(max_size=200)


@pytest.fixture(scope="module")
def server():
    return ServerTarget()


@settings(max_examples=20, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoken=st.lists(lines, max_size=60))
def test_a_server_answers_whatever_is_said(server, spoken):
    server(b"\n".join(line.replace(b"\n", b" ") for line in spoken))


@pytest.mark.slow
@settings(max_examples=250, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(spoken=st.lists(lines, min_size=40, max_size=60))
def test_a_server_answers_ten_thousand_messages(server, spoken):
    server(b"\n".join(line.replace(b"\n", b" ") for line in spoken))


@settings(max_examples=100, deadline=None)
@given(said=st.lists(st.binary(max_size=100) | messages, max_size=8), greets=st.booleans())
def test_an_env_survives_whatever_a_server_says(said, greets):
    hurry()
    ClientTarget()((b"" if greets else b"!") + b"\n".join(said))
