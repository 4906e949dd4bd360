"""The original's shared memory: two buffers of fixed size and the number of the one that is whole. Windows only.

Source: assetto_corsa_gym, commit ef0fa50. Its own reader strips zero bytes at the end, so that it fails on a picture
whose last pixel is black; sizes are fixed, so nothing has to be guessed.
"""

import mmap
import struct
import sys
from collections.abc import Callable
from typing import Any

import numpy as np

from envs.arguments import check_choice, check_range
from envs.assetto_corsa.images import CHANNELS, COLOR_MODES, Frame
from envs.errors import ProtocolError, SimulatorUnavailable

NAME = r"Local\DualBufferImage"
_INDEX = struct.Struct("<I")
_CURE = (
    "Set screen_capture_enable to True in the plugin's config.py, with the size and colours of env.image, and start "
    "the session again. Pictures go through this machine's memory: the game must run here, on Windows."
)


class SharedMemoryImages:
    """Read the newest picture.

    Args:
        width: pixels, as the plugin's `final_image_width`.
        height: pixels.
        color_mode: `gray` or `bgr`.
        open_memory: returns the bytes of a memory by name and size; None: this system's.

    Raises:
        ConfigError: a size is out of range.
        SimulatorUnavailable: nobody writes, or this is not Windows.
    """

    def __init__(
        self,
        width: int,
        height: int,
        color_mode: str,
        *,
        open_memory: Callable[[str, int], Any] | None = None,
    ) -> None:
        check_range("width", width, 1, 1 << 14)
        check_range("height", height, 1, 1 << 14)
        check_choice("color_mode", color_mode, COLOR_MODES)
        self._shape = (height, width, CHANNELS[color_mode])
        self._size = height * width * CHANNELS[color_mode]
        self._memory = (open_memory or _open_existing)(NAME, self.bytes_needed)
        if len(self._memory) < self.bytes_needed:
            size = len(self._memory)
            self.close()
            raise ProtocolError(
                f"Expected {self.bytes_needed} bytes in {NAME} ({width} x {height}, {color_mode}), got {size}. {_CURE}"
            )

    @property
    def bytes_needed(self) -> int:
        """Of the memory: an index and two buffers."""
        return _INDEX.size + 2 * self._size

    def newest(self, steps: int) -> Frame:
        """Return the buffer that is whole; before the first picture it is black.

        Raises:
            ProtocolError: the index is neither 0 nor 1.
        """
        while True:
            index = self._active()
            begin = _INDEX.size + index * self._size
            data = bytes(self._memory[begin : begin + self._size])
            if self._active() == index:  # else the writer has gone on, perhaps into this buffer
                return Frame(np.frombuffer(data, np.uint8).reshape(self._shape))

    def close(self) -> None:
        """Let go of the memory."""
        if isinstance(self._memory, mmap.mmap):
            self._memory.close()

    def _active(self) -> int:
        index = int(_INDEX.unpack(bytes(self._memory[: _INDEX.size]))[0])
        if index > 1:
            raise ProtocolError(f"Expected 0 or 1 as the active buffer of {NAME}, got {index}. {_CURE}")
        return index


def _open_existing(name: str, size: int) -> Any:
    """Return a memory that somebody else has made; mmap alone would make an empty one where there is none."""
    if sys.platform != "win32":
        raise SimulatorUnavailable(f"{name} is a shared memory of Windows, this is {sys.platform}. {_CURE}")
    import ctypes  # its Windows part is there on Windows only

    kernel: Any = getattr(ctypes, "windll").kernel32  # noqa: B009 (unknown to type checkers elsewhere)
    read_only = 0x4
    handle = kernel.OpenFileMappingW(read_only, False, name)
    if not handle:
        raise SimulatorUnavailable(f"Nobody writes pictures to {name}. {_CURE}")
    try:
        return mmap.mmap(-1, size, tagname=name, access=mmap.ACCESS_READ)  # type: ignore[call-arg,unused-ignore]
    except OSError as error:
        raise ProtocolError(f"Expected {size} bytes in {name} ({error}). {_CURE}") from error
    finally:
        kernel.CloseHandle(handle)
