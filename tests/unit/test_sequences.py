"""Sequences from the replay ring against a list of slots, and by hand."""

import copy
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import stats

from experiments.fragment import Fragment
from experiments.replay.ring import ReplayRing

IMAGE = (2, 2, 1)  # four bytes: room for the number of an observation
NOBODYS = 4_000_000_000  # frames before an episode's first: nobody may read them


def images_of(numbers: list[int]) -> np.ndarray:
    return np.array(numbers, np.uint32).view(np.uint8).reshape(len(numbers), *IMAGE)


def numbers_of(images: np.ndarray) -> np.ndarray:
    """(..., H, W, C) -> (...)."""
    return np.ascontiguousarray(images).reshape(*images.shape[:-3], 4).view(np.uint32)[..., 0]


def make_ring(directory: Path, **changes: Any) -> ReplayRing:
    options: dict[str, Any] = {
        "images": {"image": IMAGE},
        "vectors": {"telemetry": 1},
        "action_dim": 1,
        "capacity": 20,
        "num_streams": 1,
        "frame_stack": 1,
        "n_step": 1,
        "gamma": 0.9,
        "seed": 0,
    }
    return ReplayRing(directory, **{**options, **changes})


@dataclass
class Slot:
    """One observation and, unless it is an episode's last or a head, what followed it."""

    image: int
    telemetry: int
    is_first: bool
    action: float = 0.0
    reward: float = 0.0
    terminated: bool = False
    valid: bool = False


class Driver:
    """Random episodes with numbered observations, over several envs of one runner."""

    def __init__(self, random: np.random.Generator, counter: list[int], num_envs: int) -> None:
        self.random, self.counter = random, counter
        self.episodes = [[self.new_number()] for _ in range(num_envs)]
        self.is_over = [False] * num_envs

    def new_number(self) -> int:
        self.counter[0] += 1
        return self.counter[0]

    def step(self, env: int) -> dict[str, Any]:
        episode = self.episodes[env]
        if self.is_over[env]:
            self.episodes[env], self.is_over[env] = [self.new_number()], False
            return {"action": 9.0, "reward": 9.0, "end": "", "valid": False}
        end = str(self.random.choice(["", "terminated", "truncated"], p=[0.7, 0.15, 0.15]))
        episode.append(self.new_number())
        self.is_over[env] = end != ""
        action, reward = self.random.uniform(-1, 1), float(self.random.integers(1, 9))
        return {"action": action, "reward": reward, "end": end, "valid": True}

    def column(self, env: int, length: int, k: int) -> dict[str, Any]:
        """What happens in one env: earlier frames and observations, ages, steps."""
        episode = self.episodes[env]
        images = ([NOBODYS] * k + episode)[-k:]
        ages, steps = [len(episode) - 1], []
        for _ in range(length):
            steps.append(self.step(env))
            images.append(self.episodes[env][-1])
            ages.append(len(self.episodes[env]) - 1)
        return {"images": images, "ages": ages, "steps": steps}


def make_fragment(columns: list[dict[str, Any]], k: int) -> Fragment:
    def per_step(key: str, dtype: Any) -> np.ndarray:
        return np.array([[step[key] for step in column["steps"]] for column in columns], dtype).T

    ends = per_step("end", object)
    return Fragment(
        images={"image": np.stack([images_of(column["images"]) for column in columns], axis=1)},
        vectors={"telemetry": np.array([c["images"][k - 1 :] for c in columns], np.float32).T[..., None]},
        age=np.array([column["ages"] for column in columns], np.int32).T,
        actions=per_step("action", np.float32)[..., None],
        log_probs=np.zeros(ends.shape, np.float32),
        rewards=per_step("reward", np.float32),
        terminated=ends == "terminated",
        truncated=ends == "truncated",
        valid=per_step("valid", np.bool_),
        frames=ends.size,
    )


class Stream:
    """Everything that was ever written into one stream; the window begins at `low`."""

    def __init__(self) -> None:
        self.slots: list[Slot] = []
        self.low = 0

    def write(self, column: dict[str, Any], k: int, *, goes_on: bool) -> None:
        images, ages = column["images"], column["ages"]
        if not goes_on:  # the head, if any, stays what it is: not valid
            before = min(ages[0], k - 1)
            for i in range(before + 1):
                self.slots.append(Slot(images[k - 1 - before + i], images[k - 1], is_first=i == 0))
        for t, step in enumerate(column["steps"]):
            head = self.slots[-1]
            head.valid = step["valid"]
            if step["valid"]:
                head.action, head.reward = step["action"], step["reward"]
                head.terminated = step["end"] == "terminated"
            self.slots.append(Slot(images[k + t], images[k + t], is_first=ages[t + 1] == 0))


