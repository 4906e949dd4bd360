"""A number as a distribution over fixed values: rewards and returns of any scale, learnt by classification."""

import torch
from torch.nn import functional as F

from models.world_model.symlog import symexp

NUM_BINS = 255
_REACH = 20.0  # of the outermost values, before symexp: 485 million


def symexp_bins(num_bins: int = NUM_BINS, device: torch.device | None = None) -> torch.Tensor:
    """Return the values `(K,)` that a distribution has its weight on: symexp of evenly spaced numbers from -20 to 20.

    K is odd; the two halves mirror each other exactly, so that equal weights mean exactly 0.

    Source: Hafner et al. (arXiv 2301.04104v2), "Robust predictions".
    """
    half = symexp(torch.linspace(-_REACH, 0.0, num_bins // 2 + 1, device=device))
    return torch.cat([half, -half[:-1].flip(0)])


class TwoHot:
    """Logits `(…, K)` over the values `bins` `(K,)`, ascending.

    Source: Hafner et al. (arXiv 2301.04104v2), "Robust predictions"; the mean is summed as in the authors' code.
    """

    def __init__(self, logits: torch.Tensor, bins: torch.Tensor) -> None:
        """Take logits of any float type; all else is computed in float32."""
        self._logits, self._bins = logits.float(), bins

    def of(self, rows: slice) -> "TwoHot":
        """Return the distributions of these rows."""
        return TwoHot(self._logits[rows], self._bins)

    def mean(self) -> torch.Tensor:
        """Return the expected value `(…)`.

        Values far from 0 are added to their mirror images first: added one after the other, terms of 485 million would
        leave nothing of a mean near 0.
        """
        weighted = self._logits.softmax(-1) * self._bins
        middle = len(self._bins) // 2
        pairs = weighted[..., :middle] + weighted[..., middle + 1 :].flip(-1)
        return pairs.sum(-1) + weighted[..., middle]

    def loss(self, target: torch.Tensor) -> torch.Tensor:
        """Return the cross entropy `(…)` to the two values next to `target` `(…)`, which carries no gradient.

        They share the weight in proportion to their closeness; a target beyond the outermost value is that value.
        """
        target = target.detach().float().clamp(self._bins[0], self._bins[-1]).contiguous()
        above = torch.searchsorted(self._bins, target).clamp(1, len(self._bins) - 1)
        below = above - 1
        low, high = self._bins[below], self._bins[above]
        weight_above = (target - low) / (high - low)
        chosen = F.log_softmax(self._logits, -1).gather(-1, torch.stack([below, above], -1))
        return -(chosen[..., 0] * (1.0 - weight_above) + chosen[..., 1] * weight_above)
