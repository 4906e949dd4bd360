"""Drive whole episodes with a finished policy, in this process or over all cores: what scores and videos are made of.

Evaluation is the stock task (`training=False`) and needs neither Ray nor a trainer.
"""

import multiprocessing
import os
import pickle
import signal
import sys
import threading
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, Protocol

import gymnasium as gym
import numpy as np
import numpy.typing as npt

from envs.contract import FAULT, FRAMES, LAP_TIME_S, OFF_TRACK
from envs.errors import ConfigError
from envs.factory import capacity, make_env
from experiments.interrupts import children_deaf_to_interrupts, interrupts_handed_to

Observation = npt.NDArray[Any] | dict[str, npt.NDArray[Any]]

_CHUNKS_PER_PROCESS = 4  # so many turns a worker: the slowest episodes at the end then leave few cores idle


class Policy(Protocol):
    """A finished policy that drives several envs at once and does its own frame stacking."""

    def start(self, num_envs: int) -> None:
        """Forget everything; the next `act` is about `num_envs` envs."""

    def act(self, observation: Observation, is_first: npt.NDArray[np.bool_]) -> npt.NDArray[Any]:
        """Return the env's own actions, the same for the same history: `(N, A)` float32, or `(N,)` int64 of a choice.

        Args:
            observation: single frames `(N, …)`, or a dict of such arrays.
            is_first: `(N,)`, True where the observation is the first of an episode.
        """

    def view(self) -> npt.NDArray[np.uint8] | None:
        """Return the stacked image `(H, W, C * k)`, newest last, that the policy last saw of env 0, if it has eyes."""


@dataclass
class Episode:
    """What one episode came to, or has come to so far.

    Attributes:
        seed: of the reset that began it.
        episode_return: sum of the env's own rewards.
        frames: environment frames (physics steps).
        decisions: actions that the policy took.
        lap_time_s: the best completed lap.
        finished: whether a lap was completed.
        off_track_share: share of its decisions that ended off the track.
        fault: why a link failed, if one did.
        batch: in how many rows the policy saw its env beside others. Their number decides the last bits of its
            arithmetic, and driving is chaotic: who wants the same episode again gives it as many.
    """

    seed: int
    episode_return: float = 0.0
    frames: int = 0
    decisions: int = 0
    lap_time_s: float | None = None
    finished: bool = False
    off_track_share: float = 0.0
    fault: str | None = None
    batch: int = field(default=1, compare=False)

    def add(self, reward: float, info: Mapping[str, Any]) -> None:
        """Count one decision with what the env said about it."""
        self.episode_return += float(reward)
        self.frames += int(info[FRAMES])
        self.decisions += 1
        self.off_track_share += (float(info[OFF_TRACK]) - self.off_track_share) / self.decisions
        if info.get(LAP_TIME_S) is not None:
            lap_time_s = float(info[LAP_TIME_S])
            self.lap_time_s = lap_time_s if self.lap_time_s is None else min(self.lap_time_s, lap_time_s)
            self.finished = True
        self.fault = info.get(FAULT, self.fault)


OnStep = Callable[[Episode, Mapping[str, Any]], None]


class _Seat:
    """One env on its way through one episode after the other."""

    def __init__(self, env: gym.Env, seed: int) -> None:
        self.env = env
        self.begin(seed)

    def begin(self, seed: int) -> None:
        self.episode = Episode(seed=seed)
        self.observation, self.info = self.env.reset(seed=seed)
        self.is_first = True
        self.is_done = False

    def step(self, action: Any) -> None:
        self.observation, reward, terminated, truncated, self.info = self.env.step(action)
        self.episode.add(float(reward), self.info)
        self.is_first = False
        self.is_done = terminated or truncated


def drive_episode(policy: Policy, env: gym.Env, seed: int, on_step: OnStep | None = None, *, batch: int = 1) -> Episode:
    """Drive `env` through the one episode that begins with `seed`; the env stays open.

    Args:
        policy: is started afresh.
        env: emits single frames.
        seed: of the reset.
        on_step: called with the episode so far and the latest info once the policy has decided and before the env
            moves, so that `env.render()` and `policy.view()` show the same moment.
        batch: how many copies of the observation the policy sees, see `Episode`.
    """
    return _drive_lockstep(policy, [env], [seed], on_step, copies=batch)[0]


def drive(policy: Policy, env_config: Mapping[str, Any], seeds: Iterable[int], *, num_envs: int = 8) -> list[Episode]:
    """Drive one episode a seed in this process; the policy sees up to `num_envs` of them as one batch.

    An env whose episode is over takes the next seed. Episodes do not depend on `num_envs`, except for the last bits
    of a policy whose arithmetic depends on its batch size.

    Returns:
        The episodes in the order of `seeds`.

    Raises:
        ConfigError: no env to drive in.
    """
    seeds = list(seeds)
    if num_envs < 1:
        raise ConfigError(f"Driving needs at least one env at a time, not num_envs={num_envs}.")
    with ExitStack() as stack:
        count = min(num_envs, len(seeds), _free_envs(env_config))
        envs = [stack.enter_context(closing(make_env(env_config, training=False))) for _ in range(count)]
        return _drive_lockstep(policy, envs, seeds)


def _free_envs(env_config: Mapping[str, Any]) -> int:
    """Return how many envs can drive now: at least one, which then waits for its game."""
    limit = capacity(env_config, training=False)
    return sys.maxsize if limit is None else max(1, limit.free)


