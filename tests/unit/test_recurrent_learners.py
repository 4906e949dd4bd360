"""How learners read sequences with a policy that has a memory, against stepping it slot by slot."""

import numpy as np
import pytest
import torch

from experiments.replay.n_step_sequences import n_step_targets
from experiments.sac_learner import SACLearner
from models.memory import Memory
from models.ppo_module import PPOModule
from models.sac_module import SACModule

B, BURN_IN, LENGTH = 3, 2, 4
T = BURN_IN + LENGTH
SAC = {"target_rate": 0.05, "average_rate": 0.05, "target_entropy_per_action": -1.0, "burn_in": BURN_IN}


@pytest.fixture
def recurrent(build_module, tiny_encoder):
    """Return a function that builds a module whose encoders remember."""

    def build(module_class, **changes):
        lstm = {"_target_": "models.cnn_lstm.CNNLSTMEncoder", "over": "time", "hidden": 6, "layers": 1}
        torch.manual_seed(0)
        return build_module(module_class, encoder=tiny_encoder | lstm | {"frame_channels": 1}, **changes)

    return build


@pytest.fixture
def sequences():
    """Sequences as the ring gives them; the second holds an episode's end, in the run-up of the third one begins."""
    random = np.random.default_rng(0)
    valid, terminated = np.ones((B, T), bool), np.zeros((B, T), bool)
    is_first = np.zeros((B, T + 1), bool)
    terminated[1, 3], valid[1, 4], is_first[1, 5], is_first[2, 1] = True, False, True, True
    rewards = random.normal(size=(B, T)).astype(np.float32)
    return {
        "obs": {
            "image": random.integers(0, 256, (B, T + 1, 12, 12, 1)).astype(np.uint8),
            "vector": random.normal(size=(B, T + 1, 3)).astype(np.float32),
        },
        "actions": random.uniform(-1, 1, (B, T, 2)).astype(np.float32),
        "is_first": is_first,
        "terminated": terminated,
        "valid": valid,
    } | n_step_targets(rewards, terminated, valid, n_step=2, gamma=0.9)


def stepped(encoder, data, b, slots):
    """Return the features of the slots of sequence b, one by one from zeros."""
    state, features = torch.zeros(1, encoder.state_dim), []
    for t in range(slots):
        one = {name: torch.from_numpy(part[b, t : t + 1]) for name, part in data["obs"].items()}
        is_first = torch.from_numpy(data["is_first"][b, t : t + 1])
        found, state = encoder.encode(one, Memory.of_one_step(state, is_first))
        features.append(found[0])
    return features


@pytest.mark.parametrize("shared", [True, False])
def test_sac_reads_sequences_as_if_it_stepped_through_them(recurrent, bare_learner, sequences, shared):
    net = recurrent(SACModule, shared_encoder=shared)
    learner = bare_learner(SACLearner, net, torch.optim.Adam(net.parameters(), fused=True), **SAC)
    batch = learner._sequences(sequences)
    row = 0
    for b in range(B):
        judged, seen = (stepped(encoder, sequences, b, T + 1) for encoder in (net.critic_encoder, net.actor.encoder))
        for t in range(BURN_IN, T):
            if not sequences["valid"][b, t]:
                continue
            ahead = sequences["ahead"][b, t]
            for found, expected in (
                (batch.judged[row], judged[t]),
                (batch.seen[row], seen[t]),
                (batch.judged_ahead[row], judged[ahead]),
                (batch.seen_ahead[row], seen[ahead]),
            ):
                torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-5)
            for name in ("actions", "rewards", "discounts"):
                assert getattr(batch, name)[row].tolist() == sequences[name][b, t].tolist()
            row += 1
    assert row == len(batch.judged) == B * LENGTH - 1


def test_sacs_critics_alone_move_a_shared_memory(recurrent, bare_learner, sequences):
    net = recurrent(SACModule)
    learner = bare_learner(SACLearner, net, torch.optim.Adam(net.parameters(), fused=True), **SAC)
    batch = learner._sequences(sequences)
    assert batch.judged.requires_grad
    assert not any(part.requires_grad for part in (batch.seen, batch.judged_ahead, batch.seen_ahead))
    before = {name: parameter.clone() for name, parameter in net.actor.encoder.named_parameters()}
    losses = learner.learn(sequences)
    assert all(torch.isfinite(value) for value in losses.values())
    assert all(not torch.equal(before[name], p) for name, p in net.actor.encoder.named_parameters())


@pytest.mark.parametrize("shared", [True, False])
def test_ppo_evaluates_sequences_as_its_runner_stepped_through_them(recurrent, sequences, shared):
    """A runner's state is one row, whether the critic has an encoder of its own or not."""
    net = recurrent(PPOModule, shared_encoder=shared)
    assert net.state_dim == net.actor.encoder.state_dim * (1 if shared else 2)
    torch.manual_seed(3)
    state = before = torch.randn(B, net.state_dim)
    is_first = torch.from_numpy(sequences["is_first"][:, :T])
    actions, expected = torch.from_numpy(sequences["actions"]), []
    for t in range(T):
        one = {name: torch.from_numpy(part[:, t]) for name, part in sequences["obs"].items()}
        memory = Memory.of_one_step(state, is_first[:, t])
        driven = net.forward_exploration({"obs": one, "state_in": memory})
        density = net.evaluate(one, actions[:, t], memory)[0]
        expected.append((density, driven["vf_preds"]))
        state = driven["state_out"]
    rows = {name: torch.from_numpy(part[:, :T]).flatten(0, 1) for name, part in sequences["obs"].items()}
    log_probs, _, values = net.evaluate(rows, actions.flatten(0, 1), Memory(before, is_first))
    for found, part in ((log_probs, 0), (values, 1)):
        together = torch.stack([step[part] for step in expected], dim=1)
        torch.testing.assert_close(found.unflatten(0, (B, T)), together, rtol=1e-4, atol=1e-5)
