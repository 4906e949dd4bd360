"""The losses: what they are by hand, and where their gradients go."""

from dataclasses import replace

import pytest
import torch

from models.world_model.dreaming import Dream, imagine
from models.world_model.losses import behaviour_losses, replay_value_loss, world_model_losses
from models.world_model.returns import ReturnRange

NUMBERS = {"gamma": 0.9, "lambda_": 0.8}
SAID = {**NUMBERS, "entropy_coeff": 3e-4}


def moved(parts, loss):
    """Return the names of the parts that a loss has gradients for."""
    for part in parts.values():
        part.zero_grad()
    loss.backward(retain_graph=True)
    return {name for name, part in parts.items() if any(p.grad is not None and p.grad.any() for p in part.parameters())}


def moved_predictions(parts, loss):
    return moved(dict(parts["predictions"].named_children()), loss)


def dream_from(parts, unrolled, horizon=4):
    start = (unrolled.deter.flatten(0, 1), unrolled.latent.flatten(0, 1))
    return imagine(parts["encoder"], parts["predictions"], parts["head"], *start, horizon)


def behaviour(parts, dream, **numbers):
    judges = (parts[name] for name in ("predictions", "head", "critic", "slow_critic"))
    return behaviour_losses(dream, *judges, ReturnRange(), **SAID | numbers)


def test_the_world_models_losses_move_the_world_model_alone(parts, make_experience):
    losses, *_ = world_model_losses(parts["encoder"], parts["predictions"], make_experience(2, 5), free_nats=0.0)
    heads = {
        "image": {"image_decoder"},
        "vectors": {"vector_decoder"},
        "reward": {"reward"},
        "continue": {"goes_on"},
        "dynamics": {"prior"},
        "representation": set(),
    }
    assert losses.keys() == heads.keys()
    for name, loss in losses.items():
        assert loss.shape == (2, 5)
        assert moved(parts, loss.mean()) == ({"encoder", "predictions"} if heads[name] else {"encoder"})
        assert moved_predictions(parts, loss.mean()) == heads[name]


def test_the_dynamics_loss_does_not_move_the_posterior(parts, make_experience):
    losses, *_ = world_model_losses(parts["encoder"], parts["predictions"], make_experience(2, 1), free_nats=0.0)
    halves = {"posterior": parts["encoder"].posterior, "sequence": parts["encoder"].sequence}
    assert moved(halves, losses["dynamics"].mean()) == {"sequence"}  # one step: the posterior is its only other side
    assert moved(halves, losses["representation"].mean()) == {"posterior", "sequence"}


def test_reward_and_end_belong_to_the_slot_that_they_arrive_with(parts, make_experience):
    """The heads are asked for a slot's own reward and end, not for those of a neighbour."""
    seen = make_experience(1, 4)
    ended = torch.tensor([[False, False, True, False]])
    torch.manual_seed(5)
    before, *_ = world_model_losses(parts["encoder"], parts["predictions"], seen, 1.0)
    torch.manual_seed(5)
    after, *_ = world_model_losses(
        parts["encoder"], parts["predictions"], replace(seen, rewards=seen.rewards + ended * 9.0, terminated=ended), 1.0
    )
    for name in ("reward", "continue"):
        assert ((after[name] != before[name]) == ended).all()


def test_imagination_follows_the_prior_and_the_policys_own_actions(parts):
    encoder, predictions, head = parts["encoder"], parts["predictions"], parts["head"]
    torch.manual_seed(6)
    deter, latent = torch.randn(5, 16), torch.eye(4)[torch.randint(0, 4, (5, 3))].flatten(1)
    dream = imagine(encoder, predictions, head, deter, latent, 3)
    assert dream.features.shape == (4, 5, 28)
    for step in range(3):
        h, z = dream.features[step].split((16, 12), -1)
        torch.testing.assert_close(dream.policy[step], head.layers(dream.features[step]))
        expected = encoder.sequence.steps()(h, z, encoder.sequence.prepare(dream.actions[step]))
        torch.testing.assert_close(dream.features[step + 1][:, :16], expected)
        assert dream.features[step + 1][:, 16:].unflatten(-1, (3, 4)).sum(-1).eq(1).all()
    torch.testing.assert_close(dream.features[0], torch.cat([deter, latent], -1))


def test_actor_and_critic_move_themselves_alone(parts, make_experience):
    *_, unrolled = world_model_losses(parts["encoder"], parts["predictions"], make_experience(2, 3), 1.0)
    losses, returns, _ = behaviour(parts, dream_from(parts, unrolled))
    assert losses["actor"].shape == losses["critic"].shape == returns.shape == (4, 6)
    assert moved(parts, losses["actor"].mean()) == {"head"}
    assert moved(parts, losses["critic"].mean()) == {"critic"}


class Said:
    """A head that says the same number of every state at a step, and keeps what it is taught."""

    def __init__(self, numbers):
        self.numbers, self.taught = torch.tensor(numbers), []

    def __call__(self, features):
        said = Said.__new__(Said)
        said.numbers, said.taught = self.numbers[: len(features)], self.taught
        return said

    def of(self, rows):
        said = Said.__new__(Said)
        said.numbers, said.taught = self.numbers[rows], self.taught
        return said

    def mean(self):
        return self.numbers[:, None]

    def loss(self, *targets):
        self.taught.extend(targets)
        return sum((self.numbers[:, None] - target).abs() for target in targets)


