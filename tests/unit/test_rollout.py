"""What PPO makes of fragments: decisions by themselves, and sequences for a policy with a memory."""

import numpy as np
import pytest

from experiments.rollout import rollout_of

NUMBERS = {"gamma": 0.9, "gae_lambda": 0.8, "reward_scale": 2.0}


@pytest.fixture
def fragments(make_fragment):
    """Two fragments of 4 steps in 2 envs; in the first, env 1 ends an episode in slot 1: slot 2 only resets it."""
    random = np.random.default_rng(0)

    def driven(**parts):
        size = (4, 2)
        return make_fragment(
            *size,
            rewards=random.normal(size=size).astype(np.float32),
            log_probs=random.normal(size=size).astype(np.float32),
            actions=random.uniform(-1, 1, (*size, 2)).astype(np.float32),
            values=random.normal(size=(5, 2)).astype(np.float32),
            states=random.normal(size=(2, 2, 3)).astype(np.float32),
            **parts,
        )

    age = np.array([[5, 7], [6, 8], [7, 9], [8, 0], [9, 1]], np.int32)
    valid, ends = np.ones((4, 2), bool), np.zeros((4, 2), bool)
    valid[2, 1], ends[1, 1] = False, True
    return [
        driven(age=age, valid=valid, truncated=ends),
        driven(age=np.tile(np.arange(5)[:, None], 2).astype(np.int32)),
    ]


def test_decisions_by_themselves_leave_resets_out(fragments):
    rollout = rollout_of(fragments, **NUMBERS)
    assert rollout["slots"][:, 0].tolist() == [
        0,
        1,
        2,
        3,
        4,
        6,
        7,
        *range(10, 18),
    ]  # 5 is the reset; 8 and 9, 18 … last
    assert rollout["actions"].shape == (15, 1, 2)
    assert rollout["log_probs"][5, 0] == fragments[0].log_probs[3, 0]
    assert rollout["advantages"].mean() == pytest.approx(0, abs=1e-6)
    assert rollout["advantages"].std() == pytest.approx(1, abs=1e-5)
    assert not {"state", "is_first", "is_decision"} & rollout.keys()


def test_sequences_are_slots_in_a_row_of_one_env_after_the_state_before_them(fragments):
    rollout = rollout_of(fragments, sequence_length=2, **NUMBERS)
    assert rollout["slots"].tolist() == [[0, 2], [4, 6], [1, 3], [5, 7], [10, 12], [14, 16], [11, 13], [15, 17]]
    assert rollout["is_decision"].tolist() == [[True, True]] * 3 + [[False, True]] + [[True, True]] * 4
    begins = {(3, 1), (4, 0), (6, 0)}  # the new episode of env 1; both envs of the second fragment
    assert {(int(b), int(t)) for b, t in np.argwhere(rollout["is_first"])} == begins
    for fragment, begin in ((fragments[0], 0), (fragments[1], 4)):
        expected = [fragment.states[0, 0], fragment.states[1, 0], fragment.states[0, 1], fragment.states[1, 1]]
        assert rollout["state"][begin : begin + 4].tolist() == np.stack(expected).tolist()


def test_both_learn_from_the_same_decisions(fragments):
    alone, in_rows = rollout_of(fragments, **NUMBERS), rollout_of(fragments, sequence_length=4, **NUMBERS)
    counts = in_rows["is_decision"]
    order = np.argsort(in_rows["slots"][counts])
    for name in ("slots", "actions", "log_probs", "values", "returns", "advantages"):
        np.testing.assert_allclose(in_rows[name][counts][order], alone[name][:, 0], rtol=1e-5, atol=1e-6)


def test_fragments_that_lack_something_are_refused(make_fragment):
    bare = make_fragment(4, 2)
    with pytest.raises(ValueError, match="with values"):
        rollout_of([bare], **NUMBERS)
    valued = make_fragment(4, 2, values=np.zeros((5, 2), np.float32))
    with pytest.raises(ValueError, match="with states"):
        rollout_of([valued], sequence_length=2, **NUMBERS)
