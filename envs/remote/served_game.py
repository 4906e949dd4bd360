"""One game that is served: who may drive it, how it ticks, and what each of its readers has yet to hear."""

import threading
import time
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from envs.remote import messages
from envs.remote.commands import Command, idle_command, read_command
from envs.remote.fold import Delivery, Fold
from envs.remote.messages import FREE, LOCKSTEP, MessageError
from envs.remote.snapshot import Snapshot, Told
from envs.remote.world import World

_LEAVING_S = 0.1  # within which a goodbye is heard
_RATE_WINDOW = 100  # ticks over which the rate is measured


class Reader(Protocol):
    """A connection, as a game knows it."""

    @property
    def wants_pictures(self) -> bool:
        """Whether its answers hold pictures, which must then be drawn before an episode's end is gone."""

    @property
    def wants_telemetry(self) -> bool:
        """Whether its answers hold telemetry, which must be read before that."""


class _Onlooker:
    """Who wants to see, and nothing else."""

    wants_pictures, wants_telemetry = True, True


_ONLOOKER = _Onlooker()


class ServedGame:
    """Serve one world to many readers; a reader that writes leases it until `release`.

    Everything happens under the game's own lock: a reset never meets a tick, and no reader waits for another game.

    Args:
        game_id: its number.
        world: what is served.
        hold_s: after an end, a free-running game waits for its driver to read of it, at most so long.
        now: seconds, for tests.
    """

    def __init__(
        self, game_id: int, world: World, *, hold_s: float = 0.5, now: Callable[[], float] = time.monotonic
    ) -> None:
        self.game_id, self.world = game_id, world
        self._hold_s, self._now = hold_s, now
        self._changed = threading.Condition(threading.RLock())
        self._folds: dict[Reader, Fold] = {}
        self._rejected: dict[Reader, int] = {}
        self._owner: Reader | None = None
        self._mode, self._is_paused, self._held_until = FREE, False, 0.0
        self._snapshot: Snapshot | None = None
        self._needs_reset = True
        self._failure: str | None = None
        self._idle = self._command = idle_command(world)
        self._tick = self._episode = 0
        self._training = False
        self._ticked_at: deque[float] = deque(maxlen=_RATE_WINDOW)

    @property
    def tick_hz(self) -> float:
        """Ticks a second, lately."""
        times = list(self._ticked_at)
        if len(times) < 2 or self._now() - times[-1] > 1.0:
            return 0.0
        return (len(times) - 1) / max(times[-1] - times[0], 1e-9)

    @property
    def is_leased(self) -> bool:
        """Whether a reader drives it."""
        return self._owner is not None

    def claim(self, reader: Reader) -> bool:
        """Lease the game to `reader` if nobody else has it; return whether it has it now."""
        with self._changed:
            if self._owner is None:
                self._owner, self._is_paused = reader, False
            return self._owner is reader

    def release(self, reader: Reader) -> None:
        """Forget `reader`; a game that it drove stops where it is."""
        with self._changed:
            self._folds.pop(reader, None)
            self._rejected.pop(reader, None)
            if self._owner is reader:
                self._owner, self._is_paused, self._mode = None, True, FREE
                self._command = self._idle
            self._changed.notify_all()

    def tick(self) -> bool:
        """Advance a free-running game by one tick, if there is no reason to wait; return whether it did."""
        if self._mode != FREE or self._snapshot is None:  # without the lock: whoever steps it may hold that for long
            return False
        with self._changed:
            runs = self._mode == FREE and self._snapshot is not None and self._failure is None
            if not runs or self._is_paused or self._is_held():
                return False
            try:
                if not self._needs_reset:  # it has ended already if it was in lock-step until its driver left
                    self._advance(self._command, 1)
                if self._needs_reset:
                    self._begin(None, None)
                    self._held_until = self._now() + self._hold_s
            except MessageError:
                pass  # it is kept for whoever reads next
            self._ticked_at.append(self._now())
            return True

    def set_action(self, reader: Reader, action: Any) -> None:
        """Drive a free-running game with `action` until the next one.

        Raises:
            MessageError: not with this action, not by this reader, or not in this mode.
        """
        with self._changed:
            try:
                self._lease(reader)
                if self._mode != FREE:
                    raise self._error(messages.WRONG_MODE, "This game is in lock-step: send STEP.")
                self._command = self._read(action)
            except MessageError:
                self._rejected[reader] = self._rejected.get(reader, 0) + 1
                raise
            self._fold(reader)

    def step(self, reader: Reader, action: Any, repeat: int, *, autoreset: bool = True) -> Told:
        """Apply `action` for `repeat` ticks of a game in lock-step; after an end, begin the next episode instead.

        Raises:
            MessageError: as for `set_action`; `needs_reset` after an end without `autoreset`; the env failed.
        """
        with self._changed:
            self._lease(reader)
            if self._mode != LOCKSTEP:
                raise self._error(messages.WRONG_MODE, "This game runs freely: send RESET in mode lockstep first.")
            if self._failure is not None:
                raise self._error(messages.ENV_ERROR, self._failure)
            command = self._read(action)
            fold = self._fold(reader)
            is_reset = self._needs_reset
            if is_reset and not autoreset:
                raise self._error(messages.NEEDS_RESET, "The episode has ended: send RESET.")
            if is_reset:
                self._begin(None, None)
            else:
                self._advance(command, repeat)
            return self._tell(reader, fold.take(), is_reset=is_reset)

    def reset(
        self, reader: Reader, seed: int | None, options: dict[str, Any] | None, *, mode: str, training: bool = False
    ) -> Told:
        """Begin an episode, in `mode` from now on; what `reader` has not heard of those before it will not hear.

        Raises:
            MessageError: another reader has the game, or the env failed.
        """
        with self._changed:
            self._lease(reader)
            fold = self._fold(reader)
            self._mode, self._command, self._training = mode, self._idle, training
            self._begin(seed, options)
            fold.discard()
            self._held_until = 0.0
            self._changed.notify_all()
            return self._tell(reader, fold.take(), is_reset=True)

    def state(self, reader: Reader, *, wait_ticks: int = 0, timeout_s: float = 0.0) -> Told:
        """Tell what happened since the last time, once there are `wait_ticks` ticks or an end, or the time is over.

        Raises:
            MessageError: the env failed.
        """
        with self._changed:
            if self._snapshot is None:
                self._begin(None, None)
            fold = self._fold(reader)
            self._changed.wait_for(
                lambda: bool(fold.waiting) or fold.pending >= wait_ticks or self._failure is not None, timeout_s
            )
            if self._failure is not None and not fold.pending:
                raise self._error(messages.ENV_ERROR, self._failure)
            # an ended game in lock-step has nothing new for who has read of the end
            delivery = fold.take() if fold.is_open else Delivery(self._snapshot, info=self._current().info)
            return self._tell(reader, delivery)

    def look(self) -> Told:
        """Show the game as it is; nobody's sums change.

        Raises:
            MessageError: the env failed, or no episode has begun.
        """
        with self._changed:
            if self._failure is not None or self._snapshot is None:
                raise self._error(messages.ENV_ERROR, self._failure or "No episode has begun: send RESET.")
            if self._snapshot.picture is None:
                self._complete(self._snapshot, [_ONLOOKER])
            return Told(self.game_id, Delivery(self._snapshot, info=self._snapshot.info))

    def close(self) -> None:
        """Close the env."""
        with self._changed:
            self.world.close()
            self._failure = "The server is closing."
            self._changed.notify_all()

    def _lease(self, reader: Reader) -> None:
        if not self.claim(reader):  # its driver may just be leaving: who connects again expects its game to be free
            self._changed.wait_for(lambda: self._owner is None, _LEAVING_S)
        if not self.claim(reader):
            raise self._error(messages.NOT_OWNER, f"Another client drives game {self.game_id}: it can only be watched.")

    def _fold(self, reader: Reader) -> Fold:
        if reader not in self._folds:
            fold = self._folds[reader] = Fold()
            if self._snapshot is not None and not self._needs_reset:
                fold.begin(self._snapshot, self._snapshot.info)
        return self._folds[reader]

    def _read(self, action: Any) -> Command:
        try:
            return read_command(action, self.world)
        except MessageError as error:
            raise self._error(error.code, str(error)) from error

    def _is_held(self) -> bool:
        """Whether an end waits to be read by the driver, or by anybody where nobody drives."""
        if self._now() >= self._held_until:
            return False
        driver = self._folds.get(self._owner) if self._owner is not None else None
        return any(fold.waiting for fold in ([driver] if driver else self._folds.values()))

    def _advance(self, command: Command, ticks: int) -> None:
        before = self._current()
        try:
            outcome = command(ticks)
        except Exception as error:
            raise self._fail(error) from error
        self._tick += outcome.ticks
        snapshot = self._look(
            outcome.observation,
            outcome.info,
            steps=before.steps + outcome.ticks,
            total_reward=before.total_reward + outcome.reward,
            seed=before.seed,
            track_id=before.track_id,
        )
        self._snapshot = snapshot
        self._needs_reset = outcome.terminated or outcome.truncated
        if self._needs_reset:  # the next episode will have replaced it when somebody reads
            self._complete(snapshot, self._folds)
        for fold in self._folds.values():
            fold.add(
                snapshot,
                outcome.reward,
                terminated=outcome.terminated,
                truncated=outcome.truncated,
                info=outcome.info,
                ticks=outcome.ticks,
            )
        self._changed.notify_all()

    def _begin(self, seed: int | None, options: dict[str, Any] | None) -> None:
        try:
            if self._failure is not None:
                self.world.rebuild()
            observation, info = self.world.reset(seed=seed, options=options, training=self._training)
            track_id = self.world.track_id()
        except Exception as error:
            raise self._fail(error) from error
        self._failure = None
        self._episode += 1
        self._command, self._needs_reset = self._idle, False
        self._snapshot = self._look(observation, info, steps=0, total_reward=0.0, seed=seed, track_id=track_id)
        for fold in self._folds.values():
            fold.begin(self._snapshot, info)

    def _look(self, observation: Any, info: dict[str, Any], *, steps: int, **known: Any) -> Snapshot:
        t_sim = steps / self.world.fps
        return Snapshot(observation, info, self._tick, self._episode, steps, t_sim=t_sim, t_wall=time.time(), **known)

    def _complete(self, snapshot: Snapshot, readers: Iterable[Reader]) -> None:
        """Fill in what is read and drawn only for those who look; the world must still be at this moment."""
        wanted = list(readers)
        try:
            if not snapshot.telemetry and any(reader.wants_telemetry for reader in wanted):
                own = {"steps": snapshot.steps, "total_reward": snapshot.total_reward}
                snapshot.telemetry = own | self.world.telemetry(snapshot.info)
            if snapshot.picture is None and any(reader.wants_pictures for reader in wanted):
                snapshot.picture = self.world.picture()
        except Exception as error:
            raise self._fail(error) from error

    def _tell(self, reader: Reader, delivery: Delivery, *, is_reset: bool = False) -> Told:
        if delivery.observation is self._snapshot:
            self._complete(self._current(), [reader])
        return Told(self.game_id, delivery, is_reset, self._rejected.get(reader, 0))

    def _current(self) -> Snapshot:
        assert self._snapshot is not None
        return self._snapshot

    def _fail(self, error: Exception) -> MessageError:
        """Keep for all readers that the env failed: the game stands still until a reset builds it anew."""
        what = f"{type(error).__name__}: {error}"
        self._failure = f"The env of game {self.game_id} failed ({what}). RESET builds it anew."
        self._needs_reset = True
        self._changed.notify_all()
        return self._error(messages.ENV_ERROR, self._failure)

    def _error(self, code: str, text: str) -> MessageError:
        return MessageError(code, text, game_id=self.game_id)
