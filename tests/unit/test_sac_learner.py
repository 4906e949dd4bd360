"""SAC's learner: which loss moves which part, where the Bellman equation ends, and how targets and temperature move."""

from copy import deepcopy

import numpy as np
import pytest
import torch
from ray.rllib.core.learner.training_data import TrainingData

from experiments.sac_learner import SACLearner
from models.sac_module import SACModule

BATCH = 6


@pytest.fixture
def sac(build_module, bare_learner):
    """Plain gradient descent, so that gradients and steps are easily compared."""

    def make(shared_encoder=True, target_entropy=-1.0, target_rate=0.25, average_rate=0.5):
        torch.manual_seed(0)
        net = build_module(SACModule, shared_encoder=shared_encoder)
        trained = [parameter for parameter in net.parameters() if parameter.requires_grad]
        rates = {"target_rate": target_rate, "average_rate": average_rate}
        options = rates | {"target_entropy_per_action": target_entropy}
        return bare_learner(SACLearner, net, torch.optim.SGD(trained, lr=1e-2, fused=True), **options)

    return make


@pytest.fixture
def batch():
    random = np.random.default_rng(0)

    def observation():
        return {
            "image": random.integers(0, 256, (BATCH, 1, 12, 12, 1), np.uint8),
            "vector": random.normal(size=(BATCH, 3)).astype(np.float32),
        }

    return {
        "obs": observation(),
        "next_obs": observation(),
        "actions": random.uniform(-1, 1, (BATCH, 2)).astype(np.float32),
        "rewards": random.normal(size=BATCH).astype(np.float32),
        "discounts": np.zeros(BATCH, np.float32),  # every transition is terminal, unless a test says otherwise
    }


def gradients(learner, batch, *parts):
    """Update a copy of the learner with fixed random numbers; returns the gradients of these parts of the network."""
    learner = deepcopy(learner)
    torch.manual_seed(1)
    learner.update(TrainingData(batch=batch))
    modules = [learner.net.get_submodule(part) for part in parts]
    return [p.grad.clone() for module in modules for p in module.parameters()]


