"""Which slots of a ring on disk still hold what an older index says: the bookkeeping behind `ReplayRing.restore`."""

import json
from pathlib import Path

import numpy as np
import numpy.typing as npt

from envs.errors import ConfigError
from experiments.folders import write_json


class RingHistory:
    """Remember how far every timeline has written into the files.

    A process that is killed has gone on writing after its last checkpoint, and the next process starts again from
    that checkpoint (or an older one): a new *timeline*, which shares with the former ones the slots before the point
    where it set in. Slot `m` of a stream with `P` physical slots is overwritten by slot `m + P`, in whichever
    timeline. Two facts a timeline are therefore enough to know what survived, however many kills there were:
    where it set in, and how far it came. The latter is a memory-mapped counter, raised before the data is written.

    A timeline of fewer streams wrote nothing into those that were added later, and an index of fewer streams knows
    nothing there.

    After a kill of the process this is exact. After a power cut the disk may hold newer data than counters, so only
    `P - capacity` slots written since the checkpoint are then safe.
    """

    def __init__(self, path: Path, written: npt.NDArray[np.int64], slots_per_stream: int, *, is_new: bool) -> None:
        """Open the history.

        Args:
            path: JSON file with the timelines that ended.
            written: `(S,)`, mapped to a file: slots of each stream that the newest timeline has written.
            slots_per_stream: physical slots P.
            is_new: the files were just created; a former history is void.
        """
        self._path = path
        self._written = written
        self._slots_per_stream = slots_per_stream
        # Opening alone writes nothing, so a timeline is entered at the first write: until then another index may
        # still be restored.
        self._is_open = is_new
        self._ended: list[dict[str, list[int]]] = []
        if is_new:
            path.unlink(missing_ok=True)
        elif path.exists():
            self._ended = json.loads(path.read_text())

    @property
    def timeline(self) -> int:
        """Number of the timeline that an index saved now belongs to."""
        return len(self._ended)

    def reserve(self, stream: int, end: int, next_slots: npt.NDArray[np.int64]) -> None:
        """Note that slots up to `end` of a stream are about to be written.

        Args:
            stream: the stream.
            end: one past the last slot.
            next_slots: `(S,)` next slot of every stream before this write: where a new timeline sets in.
        """
        if not self._is_open:
            self._ended.append({"written": self._written.tolist(), "set_in_at": next_slots.tolist()})
            write_json(self._path, self._ended)
            # A kill between these two lines leaves the former, higher counters: too careful, never wrong.
            self._written[:] = next_slots
            self._is_open = True
        self._written[stream] = end

    def close_timeline(self) -> None:
        """Let the next write begin a new timeline (an index was restored)."""
        self._is_open = False

    def intact(
        self, timeline: int, next_slots: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Find the slots of a saved index that nobody has overwritten since.

        Args:
            timeline: the index's timeline.
            next_slots: `(S,)` its next slots; 0 for streams that it does not know.

        Returns:
            `(S,)` first and `(S,)` end of the intact slots of every stream (first <= end).

        Raises:
            ConfigError: the history knows no such timeline.
        """
        if timeline > self.timeline:
            raise ConfigError(
                f"The checkpoint was written in timeline {timeline} of its replay files, but {self._path} knows "
                f"{self.timeline}: it was deleted or comes from an older copy. Bring it back, or start a new run."
            )
        later = self._ended[timeline:]
        num_streams = len(self._written)
        written = np.stack([self._written, *(padded(record["written"], num_streams) for record in later)]).max(axis=0)
        ends = np.stack([next_slots, *(padded(record["set_in_at"], num_streams) for record in later)]).min(axis=0)
        return np.minimum(np.maximum(written - self._slots_per_stream, 0), ends), ends


def padded(slots: list[int], num_streams: int) -> npt.NDArray[np.int64]:
    """Turn a number for each stream that there was into `(S,)`, 0 for those that were added since."""
    return np.array([*slots, *[0] * (num_streams - len(slots))], np.int64)