def _drive_lockstep(
    policy: Policy,
    envs: Sequence[gym.Env],
    seeds: Sequence[int],
    on_step: OnStep | None = None,
    *,
    copies: int = 1,
) -> list[Episode]:
    waiting = deque(seeds)
    seats = [_Seat(env, waiting.popleft()) for env in envs]
    episodes = [seat.episode for seat in seats]
    rows = seats * copies
    policy.start(len(rows))
    while not all(seat.is_done for seat in seats):
        # A seat without a seed left stays in the batch with its last observation: policies keep a state per place.
        actions = policy.act(
            _batch([seat.observation for seat in rows]), np.array([seat.is_first for seat in rows], dtype=np.bool_)
        )
        for seat, action in zip(seats, actions[: len(seats)], strict=True):
            if seat.is_done:
                continue
            if on_step is not None:
                on_step(seat.episode, seat.info)
            try:
                seat.step(action)
            except Exception as error:
                error.add_note(f"This happened on seed {seat.episode.seed}, decision {seat.episode.decisions + 1}.")
                raise
            if seat.is_done and waiting:
                seat.begin(waiting.popleft())
                episodes.append(seat.episode)
    for episode in episodes:
        episode.batch = len(rows)
    return episodes


def _batch(observations: Sequence[Any]) -> Observation:
    if isinstance(observations[0], Mapping):
        return {name: np.stack([one[name] for one in observations]) for name in observations[0]}
    return np.stack(observations)


def drive_parallel(
    load_policy: Callable[..., Policy],
    load_args: Sequence[Any],
    env_config: Mapping[str, Any],
    seeds: Iterable[int],
    *,
    num_processes: int,
    num_envs: int = 8,
    on_episode: Callable[[Episode], None] | None = None,
) -> list[Episode]:
    """Drive one episode a seed over several processes with one thread each.

    Args:
        load_policy: a top-level function; each worker calls `load_policy(*load_args)` once.
        load_args: plain values, such as the path of a policy file.
        env_config: plain.
        seeds: one episode each.
        num_processes: at most so many workers.
        num_envs: at most so many episodes at a time in a worker.
        on_episode: called here with each finished episode, in the order of finishing.

    Returns:
        The episodes in the order of `seeds`.

    Raises:
        ConfigError: no process or no env to drive in.
        RuntimeError: a worker died. What a policy or an env raises in a worker is raised here as it is.
    """
    seeds = list(seeds)
    if num_processes < 1 or num_envs < 1:
        raise ConfigError(
            f"Driving needs at least one process and one env, not num_processes={num_processes}, num_envs={num_envs}."
        )
    free = _free_envs(env_config)
    num_processes = min(num_processes, free)
    num_envs = min(num_envs, free // num_processes)
    size = max(1, min(num_envs, -(-len(seeds) // (num_processes * _CHUNKS_PER_PROCESS))))
    chunks = [seeds[start : start + size] for start in range(0, len(seeds), size)]
    driven: dict[int, list[Episode]] = {}
    done: SimpleQueue[Future[list[Episode]] | None] = SimpleQueue()  # None: ctrl-C
    with interrupts_handed_to(lambda: done.put(None)):
        strangers = set(multiprocessing.active_children())
        executor = ProcessPoolExecutor(
            max_workers=max(1, min(num_processes, len(chunks))),
            # A fork would inherit torch's and Ray's threads as dead locks.
            mp_context=multiprocessing.get_context("spawn"),
            initializer=_start_worker,
            initargs=(pickle.dumps((load_policy, tuple(load_args))),),
        )
        try:
            with children_deaf_to_interrupts():
                futures = {executor.submit(_drive_chunk, dict(env_config), chunk): k for k, chunk in enumerate(chunks)}
            for future in futures:
                future.add_done_callback(done.put)
            while len(driven) < len(chunks):
                finished = done.get()
                if finished is None:
                    raise KeyboardInterrupt
                driven[futures[finished]] = finished.result()
                for episode in driven[futures[finished]]:
                    if on_episode is not None:
                        on_episode(episode)
        except BrokenProcessPool as error:
            raise RuntimeError(
                f"A worker died with {sum(map(len, driven.values()))} of {len(seeds)} episodes driven, without saying "
                f"why; often the machine ran out of memory. Drive with fewer processes than {num_processes}."
            ) from error
        finally:
            if len(driven) < len(chunks):  # an error or ctrl-C: nobody waits for what the others still drive
                for process in set(multiprocessing.active_children()) - strangers:
                    process.terminate()
            executor.shutdown(wait=True, cancel_futures=True)
    if not done.empty():
        raise KeyboardInterrupt
    return [episode for k in range(len(chunks)) for episode in driven[k]]


class _Worker:
    """What one worker process keeps between chunks."""

    load: bytes
    policy: Policy | None = None


def _start_worker(load: bytes) -> None:
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"  # before the policy brings its libraries: they read it once
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # ctrl-C reaches the whole group; the parent ends us
    threading.Thread(target=_die_with_parent, daemon=True).start()
    _Worker.load = load


def _die_with_parent() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)  # a parent killed with -9 cannot end us, and the pool's pipe would wait for ever


def _drive_chunk(env_config: dict[str, Any], seeds: list[int]) -> list[Episode]:
    if _Worker.policy is None:  # here and not in the initializer, so that its errors reach the user as they are
        load_policy, load_args = pickle.loads(_Worker.load)
        _Worker.policy = load_policy(*load_args)
        if "torch" in sys.modules:  # it may have been imported before the variables above were set
            sys.modules["torch"].set_num_threads(1)
    return drive(_Worker.policy, env_config, seeds, num_envs=len(seeds))
