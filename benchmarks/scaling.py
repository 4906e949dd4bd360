"""`python -m benchmarks.scaling`: rollout frames/s by number of runners and nodes, and what the learner could take.

Runners of PPO on CarRacing drive with weights that are sent to them before every rollout, and nothing is learned
meanwhile: that is what sampling can give. The learner then learns from the last rollout by itself: that is what it can
take. Nodes are Ray nodes of their own on this machine, each in a network of its own where the system allows; runners
are spread over them. All share the machine's cores, so that more nodes show what a node costs, not what it brings.
"""

import argparse
import json
import logging
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, cast

from benchmarks.cluster_nodes import Cluster
from benchmarks.setting import run_config, table
from experiments.algorithm import build_config
from experiments.plan import Plan, fast_precision

ROOT = Path(__file__).resolve().parent.parent
_WORDS = ("algo=ppo", "env=carracing")
_MARK = "MEASURED "
_WARM_UP = 2  # rollouts


@dataclass(frozen=True)
class Measured:
    """One setting.

    Attributes:
        decisions_per_s: Of all runners, while nobody learns.
        bytes_per_decision: Of what they send.
        weight_bytes: Of what each of them is sent before a rollout.
        learned_per_s: Decisions a second that the learner can take, by itself on all cores.
    """

    decisions_per_s: float
    bytes_per_decision: float
    weight_bytes: int
    learned_per_s: float


def measure(runners: int, seconds: float, in_cluster: bool) -> Measured:
    """Measure one setting in this process, which starts Ray or joins the cluster that it runs on."""
    import pickle

    import ray
    import torch

    from experiments.cluster import start_ray
    from experiments.racing_algorithm import RacingAlgorithm

    config = run_config(*_WORDS)
    plan = Plan(
        num_cpus=runners,
        num_gpus=0,
        num_env_runners=runners,
        envs_per_runner=8,
        learner_threads=torch.get_num_threads(),
        has_own_cores=False,
        process_cpus=1.0 if in_cluster else 0.1,
        precision=fast_precision(on_gpu=False),
    )
    if in_cluster:
        environment = {"working_dir": str(ROOT), "env_vars": {"OMP_NUM_THREADS": "1"}}
        ray.init(logging_level=logging.ERROR, log_to_driver=False, runtime_env=environment)
    else:
        start_ray(plan, num_cpus=runners)
    rllib = build_config(config, plan)
    algorithm: Any = cast(type[RacingAlgorithm], rllib.algo_class)(rllib)

    def rollout() -> dict[int, Any]:
        algorithm.publish_weights()
        algorithm.request_fragments(algorithm.config.rollout_steps)
        fragments: dict[int, Any] = algorithm.collect_fragments()
        return fragments

    for _ in range(_WARM_UP):
        fragments = rollout()
    began, decisions = time.perf_counter(), 0
    while time.perf_counter() - began < seconds:
        fragments = rollout()
        decisions += sum(fragment.decisions for fragment in fragments.values())
    rate = decisions / (time.perf_counter() - began)
    in_last = sum(fragment.decisions for fragment in fragments.values())
    sent = sum(len(pickle.dumps(fragment, protocol=5)) for fragment in fragments.values())
    algorithm.learner.learn(list(fragments.values()))  # the first one allocates
    began = time.perf_counter()
    algorithm.learner.learn(list(fragments.values()))
    learned = in_last / (time.perf_counter() - began)
    weights = sum(tensor.nbytes for tensor in algorithm.learner.net.state_dict().values())
    algorithm.stop()
    ray.shutdown()
    return Measured(rate, sent / in_last, weights, learned)


def measured_here(runners: int, seconds: float) -> Measured:
    """Measure in a process of its own, with Ray on this machine alone."""
    words = [sys.executable, "-m", "benchmarks.scaling", "--side", str(runners), "--seconds", str(seconds)]
    return parsed(subprocess.run(words, cwd=ROOT, stdout=subprocess.PIPE, text=True, check=True).stdout)


def measured_on_nodes(nodes: int, runners: int, seconds: float) -> Measured:
    """Measure on a head without cores for runners and so many nodes beside it."""
    cluster = Cluster(num_cpus=0)
    try:
        for _ in range(nodes):
            cluster.add_node(num_cpus=-(-runners // nodes))
        words = ["-m", "benchmarks.scaling", "--side", str(runners), "--seconds", str(seconds), "--in-cluster"]
        return parsed(cluster.run(sys.executable, *words, timeout_s=600).stdout)
    finally:
        cluster.close()


def parsed(said: str) -> Measured:
    """Read what a side printed."""
    (line,) = [line for line in said.splitlines() if line.startswith(_MARK)]
    return Measured(**json.loads(line.removeprefix(_MARK)))


def main() -> None:
    """Measure and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runners", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument(
        "--nodes", type=int, nargs="+", default=[1, 2, 4], help="with as many runners as the last of --runners"
    )
    parser.add_argument("--seconds", type=float, default=20.0)
    parser.add_argument("--side", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--in-cluster", action="store_true", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.side is not None:
        print(_MARK + json.dumps(asdict(measure(arguments.side, arguments.seconds, arguments.in_cluster))))
        return
    repeat = run_config(*_WORDS)["env"]["action_repeat"]
    rows = []
    settings = [(0, runners) for runners in arguments.runners]
    settings += [(nodes, arguments.runners[-1]) for nodes in arguments.nodes]
    for nodes, runners in settings:
        found = (
            measured_on_nodes(nodes, runners, arguments.seconds) if nodes else measured_here(runners, arguments.seconds)
        )
        rows.append(
            [
                str(nodes or "this process's"),
                str(runners),
                f"{found.decisions_per_s:,.0f}",
                f"{repeat * found.decisions_per_s:,.0f}",
                f"{found.bytes_per_decision:,.0f}",
                f"{found.decisions_per_s * found.bytes_per_decision / 1e6:.1f} MB/s",
                f"{found.weight_bytes / 1e6:.1f} MB",
                f"{found.learned_per_s:,.0f}",
            ]
        )
    columns = [
        "nodes",
        "runners",
        "decisions/s",
        "frames/s",
        "bytes a decision",
        "sent",
        "weights",
        "learner takes, decisions/s",
    ]
    print(table(columns, rows))


if __name__ == "__main__":
    main()
