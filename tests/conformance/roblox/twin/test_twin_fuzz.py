"""Whatever a server says, in whatever order: the game goes on, and what it says stays a tick of its dialect."""

import json
import math

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.roblox.twin.game import RobloxGame

CARS = [f"car_{number}_env_{env}" for number in range(3) for env in "ab"]
anything = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=5), inner, max_size=3),
    max_leaves=6,
)
cars = st.lists(st.sampled_from(CARS), max_size=4)
sensible = st.one_of(
    st.builds(lambda name, ids: (name, {"agents": ids}), st.sampled_from(
        ["SPAWN_AGENTS", "RESET", "RESET_AGENTS", "REMOVE_AGENTS"]), cars),
    st.builds(lambda actions: ("ACTION", actions), st.dictionaries(
        st.sampled_from(CARS), st.lists(st.floats(-1, 1), min_size=3, max_size=3) | anything, max_size=6)),
    st.builds(lambda status: ("FREEZE", {"status": status}), st.booleans()),
    st.builds(lambda status: ("UPDATE_COLLISIONS", {"enable_collisions": status}), st.booleans()),
    st.sampled_from([("CLOSE", {}), ("CLOSE_ALL", {}), ("PING", {"t": 1.0}), ("CREATE_ENV", {})]),
    st.tuples(st.sampled_from(["ACTION", "SPAWN_AGENTS", "FREEZE", "PING", "CLOSE"]), anything),
)  # fmt: skip
steps = st.lists(st.tuples(sensible, st.sampled_from("ab"), st.floats(0.0, 0.3)), max_size=25)


@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.sampled_from(["v0", "v1", "v2"]), steps, st.booleans())
def test_whatever_is_said_ticks_are_ticks(dialect, said, races):
    game = RobloxGame(1, dialect=dialect, num_spawns=4, terminate_all=races and dialect == "v2")
    for (name, data), env, seconds in said:
        answers = game.handle({"command": name, "envid": env, "data": data})
        assert all(set(answer) == {"__pong"} for answer in answers)
        for message in game.advance(seconds):
            json.dumps(message, allow_nan=False)
            if message == []:
                continue
            assert set(message) <= set(CARS)
            for entry in message.values():
                assert set(entry) - {"last_observation"} == {"obs", "reward", "terminated", "truncated"}
                assert len(entry["obs"]) == game.width == len(entry.get("last_observation", entry["obs"]))
                assert all(math.isfinite(value) and abs(value) <= 1.01 for value in entry["obs"])
                assert not (entry["terminated"] and entry["truncated"])
