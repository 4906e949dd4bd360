"""Memory of processes whose threads come and go."""

import ctypes
import sys

_ARENA_MAX = -8  # of glibc's mallopt(3)


def use_one_heap() -> None:
    """Let all threads of this process allocate from one heap; call it before there are any.

    Glibc gives every new thread a heap of its own, up to eight a core, and what short-lived threads leave in them is
    hardly used again: a server of connections would grow for hours. Elsewhere (macOS, Windows, musl) nothing changes.
    """
    if not sys.platform.startswith("linux"):
        return
    mallopt = getattr(ctypes.CDLL(None), "mallopt", None)
    if mallopt is not None:
        mallopt(_ARENA_MAX, 1)
