"""The symmetric logarithm, which brings numbers of any size and sign into a range that networks predict well."""

import torch


def symlog(x: torch.Tensor) -> torch.Tensor:
    """Return sign(x) ln(|x| + 1). Source: Hafner et al. (arXiv 2301.04104v2)."""
    return torch.sign(x) * torch.log1p(x.abs())


def symexp(x: torch.Tensor) -> torch.Tensor:
    """Return sign(x) (exp(|x|) - 1), the inverse of `symlog`."""
    return torch.sign(x) * torch.expm1(x.abs())
