"""How learners read sequences with a policy that has a memory, against stepping it slot by slot."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from ray.rllib.core.learner.training_data import TrainingData

from experiments.advantages import generalised_advantages
from experiments.ppo_learner import PPOLearner
from experiments.replay.n_step_sequences import n_step_targets
from experiments.sac import SAC
from experiments.sac_learner import SACLearner
from models.memory import Memory
from models.ppo_module import PPOModule
from models.sac_module import SACModule

B, RUN_UP, LENGTH = 3, 2, 4
T = RUN_UP + LENGTH
GAE = {"gamma": 0.9, "gae_lambda": 0.8}
PPO_OPTIONS = GAE | {"clip": 0.2, "value_coeff": 0.5, "entropy_coeff": 0.01, "epochs": 1, "minibatch_size": 100}
SAC_OPTIONS = {"target_rate": 0.05, "average_rate": 0.05, "target_entropy_per_action": -1.0}


@pytest.fixture
def recurrent(build_module, tiny_encoder):
    """Return a function that builds a module whose encoders remember."""

    def build(module_class, **changes):
        lstm = {"_target_": "models.cnn_lstm.CNNLSTMEncoder", "over": "time", "hidden": 6, "layers": 1}
        torch.manual_seed(0)
        return build_module(module_class, encoder=tiny_encoder | lstm | {"frames": {"time": 1}}, **changes)

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
        "run_up": RUN_UP,
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
    learner = bare_learner(SACLearner, net, torch.optim.Adam(net.parameters(), fused=True), **SAC_OPTIONS)
    batch = learner._sequences(sequences)
    row = 0
    for b in range(B):
        judged, seen = (stepped(encoder, sequences, b, T + 1) for encoder in (net.critic_encoder, net.actor.encoder))
        for t in range(RUN_UP, T):
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


@pytest.mark.parametrize("shared", [True, False])
def test_no_gradient_flows_through_sacs_run_up(recurrent, bare_learner, sequences, shared):
    """As if the learnt slots began at the state that the run-up came to, as a constant."""
    net = recurrent(SACModule, shared_encoder=shared)
    learner = bare_learner(SACLearner, net, torch.optim.Adam(net.parameters(), fused=True), **SAC_OPTIONS)
    batch = learner._sequences(sequences)
    parts = {name: torch.from_numpy(part) for name, part in sequences["obs"].items()}
    is_first, counts = (torch.from_numpy(sequences[name]) for name in ("is_first", "valid"))

    def encoded(encoder, state, taken):
        rows = {name: part[:, taken].flatten(0, 1) for name, part in parts.items()}
        return encoder.encode(rows, Memory(state, is_first[:, taken]))

    encoders = {"judged": net.critic_encoder} | ({} if shared else {"seen": net.actor.encoder})
    for name, encoder in encoders.items():
        weights = list(encoder.parameters())
        _, state = encoded(encoder, torch.zeros(B, encoder.state_dim), slice(0, RUN_UP))

        def gradients(begin, encoder=encoder, weights=weights):
            features = encoded(encoder, begin, slice(RUN_UP, T))[0][counts[:, RUN_UP:].flatten()]
            return torch.autograd.grad(features.square().sum(), weights)

        found = torch.autograd.grad(getattr(batch, name).square().sum(), weights)
        torch.testing.assert_close(found, gradients(state.detach()), rtol=1e-4, atol=1e-5)
        through = gradients(state)
        assert max((one - other).abs().max() for one, other in zip(found, through, strict=True)) > 1e-3


def test_sac_draws_sequences_of_stacks_shifted_alike_with_targets():
    """Frames of a sequence are one picture that grows brighter by 1 at each slot: what is shifted shows."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 200, (B, 12, 12)).astype(np.uint8)
    is_first = np.zeros((B, T + 1), bool)
    is_first[1, 3] = True
    asked = []

    def sample_sequences(*request):
        asked.append(request)
        brighter = np.arange(T + 1, dtype=np.uint8)[:, None, None]
        images = (pictures[:, None] + brighter)[..., None]
        return {
            "obs": {"image": images, "vector": np.ones((B, T + 1, 3), np.float32)},
            "is_first": is_first,
            "rewards": np.ones((B, T), np.float32),
            "terminated": np.zeros((B, T), bool),
            "valid": np.ones((B, T), bool),
        }

    sac = object.__new__(SAC)
    numbers = {"batch_size": B * LENGTH + 1, "sequence_length": LENGTH, "shift_pixels": 2}
    options = SimpleNamespace(**numbers, n_step=2, gamma=0.5)
    sac.config = SimpleNamespace(options=options, env_config={"frame_stack": 2}, run_up=RUN_UP)
    sac.replay, sac._shifts = SimpleNamespace(sample_sequences=sample_sequences), np.random.default_rng(3)
    batch = sac._drawn_sequences()

    assert asked == [(B, T)]
    slots = np.arange(T + 1)
    before = np.maximum(slots - 1, 0) * np.ones((B, 1), int)  # the slot of a stack's older frame
    before[1, 3] = 3
    stacks, shifts = batch["obs"]["image"].astype(int), set()
    assert stacks.shape == (B, T + 1, 12, 12, 2)
    for b in range(B):
        padded = np.pad(pictures[b], 2, mode="edge")
        moved = {(y, x): padded[y : y + 12, x : x + 12] for y in range(5) for x in range(5)}
        (shift,) = [shift for shift, picture in moved.items() if np.array_equal(stacks[b, 0, ..., 1], picture)]
        shifts.add(shift)
        for t in slots:
            assert np.array_equal(stacks[b, t, ..., 1], moved[shift] + int(t))
            assert np.array_equal(stacks[b, t, ..., 0], moved[shift] + int(before[b, t]))
    assert len(shifts) == B  # each sequence by itself
    assert batch["obs"]["vector"].shape == (B, T + 1, 3)
    assert batch["rewards"].tolist() == [[1.5] * (T - 1) + [1.0]] * B
    assert batch["discounts"].tolist() == [[0.25] * (T - 1) + [0.5]] * B
    assert batch["ahead"].tolist() == [[2, 3, 4, 5, 6, 6]] * B
    assert batch["run_up"] == RUN_UP


