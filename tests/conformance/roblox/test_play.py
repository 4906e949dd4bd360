"""A trained policy drives a live game: where training found it, and as long as the game wants."""

import numpy as np
import pytest

from envs.roblox.twin.game import RobloxGame
from experiments.play import play


class Gentle:
    """A policy that hardly moves, and has enough after 40 decisions."""

    def __init__(self):
        self.decisions = 0

    def start(self, num_envs):
        pass

    def act(self, observation, is_first):
        self.decisions += 1
        if self.decisions > 40:
            raise KeyboardInterrupt  # as a person does
        return np.tile(np.array([0.0, 0.05, -1.0], np.float32), (len(is_first), 1))

    def view(self):
        return None


@pytest.fixture
def live(compose):
    """Return a function from words to the env's config that playing it uses."""
    return lambda *words: compose("env=roblox", "model=mlp", "algo=ppo", *words)["env"]


def test_play_listens_where_training_does_and_sets_no_limits(live, monkeypatch):
    given = {}
    monkeypatch.setattr("envs.roblox.vector.RobloxVectorEnv", lambda num_envs, **keys: given.update(keys))
    with pytest.raises(AttributeError):  # there is no env
        play(Gentle(), live("+env.evaluation.port=8100", "env.vector_stack=1"), num_envs=2)
    assert (given["port"], given["episode_steps"], given["episode_laps"]) == (8000, None, None)


def test_no_car_is_reset_from_here_while_a_policy_plays(live, monkeypatch):
    config = live("env.twin=lockstep", "env.games=1", "env.dialect=v2", "env.episode_steps=5", "env.vector_stack=1")
    sent, handle = [], RobloxGame.handle
    monkeypatch.setattr(
        RobloxGame, "handle", lambda game, command: sent.append(command["command"]) or handle(game, command)
    )
    with pytest.raises(KeyboardInterrupt):
        play(Gentle(), config, num_envs=2)
    assert "ACTION" in sent
    assert "RESET_AGENTS" not in sent
