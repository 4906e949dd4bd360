"""What a car did between two reads: one record, in which no reward is lost and no end is told twice.

The difference to `envs.remote.fold`: a Roblox game begins the next episode by itself, with or without a driver, so what
it pays before anybody drove is kept apart, and a whole episode may go by unseen.
"""

from dataclasses import dataclass, field, replace
from typing import Any

from envs.remote.fold import Account
from envs.roblox.ticks import Vector

NEWEST, LAST, PREVIOUS = "obs", "last_observation", "previous"  # what a final observation is
UNDRIVEN = "undriven"  # reason of an end before the first action


@dataclass(frozen=True)
class Record:
    """One read.

    Attributes:
        obs: the newest observation, or the final one of an episode that ended; None: none came yet.
        reward: sum of the ticks.
        ticks: how many; 0: nothing happened, and the observation was told before.
        terminated: the episode ended by itself; then `truncated` is False.
        truncated: the episode was ended.
        final_kind: of an end: `obs`, `last_observation` or `previous`.
        reason: of an end, where it is known.
        received_s: when the observation came, by the reader's clock.
        info: belongs to the observation.
        events: what happened in one of the ticks, such as a lap.
    """

    obs: Vector | None = None
    reward: float = 0.0
    ticks: int = 0
    terminated: bool = False
    truncated: bool = False
    final_kind: str | None = None
    reason: str | None = None
    received_s: float = 0.0
    info: dict[str, Any] = field(default_factory=dict)
    events: dict[str, Any] = field(default_factory=dict)

    @property
    def is_end(self) -> bool:
        """Whether it ends an episode."""
        return self.terminated or self.truncated


class CarFold:
    """Sum the ticks of one car.

    At any moment `sent` is `delivered` plus `dropped` plus `pre_action` plus what waits.

    Attributes:
        sent: ticks and rewards that the game sent.
        delivered: those that were read.
        dropped: those of whole episodes that nobody drove or read, of stalls, and after ends that repeat.
        pre_action: those of episodes that were not driven yet.
        ends_folded: episodes that ended while the end before was not read.
        empty_episodes: episodes that ended before they were shown; one that was shown and not driven is truncated.
        is_shown: the reader was told of the running episode, by `begin`.
        has_acted: the reader has acted in it.
    """

    def __init__(self) -> None:
        self.sent, self.delivered, self.dropped, self.pre_action = Account(), Account(), Account(), Account()
        self.ends_folded = self.empty_episodes = 0
        self.is_shown = self.has_acted = False
        self._ended: Record | None = None
        self._open = Record()

    @property
    def has_end(self) -> bool:
        """Whether an end waits to be read."""
        return self._ended is not None

    @property
    def newest(self) -> Record:
        """The running episode since the last read."""
        return self._open

    @property
    def waiting(self) -> float:
        """Reward that was not read yet."""
        return self._open.reward + (self._ended.reward if self._ended else 0.0)

    def add(self, record: Record, *, first: Vector | None = None, is_stalled: bool = False) -> None:
        """Count one tick.

        Args:
            record: of this tick alone; of an end, with the final observation. If both flags are set, `terminated` wins.
            first: of an end, the next episode's first observation, where the game sent it along.
            is_stalled: nobody drives: its reward is dropped, and an end is a truncation.
        """
        self.sent.add(1, record.reward)
        if is_stalled:
            self.dropped.add(1, record.reward)
        before, is_end = self._open, record.is_end
        terminated = record.terminated and not is_stalled
        summed = Record(
            obs=before.obs if record.obs is None else record.obs,
            reward=before.reward if is_stalled else before.reward + record.reward,
            ticks=before.ticks if is_stalled else before.ticks + 1,
            terminated=terminated,
            truncated=is_end and not terminated,
            final_kind=record.final_kind,
            reason="stall" if is_stalled and is_end else record.reason,
            received_s=record.received_s,
            info=record.info,
            events=before.events | record.events if record.events else before.events,
        )
        if is_end:
            self._close(summed, first)
        else:
            self._open = summed

    def drop(self, reward: float) -> None:
        """Count a tick that belongs to no episode."""
        self.sent.add(1, reward)
        self.dropped.add(1, reward)

    def end(self, reason: str, now_s: float) -> None:
        """End the running episode as truncated, from outside; an episode that was not shown is forgotten."""
        if self.is_shown and self._ended is None:
            if not self.has_acted:
                self._drain(self.pre_action)
            self._ended = replace(self._open, truncated=True, final_kind=PREVIOUS, reason=reason)
        else:
            self._drain(self.dropped)
        self._begin_anew(None, now_s)

    def begin(self) -> float:
        """Show the running episode to the reader, and return the reward that came before.

        Raises:
            RuntimeError: the episode before was not read to its end.
        """
        if self._ended is not None:
            raise RuntimeError("CarFold.begin: an end waits to be read.")
        self.is_shown = True
        return self._drain(self.pre_action)

    def act(self) -> float:
        """Note that the reader acts in the running episode; return what came before its first action, else 0."""
        if self.has_acted or self._ended is not None:
            return 0.0
        self.has_acted = True
        return self._drain(self.pre_action)

    def take(self) -> Record:
        """Return the end that waits, else all since the last read."""
        if self._ended is not None:
            taken, self._ended = self._ended, None
            self.is_shown = False
        else:
            taken = self._open
            self._open = Record(obs=taken.obs, received_s=taken.received_s, info=taken.info)
        self.delivered.add(taken.ticks, taken.reward)
        return taken

    def discard(self) -> None:
        """Forget what waits, and the running episode: the reader begins anew."""
        if self._ended is not None:
            self.dropped.add(self._ended.ticks, self._ended.reward)
            self._ended = None
        self._drain(self.dropped)
        self.is_shown = self.has_acted = False

    def resume(self, obs: Vector | None, now_s: float) -> None:
        """Go on with an episode that somebody else has heard so far, and whose newest observation is given."""
        self._open = Record(obs=obs, received_s=now_s)

    def forget_observation(self) -> None:
        """Have no observation until the game sends the next one."""
        self._open = replace(self._open, obs=None)

    def _close(self, record: Record, first: Vector | None) -> None:
        if self._ended is not None:
            self.ends_folded += 1
            self.dropped.add(record.ticks, record.reward)
        elif not self.has_acted:
            self.pre_action.add(record.ticks, record.reward)
            if self.is_shown:  # the reader is about to act on what it was shown: the next episode is another one
                reason = record.reason or UNDRIVEN
                self._ended = replace(record, reward=0.0, ticks=0, terminated=False, truncated=True, reason=reason)
            else:
                self.empty_episodes += 1
        else:
            self._ended = record
        self._begin_anew(first, record.received_s)

    def _begin_anew(self, first: Vector | None, now_s: float) -> None:
        self._open = Record(obs=first, received_s=now_s)
        self.has_acted = False

    def _drain(self, account: Account) -> float:
        reward = self._open.reward
        account.add(self._open.ticks, reward)
        self._open = replace(self._open, reward=0.0, ticks=0, events={})
        return reward
