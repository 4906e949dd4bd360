"""Training on games that other processes serve."""

import signal

import pytest
import torch

from experiments import metrics

DUMMY = ("env=dummy", "env.num_decisions=16", "env.obs=image")
CARRACING = ("env=carracing", "env.frame_stack=1", "env.early_end.stuck_frames=40")
SMALL = ("ray.num_env_runners=1", "ray.envs_per_runner=4")


def trained(algorithm, iterations):
    for _ in range(iterations):
        algorithm.train()
    return algorithm.training_state()


def hosts_of(*processes):
    return ",".join(f"{process.address[0]}:{process.address[1]}" for process in processes)


def without_env(words):
    return [word for word in words if not word.startswith("env")]


@pytest.mark.slow
@pytest.mark.parametrize("game", [DUMMY, CARRACING], ids=["dummy", "carracing"])
@pytest.mark.parametrize("name", ["ppo", "sac"])
def test_training_over_four_served_games_equals_training_on_the_local_env(serve_process, build, tiny, name, game):
    """Bit for bit: every weight, after as many steps with the same seed."""
    servers = [serve_process("port=0", *game) for _ in range(4)]
    words = [*without_env(tiny[name]), *SMALL, "seed=3"]
    here = trained(build(*game, *words), 6)
    there = trained(build("env=remote", f"env.hosts=[{hosts_of(*servers)}]", "env.frame_stack=1", *words), 6)
    assert here["frames"] == there["frames"] > 0
    assert here["updates"] == there["updates"] > 0
    assert here["outcomes"] == there["outcomes"]
    for part, tensor in here["learner"]["module"].items():
        assert torch.equal(tensor, there["learner"]["module"][part]), part


def test_training_goes_on_when_a_game_is_killed_and_comes_back(serve_process, build, tiny):
    lasting, dying = (serve_process("port=0", "num_games=2", *DUMMY) for _ in range(2))
    hosts = f"env.hosts=[{hosts_of(lasting, dying)}]"
    limits = ("env.read_timeout_s=2.0", "env.connect_timeout_s=30.0")
    algorithm = build("env=remote", hosts, *limits, "env.frame_stack=1", *without_env(tiny["ppo"]), *SMALL)
    before = trained(algorithm, 2)
    dying.send_signal(signal.SIGKILL)
    dying.wait()
    serve_process(f"port={dying.address[1]}", "num_games=2", *DUMMY)
    after = trained(algorithm, 3)
    assert after["updates"] > before["updates"]
    report = algorithm.report()
    assert report[metrics.LINK_RECONNECTS] == 2  # both games of that server
    assert report[metrics.LINK_AGE_S] == 0.0  # games in lock-step wait
    faults = [note for note in algorithm.notes if "fault" in note]
    assert len(faults) == 1
    assert hosts_of(dying) in faults[0]
    assert any(outcome["fault"] for outcome in after["outcomes"])  # a game that was being reset had no episode to end
