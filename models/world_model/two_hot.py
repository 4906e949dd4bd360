"""A number as a distribution over fixed values: rewards and returns of any scale, learnt by classification."""

import torch

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
    """Logits `(…, K)` over the values `bins` `(K,)`, ascending, whose halves mirror each other.

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

        The weights of a value and of its mirror image are compared first: added one after the other, terms of 485
        million would leave nothing of a mean near 0.
        """
        weights = self._logits.softmax(-1)
        middle = len(self._bins) // 2
        differences = weights[..., middle + 1 :] - weights[..., :middle].flip(-1)
        return (differences * self._bins[middle + 1 :]).sum(-1)  # a product of matrices might be one of bfloat16

    def loss(self, *targets: torch.Tensor) -> torch.Tensor:
        """Return the cross entropy `(…)` to each of `targets` `(…)`, summed over them; they carry no gradient.

        The two values next to a target share its weight in proportion to their closeness; a target beyond the
        outermost value is that value.
        """
        target = torch.stack([one.detach().float() for one in targets], -1).clamp(self._bins[0], self._bins[-1])
        above = torch.searchsorted(self._bins, target).clamp(1, len(self._bins) - 1)
        low, high = self._bins[above - 1], self._bins[above]
        weight_above = (target - low) / (high - low)
        weights = torch.cat([1.0 - weight_above, weight_above], -1)
        chosen = self._logits.gather(-1, torch.cat([above - 1, above], -1))
        return len(targets) * self._logits.logsumexp(-1) - (weights * chosen).sum(-1)