def are_equal(first, second):
    return all(torch.allclose(a, b, rtol=1e-5, atol=1e-7) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize(("shared", "encoder"), [(True, "actor.encoder"), (False, "own_critic_encoder")])
def test_sac_critics_and_their_encoder_follow_the_bellman_error_alone(sac, batch, shared, encoder):
    learner = sac(shared)
    found = gradients(learner, batch, encoder, "critic")
    net = learner.net
    seen = {"image": torch.from_numpy(batch["obs"]["image"][:, 0]), "vector": torch.from_numpy(batch["obs"]["vector"])}
    values = net.critic(net.get_submodule(encoder)(seen), torch.from_numpy(batch["actions"]))
    error = (values - torch.from_numpy(batch["rewards"])).square().mean(1)  # terminal: the target is the reward
    parameters = [*net.get_submodule(encoder).parameters(), *net.critic.parameters()]
    assert are_equal(found, torch.autograd.grad(0.5 * error.sum(), parameters))


def test_sac_weights_scale_each_transitions_error_and_errors_come_back(sac, batch):
    learner = sac()
    net = learner.net
    weights = np.array([1.0, 0.5, 0.25, 1.0, 0.0, 0.125], np.float32)
    found = gradients(learner, batch | {"weights": weights}, "critic")
    seen = {"image": torch.from_numpy(batch["obs"]["image"][:, 0]), "vector": torch.from_numpy(batch["obs"]["vector"])}
    values = net.critic(net.actor.encoder(seen), torch.from_numpy(batch["actions"]))
    errors = values - torch.from_numpy(batch["rewards"])  # terminal: the target is the reward
    loss = sum(0.5 * (torch.from_numpy(weights) * one.square()).sum() / BATCH for one in errors)
    assert are_equal(found, torch.autograd.grad(loss, list(net.critic.parameters())))
    assert not are_equal(found, gradients(learner, batch, "critic"))
    plain = batch | {"weights": np.ones(BATCH, np.float32)}
    assert are_equal(gradients(learner, plain, "critic"), gradients(learner, batch, "critic"))
    assert are_equal(
        gradients(learner, batch | {"weights": weights}, "actor.head"), gradients(learner, batch, "actor.head")
    )
    losses = learner.update(TrainingData(batch=plain))
    expected = [(abs(first) + abs(second)) / 2 for first, second in zip(*errors.tolist(), strict=True)]
    assert losses["td_errors"].tolist() == pytest.approx(expected, rel=1e-5)
    assert "td_errors" not in learner.update(TrainingData(batch=batch))


@pytest.mark.parametrize("shared", [True, False])
def test_sac_actors_do_not_follow_the_bellman_error(sac, batch, shared):
    learner = sac(shared)
    own = ["actor.head"] if shared else ["actor.head", "actor.encoder"]
    other_rewards = batch | {"rewards": 100 * batch["rewards"]}
    found = gradients(learner, batch, *own)
    assert all(gradient.any() for gradient in found[:2])
    assert are_equal(found, gradients(learner, other_rewards, *own))
    assert not are_equal(gradients(learner, batch, "critic"), gradients(learner, other_rewards, "critic"))
    assert shared or all(gradient.any() for gradient in gradients(learner, batch, "actor.encoder"))


def test_sac_actors_climb_the_critics(sac, batch):
    """With critics that like the first action, the actor comes to take it."""
    learner = sac()
    with torch.no_grad():
        learner.net.log_alpha.fill_(-20.0)
        for parameter in learner.net.critic.parameters():
            parameter.zero_()
        first, last = learner.net.critic.layers[0], learner.net.critic.layers[2]
        first.weight[:, -2, 0] = 1.0  # the features come first, then the two actions
        first.bias[:, 0, 0] = 1.0
        last.weight[:, 0, 0] = 50.0
    seen = {"image": torch.from_numpy(batch["obs"]["image"][:, 0]), "vector": torch.from_numpy(batch["obs"]["vector"])}
    before = learner.net.actor.step(seen, None)[0]
    learner.update(TrainingData(batch=batch))
    assert (learner.net.actor.step(seen, None)[0][:, 0] > before[:, 0] + 0.05).all()


@pytest.mark.parametrize("discount", [0.0, 0.9])
def test_sac_terminal_transitions_do_not_look_ahead(sac, batch, discount):
    batch["discounts"][:] = discount
    learner = sac()
    other = batch | {"next_obs": batch["obs"]}
    same = are_equal(gradients(learner, batch, "critic"), gradients(learner, other, "critic"))
    assert same is (discount == 0)


@pytest.mark.parametrize(
    ("follower", "leader", "rate"), [("target_critic", "critic", 0.25), ("average_actor", "actor", 0.5)]
)
def test_sac_followers_move_by_their_rate(sac, batch, follower, leader, rate):
    learner = sac(target_rate=0.25, average_rate=0.5)
    learner.num_updates = 1000
    following, leading = getattr(learner.net, follower), getattr(learner.net, leader)
    with torch.no_grad():
        for parameter in following.parameters():
            parameter += 1.0
    before = [parameter.clone() for parameter in following.parameters()]
    learner.update(TrainingData(batch=batch))
    for target, old, new in zip(following.parameters(), before, leading.parameters(), strict=True):
        torch.testing.assert_close(target, (1 - rate) * old + rate * new)


def test_sac_young_average_has_forgotten_the_untrained_actor(sac, batch):
    learner = sac(average_rate=1e-6)
    with torch.no_grad():
        for parameter in learner.net.average_actor.parameters():
            parameter += 1e6
    for _ in range(30):
        learner.update(TrainingData(batch=batch))
    for average, actor in zip(learner.net.average_actor.parameters(), learner.net.actor.parameters(), strict=True):
        assert (average - actor).abs().max() < 1.0


@pytest.mark.parametrize(("target_entropy", "direction"), [(10.0, 1), (-10.0, -1)])
def test_sac_temperature_rises_below_the_target_entropy_and_falls_above(sac, batch, target_entropy, direction):
    learner = sac(target_entropy=target_entropy)
    before = learner.net.log_alpha.item()
    losses = learner.update(TrainingData(batch=batch))
    # By hand: one SGD step of 0.01 down -(log alpha) (target - entropy), two actions.
    step = 0.01 * (2 * target_entropy - losses["entropy"].item())
    assert step * direction > 0
    assert learner.net.log_alpha.item() - before == pytest.approx(step, rel=1e-4)


def test_a_gradient_that_is_not_finite_moves_nothing_and_is_reported(sac, batch):
    learner = sac()
    trained = learner.optimizer.param_groups[0]["params"]
    before = deepcopy(trained)
    learner.learn(batch | {"rewards": np.full(BATCH, np.nan, np.float32)})
    assert all(torch.equal(*pair) for pair in zip(before, trained, strict=True))
    with pytest.raises(FloatingPointError, match=r"1 of the gradients up to update 1 were not finite"):
        learner.check_gradients()


def test_finite_gradients_move_everything_and_are_not_reported(sac, batch):
    learner = sac()
    trained = learner.optimizer.param_groups[0]["params"]
    before = deepcopy(trained)
    learner.learn(batch)
    learner.check_gradients()
    assert not any(torch.equal(*pair) for pair in zip(before, trained, strict=True))
