"""Prioritised draws: how often, with which weights, and what becomes of priorities when the window moves or a run ends.

Observations are numbers: slot `s` of stream 0 holds `s`, unless a test says otherwise.
"""

import io
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from envs.errors import ConfigError
from experiments.fragment import Fragment
from experiments.replay.ring import ReplayRing
from experiments.sac import SAC


def make_ring(directory: Path, **changes: Any) -> ReplayRing:
    options: dict[str, Any] = {
        "images": {},
        "vectors": {"number": 1},
        "action_dim": 1,
        "capacity": 20,
        "num_streams": 1,
        "frame_stack": 1,
        "n_step": 1,
        "gamma": 0.9,
        "seed": 0,
        "priority_exponent": 0.5,
        "priority_correction": 0.5,
    }
    return ReplayRing(directory, **{**options, **changes})


def fragment(first: int, length: int, *, age: int | None = None, end: int | None = None, num_envs: int = 1) -> Fragment:
    """Observations `first … first + length`, of one episode, or of two where step `end` is the first one's last."""
    steps = np.arange(length)
    ages = np.arange(length + 1) + (first if age is None else age)
    valid = np.ones(length, bool)
    if end is not None:
        ages = np.where(np.arange(length + 1) <= end + 1, ages, np.arange(length + 1) - end - 2)
        valid = steps != end + 1
    zeros = np.zeros((length, num_envs), np.float32)

    def columns(values: Any, dtype: Any) -> np.ndarray:
        return np.tile(np.asarray(values, dtype)[:, None], (1, num_envs))

    return Fragment(
        images={},
        vectors={"number": columns(first + np.arange(length + 1), np.float32)[..., None]},
        age=columns(ages, np.int32),
        actions=zeros[..., None],
        log_probs=zeros,
        rewards=zeros,
        terminated=columns(steps == end, bool),
        truncated=np.zeros((length, num_envs), bool),
        valid=columns(valid, bool),
        frames=length * num_envs,
    )


def learn(ring: ReplayRing, errors: dict[int, float], stream: int = 0) -> None:
    """Tell the ring the TD errors of slots of a stream."""
    slots = np.array(list(errors))
    ring.update_priorities(np.stack([np.full_like(slots, stream), slots]), np.array(list(errors.values()), np.float32))


def numbers(ring: ReplayRing) -> list[float]:
    """p^exponent of all complete slots in the window, stream by stream."""
    return ring.state()["priorities"]["numbers"].tolist()


def drawn(ring: ReplayRing, count: int) -> np.ndarray:
    return ring.sample(count)["obs"]["number"][:, 0].astype(int)


@pytest.mark.parametrize("exponent", [0.3, 0.6, 1.0])
def test_draws_are_in_proportion_to_the_power_of_the_error(tmp_path: Path, exponent: float) -> None:
    ring = make_ring(tmp_path, priority_exponent=exponent)
    ring.add(fragment(0, 6), 0)
    errors = {0: 0.25, 1: -0.5, 2: 1.0, 3: -2.0, 4: 4.0, 5: 3.0}
    learn(ring, errors)
    counts = np.bincount(drawn(ring, 40_000), minlength=6)
    expected = np.abs(list(errors.values())) ** exponent
    assert stats.chisquare(counts, 40_000 * expected / expected.sum()).pvalue > 1e-3


@pytest.mark.parametrize("last", [2.0, 1000.0])
def test_slots_whose_future_is_unknown_are_redrawn_by_priority(tmp_path: Path, last: float) -> None:
    """With 1000 against 2, nearly every draw is rejected, and what can be sampled is listed."""
    ring = make_ring(tmp_path, priority_exponent=1.0, n_step=3)
    ring.add(fragment(0, 6), 0)  # slots 4 and 5 do not know their third reward
    learn(ring, {0: 0.01, 1: 0.02, 2: 0.03, 3: 0.04, 4: last, 5: last})
    counts = np.bincount(drawn(ring, 20_000), minlength=6)
    assert counts[4:].tolist() == [0, 0]
    assert stats.chisquare(counts[:4], 20_000 * np.array([0.1, 0.2, 0.3, 0.4])).pvalue > 1e-3


