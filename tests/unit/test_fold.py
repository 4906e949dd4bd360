"""The fold: all that happened in a game between two reads, told once."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from envs.remote.fold import Fold


def test_rewards_between_two_reads_are_summed():
    fold = Fold()
    fold.begin("start", {"lap": 0})
    first = fold.take()
    assert (first.observation, first.reward, first.ticks, first.info) == ("start", 0.0, 0, {"lap": 0})
    fold.add("one", 1.5)
    fold.add("two", -0.5, info={"lap": 1})
    taken = fold.take()
    assert (taken.observation, taken.reward, taken.ticks, taken.info) == ("two", 1.0, 2, {"lap": 1})
    assert not taken.is_end
    again = fold.take()  # nothing happened: the same picture, and no reward a second time
    assert (again.observation, again.reward, again.ticks) == ("two", 0.0, 0)


def test_an_end_is_told_once_with_its_final_observation():
    fold = Fold()
    fold.begin("start", {})
    fold.add("on the road", 1.0)
    fold.add("the wall", -100.0, terminated=True, info={"fault": "none"})
    fold.begin("next start", {})
    fold.add("next road", 7.0)
    end, after = fold.take(), fold.take()
    assert (end.observation, end.reward, end.ticks, end.terminated, end.truncated) == (
        "the wall",
        -99.0,
        2,
        True,
        False,
    )
    assert end.info == {"fault": "none"}
    assert (after.observation, after.reward, after.is_end) == ("next road", 7.0, False)


def test_the_oldest_ends_are_dropped_and_counted():
    fold = Fold(max_ends=2)
    for episode in range(5):
        fold.begin(f"start {episode}", {})
        fold.add(f"end {episode}", 10.0**episode, truncated=True)
    taken = fold.take()
    assert (taken.observation, taken.ends_dropped) == ("end 3", 3)
    assert (fold.dropped.ticks, fold.dropped.reward) == (3, 111.0)
    assert fold.take().ends_dropped == 0


def test_who_asks_for_a_new_episode_hears_nothing_of_the_old_ones():
    fold = Fold()
    fold.begin("start", {})
    fold.add("end", 3.0, terminated=True)
    fold.begin("start 2", {})
    fold.add("road 2", 5.0)
    fold.discard()
    fold.begin("start 3", {})
    taken = fold.take()
    assert (taken.observation, taken.reward, taken.ticks, taken.is_end) == ("start 3", 0.0, 0, False)
    assert fold.dropped.reward == 8.0


def test_an_episode_that_has_ended_does_not_go_on():
    fold = Fold()
    with pytest.raises(RuntimeError, match="begin"):
        fold.add("road", 1.0)
    fold.begin("start", {})
    fold.add("end", 1.0, terminated=True)
    with pytest.raises(RuntimeError, match="begin"):
        fold.add("road", 1.0)
    fold.take()
    with pytest.raises(RuntimeError, match="begin"):
        fold.take()


@given(st.lists(st.sampled_from(["tick", "end", "read", "reset"]), max_size=200), st.integers(1, 4))
def test_the_account_closes(events, max_ends):
    """Rewards are powers of two's sums, so that floats add up exactly: what was sent is delivered, dropped or waits."""
    fold, sent = Fold(max_ends=max_ends), 0
    fold.begin(0, {})
    ends = {"sent": 0, "read": 0, "dropped": 0}
    for number, event in enumerate(events):
        if event in ("tick", "end"):
            fold.add(number, 1.0, terminated=event == "end")
            sent += 1
            if event == "end":
                ends["sent"] += 1
                fold.begin(number, {})
        elif event == "read":
            taken = fold.take()
            ends["read"] += taken.is_end
            ends["dropped"] += taken.ends_dropped
        else:
            ends["sent"] -= fold.waiting + fold.ends_dropped  # whom nobody will hear of
            fold.discard()
            fold.begin(number, {})
        assert fold.sent.ticks == sent
    while fold.waiting:
        taken = fold.take()
        ends["read"] += 1
        ends["dropped"] += taken.ends_dropped
    fold.take()
    assert fold.sent.ticks == fold.delivered.ticks + fold.dropped.ticks == sent
    assert fold.sent.reward == fold.delivered.reward + fold.dropped.reward == sent
    assert ends["sent"] == ends["read"] + ends["dropped"]
