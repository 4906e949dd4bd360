"""DreamerV3's policy over choices against a slow reference, written from the paper: 1 % uniform, REINFORCE, entropy."""

import math

import numpy as np
import pytest
import torch
from torch import nn

from models.world_model.actor_head import DreamerHead, OneHotActions
from models.world_model.dreaming import Dream, imagine
from models.world_model.losses import behaviour_losses
from models.world_model.returns import ReturnRange

LOGITS = [[0.3, -1.2, 2.0, 0.0], [0.0, 0.0, 0.0, 0.0], [-40.0, 12.0, 0.5, 3.0]]


def slow_probabilities(logits):
    """Return 99 % of the softmax and 1 % of the uniform distribution, number by number."""
    total = sum(math.exp(logit) for logit in logits)
    return [0.99 * math.exp(logit) / total + 0.01 / len(logits) for logit in logits]


def slow_log_prob_gradient(logits, chosen):
    """Return d log p(chosen) / d logit, by the quotient rule: only the softmax's share depends on the logits."""
    total = sum(math.exp(logit) for logit in logits)
    softmax = [math.exp(logit) / total for logit in logits]
    p = slow_probabilities(logits)[chosen]
    return [0.99 * softmax[chosen] * ((k == chosen) - softmax[k]) / p for k in range(len(logits))]


def slow_entropy_gradient(logits):
    """Return d H / d logit by central differences in double precision."""

    def entropy(values):
        return -sum(p * math.log(p) for p in slow_probabilities(values))

    step, gradient = 1e-6, []
    for k in range(len(logits)):
        up, down = list(logits), list(logits)
        up[k], down[k] = up[k] + step, down[k] - step
        gradient.append((entropy(up) - entropy(down)) / (2 * step))
    return gradient


@pytest.mark.parametrize("logits", LOGITS)
def test_log_probabilities_and_entropy(logits):
    actions, expected = OneHotActions(torch.tensor([logits])), slow_probabilities(logits)
    assert sum(expected) == pytest.approx(1.0)
    np.testing.assert_allclose(actions.log_prob(torch.eye(4)).exp(), expected, rtol=1e-5)
    assert actions.entropy().item() == pytest.approx(-sum(p * math.log(p) for p in expected), rel=1e-5)
    assert actions.mode().argmax().item() == max(range(4), key=logits.__getitem__)


def test_no_choice_is_ever_impossible():
    actions = OneHotActions(torch.tensor([[0.0, 1e9, 0.0, 0.0]]))
    assert actions.log_prob(torch.eye(4)).exp().tolist() == pytest.approx([0.0025, 0.9925, 0.0025, 0.0025])


@pytest.mark.parametrize("logits", LOGITS)
def test_gradients(logits):
    for chosen in range(4):
        parameters = torch.tensor([logits], requires_grad=True)
        OneHotActions(parameters).log_prob(torch.eye(4)[chosen]).sum().backward()
        np.testing.assert_allclose(parameters.grad[0], slow_log_prob_gradient(logits, chosen), rtol=1e-4, atol=1e-6)
    parameters = torch.tensor([logits], requires_grad=True)
    OneHotActions(parameters).entropy().sum().backward()
    np.testing.assert_allclose(parameters.grad[0], slow_entropy_gradient(logits), rtol=1e-3, atol=1e-6)


def test_what_is_drawn_is_one_hot_and_as_frequent_as_likely():
    torch.manual_seed(0)
    drawn = OneHotActions(torch.tensor(LOGITS[0]).expand(20_000, 4)).sample()
    assert not drawn.requires_grad
    assert drawn.sum(-1).eq(1).all()
    assert drawn.max(-1).values.eq(1).all()
    np.testing.assert_allclose(drawn.mean(0), slow_probabilities(LOGITS[0]), atol=0.01)


@pytest.fixture
def choosing(encoder):
    """A policy over two choices, as wide as the tiny world model's actions, whose logits are not all alike."""
    torch.manual_seed(2)
    head = DreamerHead(feature_dim=encoder.feature_dim, action_dim=2, layers=1, units=8, is_discrete=True)
    nn.init.normal_(head.layers[-1].weight)
    return head


def test_dreams_are_driven_with_one_hots(encoder, parts, choosing):
    dream = imagine(encoder, parts["predictions"], choosing, torch.randn(50, 16), torch.zeros(50, 12), 3)
    assert dream.actions.shape == (4, 50, 2)
    assert dream.policy.shape == (4, 50, 2)
    assert dream.actions.sum(-1).eq(1).all()
    assert dream.actions.max(-1).values.eq(1).all()
    assert 0 < dream.actions[..., 0].mean() < 1


def test_the_actor_learns_by_reinforce(encoder, parts, choosing):
    """The gradient that reaches the logits: minus weight x (advantage x d log p + coefficient x d H), by hand."""
    torch.manual_seed(3)
    dream = imagine(encoder, parts["predictions"], choosing, torch.randn(5, 16), torch.zeros(5, 12), 2)
    dream = Dream(dream.features, dream.actions, dream.policy.detach().requires_grad_())
    gamma, coefficient = 0.9, 0.05
    losses, returns, report = behaviour_losses(
        dream,
        parts["predictions"],
        choosing,
        parts["critic"],
        parts["slow_critic"],
        ReturnRange(),
        gamma=gamma,
        lambda_=0.95,
        entropy_coeff=coefficient,
    )
    losses["actor"].sum().backward()
    with torch.no_grad():
        values = parts["critic"](dream.features).mean()
        goes_on = parts["predictions"].continue_probability(dream.features)
    advantages = (returns - values[:-1]) / report["return_range"]
    weights = goes_on[:1] * torch.cat([torch.ones(1, 5), (gamma * goes_on[1:2]).cumprod(0)])
    for step in range(2):
        for row in range(5):
            logits = dream.policy[step, row].tolist()
            log_prob = slow_log_prob_gradient(logits, int(dream.actions[step, row].argmax()))
            entropy = slow_entropy_gradient(logits)
            expected = [
                -weights[step, row].item() * (advantages[step, row].item() * one + coefficient * other)
                for one, other in zip(log_prob, entropy, strict=True)
            ]
            np.testing.assert_allclose(dream.policy.grad[step, row], expected, rtol=1e-3, atol=1e-6)
    assert not dream.policy.grad[-1].any()  # the last state only lends its value
