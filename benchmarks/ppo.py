"""`python -m benchmarks.ppo`: PPO end to end, decisions a second, against a hand-written loop and stable-baselines3's.

All drive as many envs of `env=carracing` and learn with the networks and numbers of `algo=ppo model=cnn`: rollouts of
128 decisions an env, 5 epochs, minibatches of 256. Ours is the algorithm that `python run.py` trains; the loop is
`benchmarks.ppo_loop`. stable-baselines3 has no Beta policy and drives with a Gaussian; it runs with each of its vector
envs and each number of threads, and its best counts. Each side has a process of its own; rounds are interleaved.
"""

import argparse
import time
from typing import Any

from benchmarks.ours import our_side, plan_of, started_algorithm
from benchmarks.setting import run_config
from benchmarks.sides import DUMMY, OURS, PROCESSES, Side, Window, against, comparison, measure_in_rounds, sb3_sides
from experiments.cluster import thread_environment
from experiments.plan import PRECISIONS

LOOP = "hand-written loop"


def ppo_config(options: argparse.Namespace) -> dict[str, Any]:
    """Return the run's config that all sides follow."""
    precision = options.precision or "null"
    return run_config("env=carracing", "model=cnn", "algo=ppo", f"ray.precision={precision}")


def measure_ours(options: argparse.Namespace) -> Window:
    """Train with Chicane."""
    with started_algorithm(ppo_config(options)) as started:
        algorithm = started.algorithm
        algorithm.train()
        decisions, updates, began = algorithm.decisions, algorithm.updates, time.perf_counter()
        while (seconds := time.perf_counter() - began) < options.seconds:
            algorithm.train()
        return Window(algorithm.decisions - decisions, algorithm.updates - updates, seconds, str(started.plan))


def measure_loop(options: argparse.Namespace) -> Window:
    """Train with the hand-written loop."""
    from benchmarks.ppo_loop import started_loop

    config = ppo_config(options)
    plan = plan_of(config)
    with started_loop(config, plan) as loop:
        loop.iterate()
        decisions, updates, began = 0, 0, time.perf_counter()
        while (seconds := time.perf_counter() - began) < options.seconds:
            new_decisions, new_updates = loop.iterate()
            decisions, updates = decisions + new_decisions, updates + new_updates
    return Window(decisions, updates, seconds, str(plan))


def measure_sb3(options: argparse.Namespace) -> Window:
    """Train with stable-baselines3."""
    import torch

    from benchmarks.peers import SB3Window, sb3_ppo, sb3_vector_env

    torch.set_num_threads(options.threads[0])
    config = ppo_config(options)
    plan, training = plan_of(config), config["algo"]["training"]
    num_envs = plan.num_env_runners * plan.envs_per_runner
    env = sb3_vector_env(config["env"], num_envs=num_envs, processes=options.side == PROCESSES)
    model = sb3_ppo(config, env)
    rollout = training["rollout_steps"] * num_envs
    window = SB3Window(opens_at=rollout, seconds=options.seconds)
    model.learn(10**9, callback=window, log_interval=10**9)
    env.close()
    # It counts epochs as updates; each has as many minibatches.
    updates = window.updates * -(-rollout // training["minibatch_size"])
    return Window(window.decisions, updates, window.elapsed_s, f"{num_envs} envs, {options.threads[0]} threads")


def sides(options: argparse.Namespace) -> list[Side]:
    """Return ours, the loop, and each way to run stable-baselines3."""
    words = ["-m", "benchmarks.ppo", "--seconds", str(options.seconds / options.rounds)]
    precise = [*words, "--precision", options.precision] if options.precision else words
    config = ppo_config(options)
    return [
        our_side(config, [*precise, "--side", OURS]),
        Side(LOOP, [*precise, "--side", LOOP], thread_environment(plan_of(config))),
        *sb3_sides(words, options.vectors, options.threads),
    ]


def main() -> None:
    """Measure each side in a process of its own and print; or be such a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=90.0, help="of each side, over all rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--precision", choices=PRECISIONS, help="of ours and the loop; default: as a run here")
    parser.add_argument("--vectors", nargs="*", choices=(DUMMY, PROCESSES), default=(DUMMY, PROCESSES))
    parser.add_argument("--threads", nargs="+", type=int, default=(1, 2), help="of stable-baselines3")
    parser.add_argument("--side", choices=(OURS, LOOP, DUMMY, PROCESSES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is None:
        windows = measure_in_rounds(sides(options), options.rounds)
        print(comparison("PPO", windows))
        print(f"Ours makes {against(windows, LOOP)} of the decisions of the hand-written loop, round by round.")
    else:
        {OURS: measure_ours, LOOP: measure_loop}.get(options.side, measure_sb3)(options).print()


if __name__ == "__main__":
    main()
