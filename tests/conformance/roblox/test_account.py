"""The account of 8.1: every reward that a game sends is delivered, dropped, paid before an action, or waits."""

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from envs.roblox.fold import CarFold, Record

OBS = np.zeros(3, np.float32)
TICKS = st.tuples(
    st.sampled_from(["tick", "tick", "tick", "terminated", "truncated", "both"]),
    st.integers(-40, 40),
    st.booleans(),  # while nobody drives
)
READS = st.sampled_from([("read",), ("leave",), ("lost",)])


@given(st.lists(TICKS | READS, max_size=60))
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_nothing_is_lost_whoever_reads_when(events):
    """A reader that acts and reads as NEXT_STEP does; in between, a game that does what it wants."""
    fold, is_done, ends_told, ends_read = CarFold(), True, 0, 0
    rewards = sent = 0.0
    for event in events:
        if len(event) == 3:
            kind, reward, is_stalled = event
            ends_told += kind != "tick"
            sent += reward
            flags = {"terminated": kind in ("terminated", "both"), "truncated": kind in ("truncated", "both")}
            fold.add(Record(OBS, float(reward), **flags), first=OBS, is_stalled=is_stalled)
        elif event == ("lost",):
            was_open = fold.is_shown and not fold.has_end
            fold.end("disconnect", 0.0)
            ends_told += was_open
        elif event == ("leave",):
            fold.drop(7.0)
            sent += 7.0
        elif is_done:
            fold.begin()
            is_done = fold.take().is_end
        else:
            fold.act()
            record = fold.take()
            assert not (record.terminated and record.truncated)
            rewards += record.reward
            is_done = record.is_end
            ends_read += is_done
    assert fold.sent.reward == sent
    assert fold.delivered.reward == rewards
    waits = fold.waiting
    assert sent == fold.delivered.reward + fold.dropped.reward + fold.pre_action.reward + waits
    assert ends_told == ends_read + fold.ends_folded + fold.empty_episodes + fold.has_end


@pytest.mark.point("roblox", 16)
def test_of_two_ends_within_a_step_one_is_told_and_both_are_counted(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    env.step(forwards())
    end = {"terminated": True, "last_observation": [0.25] * 22}
    for reward, more in ((1.0, {}), (-40.0, end), (2.0, {}), (-40.0, end), (3.0, {})):
        world.games[0].heard({car: entry(0.75, reward, **more)}, world.now())
    seen, rewards, terminated, _, infos = env.step(forwards())
    assert rewards[0] == -39.0  # 1 - 40
    assert terminated[0]
    assert seen[0, 0] == 0.25
    assert infos["final_kind"][0] == "last_observation"
    assert env.counters()["ends_folded"] == 1
    account = env.account()
    assert account["dropped"] == -38.0  # 2 - 40, of an episode without an action
    _, rewards, terminated, _, infos = env.step(forwards())
    assert (rewards[0], terminated[0]) == (0.0, False)
    assert infos["pre_action_reward"][0] == 3.0


@pytest.mark.point("roblox", 10)
@pytest.mark.parametrize("dialect", ["v0", "v1", "v2"])
def test_the_account_closes_over_a_run_with_a_learner_that_sleeps(lockstep, dialect):
    env = lockstep(6, games=1, cars=3, dialect=dialect)
    env.reset(seed=1)
    random = np.random.default_rng(0)
    returned = pre_action = 0.0
    ends = 0
    for step in range(120):
        actions = random.uniform(-1.0, 1.0, (6, 3)).astype(np.float32)
        actions[:, 0] = 1.0
        _, rewards, terminated, truncated, infos = env.step(actions)
        returned += rewards.sum()
        pre_action += infos["pre_action_reward"].sum()
        ends += int((terminated | truncated).sum())
        if step % 10 == 0:
            env.world.wait(lambda: False, env.world.now() + 3 / 15)  # three ticks late
    account = env.account()
    total = account["delivered"] + account["dropped"] + account["pre_action"] + account["waiting"]
    assert ends > 20
    assert account["sent"] == pytest.approx(total, abs=1e-6)
    assert account["delivered"] == pytest.approx(returned, abs=1e-6)
    assert env.counters()["nonfinite"] == 0
    assert account["sent"] != 0.0


def test_rewards_of_late_ticks_are_summed(driven, forwards, entry):
    world, env = driven()
    car = world.games[0].cars[0].id
    env.step(forwards())
    for reward in (0.5, 0.25, 1.0):
        world.games[0].heard({car: entry(0.75, reward)}, world.now())
    world.queues[0].append({car: entry(0.25, 2.0)})
    seen, rewards, _, _, infos = env.step(forwards())
    assert rewards[0] == 3.75
    assert seen[0, 0] == 0.25
    assert infos["ticks"][0] == 4
    assert infos["link_skipped"][0] == 3
    assert infos["frames"][0] == 16  # 60 Hz physics, 15 ticks a second
