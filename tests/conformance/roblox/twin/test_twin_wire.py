"""What can go wrong on the way to the server, without one."""

import json
import math

import pytest

from envs.errors import ConfigError
from envs.roblox.messages import decode
from envs.roblox.twin.faults import Faults
from envs.roblox.twin.wire import Wire


def tick(reward=1.5, **more):
    return {"car_0_env_a": {"obs": [0.5, 1.0, 0.25], "reward": reward, "terminated": False, "truncated": False} | more}


def sent(faults, count=2000, message=tick, seconds=0.0):
    wire = Wire(Faults(**faults), seed=3)
    return wire, [frame for _ in range(count) for frame in wire.frames(message(), seconds)]


def test_without_faults_messages_are_their_json():
    wire, frames = sent({}, 3)
    assert [json.loads(frame) for frame in frames] == [tick()] * 3
    assert wire.frames([], 0.0) == ["[]"]
    assert wire.frames({"__pong": {"t": 2}}, 0.0) == ['{"__pong":{"t":2}}']
    assert wire.reward_sent == 4.5


def test_ticks_are_dropped_and_what_is_sent_is_counted():
    wire, frames = sent({"drop_ticks": 0.25})
    assert len(frames) == 2000 - wire.ticks_dropped
    assert len(frames) == pytest.approx(1500, abs=80)  # 4 standard deviations
    assert wire.reward_sent == 1.5 * len(frames)


def test_answers_are_never_dropped():
    _, frames = sent({"drop_ticks": 1.0}, message=lambda: {"__pong": {"t": 1}})
    assert len(frames) == 2000
    assert sent({"drop_ticks": 1.0})[1] == []


def test_ticks_are_sent_twice_and_counted_twice():
    wire, frames = sent({"dup_ticks": 1.0}, 10, lambda: tick(terminated=True))
    assert len(frames) == 20
    assert wire.reward_sent == 30.0
    assert wire.ends_sent == 20
    assert (wire.ticks, wire.ticks_doubled) == (10, 10)


def test_bare_words_are_what_json_does_not_know():
    wire, frames = sent({"nan": 1.0}, 300)
    words = {"nan": 0, "inf": 0, "-inf": 0}
    for frame in frames:
        with pytest.raises(ValueError, match=r"Expecting value|Invalid"):
            json.loads(frame)
        entry = decode(frame)["car_0_env_a"]
        numbers = [*entry["obs"], entry["reward"]]
        (broken,) = [number for number in numbers if not math.isfinite(number)]
        words[str(broken)] += 1
    assert min(words.values()) > 50
    finite = sum(decode(frame)["car_0_env_a"]["reward"] == 1.5 for frame in frames)
    assert wire.reward_sent == 1.5 * finite
    assert wire.numbers_spoiled == 300


def test_spoiled_empty_ticks_are_still_empty():
    assert sent({"nan": 1.0}, 5, list)[1] == ["[]"] * 5


@pytest.mark.parametrize(("width", "obs"), [(2, [0.5, 1.0]), (5, [0.5, 1.0, 0.25, 0.0, 0.0]), (0, [])])
def test_width(width, obs):
    _, (frame,) = sent({"width": width}, 1, lambda: tick(last_observation=[0.5, 1.0, 0.25]))
    entry = json.loads(frame)["car_0_env_a"]
    assert entry["obs"] == entry["last_observation"] == obs


def test_every_tenth_tick_is_binary():
    wire, frames = sent({"binary_frame": True}, 40)
    assert [type(frame) for frame in frames] == ([str] * 9 + [bytes]) * 4
    assert wire.reward_sent == 36 * 1.5


def test_a_stall_is_quiet():
    assert len(sent({"stall_after": 2.0}, 5, seconds=1.9)[1]) == 5
    assert sent({"stall_after": 2.0}, 5, seconds=2.0)[1] == []


@pytest.mark.parametrize(
    "faults", [{"drop_ticks": 1.5}, {"dup_ticks": -0.1}, {"nan": math.nan}, {"stall_after": -1.0}, {"width": -1}]
)
def test_wrong_faults_are_refused(faults):
    (name,) = faults
    with pytest.raises(ConfigError, match=name):
        Faults(**faults)
