"""The RLModules: what runners get of them, who owns which encoder, and how targets begin."""

import math

import gymnasium as gym
import pytest
import torch
from ray.rllib.core.columns import Columns

from models.actor_module import policy_space
from models.ppo_module import PPOModule
from models.sac_module import SACModule

MODULES = pytest.mark.parametrize("module_class", [PPOModule, SACModule])


def parts_of(module):
    return {name.partition(".")[0] for name in module.state_dict()}


@MODULES
@pytest.mark.parametrize("shared_encoder", [True, False])
def test_a_runners_module_has_what_it_drives_with_and_takes_the_learners_weights(
    build_module, module_class, shared_encoder, observation
):
    learner = build_module(module_class, shared_encoder=shared_encoder)
    runner = build_module(module_class, shared_encoder=shared_encoder, inference_only=True)
    everything = parts_of(learner)
    assert everything >= {"actor", "critic"}
    assert parts_of(runner) == {PPOModule: everything, SACModule: {"actor"}}[module_class]
    weights = learner.get_state(inference_only=True)
    assert set(weights) == set(runner.state_dict())
    assert not torch.equal(runner.actor.step(observation, None)[0], learner.actor.step(observation, None)[0])
    runner.set_state(weights)
    assert torch.equal(runner.actor.step(observation, None)[0], learner.actor.step(observation, None)[0])


@MODULES
def test_exploration_reports_the_density_of_its_actions(build_module, module_class, observation):
    module = build_module(module_class, inference_only=True)
    driven = module.forward_exploration({Columns.OBS: observation})
    actions = driven[Columns.ACTIONS]
    assert actions.shape == (5, 2)
    torch.testing.assert_close(driven[Columns.ACTION_LOGP], module.actor(observation).log_prob(actions))
    assert not torch.equal(actions, module.forward_exploration({Columns.OBS: observation})[Columns.ACTIONS])


@MODULES
def test_who_owns_the_critics_encoder(build_module, module_class):
    shared, apart = build_module(module_class), build_module(module_class, shared_encoder=False)
    assert shared.critic_encoder is shared.actor.encoder
    assert "own_critic_encoder" not in parts_of(shared)
    assert apart.critic_encoder is apart.own_critic_encoder is not apart.actor.encoder
    own = {id(parameter) for parameter in apart.critic_encoder.parameters()}
    assert own.isdisjoint(id(parameter) for parameter in apart.actor.parameters())
    num_encoder = sum(parameter.numel() for parameter in shared.actor.encoder.parameters())
    count = [sum(parameter.numel() for parameter in module.parameters()) for module in (shared, apart)]
    assert count[1] - count[0] == num_encoder


@MODULES
def test_unless_told_actor_and_critic_share_an_encoder_without_memory_only(build_module, module_class, tiny_encoder):
    lstm = {"_target_": "models.cnn_lstm.CNNLSTMEncoder", "over": "time", "hidden": 6, "layers": 1}
    remembers = tiny_encoder | lstm | {"frames": {"time": 1}}
    for encoder, is_shared in ((tiny_encoder, True), (remembers, False)):
        module = build_module(module_class, encoder=encoder, shared_encoder=None)
        assert module.shared_encoder is is_shared
        assert (module.critic_encoder is module.actor.encoder) is is_shared
        assert ("own_critic_encoder" in parts_of(module)) is not is_shared


@pytest.mark.parametrize("shared_encoder", [True, False])
def test_ppo_values_and_evaluation_agree(build_module, shared_encoder, observation):
    module = build_module(PPOModule, shared_encoder=shared_encoder, head="BetaHead")
    actions = torch.rand(5, 2) * 2 - 1
    log_probs, entropy, values, _ = module.evaluate(observation, actions)
    torch.testing.assert_close(values, module.values(observation))
    torch.testing.assert_close(log_probs, module.actor(observation).log_prob(actions))
    torch.testing.assert_close(entropy, module.actor(observation).entropy())
    reaches_actor = torch.autograd.grad(values.sum(), list(module.actor.encoder.parameters()), allow_unused=True)
    assert any(gradient is not None for gradient in reaches_actor) is shared_encoder


@pytest.mark.parametrize("shared_encoder", [True, False])
def test_what_is_privileged_reaches_values_and_not_the_policy(build_module, shared_encoder, observation):
    module = build_module(PPOModule, shared_encoder=shared_encoder, privileged=["vector"])
    other = observation | {"vector": observation["vector"] + 1}
    torch.manual_seed(0)
    driven = module.forward_exploration({Columns.OBS: observation})
    torch.manual_seed(0)
    driven_other = module.forward_exploration({Columns.OBS: other})
    assert torch.equal(driven[Columns.ACTIONS], driven_other[Columns.ACTIONS])
    assert (driven[Columns.VF_PREDS] != driven_other[Columns.VF_PREDS]).all()
    assert torch.equal(driven[Columns.VF_PREDS], module.values(observation))
    only_image = {"image": observation["image"]}  # where the policy drives later
    assert torch.equal(module.actor.step(only_image, None)[0], module.actor.step(observation, None)[0])


def test_features_are_asked_for_what_is_privileged(build_module, observation):
    """An error of 0.1 counts 0.1² / 0.6, of 3 counts 3 - 0.15: squared up to 0.3, linear beyond, one slope there."""
    module = build_module(PPOModule, privileged=["vector"])
    torch.nn.init.zeros_(module.privileged_head.weight)
    module.privileged_head.bias.data = torch.tensor([1.0, 2.0, 3.0])
    observation["vector"] = torch.tensor([[1.0, 2.0, 3.0], [0.9, 2.0, 3.0], [1.0, 2.0, 0.0]])
    rows = observation | {"image": observation["image"][:3]}
    error = module.evaluate(rows, torch.zeros(3, 2)).privileged_error
    torch.testing.assert_close(error, torch.tensor([0.0, 0.01 / 0.6 / 3, 2.85 / 3]))


@pytest.mark.parametrize(
    ("privileged", "message"),
    [(["speed"], "names speed, which is none .*vector"), (["image"], "names image"), (["vector"], None)],
)
def test_privileged_names_are_vectors_beside_something_else(single_space, privileged, message):
    if message is None:  # nothing else is left
        single_space, message = gym.spaces.Dict({"vector": single_space["vector"]}), "nothing to see"
    with pytest.raises(ValueError, match=message):
        policy_space(single_space, privileged)


def test_sac_targets_begin_as_copies_that_are_not_trained(build_module):
    module = build_module(SACModule)
    critic, target = module.critic.state_dict(), module.target_critic.state_dict()
    assert critic.keys() == target.keys()
    assert all(torch.equal(critic[name], target[name]) for name in critic)
    assert all(critic[name].data_ptr() != target[name].data_ptr() for name in critic)
    assert not any(parameter.requires_grad for parameter in module.target_critic.parameters())
    assert all(parameter.requires_grad for parameter in module.critic.parameters())


def test_sac_begins_at_its_temperature(build_module):
    module = build_module(SACModule)
    assert module.log_alpha.item() == pytest.approx(math.log(0.1))
    assert module.log_alpha.requires_grad