def test_what_was_learnt_perfectly_is_still_drawn(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    ring.add(fragment(0, 2), 0)
    learn(ring, {0: 0.0, 1: 0.0})
    assert set(drawn(ring, 64).tolist()) == {0, 1}
    assert ring.sample(64)["weights"].tolist() == [1.0] * 64


def test_importance_weights_by_hand(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    ring.add(fragment(0, 3), 0)
    learn(ring, {0: 1.0, 1: 4.0, 2: 16.0})
    # p^0.5 = 1, 2, 4: P = 1/7, 2/7, 4/7 and (1 / (3 P))^0.5 = 1.53, 1.08, 0.76, the largest of which becomes 1.
    expected = {0: 1.0, 1: 0.5**0.5, 2: 0.5}
    batch = ring.sample(200)
    slots = batch["obs"]["number"][:, 0].astype(int).tolist()
    assert set(slots) == {0, 1, 2}
    np.testing.assert_allclose(batch["weights"], [expected[slot] for slot in slots], rtol=1e-5)
    assert batch["weights"].dtype == np.float32
    assert batch["places"].tolist() == [[0] * 200, slots]
    assert ring.sample(1)["weights"].tolist() == [1.0]


def test_without_correction_everything_weighs_the_same(tmp_path: Path) -> None:
    ring = make_ring(tmp_path, priority_correction=0.0)
    ring.add(fragment(0, 3), 0)
    learn(ring, {0: 1.0, 1: 4.0, 2: 16.0})
    assert ring.sample(50)["weights"].tolist() == [1.0] * 50


def test_new_slots_have_the_largest_priority_so_far(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    ring.add(fragment(0, 3), 0)
    assert numbers(ring) == [1.0, 1.0, 1.0]
    learn(ring, {0: 4.0, 1: -16.0})
    learn(ring, {1: 1.0})  # it was 16 once
    ring.add(fragment(3, 2), 0)
    np.testing.assert_allclose(numbers(ring), [2.0, 1.0, 1.0, 4.0, 4.0], rtol=1e-5)


def test_last_observations_and_heads_have_none(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    ring.add(fragment(0, 5, end=2), 0)
    assert numbers(ring) == [1.0, 1.0, 1.0, 0.0, 1.0]
    ring.add(fragment(100, 2, age=0), 0)  # a cut: slot 5 was the head
    assert numbers(ring) == [1.0, 1.0, 1.0, 0.0, 1.0, 0.0, 1.0, 1.0]


def test_slots_that_leave_the_window_have_none_and_stay_so(tmp_path: Path) -> None:
    ring = make_ring(tmp_path, capacity=4, slack=3)
    ring.add(fragment(0, 4), 0)
    places = ring.sample(8)["places"]
    learn(ring, {0: 4.0, 1: 9.0, 2: 16.0, 3: 25.0})
    ring.add(fragment(4, 2), 0)
    np.testing.assert_allclose(numbers(ring), [4.0, 5.0, 5.0, 5.0], rtol=1e-5)
    learn(ring, {0: 100.0, 1: 100.0, 2: 0.25})  # 0 and 1 are gone; that they were large still counts
    np.testing.assert_allclose(numbers(ring), [0.5, 5.0, 5.0, 5.0], rtol=1e-5)
    ring.add(fragment(6, 30), 0)  # more than the files have rows
    assert numbers(ring) == pytest.approx([10.0] * 4)
    assert ring._priorities is not None
    assert ring._priorities._tree.total == pytest.approx(40.0)
    ring.update_priorities(places, np.full(8, 7.0))  # all long gone
    assert numbers(ring) == pytest.approx([10.0] * 4)


class Stream:
    """What the ring should know of one stream, as a list with an entry for each slot."""

    def __init__(self) -> None:
        self.numbers: list[float] = []  # complete slots
        self.age, self.low, self.first = 0, 0, 0

    @property
    def window(self) -> list[float]:
        return self.numbers[self.low :]


@given(data=st.data())
@settings(max_examples=80, deadline=None)
def test_priorities_equal_lists(data: st.DataObject) -> None:
    """Adds, cuts, updates, checkpoints and kills, over several streams; largest and numbers are what a list says."""
    capacity, slack, exponent = data.draw(st.integers(2, 12)), data.draw(st.integers(0, 6)), 0.5
    num_streams, largest, fresh = data.draw(st.integers(1, 3)), 1.0, 0
    streams: list[Stream] = [Stream() for _ in range(num_streams)]

    def made() -> ReplayRing:
        sizes = {"capacity": capacity * num_streams, "slack": slack * num_streams, "num_streams": num_streams}
        return make_ring(Path(directory) / "replay", **sizes)

    with tempfile.TemporaryDirectory() as directory:
        ring = made()
        for operation in data.draw(st.lists(st.sampled_from(["add", "add", "cut", "learn", "kill"]), max_size=20)):
            at = data.draw(st.integers(0, num_streams - 1))
            stream = streams[at]
            match operation:
                case "add" | "cut":
                    if operation == "cut" or not stream.first:
                        stream.numbers += [0.0] if stream.first else []  # the head is closed
                        fresh += 1000
                        stream.first, stream.age = fresh, 0
                    length = data.draw(st.integers(1, 20))
                    end = data.draw(st.integers(0, length - 2)) if length > 1 and data.draw(st.booleans()) else None
                    ring.add(fragment(stream.first, length, age=stream.age, end=end), at)
                    stream.numbers += [0.0 if end is not None and i == end + 1 else largest for i in range(length)]
                    stream.first += length
                    stream.age = stream.age + length if end is None else length - end - 2
                    stream.low = max(stream.low, len(stream.numbers) - capacity)
                case "learn":
                    if any(sum(s.window) for s in streams):
                        places = ring.sample(data.draw(st.integers(1, 8)))["places"]
                        roots = np.array([data.draw(st.integers(1, 9)) for _ in places[0]])
                        ring.update_priorities(places, (roots**2).astype(np.float32))
                        largest = max(largest, *roots.tolist())
                        for (s, slot), root in zip(places.T.tolist(), roots.tolist(), strict=True):
                            assert streams[s].low <= slot
                            streams[s].numbers[slot] = root
                case "kill":
                    state = ring.state()
                    ring = made()
                    ring.restore(state)
            expected = [number for s in streams for number in s.window]
            np.testing.assert_allclose(numbers(ring), expected, rtol=1e-5)
            assert ring._priorities is not None
            assert ring._priorities._tree.total == pytest.approx(sum(expected))
            proposed = ring._priorities.propose(np.random.default_rng(0), 20)
            assert len(proposed[0]) == (20 if any(expected) else 0)
            for s, slot in zip(*proposed, strict=True):  # none of which the ring would have to reject
                assert streams[s].low <= slot
                assert streams[s].numbers[slot] > 0
            assert ring.state()["priorities"]["largest"] == pytest.approx(largest ** (1 / exponent), rel=1e-5)


def stored(state: dict[str, Any]) -> dict[str, Any]:
    """Write and read a state as a checkpoint does."""
    file = io.BytesIO()
    torch.save(state, file)
    return torch.load(io.BytesIO(file.getvalue()), weights_only=True)


def test_two_resumed_runs_draw_what_the_first_would_have_drawn(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    ring.add(fragment(0, 15), 0)
    learn(ring, {slot: 0.1 + slot**2 for slot in range(12)})
    state = stored(ring.state())
    expected = [ring.sample(32) for _ in range(2)]
    for _ in range(2):
        learn(ring, {3: 1e6, 4: 1e6})  # after the checkpoint, and before a kill
        ring.add(fragment(15, 3), 0)
        ring = make_ring(tmp_path, seed=1)
        ring.restore(state)
        for batch in expected:
            again = ring.sample(32)
            for key in ("places", "weights", "rewards"):
                np.testing.assert_array_equal(again[key], batch[key])


def test_slots_that_were_overwritten_after_the_checkpoint_are_left_out(tmp_path: Path) -> None:
    ring = make_ring(tmp_path, capacity=4, slack=0)
    ring.add(fragment(0, 4), 0)
    learn(ring, {0: 4.0, 1: 9.0, 2: 16.0, 3: 25.0})
    state = ring.state()
    ring.add(fragment(4, 2), 0)
    ring = make_ring(tmp_path, capacity=4, slack=0)
    ring.restore(state)
    np.testing.assert_allclose(numbers(ring), [4.0, 5.0], rtol=1e-5)
    assert ring._priorities is not None
    assert ring._priorities._tree.total == pytest.approx(9.0)
    assert set(drawn(ring, 32).tolist()) == {2, 3}


def test_a_resumed_run_may_have_another_exponent(tmp_path: Path) -> None:
    ring = make_ring(tmp_path)
    ring.add(fragment(0, 3), 0)
    learn(ring, {0: 4.0, 1: 9.0})
    state = ring.state()
    ring = make_ring(tmp_path, priority_exponent=1.0)
    ring.restore(state)
    np.testing.assert_allclose(numbers(ring), [4.0, 9.0, 1.0], rtol=1e-5)
    ring.add(fragment(3, 1), 0)
    np.testing.assert_allclose(numbers(ring), [4.0, 9.0, 1.0, 9.0], rtol=1e-5)


def test_the_option_may_be_switched_on_and_off(tmp_path: Path) -> None:
    ring = make_ring(tmp_path, priority_exponent=0.0)
    ring.add(fragment(0, 5, end=1), 0)
    state = stored(ring.state())
    assert "priorities" not in state
    ring = make_ring(tmp_path)
    ring.restore(state)
    assert numbers(ring) == [1.0, 1.0, 0.0, 1.0, 1.0]
    state = stored(ring.state())
    ring = make_ring(tmp_path, priority_exponent=0.0)
    ring.restore(state)
    assert set(drawn(ring, 64).tolist()) == {0, 1, 3, 4}


def test_uniform_draws_are_one_call_of_the_generator(tmp_path: Path) -> None:
    """So they have been since before there were priorities; runs with old seeds depend on it."""
    ring = make_ring(tmp_path, priority_exponent=0.0, seed=11)
    ring.add(fragment(0, 17), 0)
    batch = ring.sample(32)
    assert set(batch) == {"obs", "next_obs", "actions", "rewards", "discounts"}
    expected = np.random.Generator(np.random.PCG64(11)).integers(17, size=32 + 2 + 2)[:32]
    assert batch["obs"]["number"][:, 0].tolist() == expected.tolist()


def test_nonsense_is_refused(tmp_path: Path) -> None:
    for change in ({"priority_exponent": -0.5}, {"priority_exponent": 1.5}, {"priority_correction": -1.0}):
        with pytest.raises(ConfigError, match=r"in 0\.\.1; it got"):
            make_ring(tmp_path, **change)
    with pytest.raises(RuntimeError, match="holds 0 decisions"):
        make_ring(tmp_path).sample(4)
    ring = make_ring(tmp_path)
    ring.add(fragment(0, 3), 0)
    with pytest.raises(ValueError, match="1 of 2 TD errors are not finite"):
        learn(ring, {0: 1.0, 1: float("nan")})
    assert numbers(ring) == [1.0, 1.0, 1.0]
    with pytest.raises(RuntimeError, match="draws uniformly"):
        learn(make_ring(tmp_path, priority_exponent=0.0), {0: 1.0})


@pytest.mark.parametrize("exponent", [0.0, 1.0])
def test_sac_hands_errors_back_after_every_update(tmp_path: Path, exponent: float) -> None:
    """The learner stands in: its error is ten times the number that it sees."""
    ring = make_ring(tmp_path, priority_exponent=exponent)
    ring.add(fragment(1, 4, age=0), 0)
    batches = []

    def update(batch: dict[str, Any]) -> list[dict[str, Any]]:
        batches.append(batch)
        errors = {"td_errors": torch.from_numpy(10.0 * batch["obs"]["number"][:, 0])} if exponent else {}
        return [errors | {"critic_loss": torch.tensor(0.5)}]

    sac = SimpleNamespace(
        replay=ring,
        config=SimpleNamespace(options=SimpleNamespace()),
        learner_group=SimpleNamespace(update=update),
        _drawn_transitions=lambda: ring.sample(64),
        _updates_due=2.0,
        updates=0,
        set_lr=lambda: None,
        learner=SimpleNamespace(check_gradients=lambda: None, net=SimpleNamespace(state_dim=0)),
        count_seconds=lambda *_: None,
    )
    sac.learn_once = lambda: SAC.learn_once(sac)  # type: ignore[arg-type]
    SAC._learn(sac)  # type: ignore[arg-type]
    assert sac.updates == len(batches) == 2
    assert sac.losses == {"critic_loss": 0.5}
    assert all(("weights" in batch) == bool(exponent) and "places" not in batch for batch in batches)
    if exponent:
        np.testing.assert_allclose(numbers(ring), [10.0, 20.0, 30.0, 40.0], rtol=1e-5)


@pytest.mark.timing
def test_priorities_of_a_batch_cost_less_than_half_a_millisecond(tmp_path: Path) -> None:
    medians = []
    for exponent in (0.0, 0.6):
        ring = make_ring(tmp_path / str(exponent), capacity=200_000, num_streams=16, priority_exponent=exponent)
        for step in range(25):
            ring.add(fragment(500 * step, 500, num_envs=16), 0)
        times, random = [], np.random.default_rng(0)
        for _ in range(300):
            errors = random.exponential(size=256)
            began = time.perf_counter()
            batch = ring.sample(256)
            if exponent:
                ring.update_priorities(batch["places"], errors)
            times.append(time.perf_counter() - began)
        medians.append(float(np.median(times)))
    assert medians[1] - medians[0] < 0.5e-3, (
        f"{medians[0] * 1e3:.2f} ms uniformly, {medians[1] * 1e3:.2f} ms by priority"
    )
