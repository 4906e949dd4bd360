"""Memory of the processes that compute: allocated once, not anew at every update."""

import ctypes
import sys

import torch

# Of glibc's mallopt(3).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_THRESHOLD = -1, -2, -3
_KEPT = 2**30  # bytes of freed memory that stay with the process
_STEP = 2**26  # bytes by which its heap grows
_LARGEST_IN_HEAP = 2**25  # bytes of an allocation that may come from the heap; glibc takes no more


def keep_memory() -> None:
    """Let this process keep what it frees, and let PyTorch not fill what is fresh.

    Glibc gives large blocks back to the system as soon as they are freed, so that every update gets its activations
    anew, page fault by page fault: a twentieth of its time. Elsewhere (macOS, Windows, musl) nothing changes.

    PyTorch fills fresh memory with NaN where algorithms must be deterministic, and RLlib asks for that wherever there
    is a seed. It guards against reading what nobody wrote, which no operation of ours does.
    """
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((_TRIM_THRESHOLD, _KEPT), (_TOP_PAD, _STEP), (_MMAP_THRESHOLD, _LARGEST_IN_HEAP)):
            mallopt(parameter, value)
