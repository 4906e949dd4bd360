"""Which envs a policy may be scored in: those that show at least what it sees, and act as it does."""

import gymnasium as gym
import pytest
import torch

from envs.dummy import DummyEnv
from envs.errors import ConfigError
from experiments.drive import drive
from experiments.evaluate import evaluate
from experiments.policy import save_policy
from experiments.policy_description import PolicyDescription

ENV = {"_target_": "envs.dummy.DummyEnv", "image_size": 12, "num_decisions": 10}


@pytest.fixture
def score(monkeypatch, tiny_encoder, tmp_path):
    """Return a function from how the dummy shows itself to the returns there of a policy that sees its image alone."""

    def drive_here(load, arguments, env, seeds, **_):
        return drive(load(*arguments), env, seeds)

    monkeypatch.setattr("experiments.evaluate.drive_parallel", drive_here)
    monkeypatch.setattr("experiments.evaluate.draw_returns", lambda *_: None)
    env = DummyEnv(image_size=12)
    description = PolicyDescription(
        env=ENV | {"obs": "both"},  # its critic saw the vector
        observation_space=gym.spaces.Dict({"image": env.observation_space["image"]}),
        action_space=env.action_space,
        encoder=tiny_encoder,
        head={"_target_": "models.heads.BetaHead", "hidden": [8]},
        training={"env": "dummy"},
    )
    torch.manual_seed(0)
    save_policy(tmp_path, description.build_actor().state_dict(), description)
    options = {"episodes": 3, "first_seed": 10, "video": False, "num_processes": 1}

    def score_in(obs=None):
        other = None if obs is None else ("dummy", ENV | {"obs": obs})
        return evaluate(tmp_path, tmp_path / "results", **options, other_env=other)["returns"]

    return score_in


def test_what_a_policy_does_not_see_changes_nothing(score):
    assert score() == score("both") == score("image")


def test_an_env_that_lacks_what_it_sees_is_refused(score):
    with pytest.raises(ConfigError, match=r"env=dummy has Box.*trained on Dict.*obs"):
        score("vector")
