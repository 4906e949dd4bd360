"""One Ray for all tests that build algorithms in this process, and a way to run commands as a user would."""

import os
import signal
import subprocess
import sys
import time
from contextlib import contextmanager
from dataclasses import replace

import psutil
import pytest

from experiments.algorithm import build_config
from experiments.cluster import start_ray
from experiments.plan import fast_precision

# Ray gives way to every other process of the machine (niceness 15), here to the tests that run beside these.
os.environ.setdefault("RAY_worker_niceness", "0")

TINY = ("env=dummy", "env.num_decisions=16", "ray.num_env_runners=1", "ray.envs_per_runner=4")
TINY_CNN = ("model.channels=[8]", "model.kernels=[8]", "model.strides=[8]", "model.image_features=16")
TINY_MODELS = {
    "cnn": TINY_CNN,
    "vit": ("model=vit", "model.width=8", "model.depth=1", "model.heads=2"),
    "cnn_lstm": ("model=cnn_lstm", *TINY_CNN, "model.hidden=16", "model.layers=1"),
    "mlp": ("model=mlp", "model.hidden=[16]", "env.obs=vector"),
}
TINY_SAC = (
    "algo=sac",
    "algo.training.start_after_decisions=64",
    "algo.training.batch_size=16",
    "algo.training.sequence_length=4",
    "algo.training.burn_in=4",
    "algo.training.replay_capacity=4000",
    "algo.training.critic_hidden=[16]",
    "algo.training.head.hidden=[16]",
)
TINY_PPO = (
    "algo=ppo",
    "algo.training.rollout_steps=32",
    "algo.training.minibatch_size=32",
    "algo.training.epochs=2",
)
TINY_DREAMER = (
    "algo=dreamerv3",
    "env.image_size=16",
    "model.preset=nano",
    "model.deter=16",
    "model.latents=3",
    "model.classes=4",
    "model.units=16",
    "model.hidden=16",
    "model.blocks=2",
    "model.depth=2",
    "algo.training.batch_size=2",
    "algo.training.sequence_length=8",
    "algo.training.horizon=3",
    "algo.training.start_after_decisions=64",
    "algo.training.replay_capacity=4000",
    "algo.training.train_ratio=1.6",
    "algo.training.warmup_updates=9",
    "algo.training.lr=1e-3",
)


@pytest.fixture(scope="session")
def tiny():
    """The words of a run that takes no time, by algorithm, with the CNN or a model of its own."""
    return {
        "sac": (*TINY, *TINY_CNN, *TINY_SAC),
        "ppo": (*TINY, *TINY_CNN, *TINY_PPO),
        "dreamerv3": (*TINY, *TINY_DREAMER),
    }


@pytest.fixture(scope="session")
def tiny_with():
    """Return a function from an algorithm and a model to the words of a run that takes no time."""
    algorithms = {"sac": TINY_SAC, "ppo": TINY_PPO}
    return lambda algorithm, model: (*TINY, *TINY_MODELS[model], *algorithms[algorithm])


@pytest.fixture(scope="session")
def ray_session(tiny_plan):
    import ray

    plan = tiny_plan(process_cpus=0.1, precision=fast_precision(on_gpu=False))
    folder = os.getcwd()
    start_ray(plan)
    yield plan
    ray.shutdown()
    os.chdir(folder)


@contextmanager
def algorithms(plan, compose, folder):
    """Give a function that builds a started algorithm from a command line's words; all are stopped at the end."""
    import torch

    torch.set_num_threads(1)
    built = []

    def started(*words, replay=None, **changes):
        config = compose(*words)
        rllib = build_config(config, replace(plan, **changes))
        algorithm = rllib.algo_class(rllib)
        algorithm.start_replay(replay or folder / f"replay{len(built)}")
        built.append(algorithm)
        return algorithm

    yield started
    for algorithm in built:
        algorithm.stop()


@pytest.fixture
def build(ray_session, compose, tmp_path):
    """Return a function that builds a started algorithm, which ends with the test."""
    with algorithms(ray_session, compose, tmp_path) as started:
        yield started


@pytest.fixture(scope="module")
def shared_build(ray_session, compose, tmp_path_factory):
    """Return a function that builds a started algorithm for several tests of a file."""
    with algorithms(ray_session, compose, tmp_path_factory.mktemp("shared")) as started:
        yield started


class Command:
    """A command of the project in a process group of its own."""

    def __init__(self, root, words):
        self.process = subprocess.Popen(
            [sys.executable, *words],
            cwd=root,
            bufsize=0,  # so that `finish` reads on where `wait_for` ended
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
        self._said = b""

    @property
    def output(self):
        """What it has said so far, as `wait_for` and `finish` read it."""
        return self._said.decode(errors="replace")  # it may end amid a character

    def wait_for(self, words):
        """Wait until it has said these words."""
        while words not in self.output:
            said = os.read(self.process.stdout.fileno(), 4096)
            assert said, f"It ended without saying {words!r}:\n{self.output}"
            self._said += said

    def wait_until(self, is_true, timeout_s=240):
        """Wait until this is so, which the command is to bring about before it ends."""
        deadline = time.monotonic() + timeout_s
        while not is_true():
            assert self.process.poll() is None, f"It ended with {self.finish()}:\n{self.output}"
            assert time.monotonic() < deadline, f"It was not so within {timeout_s} s."
            time.sleep(0.05)

    def finish(self, timeout_s=240):
        rest, _ = self.process.communicate(timeout=timeout_s)
        self._said += rest
        return self.process.returncode

    def interrupt(self):
        """Ctrl-C: a terminal sends it to the whole group."""
        os.killpg(self.process.pid, signal.SIGINT)

    def kill(self):
        """Kill -9 everything that the command started, Ray included."""
        family = [self.process, *psutil.Process(self.process.pid).children(recursive=True)]
        for member in family:
            try:
                os.kill(member.pid, signal.SIGKILL)
            except ProcessLookupError:
                continue
        self.process.communicate(timeout=30)


@contextmanager
def commands(root):
    """Give a function that starts commands; those that still run at the end are killed."""
    started = []

    def start(*words):
        started.append(Command(root, words))
        return started[-1]

    yield start
    for one in started:
        if one.process.poll() is None:
            one.kill()


@pytest.fixture
def command(root):
    """Return a function that starts a command, which does not outlive the test."""
    with commands(root) as start:
        yield start


@pytest.fixture(scope="module")
def shared_command(root):
    """Return a function that starts a command whose results several tests look at."""
    with commands(root) as start:
        yield start
