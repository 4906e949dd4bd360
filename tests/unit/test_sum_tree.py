"""The sum tree against running sums over a list, and by hand."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from experiments.replay.sum_tree import SumTree


def make_tree(numbers: list[float]) -> SumTree:
    tree = SumTree(len(numbers))
    tree[np.arange(len(numbers))] = np.array(numbers)
    return tree


def test_masses_find_leaves_by_hand() -> None:
    tree = make_tree([3.0, 0.0, 1.0, 2.0])
    assert tree.total == 6.0
    # Running sums: 3, 3, 4, 6.
    masses = np.array([0.0, 2.9, 3.0, 3.9, 4.0, 5.9])
    assert tree.find(masses).tolist() == [0, 0, 2, 2, 3, 3]


WRITES = st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 9)), max_size=30)


@given(num_leaves=st.integers(1, 40), batches=st.lists(WRITES, max_size=5))
@settings(deadline=None)
def test_tree_equals_running_sums(num_leaves: int, batches: list[list[tuple[int, int]]]) -> None:
    tree, numbers = SumTree(num_leaves), [0] * num_leaves
    for batch in batches:
        leaves = [where % num_leaves for where, _ in batch]
        tree[np.array(leaves, np.int64)] = np.array([number for _, number in batch], np.float64)
        for leaf, (_, number) in zip(leaves, batch, strict=True):
            numbers[leaf] = number  # of a leaf that comes twice, the last counts
        assert tree[np.arange(num_leaves)].tolist() == numbers
        assert tree.total == sum(numbers)
        # Whole numbers: mass m belongs to the m-th entry of the list in which every leaf stands as often as its number.
        expected = [leaf for leaf, number in enumerate(numbers) for _ in range(number)]
        if expected:
            assert tree.find(np.arange(len(expected)) + 0.5).tolist() == expected
            assert tree.find(np.arange(len(expected), dtype=np.float64)).tolist() == expected


@given(seed=st.integers(0, 2**32 - 1), num_leaves=st.integers(1, 40))
@settings(deadline=None)
def test_rounding_never_finds_a_leaf_of_zero(seed: int, num_leaves: int) -> None:
    random = np.random.default_rng(seed)
    numbers = random.random(num_leaves) ** 20 * (random.random(num_leaves) < 0.5)
    numbers[random.integers(num_leaves)] = 1e-12
    tree = make_tree(numbers.tolist())
    near = np.nextafter(np.cumsum(numbers), [[0.0], [np.inf]]).ravel()
    masses = np.concatenate([near, [tree.total, 0.0]]).clip(0, tree.total)
    assert (numbers[tree.find(masses)] > 0).all()


def test_no_error_builds_up() -> None:
    tree, random = SumTree(7), np.random.default_rng(0)
    for _ in range(1000):
        tree[random.integers(7, size=3)] = random.random(3) * 1e15
    tree[np.arange(7)] = np.full(7, 0.125)
    assert tree.total == 0.875  # differences of numbers near 1e15 would leave an eighth or more


@pytest.mark.parametrize(
    ("leaves", "numbers", "words"),
    [
        ([0], [-1.0], "finite numbers >= 0; it got -1.0"),
        ([0, 1], [1.0, np.nan], "finite numbers >= 0"),
        ([0], [np.inf], "finite numbers >= 0"),
        ([-1], [1.0], "Leaves -1 … -1 of a sum tree with 3"),
        ([2, 3], [1.0, 1.0], "Leaves 2 … 3 of a sum tree with 3"),
        ([0, 1], [1.0], "it got 1 for 2"),
    ],
)
def test_what_a_tree_cannot_hold_is_refused(leaves: list[int], numbers: list[float], words: str) -> None:
    tree = make_tree([1.0, 2.0, 3.0])
    with pytest.raises(ValueError, match=words):
        tree[np.array(leaves)] = np.array(numbers)
    assert tree[np.arange(3)].tolist() == [1.0, 2.0, 3.0]


def test_nothing_is_found_in_an_empty_tree() -> None:
    with pytest.raises(ValueError, match="nothing to find"):
        SumTree(3).find(np.array([0.0]))