def check_all(ring: ReplayRing, streams: list[Stream], length: int) -> None:
    """Every sequence that fits into a window, and no other, can be drawn, and holds what the lists say."""
    starts = [(s, low) for s, it in enumerate(streams) for low in range(it.low, len(it.slots) - length)]
    if not starts:
        with pytest.raises(RuntimeError, match=rf"No env has {length + 1} observations in a row"):
            ring.sample_sequences(2, length)
        return
    batch = ring._sequences.gather(*np.array(starts).T, length)
    expected = [streams[s].slots[low : low + length + 1] for s, low in starts]

    def of(key: str, end: int | None = None) -> list[list[Any]]:
        return [[getattr(slot, key) for slot in sequence[:end]] for sequence in expected]

    assert numbers_of(batch["obs"]["image"]).tolist() == of("image")
    assert batch["obs"]["telemetry"][..., 0].tolist() == of("telemetry")
    assert batch["is_first"].tolist() == of("is_first")
    assert batch["valid"].tolist() == of("valid", -1)
    assert batch["terminated"].tolist() == of("terminated", -1)
    assert batch["rewards"].tolist() == of("reward", -1)
    np.testing.assert_allclose(batch["actions"][..., 0], of("action", -1), rtol=1e-6)
    drawn = ring.sample_sequences(6, length)
    known = [sequence[0].image for sequence in expected]
    assert {images[0] for images in numbers_of(drawn["obs"]["image"]).tolist()} <= set(known)


@given(data=st.data(), seed=st.integers(0, 2**32 - 1))
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_sequences_equal_lists_of_slots(data: st.DataObject, seed: int) -> None:
    """Fragments that continue or were lost in between, runners that were replaced, processes that were killed."""
    random, counter = np.random.default_rng(seed), [0]
    k, length = data.draw(st.integers(1, 4), "k"), data.draw(st.integers(1, 6), "length")
    capacity, slack = k + data.draw(st.integers(1, 12), "room"), data.draw(st.integers(0, 8), "slack")
    num_envs, num_runners = data.draw(st.integers(1, 2), "envs"), data.draw(st.integers(1, 2), "runners")
    num_streams = num_envs * num_runners
    streams = [Stream() for _ in range(num_streams)]
    drivers: list[Driver | None] = [None] * num_runners
    continues = [False] * num_runners
    saved: tuple[dict[str, Any], list[Stream]] | None = None

    def made() -> ReplayRing:
        sizes = {"capacity": capacity * num_streams, "slack": slack * num_streams, "num_streams": num_streams}
        return make_ring(Path(directory) / "replay", frame_stack=k, **sizes)

    with tempfile.TemporaryDirectory() as directory:
        ring = made()
        check_all(ring, streams, length)
        operations = ["add"] * 5 + ["lose", "replace", "save", "kill"]
        for operation in data.draw(st.lists(st.sampled_from(operations), min_size=2, max_size=20), "operations"):
            runner = data.draw(st.integers(0, num_runners - 1))
            match operation:
                case "add" | "lose":
                    driver = drivers[runner] or Driver(random, counter, num_envs)
                    num_steps = data.draw(st.integers(1, 25) | st.integers(1, 4))
                    columns = [driver.column(env, num_steps, k) for env in range(num_envs)]
                    if operation == "add":
                        ring.add(make_fragment(columns, k), runner * num_envs)
                        for env, column in enumerate(columns):
                            stream = streams[runner * num_envs + env]
                            stream.write(column, k, goes_on=continues[runner])
                            stream.low = max(stream.low, len(stream.slots) - 1 - capacity)
                    drivers[runner], continues[runner] = driver, operation == "add"
                case "replace":
                    drivers[runner], continues[runner] = None, False
                case "save":
                    saved = (ring.state(), copy.deepcopy(streams))
                case "kill" if saved:
                    ring = made()
                    ring.restore(saved[0])
                    streams = copy.deepcopy(saved[1])
                    drivers, continues = [None] * num_runners, [False] * num_runners
                    for s, stream in enumerate(streams):  # what survives is the matter of other tests
                        low, end = int(ring._streams.low[s]), int(ring._streams.next[s])
                        del stream.slots[end:]
                        stream.low = low
                        if low < end:  # the new head
                            stream.slots[-1] = Slot(
                                *[getattr(stream.slots[-1], n) for n in ("image", "telemetry", "is_first")]
                            )
            check_all(ring, streams, length)