def test_sacs_critics_alone_move_a_shared_memory(recurrent, bare_learner, sequences):
    net = recurrent(SACModule)
    learner = bare_learner(SACLearner, net, torch.optim.Adam(net.parameters(), fused=True), **SAC_OPTIONS)
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
    log_probs, _, values, _ = net.evaluate(rows, actions.flatten(0, 1), Memory(before, is_first))
    for found, part in ((log_probs, 0), (values, 1)):
        together = torch.stack([step[part] for step in expected], dim=1)
        torch.testing.assert_close(found.unflatten(0, (B, T)), together, rtol=1e-4, atol=1e-5)


@pytest.fixture
def drive(make_fragment):
    """Return a function that drives 8 steps in 2 envs with a policy, and puts `garbage` into the reset slots.

    Env 0 ends an episode in slot 2, env 1 in slot 4: slots 3 and 5 only reset them.
    """

    def driven(net, garbage):
        torch.manual_seed(4)
        random = np.random.default_rng(4)
        ends, age = np.zeros((8, 2), bool), np.tile(np.arange(9, dtype=np.int32)[:, None], 2)
        ends[2, 0] = ends[4, 1] = True
        age[4:, 0] -= 4
        age[6:, 1] -= 6
        images = random.integers(0, 256, (9, 2, 12, 12, 1)).astype(np.uint8)
        vectors = random.normal(size=(9, 2, 3)).astype(np.float32)
        states, steps = [torch.zeros(2, net.state_dim)], []
        for t in range(9):
            one = {"image": torch.from_numpy(images[t]), "vector": torch.from_numpy(vectors[t])}
            memory = Memory.of_one_step(states[-1], torch.from_numpy(age[t] == 0))
            with torch.no_grad():
                steps.append(net.forward_exploration({"obs": one, "state_in": memory}))
            states.append(steps[-1]["state_out"])
        actions, log_probs, values = (
            torch.stack([step[name] for step in steps]).numpy() for name in ("actions", "action_logp", "vf_preds")
        )
        resets = np.roll(ends, 1, axis=0)
        return make_fragment(
            8,
            2,
            images={"image": images},
            vectors={"vector": vectors},
            age=age,
            actions=np.where(resets[..., None], garbage, actions[:8]).astype(np.float32),
            log_probs=np.where(resets, garbage, log_probs[:8]).astype(np.float32),
            rewards=np.where(resets, garbage, random.normal(size=(8, 2))).astype(np.float32),
            values=values,
            states=np.stack([states[0], states[4]]),
            terminated=ends,
            valid=~resets,
        )

    return driven


def by_env(part):
    """Return columns `(T, N, …)` as rows, env after env."""
    return torch.from_numpy(part).transpose(0, 1).flatten(0, 1)


def test_slots_that_only_reset_their_env_teach_ppo_nothing(recurrent, bare_learner, drive):
    """One step over all sequences, at the policy that drove: its losses are known, whatever stands in those slots."""
    found = []
    for garbage in (1e6, -1e6):
        net = recurrent(PPOModule, head="BetaHead")
        with torch.no_grad():  # so that it matters what is seen and remembered
            net.actor.head.layers[-1].weight.mul_(100)
        optimizer = torch.optim.Adam(net.parameters(), fused=True)
        learner = bare_learner(PPOLearner, net, optimizer, **PPO_OPTIONS, sequence_length=4)
        fragment = drive(net, garbage)
        rows = {name: by_env(part[:8]) for name, part in (fragment.images | fragment.vectors).items()}
        memory = Memory(torch.from_numpy(fragment.states[0]), torch.from_numpy(fragment.age[:8].T == 0))
        entropy = net.evaluate(rows, by_env(fragment.actions), memory)[1][by_env(fragment.valid)].mean().item()
        torch.manual_seed(5)
        found.append(learner.update(TrainingData(episodes=[fragment])))
    losses = found[0]
    assert losses["updates"] == 1
    assert losses["kl"] == pytest.approx(0, abs=1e-6)
    assert losses["clip_share"] == 0
    assert losses["entropy"] == pytest.approx(entropy, rel=1e-5)
    assert losses["policy_loss"] == pytest.approx(0, abs=1e-5)  # minus the mean of normalised advantages
    errors = generalised_advantages(fragment, fragment.values, **GAE, reward_scale=1.0)[fragment.valid]
    returns = errors + fragment.values[:-1][fragment.valid]
    assert losses["value_loss"] == pytest.approx(0.5 * np.square(errors).mean(), rel=1e-4)
    assert losses["explained_variance"] == pytest.approx(1 - np.var(errors) / np.var(returns), abs=1e-4)
    assert found[1] == losses
