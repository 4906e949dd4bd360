"""`python -m benchmarks.models`: every model with every algorithm on CarRacing: speed, where time goes, sizes, memory.

Each pair is what `python run.py env=carracing model=… algo=…` trains, in a process of its own, one after the other. An
update's time is that of learning divided by updates: for SAC it includes drawing from replay, for PPO the advantages.
What is neither sampling nor learning is overhead. SAC samples while it learns: there, sampling is the time that the
learner waits for its runner. Memory is resident and not shared, of the learner's process and its runners, at the end.
"""

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from os import environ

import psutil
from tqdm import tqdm

from benchmarks.ours import plan_of, started_algorithm
from benchmarks.setting import run_config, table
from experiments import metrics
from experiments.cluster import thread_environment
from experiments.model_size import ModelSize
from experiments.spaces import module_space

MODELS = {
    "cnn nature": ("model=cnn",),
    "cnn tmrl": ("model=cnn", "model.preset=tmrl"),
    "cnn impala": ("model=cnn", "model.preset=impala"),
    "vit tiny": ("model=vit",),
    "vit base": ("model=vit", "model.preset=base"),
    "cnn_lstm over time": ("model=cnn_lstm",),
    "cnn_lstm over a stack": ("model=cnn_lstm", "model.over=stack"),
    "mlp (telemetry)": ("model=mlp", "env.obs=telemetry"),
}
ALGORITHMS = ("ppo", "sac")
START = 1000  # decisions that SAC drives at random


@dataclass(frozen=True)
class Measured:
    """What one pair came to in its window."""

    decisions_per_s: float
    update_ms: float
    sample_share: float
    learn_share: float
    size: ModelSize
    memory_mb: float
    plan: str

    def row(self, model: str, algorithm: str) -> list[str]:
        """Return the cells of a table."""
        overhead = max(0.0, 1.0 - self.sample_share - self.learn_share)
        return [
            model,
            algorithm,
            f"{self.decisions_per_s:,.0f}",
            f"{self.update_ms:.1f}",
            f"{self.sample_share:.0%} / {self.learn_share:.0%} / {overhead:.1%}",
            f"{self.size.actor_parameters / 1e6:.2f}",
            f"{self.size.trained_parameters / 1e6:.2f}",
            f"{self.size.decision_flops / 1e6:.1f}",
            f"{self.memory_mb:,.0f}",
        ]


def words_of(model: str, algorithm: str) -> list[str]:
    """Return the words of a run of this pair."""
    words = ["env=carracing", *MODELS[model], f"algo={algorithm}"]
    return [*words, f"algo.training.start_after_decisions={START}"] if algorithm == "sac" else words


def measure(model: str, algorithm: str, seconds: float) -> Measured:
    """Train a pair for a while in this process."""
    config = run_config(*words_of(model, algorithm))
    with started_algorithm(config) as started:
        trained = started.algorithm
        while trained.updates == 0:
            trained.train()
        trained.report()  # its timers begin anew
        decisions, updates, began = trained.decisions, trained.updates, time.perf_counter()
        while (elapsed := time.perf_counter() - began) < seconds:
            trained.train()
        report = trained.report()
        single, _ = trained.spaces["__env_single__"]
        runners = trained.env_runner_group.foreach_env_runner(
            lambda runner: psutil.Process().memory_full_info().uss, local_env_runner=False
        )
        return Measured(
            decisions_per_s=(trained.decisions - decisions) / elapsed,
            update_ms=1000.0 * report[metrics.LEARN_S] / max(1, trained.updates - updates),
            sample_share=report[metrics.SAMPLE_S] / elapsed,
            learn_share=report[metrics.LEARN_S] / elapsed,
            size=ModelSize.of(trained.learner.net, module_space(single, config["env"].get("frame_stack", 1))),
            memory_mb=(psutil.Process().memory_full_info().uss + sum(runners)) / 1e6,
            plan=str(started.plan),
        )


def in_a_process(model: str, algorithm: str, seconds: float) -> Measured:
    """Measure a pair in a process of its own, with the threads of a run's trial.

    Raises:
        RuntimeError: It failed; its own words stand above.
    """
    command = [sys.executable, "-m", "benchmarks.models", "--seconds", str(seconds), "--pair", model, algorithm]
    environment = environ | thread_environment(plan_of(run_config(*words_of(model, algorithm))))
    done = subprocess.run(command, env=environment, stdout=subprocess.PIPE, text=True)
    if done.returncode:
        raise RuntimeError(f"{model} with {algorithm} ended with {done.returncode}; its error stands above.")
    found = json.loads(done.stdout.splitlines()[-1])
    return Measured(**found | {"size": ModelSize(**found["size"])})


def main() -> None:
    """Measure every pair in a process of its own and print; or be such a process."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seconds", type=float, default=20.0, help="of each pair, at least")
    parser.add_argument("--models", nargs="+", choices=tuple(MODELS), default=[m for m in MODELS if m != "vit base"])
    parser.add_argument("--algorithms", nargs="+", choices=ALGORITHMS, default=ALGORITHMS)
    parser.add_argument("--pair", nargs=2, help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.pair:
        print(json.dumps(asdict(measure(*options.pair, seconds=options.seconds))))
        return
    pairs = [(model, algorithm) for model in options.models for algorithm in options.algorithms]
    found = {pair: in_a_process(*pair, seconds=options.seconds) for pair in tqdm(pairs, desc="pairs")}
    header = ["model", "algorithm", "decisions/s", "update ms", "sample / learn / overhead"]
    header += ["actor, M parameters", "trained, M", "MFLOP a decision", "memory MB"]
    print(table(header, [measured.row(*pair) for pair, measured in found.items()]))
    for plan in dict.fromkeys(measured.plan for measured in found.values()):
        print(f"\n{plan}.")


if __name__ == "__main__":
    main()
