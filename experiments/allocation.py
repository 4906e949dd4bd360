"""Memory of the processes that compute: allocated once, not anew at every update."""

import ctypes
import sys

import torch

# Of glibc's mallopt(3).
_TRIM_THRESHOLD, _TOP_PAD, _MMAP_MAX = -1, -2, -4
_NEVER = -1  # gives the system nothing back
_STEP = 2**26  # bytes by which the heap grows
_NONE = 0  # allocations with a mapping of their own: all come from the heap, however large


def keep_memory() -> None:
    """Let this process keep what it frees, and let PyTorch not fill what is fresh.

    Glibc gives large blocks back to the system as soon as they are freed, so that every update gets its activations
    anew, page fault by page fault: a twentieth of its time, and more where they are larger than 32 MiB, for which
    glibc asks the system whatever its thresholds say. Elsewhere (macOS, Windows, musl) nothing changes.

    The price: a process keeps the most it ever held, and a little more for gaps (learners here: a tenth at most). The
    heap is the main thread's, where updates run; other threads map what is larger than 64 MiB as before.

    PyTorch fills fresh memory with NaN where algorithms must be deterministic, and RLlib asks for that wherever there
    is a seed. It guards against reading what nobody wrote, which no operation of ours does.
    """
    torch.utils.deterministic.fill_uninitialized_memory = False  # type: ignore[attr-defined]
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        for parameter, value in ((_TRIM_THRESHOLD, _NEVER), (_TOP_PAD, _STEP), (_MMAP_MAX, _NONE)):
            mallopt(parameter, value)