@pytest.fixture
def predictions_of_anything(parts):
    class Anything:
        pass

    return Anything()


def test_behaviour_by_hand(parts, predictions_of_anything):
    said = predictions_of_anything
    said.reward = Said([99.0, 2.0, 3.0])
    said.continue_probability = lambda features: torch.tensor([[1.0], [0.5], [1.0]])
    critic, slow = Said([10.0, 20.0, 30.0]), Said([11.0, 21.0, 31.0])
    head = parts["head"]
    features = torch.randn(3, 1, 28)
    parameters = head.layers(features)
    dream = Dream(features, head.distribution(parameters).sample(), parameters)
    losses, returns, report = behaviour_losses(dream, said, head, critic, slow, ReturnRange(rate=1.0), **SAID)
    # R_1 = 3 + 0.9 * 30 = 30; R_0 = 2 + 0.9 * 0.5 * (0.2 * 20 + 0.8 * 30) = 14.6
    assert returns[:, 0].tolist() == pytest.approx([14.6, 30.0])
    divisor = 0.9 * (30.0 - 14.6)  # 5th to 95th percentile of two numbers
    assert float(report["return_range"]) == pytest.approx(divisor)
    policy = head.distribution(parameters[:2])
    log_probs, entropies = policy.log_prob(dream.actions[:2])[:, 0], policy.entropy()[:, 0]
    weights = torch.tensor([1.0, 0.9 * 0.5])
    advantages = torch.tensor([14.6 - 10.0, 30.0 - 20.0]) / divisor
    torch.testing.assert_close(losses["actor"][:, 0], -weights * (log_probs * advantages + 3e-4 * entropies))
    # |10 - 14.6| + |10 - 11| and |20 - 30| + |20 - 21|
    torch.testing.assert_close(losses["critic"][:, 0], weights * torch.tensor([5.6, 11.0]))


def test_replayed_returns_by_hand(make_experience):
    """The second slot is the last of its episode: it lends its value, and learns nothing."""
    seen = make_experience(
        1,
        4,
        rewards=torch.tensor([[99.0, 1.0, 0.0, 3.0]]),
        is_last=torch.tensor([[False, True, False, False]]),
        is_first=torch.tensor([[False, False, True, False]]),
    )

    class Zero(Said):
        def __call__(self, features):
            return self

        def mean(self):
            return torch.zeros(1, 3)

        def loss(self, *targets):
            return sum(target.abs() for target in targets)

    bootstraps = torch.tensor([[10.0, 20.0, 30.0, 40.0]])
    loss, returns = replay_value_loss(torch.zeros(1, 4, 5), seen, bootstraps, Zero([0.0]), Zero([0.0]), **NUMBERS)
    # R_2 = 3 + 0.9 * 40 = 39; R_0 = 1 + 0.9 * 20: the episode ends there.
    assert float(returns[0, 2]) == pytest.approx(39.0)
    assert float(returns[0, 0]) == pytest.approx(19.0)
    assert loss[0].tolist() == pytest.approx([19.0, 0.0, 39.0])


def test_a_terminated_episode_has_no_later_value(make_experience):
    ends = torch.tensor([[False, True, False]])
    seen = make_experience(1, 3, rewards=torch.tensor([[0.0, 5.0, 0.0]]), is_last=ends, terminated=ends)
    head = Said([0.0])
    head.mean = lambda: torch.zeros(1, 2)
    head.loss = lambda *targets: sum(targets)
    always = lambda features: head  # noqa: E731 (a head that is one)
    _, returns = replay_value_loss(torch.zeros(1, 3, 5), seen, torch.full((1, 3), 1e3), always, always, **NUMBERS)
    assert float(returns[0, 0]) == 5.0


def test_the_replay_loss_moves_the_critic_and_what_it_sees_by(parts, make_experience):
    seen = make_experience(2, 5)
    *_, unrolled = world_model_losses(parts["encoder"], parts["predictions"], seen, 1.0)
    judges = (parts["critic"], parts["slow_critic"])
    bootstraps = torch.randn(2, 5)
    loss, _ = replay_value_loss(unrolled.features, seen, bootstraps, *judges, **NUMBERS)
    assert moved(parts, loss.mean()) == {"encoder", "critic"}
    detached, _ = replay_value_loss(unrolled.features.detach(), seen, bootstraps, *judges, **NUMBERS)
    assert moved(parts, detached.mean()) == {"critic"}


def test_advantages_are_not_blown_up(parts, predictions_of_anything):
    """Returns that differ by a thousandth leave advantages of a thousandth."""
    said = predictions_of_anything
    said.reward = Said([0.0, 0.001, 0.0])
    said.continue_probability = lambda features: torch.ones(3, 1)
    features = torch.randn(3, 1, 28)
    parameters = parts["head"].layers(features)
    dream = Dream(features, parts["head"].distribution(parameters).sample(), parameters)
    zero = Said([0.0, 0.0, 0.0])
    _, _, report = behaviour_losses(dream, said, parts["head"], zero, zero, ReturnRange(rate=1.0), **SAID)
    assert float(report["advantage"]) == pytest.approx(0.0005)
    assert float(report["return_range"]) == 1.0
