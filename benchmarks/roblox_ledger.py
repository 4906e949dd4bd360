"""A twin in a process of its own that keeps books of what it sends, in a file that outlives it however it ends.

`python -m benchmarks.roblox_ledger FILE URL JSON` is that process; `benchmarks.roblox_faults` starts it, kills it, and
compares the books with what the vector env received.
"""

import json
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from envs.roblox.twin.client import TwinClient
from envs.roblox.twin.faults import Faults
from envs.roblox.twin.game import Message
from envs.roblox.twin.wire import Wire

COLUMNS = ("ticks", "ticks_dropped", "ticks_doubled", "numbers_spoiled", "reward_sent", "ends_sent")
_END_S = 20.0  # for the process to say goodbye


class BookedTwin:
    """A twin in another process, and its books.

    Args:
        path: of the books.
        url: of the server.
        speed: game time by real time.
        game: arguments of `RobloxGame`.
        faults: what goes wrong on its wire.
    """

    def __init__(
        self, path: Path, url: str, *, speed: float, game: Mapping[str, Any], faults: Mapping[str, Any]
    ) -> None:
        self._path = path
        np.zeros(len(COLUMNS)).tofile(path)
        arguments = json.dumps({"speed": speed, "game": dict(game), "faults": dict(faults)})
        self._process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.roblox_ledger", str(path), url, arguments],
            cwd=Path(__file__).parent.parent,
        )

    def books(self) -> dict[str, float]:
        """Return what it has sent so far; see `Wire`."""
        return dict(zip(COLUMNS, np.fromfile(self._path).tolist(), strict=True))

    def kill(self) -> None:
        """End the process as a crash does: in the middle of whatever it does."""
        self._process.kill()
        self._process.wait(_END_S)

    def close(self) -> None:
        """End it politely: what it has booked has been sent."""
        self._process.terminate()
        try:
            self._process.wait(_END_S)
        except subprocess.TimeoutExpired:
            self.kill()
            raise


class BookedWire(Wire):
    """A wire that writes its counters into a mapped file before a frame leaves: the file is the kernel's by then.

    Args:
        books: `(len(COLUMNS),)`, mapped.
        faults: what goes wrong.
        seed: of what is random.
    """

    def __init__(self, books: npt.NDArray[np.float64], faults: Faults, seed: int) -> None:
        super().__init__(faults, seed)
        self._books = books

    def frames(self, message: Message, connected_s: float) -> list[str | bytes]:
        """Return the frames of one message, booked."""
        frames = super().frames(message, connected_s)
        self._books[:] = [getattr(self, name) for name in COLUMNS]
        return frames


def main() -> None:
    """Play until told to end."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    path, url, text = sys.argv[1:]
    books = np.memmap(path, np.float64, "r+", shape=(len(COLUMNS),))
    twin = TwinClient(url, make_wire=lambda faults, seed: BookedWire(books, faults, seed), **json.loads(text))
    try:
        while True:
            time.sleep(1.0)
    except KeyboardInterrupt:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # it is closing already
    finally:
        twin.close()


if __name__ == "__main__":
    main()
