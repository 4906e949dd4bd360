"""A run waits for its game as long as the env says: nobody kills the runner meanwhile, and nobody holds its port."""

import socket

import pytest

from experiments.algorithm import build_config
from experiments.checks import check_run

WAITS_S = 1800.0 + 120.0  # env.connect_timeout_s and env.reconnect_timeout_s


@pytest.mark.parametrize(
    "words",
    [
        ("env=roblox", "model=mlp", "algo=ppo"),
        ("env=roblox", "model=mlp", "algo=sac"),
        ("experiment=roblox_ppo",),
        ("experiment=roblox_sac",),
    ],
)
def test_a_fragment_is_waited_for_longer_than_a_game(compose, tiny_plan, words):
    rllib = build_config(compose(*words), tiny_plan())
    assert rllib.sample_timeout_s > WAITS_S
    longer = build_config(compose(*words, "env.connect_timeout_s=7200"), tiny_plan())
    assert longer.sample_timeout_s - rllib.sample_timeout_s == 7200.0 - 1800.0
    chosen = build_config(compose(*words, "+algo.env_runners.sample_timeout_s=4"), tiny_plan())
    assert chosen.sample_timeout_s == 4.0


def test_a_runner_that_needs_its_game_to_be_built_is_given_as_long(compose, tiny_plan):
    words = ("env=roblox", "model=mlp", "algo=ppo")
    usual = build_config(compose(*words), tiny_plan()).env_runner_restore_timeout_s
    looking = build_config(compose(*words, "env.obs_preset=auto"), tiny_plan()).env_runner_restore_timeout_s
    assert looking - usual == WAITS_S


def test_who_waits_for_no_game_is_given_up_as_soon_as_any_env(compose, tiny_plan):
    words = ("model=mlp", "algo=ppo")
    usual = build_config(compose("env=dummy", *words), tiny_plan()).sample_timeout_s
    assert build_config(compose("env=roblox", "env.twin=lockstep", *words), tiny_plan()).sample_timeout_s == usual


def test_a_run_that_was_checked_leaves_the_port_to_its_runner(compose, tmp_path):
    """With obs_preset=auto the check has to see the game, and the runner, in another process, listens after it."""
    from envs.roblox.twin.client import TwinClient

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    words = ("env=roblox", "model=mlp", "algo=ppo", "env.obs_preset=auto", f"env.port={port}", "env.dialect=v2")
    config = compose(*words, "env.speed=10", "tracking=none", f"paths.outputs={tmp_path}")
    with TwinClient(f"ws://127.0.0.1:{port}/ws/abc", speed=10.0, game={"vehicle": "cart5"}):
        check_run(config)
    with socket.create_server(("127.0.0.1", port)):
        pass  # else: the address is in use
