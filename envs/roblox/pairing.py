"""Pair actions with what they led to: one ACTION an env, then a tick of every car that was received after it."""

import logging
from collections.abc import Callable, Sequence

from envs.errors import ConfigError, SimulatorUnavailable
from envs.roblox.fold import Record
from envs.roblox.game import NEUTRAL
from envs.roblox.settings import PairingSettings
from envs.roblox.slot import Slot
from envs.roblox.stragglers import Stragglers
from envs.roblox.ticks import Vector
from envs.roblox.worlds import World

logger = logging.getLogger(__name__)

_TELL_EVERY_S = 30.0  # that we still wait
CARS_CURE = "Does the track have as many spawn points as cars? v0 needs one for each car: choose fewer (env.cars)."
BLIND_CURE = "The game's entries of them have no obs: does their vehicle have rays (its RayConfig)?"


class Pairing:
    """Step all cars of a world.

    Args:
        world: where they are.
        settings: how long is waited.
    """

    def __init__(self, world: World, settings: PairingSettings) -> None:
        self._world, self._settings = world, settings
        self.slots = [Slot(game, car) for game in world.games for car in game.cars]

    def reset(self, restart: Callable[[int], None]) -> None:
        """Begin an episode with every car, and wait until all have.

        Args:
            restart: makes game `index` begin anew.

        Raises:
            SimulatorUnavailable: games or cars did not come within `connect_timeout_s`.
            ConfigError: observations have another width than declared, where that is strict.
        """
        with self._world.lock:
            for index, game in enumerate(self._world.games):
                game.wake(self._world.now())
                restart(index)
            self._world.flush()
            self._wait_for_all()
            for slot in self.slots:
                self._begin(slot)
            for game in self._world.games:
                game.release(self._world.now())

    def step(self, actions: Sequence[Vector]) -> list[Record]:
        """Drive one decision with every car; those whose episode ended begin the next one instead.

        Args:
            actions: one a car, `(3,)`, in the game's order.

        Returns:
            What became of each. A car that is not there is a truncated record without ticks, again and again.

        Raises:
            SimulatorUnavailable: no game came back within `reconnect_timeout_s`.
            ConfigError: see `reset`.
        """
        with self._world.lock:
            began_s = self._world.now()
            driven = [self._act(slot, action) for slot, action in zip(self.slots, actions, strict=True)]
            at = 0
            for game in self._world.games:
                game.act(driven[at : at + len(game.cars)], began_s)
                at += len(game.cars)
            self._world.flush()
            try:
                came = self._wait(began_s)
            finally:
                now_s = self._world.now()
                for game in self._world.games:
                    game.release(now_s)
            self._world.note_step(now_s - began_s if came else None)
            self._check_widths()
            return [self._take(slot) for slot in self.slots]

    def _act(self, slot: Slot, action: Vector) -> Vector:
        slot.pre_action_reward = 0.0
        if slot.is_done or slot.car.fold.has_end:
            return NEUTRAL
        slot.pre_action_reward = slot.car.fold.act()
        return action

    def _wait(self, began_s: float) -> bool:
        """Wait until the cars are ready, or not worth waiting for; return whether any was."""
        straggler = Stragglers(self.slots, self._settings, self._world.now)
        if self._world.wait(straggler.is_over, began_s + self._settings.step_timeout_s) or straggler.has_ready:
            return True
        if any(slot.is_here and not slot.is_done for slot in self.slots):
            return False  # a game that does not tick: stale
        if not any(game.is_running for game in self._world.games):
            logger.warning("No game is left: waiting for one at %s.", self._world.place)
        until_s = began_s + self._settings.reconnect_timeout_s
        if self._world.wait(straggler.is_over, until_s) or straggler.has_ready:
            return True
        reasons = sorted({game.fault for game in self._world.games if game.fault})
        raise SimulatorUnavailable(
            f"No game came back to {self._world.place} within {self._settings.reconnect_timeout_s:g} s "
            f"(env.reconnect_timeout_s). It was lost because: {'; '.join(reasons) or 'its cars did not come'}. "
            "Start the game again; python -m envs.doctor env=roblox tells what arrives."
        )

    def _wait_for_all(self) -> None:
        """Wait for all games and cars, and say now and then that we do."""
        began_s = self._world.now()
        until_s = began_s + self._settings.connect_timeout_s
        tell_s = began_s
        while not self._world.wait(self._has_all, min(tell_s, until_s)):
            self._check_widths()
            now_s = self._world.now()
            missing, cure = self._missing()
            if now_s >= until_s:
                raise SimulatorUnavailable(
                    f"Waited {now_s - began_s:.0f} s for {missing} at {self._world.place} (env.connect_timeout_s). "
                    f"{cure} Or choose env.twin=true."
                )
            tell_s = now_s + _TELL_EVERY_S
            if now_s > began_s or not all(game.is_running for game in self._world.games):
                logger.info("Waiting for %s at %s. %s", missing, self._world.place, cure)
        self._check_widths()

    def _missing(self) -> tuple[str, str]:
        """Return what a reset waits for, and what to do about it, in words."""
        gone = sum(not game.is_running for game in self._world.games)
        if gone:
            return f"{gone} of {len(self._world.games)} games", "Please start the game in Roblox Studio."
        blind = [slot.car.id for slot in self.slots if slot.car.is_blind]
        if blind:
            return f"observations of {', '.join(blind)}", BLIND_CURE
        return "cars to appear", CARS_CURE

    def _has_all(self) -> bool:
        return any(game.fitting.error for game in self._world.games) or all(
            slot.car.has_begun or (slot.game.is_running and slot.car.is_absent) for slot in self.slots
        )

    def _check_widths(self) -> None:
        for game in self._world.games:
            if game.fitting.error is not None:
                raise ConfigError(game.fitting.error)

    def _begin(self, slot: Slot) -> None:
        """Show the running episode; a car that never came is done from the start."""
        slot.is_reset, slot.is_done = True, not slot.car.has_begun
        slot.pre_action_reward = 0.0 if slot.is_done else slot.car.fold.begin()
        slot.last = slot.car.fold.take() if slot.car.has_begun else Record(truncated=True, reason="absent")

    def _take(self, slot: Slot) -> Record:
        car = slot.car
        slot.is_reset = slot.is_done
        if slot.is_done and car.has_begun and not car.fold.has_end:
            slot.pre_action_reward = car.fold.begin()
            slot.last, slot.is_done = car.fold.take(), False
        elif slot.is_done:
            reason = "absent" if car.is_absent else "disconnect" if not slot.game.is_connected else "reset"
            slot.last = Record(obs=slot.last.obs, truncated=True, reason=reason, received_s=slot.last.received_s)
        else:
            taken = car.fold.take()
            slot.last = taken if taken.obs is not None else Record(**{**vars(taken), "obs": slot.last.obs})
            slot.is_done = taken.is_end
        return slot.last
