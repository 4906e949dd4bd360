"""The world model's replay: against a list of slots, newest first, with states that are written back."""

import numpy as np
import pytest

from envs.errors import ConfigError
from experiments.fragment import Fragment
from experiments.replay.sequence_replay import SequenceReplay

LENGTH, STATE = 4, 2


def make_replay(folder, **changes):
    options = {
        "images": {"image": (1, 1, 1)},
        "vectors": {"number": 1},
        "action_dim": 1,
        "state_dim": STATE,
        "capacity": 60,
        "num_streams": 1,
        "length": LENGTH,
        "seed": 0,
    }
    return SequenceReplay(folder, **options | changes)


class Stream:
    """One env whose observations are numbered; a slot's reward is its number, its state twice its number."""

    def __init__(self, first=0):
        self.number, self.age = first, 0
        self.slots = []  # (number, is_first, is_last, reward that arrived, terminated)
        self.is_over = False
        self.arrived = (0.0, False)

    def drive(self, ends):
        """Return a fragment of so many steps; `ends` says of each step how its episode ends, if it does."""
        steps = len(ends)
        numbers, ages = [self.number], [self.age]
        columns = {name: [] for name in ("rewards", "terminated", "truncated", "valid")}
        for end in ends:
            valid, self.is_over = not self.is_over, False
            self.slots.append((self.number, self.age == 0, not valid, *self.arrived))
            reward = float(self.number) if valid else 0.0
            self.arrived = (reward, end == "terminated") if valid else (0.0, False)
            self.is_over = bool(end) and valid
            self.age = self.age + 1 if valid else 0
            self.number += 1
            for name, value in (
                ("rewards", reward),
                ("terminated", end == "terminated" and valid),
                ("truncated", end == "truncated" and valid),
                ("valid", valid),
            ):
                columns[name].append(value)
            numbers.append(self.number)
            ages.append(self.age)
        column = np.array(numbers, np.float32)[:, None]
        return Fragment(
            images={"image": (column % 256).astype(np.uint8)[..., None, None, None]},
            vectors={"number": column[..., None]},
            age=np.array(ages, np.int32)[:, None],
            actions=np.zeros((steps, 1, 1), np.float32),
            log_probs=np.zeros((steps, 1), np.float32),
            rewards=np.array(columns["rewards"], np.float32)[:, None],
            states=np.repeat(2.0 * column[:-1, :, None], STATE, -1).astype(np.float32),
            frames=steps,
            **{name: np.array(columns[name])[:, None] for name in ("terminated", "truncated", "valid")},
        )


def numbers(batch):
    return batch["obs"]["number"][..., 0].astype(int)


ENDS = ["", "", "truncated", "", "", "", "terminated", "", "", "", "", ""]


def test_sequences_are_what_was_driven(tmp_path):
    stream, replay = Stream(), make_replay(tmp_path)
    for _ in range(4):
        replay.add(stream.drive(ENDS), 0)
    stream.drive([""])  # what is not in the replay yet, but for its observation
    batch = replay.sample(50)
    for row, first in enumerate(numbers(batch)[:, 0]):
        expected = stream.slots[first : first + LENGTH]
        assert numbers(batch)[row].tolist() == [slot[0] for slot in expected]
        assert batch["is_first"][row].tolist() == [slot[1] for slot in expected]
        assert batch["is_last"][row, :-1].tolist() == [slot[2] for slot in expected[:-1]]
        assert batch["rewards"][row].tolist() == [slot[3] for slot in expected]
        assert batch["terminated"][row].tolist() == [slot[4] for slot in expected]
        assert batch["state"][row].tolist() == [2.0 * first] * STATE
        assert (batch["obs"]["image"][row, :, 0, 0, 0] == numbers(batch)[row] % 256).all()
    for column in ("is_first", "is_last", "terminated"):
        assert batch[column].any()


def test_what_is_new_comes_first_and_once(tmp_path):
    replay, first, second = make_replay(tmp_path, num_streams=2, capacity=200), Stream(), Stream(1000)
    replay.add(first.drive([""] * 13), 0)  # slots 0 … 13: sequences of 1-4, 5-8, 9-12
    replay.add(second.drive([""] * 6), 1)  # 1001-1004
    assert sorted(numbers(replay.sample(2))[:, 0]) == [1, 5]  # the longer queue first
    assert 1001 in numbers(replay.sample(2))[:, 0]
    replay.add(second.drive([""] * 3), 1)  # 1005-1008
    starts = numbers(replay.sample(40))[:, 0].tolist()
    assert starts[0] == 1005
    assert len(set(starts[1:])) > 8  # the rest by chance, from anywhere
    replay.add(first.drive([""] * 3), 0)  # 13-16
    assert numbers(replay.sample(1))[0].tolist() == [13, 14, 15, 16]


