"""What happened in a game between two reads, folded into one delivery: nothing is lost, nothing is told twice."""

from collections import deque
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True)
class Delivery:
    """What one read is told of the ticks since the read before.

    Attributes:
        observation: the newest one; the final one of an episode that has ended.
        reward: the sum of these ticks.
        terminated: the task ended within them.
        truncated: something else ended the episode within them.
        info: belongs to the observation.
        ticks: how many they are; 0: nothing happened, and the observation was told before.
        ends_dropped: episodes that ended since the last read and are not told any more, because nobody read.
    """

    observation: Any
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False
    info: dict[str, Any] = field(default_factory=dict)
    ticks: int = 0
    ends_dropped: int = 0

    @property
    def is_end(self) -> bool:
        """Whether it ends an episode."""
        return self.terminated or self.truncated


@dataclass
class Account:
    """Ticks and their rewards: at any moment `sent` is `delivered` plus `dropped` plus what waits to be read."""

    ticks: int = 0
    reward: float = 0.0

    def add(self, ticks: int, reward: float) -> None:
        """Count ticks and the sum of their rewards."""
        self.ticks += ticks
        self.reward += reward


class Fold:
    """Sum the ticks of one game for one reader.

    An episode that ends becomes a delivery of its own, with its final observation, that waits until it was read once;
    what happens after it belongs to deliveries after it. A reader that does not read for long loses the oldest ends,
    and is told how many.

    Args:
        max_ends: ends that wait, at most.

    Attributes:
        sent: ticks that the game has made since the reader began.
        delivered: those that were read.
        dropped: those that nobody will read: of ends that were too many, and of what the reader discarded.
        ends_dropped: ends that were too many since the last read.
    """

    def __init__(self, *, max_ends: int = 16) -> None:
        if max_ends < 1:
            raise ValueError(f"Expected max_ends to be at least 1, got {max_ends}.")
        self._max_ends = max_ends
        self._ends: deque[Delivery] = deque()
        self.ends_dropped = 0
        self._open = Delivery(None)
        self._has_episode = False
        self.sent, self.delivered, self.dropped = Account(), Account(), Account()

    @property
    def waiting(self) -> int:
        """Ends that wait to be read."""
        return len(self._ends)

    @property
    def pending(self) -> int:
        """Ticks that were not read yet."""
        return self._open.ticks + sum(end.ticks for end in self._ends)

    @property
    def is_open(self) -> bool:
        """Whether there is something to take: an end that waits, or a running episode."""
        return bool(self._ends) or self._has_episode

    def begin(self, observation: Any, info: dict[str, Any]) -> None:
        """Begin an episode, by itself or after one that has ended; ends before it still wait."""
        if self._open.ticks:  # the game began anew without an end: what was summed belongs to no episode's end
            self._drop(self._open)
        self._open = Delivery(observation, info=info)
        self._has_episode = True

    def discard(self) -> None:
        """Drop what waits: the reader asked for a new episode, and does not want to hear of those before."""
        while self._ends:
            self._drop(self._ends.popleft())
        self._drop(self._open)
        self._open = Delivery(self._open.observation, info=self._open.info)
        self.ends_dropped = 0

    def add(
        self,
        observation: Any,
        reward: float,
        *,
        terminated: bool = False,
        truncated: bool = False,
        info: dict[str, Any] | None = None,
        ticks: int = 1,
    ) -> None:
        """Count what the game did since the last call; after an end only `begin` goes on.

        Raises:
            RuntimeError: the episode has ended.
        """
        if not self._has_episode:
            raise RuntimeError("Fold.add after an end, or before there was an episode: call begin() first.")
        self.sent.add(ticks, reward)
        summed = Delivery(
            observation, self._open.reward + reward, terminated, truncated, info or {}, self._open.ticks + ticks
        )
        if not summed.is_end:
            self._open = summed
            return
        if len(self._ends) == self._max_ends:
            self._drop(self._ends.popleft())
            self.ends_dropped += 1
        self._ends.append(summed)
        self._open, self._has_episode = Delivery(None), False

    def take(self) -> Delivery:
        """Return the oldest end that waits, else all since the last read, of which nothing will be told again.

        Raises:
            RuntimeError: the end has been read, and no episode has begun since.
        """
        if self._ends:
            taken = self._ends.popleft()
        elif not self._has_episode:
            raise RuntimeError("Fold.take after an end that was read: call begin() first.")
        else:
            taken = self._open
            self._open = Delivery(taken.observation, info=taken.info)
        self.delivered.add(taken.ticks, taken.reward)
        dropped, self.ends_dropped = self.ends_dropped, 0
        return replace(taken, ends_dropped=dropped)

    def _drop(self, delivery: Delivery) -> None:
        self.dropped.add(delivery.ticks, delivery.reward)
