"""Many cars of one or several Roblox games as one vector env: each car is a slot, all share one policy."""

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
from gymnasium.utils.seeding import np_random

from envs import contract
from envs.arguments import check_types
from envs.native_vector import NativeVectorEnv, Step, StepRows
from envs.roblox import actions as action_choices
from envs.roblox.choices import options_of, spaces_of
from envs.roblox.env import RobloxEnv
from envs.roblox.episode_limits import EpisodeLimits
from envs.roblox.fitting import share_width
from envs.roblox.fold import Record
from envs.roblox.infos import info_of
from envs.roblox.options import open_world
from envs.roblox.pairing import Pairing
from envs.roblox.slot import Slot
from envs.roblox.ticks import Vector
from envs.roblox.worlds import World


class RobloxVectorEnv(NativeVectorEnv):
    """Drive N cars.

    The step that ends an episode returns its final observation; the next one ignores that car's action and returns the
    newest observation of the next episode with reward 0 (NEXT_STEP). What was paid before the first action of an
    episode is not learned from: `info["pre_action_reward"]` says it. A car that is not there is truncated again and
    again, until it is.

    Args:
        num_envs: N: cars of all envs of all games.
        seeds: N endless streams of seeds, for twins' tracks; None: drawn from `reset`'s seed.
        runner: index of the runner, which listens at `port` plus it.
        world: where the cars are, such as a recording (`ReplayWorld`); None: as the arguments say.
        arguments: of `RobloxEnv`.

    Raises:
        ConfigError: an argument has the wrong type or value, or the port is taken.
        SimulatorUnavailable: with `obs_preset=auto`, no game came that could tell how wide its observations are.
    """

    metadata = {**RobloxEnv.metadata, **NativeVectorEnv.metadata}  # noqa: RUF012 (Gymnasium's declaration)

    def __init__(
        self,
        num_envs: int = 1,
        *,
        seeds: Sequence[Iterator[int]] | None = None,
        runner: int = 0,
        world: World | None = None,
        **arguments: Any,
    ) -> None:
        self._world: World | None = None
        self.check(num_envs, seeds)
        check_types(RobloxEnv, arguments)
        self.render_mode = None
        self._options = options_of(arguments)
        self._random = [np_random(index)[0] for index in range(num_envs)]
        self._world = world or open_world(self._options, num_envs, runner=runner, seeds=list(range(num_envs)))
        share_width([game.fitting for game in self._world.games])
        self.pairing = Pairing(self._world, self._options.pairing_settings())
        self._game_of = [index for index, game in enumerate(self._world.games) for _ in game.cars]
        self._limits = EpisodeLimits(self._world, self.pairing, self._options, self._drawn_seed)
        try:
            found = spaces_of(self._options, None if self._options.width else self._measured_width())
        except BaseException:
            self._world.close()
            raise
        assert found is not None
        self.set_up(num_envs, seeds, *found)

    @property
    def world(self) -> World:
        """Where the cars are.

        Raises:
            RuntimeError: it is closed.
        """
        if self._world is None:
            raise RuntimeError("RobloxVectorEnv is closed.")
        return self._world

    def reset(
        self, *, seed: int | Sequence[int | None] | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin an episode with every car, and wait for those that are not there: it may take minutes.

        Args:
            seed: one for each car, or the first one's, to which the others count up; a twin in lock-step builds its
                track from that of its first car.
            options: none are known.

        Raises:
            SimulatorUnavailable: they did not come within `connect_timeout_s`.
            ConfigError: with `strict_width`, observations have another width.
        """
        _ = self.world  # raises, if it is closed
        chosen, limits = self._seeds_of_reset(seed), self._limits
        self.pairing.reset(lambda game: limits.restart(game, chosen[limits.first_slot(game)]))
        limits.begin()
        rows = self.rows()
        for index, slot in enumerate(self.pairing.slots):
            self._write(rows, index, slot, slot.last)
        return rows.observations, rows.infos

    def step(self, actions: npt.NDArray[Any]) -> Step:
        """Drive every car one decision, or begin its next episode if its last one has ended.

        Args:
            actions: `(N, A)`, in the order of `env.actions`.

        Raises:
            ValueError: they are not finite, or of another shape.
            SimulatorUnavailable: no game is left, and none came back within `reconnect_timeout_s`.
        """
        self.check_actions(actions)
        world, rows = self.world, self.rows()
        driven = action_choices.to_game(np.asarray(actions), self._options.actions)
        self._limits.renew_tracks()
        records = self.pairing.step(list(driven))
        for index, record in enumerate(self._limits.apply(records)):
            self._write(rows, index, self.pairing.slots[index], record)
        with world.lock:
            world.flush()
        return rows.step()

    def freeze(self, is_frozen: bool = True) -> None:
        """Freeze all games until the next step, where they can be (v1, v2), or let them go on."""
        with self.world.lock:
            for game in self.world.games:
                if is_frozen:
                    game.freeze()
                else:
                    game.wake(self.world.now())
            self.world.flush()

    def account(self) -> dict[str, float]:
        """Return all rewards by where they went: `sent` is the sum of all others."""
        with self.world.lock:
            sums = [game.roster.account() for game in self.world.games]
        return {name: sum(one[name].reward for one in sums) for name in sums[0]}

    def counters(self) -> dict[str, int]:
        """Return what was counted, summed over games, with `ends_folded` and `empty_episodes` of all cars."""
        with self.world.lock:
            games = self.world.games
            total = {name: sum(one.counters.as_dict()[name] for one in games) for name in games[0].counters.as_dict()}
            folds = [slot.car.fold for slot in self.pairing.slots]
            total["ends_folded"] = sum(fold.ends_folded for fold in folds)
            total["empty_episodes"] = sum(fold.empty_episodes for fold in folds)
        return total

    def close_extras(self, **kwargs: Any) -> None:
        """Let go of the games. The port is listened at for a little longer, for the env that may follow."""
        if self._world is not None:
            self._world.close()
            self._world = None

    def _seeds_of_reset(self, seed: int | Sequence[int | None] | None) -> list[int]:
        given: list[int | None] = [None] * self.num_envs
        if isinstance(seed, int):
            given = [seed + index for index in range(self.num_envs)]
        elif seed is not None:
            given = list(seed)
            if len(given) != self.num_envs:
                raise ValueError(f"Expected a seed for each of the {self.num_envs} cars, got {len(given)}.")
        for index, one in enumerate(given):
            if one is not None:
                self._random[index] = np_random(one)[0]
        return [self._drawn_seed(index) if one is None else one for index, one in enumerate(given)]

    def _drawn_seed(self, index: int) -> int:
        """Return the next seed of a slot: of its stream, or drawn."""
        stream = self.next_seed(index)
        return int(self._random[index].integers(1 << 31)) if stream is None else stream

    def _write(self, rows: StepRows, index: int, slot: Slot, record: Record) -> None:
        world = self.world
        info = info_of(
            slot,
            record,
            world.now(),
            reconnects=world.reconnects,
            min_ticks=self._options.min_ticks,
            max_speed_mps=self._options.max_speed_mps,
        )
        position_m = world.position_m(self._game_of[index], slot.car.id)
        if position_m is not None:
            info[contract.POSITION_M] = position_m
        if self._limits.track_seeds[index] is not None:
            info[contract.TRACK_SEED] = self._limits.track_seeds[index]
        reward = 0.0 if slot.is_reset else record.reward
        obs = record.obs if record.obs is not None else self._blank()
        rows.write(index, obs, reward, record.terminated, record.truncated, info)

    def _blank(self) -> Vector:
        """Return what a car that never came shows, in steps that are no decisions: what another one does."""
        shown = [slot.last.obs for slot in self.pairing.slots if slot.last.obs is not None]
        return shown[0] if shown else np.zeros(self.single_observation_space.shape or (), np.float32)

    def _measured_width(self) -> int:
        """Wait for a game's first observation, and return how wide it is."""
        world = self.world
        self.pairing.reset(lambda index: None)
        widths = [game.fitting.width for game in world.games if game.fitting.width is not None]
        return widths[0]
