"""DreamerV3's distributions over actions."""

import math

import pytest
import torch

from models.world_model.actor_head import BoundedNormalActions, DreamerHead


def test_continuous_actions_are_a_gaussian_with_a_bounded_deviation():
    mean, raw = 0.3, -0.7
    actions = BoundedNormalActions(torch.tensor([[math.atanh(mean), raw]]))
    std = 0.1 + 0.9 / (1 + math.exp(-(raw + 2)))
    reference = torch.distributions.Normal(mean, std)
    assert actions.mode().item() == pytest.approx(mean)
    assert actions.entropy().item() == pytest.approx(reference.entropy().item(), rel=1e-5)
    taken = torch.tensor([[1.7]])
    assert actions.log_prob(taken).item() == pytest.approx(reference.log_prob(taken).item(), rel=1e-4)
    torch.manual_seed(0)
    drawn = torch.stack([actions.sample() for _ in range(4000)])
    assert drawn.mean().item() == pytest.approx(mean, abs=0.05)
    assert drawn.std().item() == pytest.approx(std, abs=0.05)
    for extreme, bound in ((-1e6, 0.1), (1e6, 1.0)):
        bounded = BoundedNormalActions(torch.tensor([[0.0, extreme]])).entropy().item()
        assert bounded == pytest.approx(torch.distributions.Normal(0.0, bound).entropy().item(), rel=1e-5)


def test_noise_narrows_continuous_actions():
    parameters = torch.zeros(1, 2)
    wide, narrow = BoundedNormalActions(parameters), BoundedNormalActions(parameters, noise=0.5)
    assert (wide.entropy() - narrow.entropy()).item() == pytest.approx(math.log(2))


@pytest.mark.parametrize("is_discrete", [False, True])
def test_reinforce_makes_good_actions_likelier(is_discrete):
    """A bandit: the reward is the first component of the action, or the choice of the first action."""
    torch.manual_seed(0)
    head = DreamerHead(feature_dim=4, action_dim=3, layers=1, units=8, is_discrete=is_discrete)
    optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
    features = torch.ones(256, 4)
    for _ in range(60):
        policy = head(features)
        taken = policy.sample()
        rewards = taken[:, 0].clamp(-1, 1)
        loss = -(policy.log_prob(taken) * (rewards - rewards.mean())).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    assert head(features[:1]).mode()[0, 0].item() > 0.9
