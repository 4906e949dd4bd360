"""A sum tree: numbers that change one by one, and draws in proportion to them, in logarithmic time."""

import numpy as np
import numpy.typing as npt
from numba import njit

_Indices = npt.NDArray[np.int64]
_Numbers = npt.NDArray[np.float64]


class SumTree:
    """Keep a number >= 0 at each leaf, and the sums of all that lie below each node.

    Every sum is made anew from its two parts, never by adding differences: so the tree is a function of its leaves,
    no error builds up, and a tree rebuilt from a checkpoint draws what the old one would have drawn.

    Source: Schaul et al. (2016), appendix B.2.1. Differs: compiled loops over whole batches.
    """

    def __init__(self, num_leaves: int) -> None:
        """Make a tree of zeros.

        Args:
            num_leaves: L >= 1.
        """
        self._num_leaves = num_leaves
        self._first = 1 << (num_leaves - 1).bit_length()  # node of leaf 0
        # The root is node 1; below node i lie the nodes 2i and 2i + 1.
        self._nodes = np.zeros(2 * self._first, np.float64)

    @property
    def total(self) -> float:
        """Sum of all leaves."""
        return float(self._nodes[1])

    def __getitem__(self, leaves: _Indices) -> _Numbers:
        """Read the numbers at `(B,)` leaves."""
        return np.asarray(self._nodes[leaves + self._first])

    def __setitem__(self, leaves: _Indices, numbers: npt.NDArray[np.floating]) -> None:
        """Write `(B,)` numbers at `(B,)` leaves; of a leaf that comes twice, the last counts.

        Raises:
            ValueError: a leaf that is not there, or a number that is negative or not finite.
        """
        wide: _Numbers = np.ascontiguousarray(numbers, np.float64)
        if len(leaves) != len(numbers):
            raise ValueError(f"A sum tree needs a number for each leaf; it got {len(numbers)} for {len(leaves)}.")
        if len(leaves) == 0:
            return
        if leaves.min() < 0 or leaves.max() >= self._num_leaves:
            raise ValueError(f"Leaves {leaves.min()} … {leaves.max()} of a sum tree with {self._num_leaves}.")
        if not (numbers.min() >= 0 and numbers.max() < np.inf):
            raise ValueError(f"A sum tree holds finite numbers >= 0; it got {numbers.min()} … {numbers.max()}.")
        _set(self._nodes, self._first, leaves, wide)

    def find(self, masses: _Numbers) -> _Indices:
        """Find the leaves at which the running sum over all leaves first exceeds `(B,)` masses.

        Masses drawn uniformly from `[0, total)` find every leaf in proportion to its number, and none that is zero
        (if a mass rounded up to `total`, the last that is not).

        Raises:
            ValueError: all leaves are zero.
        """
        if self.total == 0:
            raise ValueError("Every leaf of the sum tree is zero: there is nothing to find.")
        return np.asarray(_find(self._nodes, self._first, masses))


@njit(cache=True)
def _set(nodes: _Numbers, first: int, leaves: _Indices, numbers: _Numbers) -> None:
    for i in range(len(leaves)):
        node = first + leaves[i]
        nodes[node] = numbers[i]
        while node > 1:
            node //= 2
            nodes[node] = nodes[2 * node] + nodes[2 * node + 1]


@njit(cache=True)
def _find(nodes: _Numbers, first: int, masses: _Numbers) -> _Indices:
    leaves = np.empty(len(masses), np.int64)
    for i in range(len(masses)):
        mass, node = masses[i], 1
        while node < first:
            node *= 2
            # Rounding may leave a mass that the left part does not have; a right part of zero has none either.
            if mass >= nodes[node] and nodes[node + 1] > 0:
                mass -= nodes[node]
                node += 1
        leaves[i] = node - first
    return leaves