def test_states_are_written_back_beside_the_slots_that_they_are_before(tmp_path):
    stream, replay = Stream(), make_replay(tmp_path)
    replay.add(stream.drive([""] * 20), 0)
    batch = replay.sample(1)
    assert numbers(batch)[0].tolist() == [1, 2, 3, 4]
    learnt = np.array([[[101, 0], [102, 0], [103, 0], [104, 0]]], np.float16)  # after the slots 1, 2, 3, 4
    replay.update_states(batch["places"], learnt)
    found = {}
    for _ in range(40):
        batch = replay.sample(8)
        found |= {int(n): state.tolist() for n, state in zip(numbers(batch)[:, 0], batch["state"], strict=True)}
    assert found[1] == [2.0, 2.0]  # nobody has learnt of slot 0
    assert [found[n] for n in (2, 3, 4)] == [[101, 0], [102, 0], [103, 0]]
    assert found[6] == [12.0, 12.0]


def test_states_of_what_was_overwritten_are_passed_over(tmp_path):
    stream, replay = Stream(), make_replay(tmp_path, capacity=8)
    replay.add(stream.drive([""] * 8), 0)
    batch = replay.sample(1)
    for _ in range(200):  # more than the slack: other slots lie in the same rows
        replay.add(stream.drive([""] * 8), 0)
    replay.update_states(batch["places"], np.full((1, LENGTH, STATE), -1, np.float16))
    assert all((replay.sample(8)["state"] >= 0).all() for _ in range(20))


def test_it_says_when_there_is_something_to_draw(tmp_path):
    replay, stream = make_replay(tmp_path), Stream()
    replay.add(stream.drive([None] * (LENGTH - 1)), 0)
    assert not replay.has_sequences
    with pytest.raises(RuntimeError, match="No env has 5 observations"):
        replay.peek(1)
    replay.add(stream.drive([None]), 0)
    assert replay.has_sequences
    assert replay.peek(1)["rewards"].shape == (1, LENGTH)


def test_it_goes_on_from_its_state(tmp_path):
    stream, one = Stream(), make_replay(tmp_path)
    one.add(stream.drive(ENDS), 0)
    one.sample(1)
    state = one.state()
    expected = [one.sample(4) for _ in range(5)]
    other = make_replay(tmp_path, seed=9)
    other.restore(state)
    assert len(other) == len(one)
    for batch in expected:
        again = other.sample(4)
        for name in ("state", "rewards", "is_first", "places"):
            np.testing.assert_array_equal(again[name], batch[name])


def test_a_look_changes_no_later_draw(tmp_path):
    one, other = make_replay(tmp_path / "one"), make_replay(tmp_path / "other")
    for replay in (one, other):
        replay.add(Stream().drive(ENDS), 0)
    assert one.peek(3)["state"].shape == (3, STATE)
    for _ in range(5):
        np.testing.assert_array_equal(one.sample(2)["places"], other.sample(2)["places"])


def test_more_envs_than_before_begin_at_their_beginning(tmp_path):
    stream, one = Stream(), make_replay(tmp_path)
    one.add(stream.drive([""] * 10), 0)
    one.sample(1)
    state = one.state()
    other = make_replay(tmp_path, num_streams=2)
    other.restore(state)
    other.add(Stream(1000).drive([""] * 5), 1)
    assert sorted(numbers(other.sample(2))[:, 0]) == [5, 1001]


def test_too_small_a_replay_is_refused_in_words(tmp_path):
    with pytest.raises(ConfigError, match=r"A replay of 8 decisions leaves 4 to each of 2 envs, and a sequence has 4"):
        make_replay(tmp_path, capacity=8, num_streams=2)


def test_a_fragment_without_states_is_refused(tmp_path):
    from dataclasses import replace

    replay, fragment = make_replay(tmp_path), Stream().drive([""] * 5)
    with pytest.raises(ValueError, match=r"Expected states of a fragment as float32 \(5, 1, 2\)"):
        replay.add(replace(fragment, states=None), 0)


def test_too_little_to_draw_from_is_said(tmp_path):
    replay = make_replay(tmp_path)
    replay.add(Stream().drive([""] * 3), 0)
    with pytest.raises(RuntimeError, match="No env has 5 observations in a row"):
        replay.sample(1)
