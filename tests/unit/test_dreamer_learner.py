"""DreamerV3's module and update: who holds what, what one update moves, what it hands back to replay."""

import gymnasium as gym
import numpy as np
import pytest
import torch
from ray.rllib.core.columns import Columns

from experiments.dreamer_learner import DreamerLearner
from models.dreamer_module import DreamerModule
from models.memory import Memory
from models.world_model.laprop import LaProp

B, T, SIDE = 3, 6, 8
TINY = {"deter": 16, "latents": 3, "classes": 4, "hidden": 8, "blocks": 2, "depth": 2, "units": 8, "layers": 1}
OPTIONS = {
    "gamma": 0.9,
    "return_lambda": 0.9,
    "horizon": 4,
    "imagine_last": None,
    "entropy_coeff": 3e-4,
    "free_nats": 0.0,
    "dynamics_coeff": 1.0,
    "representation_coeff": 0.1,
    "replay_value_coeff": 0.3,
    "replay_value_gradient": True,
    "slow_rate": 0.25,
}


BOX = gym.spaces.Box(np.array([-1, 0], np.float32), np.ones(2, np.float32))
CHOICE = gym.spaces.Discrete(2)


@pytest.fixture
def build_net():
    space = gym.spaces.Dict(
        {
            "image": gym.spaces.Box(0, 255, (SIDE, SIDE, 1), np.uint8),
            "action_history": gym.spaces.Box(-1, 1, (2,), np.float32),
        }
    )

    def build(inference_only=False, action_space=BOX, **config):
        torch.manual_seed(0)
        return DreamerModule(
            observation_space=space,
            action_space=action_space,
            inference_only=inference_only,
            model_config={
                "encoder": {"_target_": "models.world_model.encoder.WorldModelEncoder", **TINY},
                "head": {"_target_": "models.world_model.actor_head.DreamerHead", "layers": 1, "units": 8},
                "precision": "float32",
                "shared_encoder": True,
                **config,
            },
        )

    return build


@pytest.fixture
def build_learner(bare_learner, build_net):
    def build(action_space=BOX, **options):
        net = build_net(action_space=action_space)
        optimizer = LaProp([p for p in net.parameters() if p.requires_grad], lr=1e-3)
        return bare_learner(DreamerLearner, net, optimizer, **OPTIONS | options)

    return build


@pytest.fixture
def batch():
    random = np.random.default_rng(0)
    return {
        "obs": {
            "image": random.integers(0, 256, (B, T, SIDE, SIDE, 1), np.uint8),
            "action_history": random.uniform(-1, 1, (B, T, 2)).astype(np.float32),
        },
        "state": np.zeros((B, 16 + 3), np.float32),
        "is_first": random.random((B, T)) < 0.2,
        "is_last": np.zeros((B, T), bool),
        "rewards": random.normal(size=(B, T)).astype(np.float32),
        "terminated": np.zeros((B, T), bool),
        "places": np.zeros((2, B), np.int64),
    }


def changed(net, before):
    """Return the parts of a module whose weights are not what they were."""
    return {n.partition(".")[0] for n, tensor in net.state_dict().items() if not torch.equal(tensor, before[n])}


def test_runners_hold_what_drives_and_nothing_else(build_net):
    whole, runner = build_net(), build_net(inference_only=True)
    parts = {"actor", "predictions", "critic", "slow_critic", "return_range"}
    assert {name.partition(".")[0] for name in whole.state_dict()} == parts
    assert set(whole.get_non_inference_attributes()) == parts - {"actor"}
    runner.load_state_dict({n: t for n, t in whole.state_dict().items() if n.startswith("actor.")})
    assert {name.partition(".")[0] for name in runner.state_dict()} == {"actor"}


def test_driving_explores_within_bounds_and_goes_on_from_its_state(build_net):
    net = build_net(inference_only=True)
    observation = {
        "image": torch.randint(0, 256, (50, SIDE, SIDE, 1), dtype=torch.uint8),
        "action_history": torch.zeros(50, 2),
    }
    memory = Memory.of_one_step(torch.zeros(50, net.state_dim), torch.ones(50, dtype=torch.bool))
    with torch.no_grad():
        driven = net.forward_exploration({Columns.OBS: observation, Columns.STATE_IN: memory})
    assert driven[Columns.ACTIONS].abs().max() == 1.0  # of a hundred draws with a deviation near 0.9, some lie beyond
    assert driven[Columns.STATE_OUT].shape == (50, 19)
    assert driven[Columns.STATE_OUT][:, 16:].min() >= 1
    assert len(driven[Columns.STATE_OUT][:, 16:].unique()) > 1


def test_choices_are_driven_as_one_hots_with_their_probabilities(build_net):
    net = build_net(inference_only=True, action_space=CHOICE)
    observation = {
        "image": torch.randint(0, 256, (50, SIDE, SIDE, 1), dtype=torch.uint8),
        "action_history": torch.zeros(50, 2),
    }
    memory = Memory.of_one_step(torch.zeros(50, net.state_dim), torch.ones(50, dtype=torch.bool))
    with torch.no_grad():
        driven = net.forward_exploration({Columns.OBS: observation, Columns.STATE_IN: memory})
        chosen, _ = net.actor.step(observation, memory)
    for actions in (driven[Columns.ACTIONS], chosen):
        assert actions.shape == (50, 2)
        assert actions.sum(-1).eq(1).all()
        assert actions.max(-1).values.eq(1).all()
    assert 0 < driven[Columns.ACTIONS][:, 0].mean() < 1
    np.testing.assert_allclose(driven[Columns.ACTION_LOGP].exp(), 0.5, atol=0.05)  # its last layer is nearly zero


