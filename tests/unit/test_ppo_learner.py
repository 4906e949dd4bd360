"""PPO's learner: what an update moves, in which direction, and where it stops."""

import numpy as np
import pytest
import torch
from ray.rllib.core.learner.training_data import TrainingData

from experiments.ppo import adapted
from experiments.ppo_learner import PPOLearner
from models.ppo_module import PPOModule


@pytest.fixture
def ppo(build_module, bare_learner):
    def make(net=None, **options):
        torch.manual_seed(0)
        net = net or build_module(PPOModule, head="BetaHead")
        numbers = {"clip": 0.2, "value_coeff": 0.5, "entropy_coeff": 0.0, "gamma": 0.9, "gae_lambda": 0.95}
        steps = {"epochs": 1, "minibatch_size": 1000, "sequence_length": 16}
        return bare_learner(
            PPOLearner, net, torch.optim.Adam(net.parameters(), lr=1e-2, fused=True), **numbers | steps | options
        )

    return make


@pytest.fixture
def bandit(make_fragment):
    """One-decision episodes in 8 envs, each followed by its reset slot: a reward of 1 for steering right, else 0."""

    def drive(net):
        ends = np.tile(np.arange(16)[:, None] % 2 == 0, 8)
        image = torch.zeros(16 * 8, 12, 12, 1, dtype=torch.uint8)
        with torch.no_grad():
            policy = net.actor({"image": image, "vector": torch.zeros(16 * 8, 3)})
            actions = policy.sample()
            log_probs = policy.log_prob(actions)
            value = net.values({"image": image[:1], "vector": torch.zeros(1, 3)}).item()
        rewards = np.where(ends, actions[:, 0].reshape(16, 8).numpy() > 0, 1e6).astype(np.float32)
        return make_fragment(
            16,
            8,
            actions=actions.reshape(16, 8, 2).numpy(),
            log_probs=log_probs.reshape(16, 8).numpy(),
            values=np.full((17, 8), value, np.float32),
            rewards=rewards,  # what stands in the reset slots must not count
            terminated=ends,
            valid=ends,
        )

    return drive


def test_ppo_learns_to_steer_where_the_reward_is(ppo, bandit, observation):
    learner = ppo(epochs=4, minibatch_size=16)
    still = {name: torch.zeros_like(part[:1]) for name, part in observation.items()}
    before = learner.net.actor.step(still, None)[0][0, 0].item()
    for _ in range(10):
        losses = learner.update(TrainingData(episodes=[bandit(learner.net), bandit(learner.net)]))
    assert losses["updates"] == 4 * 2 * 64 // 16  # epochs x valid slots / minibatch
    assert learner.net.actor.step(still, None)[0][0, 0].item() > before + 0.3
    # The value is the share of decisions that were rewarded, which by now is most of them.
    assert 0.5 < learner.net.values(still).item() < 1.1


def test_ppo_values_regress_to_the_returns_and_the_kl_grows_from_zero(ppo, bandit):
    learner = ppo()
    fragment = bandit(learner.net)
    history = [learner.update(TrainingData(episodes=[fragment])) for _ in range(20)]
    assert history[0]["kl"] == pytest.approx(0, abs=1e-6)  # one step, taken at the policy that drove
    assert history[0]["clip_share"] == 0
    assert 0 < history[1]["kl"] < history[5]["kl"]
    assert history[-1]["value_loss"] < 0.7 * history[0]["value_loss"]
    assert history[0]["entropy"] < 2 * np.log(2)  # of two uniform components


def test_features_learn_to_tell_what_is_privileged(ppo, bandit, build_module):
    """Speeds that a picture shows: one grey level each, half of the slots 0 and half 1."""
    torch.manual_seed(0)
    learner = ppo(privileged_coeff=1.0, epochs=4, net=build_module(PPOModule, privileged=["vector"]))
    fragment = bandit(learner.net)
    fragment.images["image"][::4] = 200
    fragment.vectors["vector"][::4] = 1
    history = [learner.learn([fragment])["privileged_error"] for _ in range(30)]
    assert history[0] > 0.1
    assert history[-1] < 0.02


def test_ppo_asks_for_fragments_with_values(ppo, make_fragment):
    with pytest.raises(ValueError, match="values"):
        ppo().update(TrainingData(episodes=[make_fragment(4, 2)]))


@pytest.mark.parametrize(
    ("log_ratio", "advantage", "is_clipped"),
    [(0.5, 1, True), (0.5, -1, False), (-0.5, 1, False), (-0.5, -1, True), (0.1, 1, False), (-0.1, -1, False)],
)
def test_ppo_clips_what_moved_far_enough_in_the_right_direction(ppo, observation, log_ratio, advantage, is_clipped):
    """Equation 7: exp(0.5) > 1.2 and exp(-0.5) < 0.8, where the smaller of both terms is constant."""
    learner = ppo(value_coeff=0.0)
    actions = torch.full((5, 2), 0.3)
    with torch.no_grad():
        log_probs = learner.net.actor(observation).log_prob(actions)
    batch = {
        "actions": actions,
        "log_probs": log_probs - log_ratio,
        "advantages": torch.full((5,), float(advantage)),
        "returns": torch.zeros(5),
    }
    losses = learner._step(observation, batch)
    assert (losses["grad_norm"].item() == 0) is is_clipped
    with torch.no_grad():
        moved = learner.net.actor(observation).log_prob(actions).sum() - log_probs.sum()
    assert moved.item() == 0 if is_clipped else moved.item() * advantage > 0
    assert losses["clip_share"].item() == (abs(log_ratio) == 0.5)


@pytest.mark.parametrize(
    ("factor", "kl", "desired", "expected"),
    [
        (1.0, 0.021, 0.01, 1 / 1.5),
        (1.0, 0.019, 0.01, 1.0),
        (1.0, 0.006, 0.01, 1.0),
        (1.0, 0.004, 0.01, 1.5),
        (2.5, 0.0, 0.01, 3.0),  # no further
        (0.04, 1.0, 0.01, 0.03),
        (0.5, 1.0, None, 1.0),
    ],
)
def test_the_learning_rate_follows_the_kl(factor, kl, desired, expected):
    assert adapted(factor, kl, desired) == pytest.approx(expected)
