"""A policy plays: it drives until it is told to end, and says how each episode went."""

import numpy as np
import pytest

from experiments.fragment import EpisodeOutcome
from experiments.play import describe, play

ENV = {"_target_": "envs.dummy.DummyEnv", "obs": "vector", "num_decisions": 10, "frame_stack": 1}


class Straight:
    """A policy that does the same everywhere, and remembers what it was shown."""

    def __init__(self):
        self.started, self.firsts = 0, []

    def start(self, num_envs):
        self.started = num_envs

    def act(self, observation, is_first):
        self.firsts.append(is_first.tolist())
        return np.zeros((len(is_first), 2), np.float32)

    def view(self):
        return None


@pytest.mark.parametrize("num_envs", [1, 3])
def test_as_many_episodes_are_driven_as_wanted(capsys, num_envs):
    policy = Straight()
    outcomes = play(policy, ENV, num_envs=num_envs, episodes=4)
    assert policy.started == num_envs
    assert len(outcomes) >= 4
    assert all(1 <= outcome.decisions <= 10 for outcome in outcomes)
    assert policy.firsts[0] == [True] * num_envs
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(outcomes)
    assert lines[0].startswith("Episode 1: return ")


def test_an_episode_begins_where_the_one_before_has_ended():
    policy = Straight()
    outcomes = play(policy, ENV, episodes=2)
    decisions = outcomes[0].decisions
    began = [index for index, first in enumerate(policy.firsts) if first[0]]
    assert began == [0, decisions + 1]  # the reset takes a step of its own, whose action is ignored


def test_no_time_is_no_episode():
    assert play(Straight(), ENV, seconds=0.0) == []


def test_an_episode_is_told_in_words():
    outcome = EpisodeOutcome(
        episode_return=12.34, frames=40, decisions=10, off_track_share=0.0, lap_times_s=(1.5, 2.25), fault="It left."
    )
    assert describe(outcome) == "return 12.3, 10 decisions, laps: 1.50 s, 2.25 s, lost: It left"
