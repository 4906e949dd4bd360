"""When episodes are ended that the game would not end: after so many steps or laps, and where a track is worn."""

import itertools
from collections.abc import Callable
from dataclasses import replace

import numpy as np

from envs.roblox.fold import Record
from envs.roblox.options import Options
from envs.roblox.pairing import Pairing
from envs.roblox.worlds import World

LIMIT_REASON, NEW_TRACK = "limit", "track"


class EpisodeLimits:
    """Count steps of episodes, and episodes on tracks, of every slot.

    Args:
        world: where the cars are.
        pairing: steps them.
        options: say the limits.
        draw_seed: returns the next seed of a slot.

    Attributes:
        track_seeds: for each slot that of its track; None: the game's own.
    """

    def __init__(self, world: World, pairing: Pairing, options: Options, draw_seed: Callable[[int], int]) -> None:
        self._world, self._pairing, self._options, self._draw_seed = world, pairing, options, draw_seed
        num_envs = len(pairing.slots)
        self._steps = np.zeros(num_envs, np.int64)
        self._episodes = np.zeros(num_envs, np.int64)
        self.track_seeds: list[int | None] = [None] * num_envs
        firsts = np.cumsum([0, *(len(game.cars) for game in world.games)]).tolist()
        self._places = [range(*pair) for pair in itertools.pairwise(firsts)]

    def begin(self) -> None:
        """Count from here: all episodes begin."""
        self._steps[:] = 0

    def restart(self, game: int, seed: int) -> None:
        """Have all cars of a game begin anew; a twin in lock-step on the track of a seed."""
        places = self._places[game]
        if not self._world.renew(game, seed):
            self._world.games[game].restart()
            return
        for index in places:
            self.track_seeds[index] = seed
            self._episodes[index] = 0

    def first_slot(self, game: int) -> int:
        """Return the slot of a game's first car."""
        return self._places[game].start

    def renew_tracks(self) -> None:
        """Give lock-stepped twins whose cars have all ended a new track, where theirs has been driven often enough."""
        for game, places in enumerate(self._places):
            if self._is_worn(places) and all(self._pairing.slots[index].is_done for index in places):
                self.restart(game, self._draw_seed(places.start))

    def apply(self, records: list[Record]) -> list[Record]:
        """Count a step; truncate episodes that have lasted long enough, and those on a track that is to be replaced."""
        slots = self._pairing.slots
        self._steps = np.where([slot.is_reset for slot in slots], 0, self._steps + 1)
        limited = [self._limited(index, record) for index, record in enumerate(records)]
        for places in self._places:
            for index in places:
                self._episodes[index] += limited[index].is_end and not slots[index].is_reset
            if self._is_worn(places):
                for index in places:
                    limited[index] = self._truncated(index, limited[index], NEW_TRACK)
        return limited

    def _is_worn(self, places: range) -> bool:
        """Whether the twin that has these slots had its track for long."""
        if self.track_seeds[places.start] is None:
            return False
        return bool(self._episodes[places.start : places.stop].sum() >= self._options.track_episodes * len(places))

    def _limited(self, index: int, record: Record) -> Record:
        steps, laps = self._options.episode_steps, self._options.episode_laps
        is_long = steps is not None and self._steps[index] >= steps
        is_far = laps is not None and record.info.get("lap", 0) >= laps
        return self._truncated(index, record, LIMIT_REASON) if is_long or is_far else record

    def _truncated(self, index: int, record: Record, reason: str) -> Record:
        """End a slot's episode, unless it has ended or is only beginning, and have its car reset."""
        slot = self._pairing.slots[index]
        if record.is_end or (slot.is_reset and reason == LIMIT_REASON):
            return record
        with self._world.lock:
            slot.car.restart()
        slot.is_done = True
        return replace(record, truncated=True, reason=reason)
