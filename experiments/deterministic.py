"""Deterministic algorithms without PyTorch's compiler."""

import torch


def leave_compiler_out() -> None:
    """Let `torch.use_deterministic_algorithms`, which RLlib calls wherever there is a seed, not import the compiler.

    It does so only to tell it the mode. Nothing of ours is compiled, and the import takes three seconds and 75 MB of
    every process. Optimisers import it all the same, so that this is for processes that have none.
    """
    torch.use_deterministic_algorithms = _use_deterministic_algorithms


def _use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    torch._C._set_deterministic_algorithms(mode, warn_only=warn_only)
