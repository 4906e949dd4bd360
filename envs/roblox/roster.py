"""The cars of a game, by env, and the commands that are about them."""

from collections.abc import Callable, Sequence
from typing import Any

from envs.errors import ConfigError
from envs.remote.fold import Account
from envs.roblox import messages
from envs.roblox.car import Car
from envs.roblox.counters import Counters
from envs.roblox.resets import reset_commands, respawn_if_unseen
from envs.roblox.restarts import Answers

MOST_CARS = 512  # of a game


class Roster:
    """Name the cars and speak for them.

    Args:
        cars_per_env: number of cars of each env.
        make_id: returns a uuid4 for each env.
        counters: of the game.
        answers: likewise.

    Attributes:
        cars_per_env: as given.
        env_ids: of the envs.
        envs: the cars of each.
        cars: of all envs, one after the other.

    Raises:
        ConfigError: there are too many cars, or none in an env.
    """

    def __init__(
        self, cars_per_env: Sequence[int], make_id: Callable[[], str], counters: Counters, answers: Answers
    ) -> None:
        if sum(cars_per_env) > MOST_CARS or min(cars_per_env, default=0) < 1:
            raise ConfigError(f"Expected 1 to {MOST_CARS} cars in a game, got envs of {list(cars_per_env)} cars.")
        self.cars_per_env = tuple(cars_per_env)
        self.env_ids = [make_id() for _ in cars_per_env]
        pairs = zip(self.env_ids, cars_per_env, strict=True)
        self.envs = [[Car(number, env_id, counters, answers) for number in range(count)] for env_id, count in pairs]
        self.cars = [car for env in self.envs for car in env]
        self._by_id = {car.id: car for car in self.cars}
        self._counters = counters

    def find(self, car_id: str) -> Car | None:
        """Return the car with an id; None: it is not ours."""
        return self._by_id.get(car_id)

    def note_spawned(self, env: int, now_s: float) -> None:
        """Note that the cars of an env were asked for."""
        for car in self.envs[env]:
            car.sent(now_s, is_reset=False)

    def spawn_commands(self, first: int, now_s: float) -> list[dict[str, Any]]:
        """Return a SPAWN_AGENTS for each env from the `first` on, and note that it was sent."""
        commands = []
        for index in range(first, len(self.envs)):
            names = [car.id for car in self.envs[index]]
            commands.append(messages.agents_command(messages.SPAWN_AGENTS, self.env_ids[index], names))
            self.note_spawned(index, now_s)
        return commands

    def reset_commands(self, dialect: str, moving_s: float, now_s: float) -> list[dict[str, Any]]:
        """Return what resets the cars that want it or were not seen for long; see `envs.roblox.resets`."""
        for car in self.cars:
            respawn_if_unseen(car, self._counters, moving_s, now_s)
        return reset_commands(list(zip(self.env_ids, self.envs, strict=True)), dialect, now_s)

    def action_commands(self) -> list[dict[str, Any]]:
        """Return an ACTION for each env that has cars in the game."""
        for car in self.cars:
            if car.is_known:
                car.acted()
        known = [{car.id: car.action.tolist() for car in env if car.is_known} for env in self.envs]
        pairs = zip(self.env_ids, known, strict=True)
        return [messages.action_command(env_id, actions) for env_id, actions in pairs if actions]

    def account(self) -> dict[str, Account]:
        """Return the sums over all cars: `sent` is `delivered` plus `dropped` plus `pre_action` plus `waiting`."""
        sums = {name: Account() for name in ("sent", "delivered", "dropped", "pre_action", "waiting")}
        for car in self.cars:
            for name in ("sent", "delivered", "dropped", "pre_action"):
                one: Account = getattr(car.fold, name)
                sums[name].add(one.ticks, one.reward)
            sums["waiting"].add(0, car.fold.waiting)
        return sums
