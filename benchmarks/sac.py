"""`python -m benchmarks.sac`: SAC end to end, decisions and updates a second, against stable-baselines3's.

Both drive as many envs of `env=carracing` and learn with the networks and numbers of `algo=sac model=cnn`: batch 128,
n-step 3, 0.25 updates a decision. Ours is the algorithm that `python run.py` trains, random shifts and averaged actor
included, which stable-baselines3 does not have. The peer takes turns of the same length (8 decisions of each env), and
runs with each of its vector envs and each number of threads; its best counts. Its replay buffer knows n-step sums or
`optimize_memory_usage`, not both: `--n-step 1` measures it with the latter. Each side has a process of its own, and is
past its random start before its window opens; rounds are interleaved.
"""

import argparse
import time
from typing import Any

from benchmarks.ours import our_side, plan_of, started_algorithm
from benchmarks.setting import run_config
from benchmarks.sides import DUMMY, OURS, PROCESSES, Side, Window, comparison, measure_in_rounds, sb3_sides
from experiments.plan import PRECISIONS

SETTLING = 256  # decisions after the random start, before the window opens


def sac_config(options: argparse.Namespace) -> dict[str, Any]:
    """Return the run's config that both sides follow."""
    return run_config(
        "env=carracing",
        "model=cnn",
        "algo=sac",
        f"algo.training.start_after_decisions={options.start}",
        f"algo.training.n_step={options.n_step}",
        f"ray.envs_per_runner={options.envs}",
        f"ray.precision={options.precision or 'null'}",
    )


def measure_ours(options: argparse.Namespace) -> Window:
    """Train with Chicane."""
    with started_algorithm(sac_config(options)) as started:
        algorithm = started.algorithm
        while algorithm.decisions < options.start + SETTLING:
            algorithm.train()
        decisions, updates, began = algorithm.decisions, algorithm.updates, time.perf_counter()
        while (seconds := time.perf_counter() - began) < options.seconds:
            algorithm.train()
        return Window(algorithm.decisions - decisions, algorithm.updates - updates, seconds, str(started.plan))


def measure_sb3(options: argparse.Namespace) -> Window:
    """Train with stable-baselines3."""
    import torch

    from benchmarks.peers import SB3Window, sb3_sac, sb3_vector_env

    torch.set_num_threads(options.threads[0])
    config = sac_config(options)
    plan, training = plan_of(config), config["algo"]["training"]
    num_envs = plan.num_env_runners * plan.envs_per_runner
    env = sb3_vector_env(config["env"], num_envs=num_envs, processes=options.side == PROCESSES)
    updates = training["updates_per_decision"] * training["rollout_steps"] * num_envs
    if updates != int(updates):
        raise ValueError(f"{updates} updates between two rollouts: stable-baselines3 needs a whole number; see --envs.")
    is_summed = options.n_step > 1
    model = sb3_sac(
        config,
        env,
        train_freq=training["rollout_steps"],
        gradient_steps=int(updates),
        n_steps=options.n_step,
        optimize_memory_usage=not is_summed,
        replay_buffer_kwargs=None if is_summed else {"handle_timeout_termination": False},
    )
    window = SB3Window(opens_at=options.start + SETTLING, seconds=options.seconds)
    model.learn(10**9, callback=window, log_interval=10**9)
    env.close()
    return Window(window.decisions, window.updates, window.elapsed_s, f"{num_envs} envs, {options.threads[0]} threads")


def sides(options: argparse.Namespace) -> list[Side]:
    """Return ours and each way to run stable-baselines3."""
    words = ["-m", "benchmarks.sac", "--seconds", str(options.seconds / options.rounds), "--start", str(options.start)]
    words += ["--envs", str(options.envs), "--n-step", str(options.n_step)]
    return [
        our_side(sac_config(options), [*words, "--side", OURS]),
        *sb3_sides(words, options.vectors, options.threads),
    ]


def main() -> None:
    """Measure each side in a process of its own and print; or be such a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=60.0, help="of each side, over all rounds")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--envs", type=int, default=8, help="of a runner of ours; the peer has as many as all runners")
    parser.add_argument("--start", type=int, default=2000, help="decisions at random before the first update")
    parser.add_argument("--n-step", type=int, default=3)
    parser.add_argument("--precision", choices=PRECISIONS, help="of ours; default: as a run here")
    parser.add_argument("--vectors", nargs="*", choices=(DUMMY, PROCESSES), default=(DUMMY, PROCESSES))
    parser.add_argument("--threads", nargs="+", type=int, default=(1, 2), help="of stable-baselines3")
    parser.add_argument("--side", choices=(OURS, DUMMY, PROCESSES), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.side is None:
        print(comparison("SAC", measure_in_rounds(sides(options), options.rounds)))
    else:
        (measure_ours if options.side == OURS else measure_sb3)(options).print()


if __name__ == "__main__":
    main()