def test_the_last_choice_has_as_many_numbers_as_there_are_choices(build_net):
    with pytest.raises(ValueError, match=r"action_history holds 2 numbers and an action has 5"):
        build_net(action_space=gym.spaces.Discrete(5))


@pytest.mark.parametrize("action_space", [BOX, CHOICE], ids=["box", "choice"])
def test_one_update_moves_all_that_is_trained(build_learner, batch, action_space):
    learner = build_learner(action_space)
    if action_space is CHOICE:
        batch["obs"]["action_history"] = np.eye(2, dtype=np.float32)[np.random.default_rng(1).integers(2, size=(B, T))]
    for _ in range(3):  # heads whose weights begin with zeros pass nothing on at first
        before = {name: tensor.clone() for name, tensor in learner.net.state_dict().items()}
        found = learner.learn(batch)
    assert changed(learner.net, before) == {"actor", "predictions", "critic", "slow_critic", "return_range"}
    for name, tensor in learner.net.named_parameters():
        assert tensor.requires_grad == (not name.startswith("slow_critic")), name
        if tensor.requires_grad:
            assert not torch.equal(tensor, before[name]), name
    assert found["states"].shape == (B, T, 19)
    assert found["states"].dtype == torch.float16
    assert all(torch.isfinite(value).all() for value in found.values())
    learner.check_gradients()


def test_the_slow_critic_follows_by_its_rate(build_learner, batch):
    learner = build_learner()
    learner.learn(batch)
    slow = {name: tensor.clone() for name, tensor in learner.net.slow_critic.named_parameters()}
    learner.learn(batch)
    for name, critic in learner.net.critic.named_parameters():
        now = dict(learner.net.slow_critic.named_parameters())[name]
        torch.testing.assert_close(now, 0.75 * slow[name] + 0.25 * critic)


def test_dreams_may_set_in_at_the_last_slots_alone(build_learner, batch, monkeypatch):
    from experiments import dreamer_learner

    starts = []
    real = dreamer_learner.imagine

    def watched(encoder, predictions, head, deter, *more):
        starts.append(len(deter))
        return real(encoder, predictions, head, deter, *more)

    monkeypatch.setattr(dreamer_learner, "imagine", watched)
    build_learner().learn(batch)
    found = build_learner(imagine_last=2).learn(batch)
    assert starts == [B * T, B * 2]
    assert torch.isfinite(found["replay_critic_loss"])


def test_without_its_gradient_the_replay_loss_leaves_the_world_model_alone(build_learner, batch):
    def gradients(**options):
        learner = build_learner(**options)
        for module in (learner.net.critic, learner.net.predictions.reward):
            torch.nn.init.normal_(module.layers[-1].weight, std=0.5)
        torch.manual_seed(7)
        learner.learn(batch)
        net = learner.net
        return [p.grad.clone() for p in net.actor.encoder.parameters()], [
            p.grad.clone() for p in net.critic.parameters()
        ]

    with_it, without = gradients(), gradients(replay_value_gradient=False)
    assert any(not torch.equal(one, other) for one, other in zip(with_it[0], without[0], strict=True))
    for one, other in zip(with_it[1], without[1], strict=True):
        torch.testing.assert_close(one, other)


def test_a_gradient_that_is_no_number_is_passed_over_and_said(build_learner, batch):
    learner = build_learner()
    before = {name: tensor.clone() for name, tensor in learner.net.named_parameters()}
    batch["rewards"][0, 2] = np.nan
    learner.learn(batch)
    for name, tensor in learner.net.named_parameters():
        assert torch.equal(tensor, before[name]), name
    with pytest.raises(FloatingPointError, match="1 of the gradients up to update 1 were not finite"):
        learner.check_gradients()


def test_it_learns_what_it_sees(build_learner, batch):
    """The same few sequences over and over: all that is predicted is predicted better."""
    batch["obs"]["image"][:] = np.linspace(0, 255, SIDE, dtype=np.uint8)[:, None]
    learner = build_learner()
    learner.set_lr(3e-3)
    losses = [
        {name: float(value) for name, value in learner.learn(batch).items() if "_loss" in name} for _ in range(80)
    ]
    first, last = losses[0], losses[-1]
    assert last["image_loss"] < 0.5 * first["image_loss"]
    assert last["reward_loss"] < first["reward_loss"] - 0.5  # nats; at first all 255 values are as likely
    assert last["continue_loss"] < 0.2 * first["continue_loss"]


@pytest.mark.parametrize(
    ("part", "target", "said"),
    [
        ("encoder", "models.cnn.CNNEncoder", "DreamerV3 learns a world model and brings its own"),
        ("head", "models.heads.BetaHead", "is not a subclass of models.world_model.actor_head.DreamerHead"),
    ],
)
def test_other_parts_are_refused(build_net, part, target, said):
    with pytest.raises(ValueError, match=said):
        build_net(**{part: {"_target_": target}})


def test_states_count_in_what_is_sent_and_kept(compose, tiny_plan):
    from experiments.algorithm import build_config

    words = ("env=dummy", "algo=dreamerv3", "model.preset=nano", "algo.training.replay_capacity=20000")
    config = build_config(compose(*words), tiny_plan())
    space = gym.spaces.Box(0, 255, (10, 10, 1), np.uint8)
    # nano: h of 64 and 8 variables; 22,000 slots with the slack, 2 bytes a number; 8 steps of 4 envs, 4 bytes a number
    assert config.replay_bytes(space) == 22_000 * (100 + 2 * 72)
    assert config.fragment_bytes(space) == 9 * 4 * 100 + 8 * 4 * 4 * 72