def hand_fragment(numbers: list[int], ages: list[int], *, terminated: int | None = None, k: int = 1) -> Fragment:
    """One env; step t has the action t / 10 and the reward 10 t."""
    length = len(ages) - 1
    steps = [
        {
            "action": t / 10,
            "reward": 10.0 * t,
            "end": "terminated" if t == terminated else "",
            "valid": ages[t + 1] == ages[t] + 1,
        }
        for t in range(length)
    ]
    return make_fragment([{"images": numbers, "ages": ages, "steps": steps}], k)


def test_a_sequence_across_two_ends_by_hand(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    ring.add(hand_fragment([10, 11, 12, 20, 21], [0, 1, 2, 0, 1], terminated=1), 0)
    ring.add(hand_fragment([30, 31], [0, 1]), 0)  # a new runner: the head, 21, was never acted on
    batch = ring.sample_sequences(3, 6)  # seven slots: there is one such sequence
    assert numbers_of(batch["obs"]["image"]).tolist() == [[10, 11, 12, 20, 21, 30, 31]] * 3
    assert batch["obs"]["telemetry"][0, :, 0].tolist() == [10, 11, 12, 20, 21, 30, 31]
    assert batch["is_first"][0].tolist() == [True, False, False, True, False, True, False]
    assert batch["valid"][0].tolist() == [True, True, False, True, False, True]
    assert batch["terminated"][0].tolist() == [False, True, False, False, False, False]
    assert batch["rewards"][0].tolist() == [0.0, 10.0, 0.0, 30.0, 0.0, 0.0]
    np.testing.assert_allclose(batch["actions"][0, :, 0], [0.0, 0.1, 0.0, 0.3, 0.0, 0.0], rtol=1e-6)
    shapes = {key: value.shape for key, value in batch.items() if key != "obs"}
    steps = (3, 6)
    assert shapes == {"actions": (*steps, 1), "rewards": steps, "terminated": steps, "valid": steps, "is_first": (3, 7)}
    assert batch["obs"]["image"].shape == (3, 7, *IMAGE)
    assert batch["obs"]["image"].dtype == np.uint8
    assert batch["obs"]["image"].flags.c_contiguous


def test_a_lost_fragment_begins_anew_though_the_ages_count_on(tmp_path: Path) -> None:
    """The head has age 1, the earlier frames of what comes next 2 and 3."""
    ring = make_ring(tmp_path, frame_stack=3)
    ring.add(hand_fragment([NOBODYS, NOBODYS, 10, 11], [0, 1], k=3), 0)
    ring.add(hand_fragment([52, 53, 54, 55], [4, 5], k=3), 0)
    batch = ring.sample_sequences(1, 5)
    assert numbers_of(batch["obs"]["image"])[0].tolist() == [10, 11, 52, 53, 54, 55]
    assert batch["is_first"][0].tolist() == [True, False, True, False, False, False]
    assert batch["valid"][0].tolist() == [True, False, False, False, True]


def test_starts_are_uniform_over_streams_of_different_length(tmp_path: Path) -> None:
    ring = make_ring(tmp_path, capacity=80, num_streams=3)
    ring.add(hand_fragment(list(range(100, 161)), list(range(61))), 0)  # 27 complete slots of it stay
    ring.add(hand_fragment(list(range(200, 210)), list(range(10))), 1)
    ring.add(hand_fragment(list(range(300, 304)), list(range(4))), 2)  # too short
    first = numbers_of(ring.sample_sequences(20_000, 4)["obs"]["image"])[:, 0]
    possible = [*range(133, 157), *range(200, 206)]
    counts = [int((first == number).sum()) for number in possible]
    assert sum(counts) == 20_000
    assert stats.chisquare(counts).pvalue > 1e-3


def test_draws_of_sequences_go_on_after_a_restore(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    ring.add(hand_fragment(list(range(100, 116)), list(range(16))), 0)
    state = ring.state()
    expected = numbers_of(ring.sample_sequences(16, 3)["obs"]["image"]).tolist()
    ring = make_ring(tmp_path, seed=5)
    ring.restore(state)
    assert numbers_of(ring.sample_sequences(16, 3)["obs"]["image"]).tolist() == expected


def test_sequences_that_cannot_be_are_refused(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    ring.add(hand_fragment([1, 2, 3, 4], [0, 1, 2, 3]), 0)
    assert ring.sample_sequences(1, 3)["valid"].tolist() == [[True] * 3]
    with pytest.raises(RuntimeError, match=r"No env has 5 observations in a row .* the longest row is 4"):
        ring.sample_sequences(1, 4)
    with pytest.raises(ValueError, match="at least one decision; asked for 0"):
        ring.sample_sequences(1, 0)
