"""One car as the vector env sees it."""

from dataclasses import dataclass, field

from envs.roblox.car import Car
from envs.roblox.fold import Record
from envs.roblox.game import Game


@dataclass
class Slot:
    """One car as the env sees it.

    Attributes:
        game: where it drives.
        car: which it is.
        is_done: its episode ended in the last step.
        pre_action_reward: of the last step: what was paid before the first action.
        is_reset: of the last step: it began an episode.
    """

    game: Game
    car: Car
    is_done: bool = True
    pre_action_reward: float = 0.0
    is_reset: bool = False
    last: Record = field(default_factory=Record)

    @property
    def is_here(self) -> bool:
        """Whether its game is there and the car in it, as far as is known."""
        return self.game.is_connected and not self.car.is_absent
