import os
import pickle
import signal
import subprocess
import sys
import textwrap

import gymnasium as gym
import numpy as np
import pytest

from envs.dummy import DummyEnv
from envs.errors import ConfigError
from envs.factory import make_env
from experiments import drive as drive_module
from experiments.drive import Episode, drive, drive_episode, drive_parallel

DUMMY = {"_target_": "envs.dummy.DummyEnv", "obs": "vector", "num_decisions": 12, "frame_stack": 4}
SEEDS = [10007, 10003, 10011, 10000, 10005]

# Workers import their policy by name: a module in a temporary folder, since nothing from tests may cross a process.
WORKER_POLICY = """
    import os, threading
    import numpy as np
    from envs.errors import ConfigError

    class Swerving:
        def __init__(self, strength, end=None):
            self.strength, self.end = strength, end
        def start(self, num_envs):
            self.age = np.zeros(num_envs)
            self.starts = getattr(self, "starts", 0) + 1
            if self.starts == 2 and self.end == "hang":
                threading.Event().wait()
            if self.end == "die":
                os._exit(9)
        def act(self, observation, is_first):
            self.age = np.where(is_first, 0, self.age + 1)
            return np.stack([self.strength * np.sin(self.age), np.ones(len(self.age))], 1).astype(np.float32)
        def view(self):
            return None

    def load(strength, end=None):
        if end == "damaged":
            raise ConfigError("policy.json is damaged")
        assert os.environ["OMP_NUM_THREADS"] == "1"
        return Swerving(strength, end)
"""


class Swerving:
    """Steers by the age of the episode, so that a mix-up of places or of first observations shows in the returns."""

    def start(self, num_envs):
        self.age = np.full(num_envs, -1000)
        self.firsts = []

    def act(self, observation, is_first):
        assert len(observation) == len(is_first) == len(self.age)
        self.firsts.append(is_first.copy())
        self.age = np.where(is_first, 0, self.age + 1)
        return np.stack([0.9 * np.sin(self.age), np.ones(len(self.age))], axis=1).astype(np.float32)

    def view(self):
        return None


class ThreeSteps(gym.Env):
    observation_space = gym.spaces.Dict({"image": gym.spaces.Box(0, 255, (2, 2, 1), np.uint8)})
    action_space = gym.spaces.Box(-1, 1, (1,))

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        self.steps = 0
        self.closed = False
        return {"image": np.zeros((2, 2, 1), np.uint8)}, {"frames": 0, "off_track": False, "speed_mps": 0.0}

    def step(self, action):
        self.steps += 1
        info = {"frames": 4 if self.steps < 3 else 1, "off_track": self.steps == 2, "speed_mps": 1.0}
        if self.steps == 3:
            info["lap_time_s"] = 0.18
        return {"image": np.zeros((2, 2, 1), np.uint8)}, float(self.steps), self.steps == 3, False, info

    def close(self):
        self.closed = True


class OneAction:
    def start(self, num_envs):
        self.shapes = []

    def act(self, observation, is_first):
        self.shapes.append(observation["image"].shape)
        return np.zeros((len(is_first), 1), np.float32)

    def view(self):
        return None


@pytest.fixture
def load_policy(tmp_path, monkeypatch):
    (tmp_path / "worker_policy.py").write_text(textwrap.dedent(WORKER_POLICY))
    monkeypatch.syspath_prepend(tmp_path)
    import worker_policy

    yield worker_policy.load
    del sys.modules["worker_policy"]


def returns_by_hand(seeds):
    """Gymnasium's own loop over one env, without ours."""
    returns = []
    for seed in seeds:
        env = DummyEnv(obs="vector", num_decisions=12)
        env.reset(seed=seed)
        total, done, age = 0.0, False, 0
        while not done:
            _, reward, terminated, truncated, _ = env.step(np.array([0.9 * np.sin(age), 1.0], np.float32))
            total, done, age = total + reward, terminated or truncated, age + 1
        returns.append((total, age))
    return returns


def test_an_episode_is_the_sum_of_its_steps():
    policy = OneAction()
    episode = drive_episode(policy, ThreeSteps(), 10042)
    assert episode.seed == 10042
    assert episode.episode_return == 6.0  # 1 + 2 + 3
    assert episode.frames == 9  # 4 + 4 + 1
    assert episode.decisions == 3
    assert episode.off_track_share == pytest.approx(1 / 3)
    assert episode.lap_time_s == 0.18
    assert episode.finished
    assert episode.fault is None
    assert policy.shapes == [(1, 2, 2, 1)] * 3


def test_the_best_lap_counts_and_a_fault_is_kept():
    episode = Episode(seed=1)
    step = {"frames": 1, "off_track": False}
    episode.add(0.0, step)
    assert not episode.finished
    for lap_time_s in (31.5, 29.25, 30.0):
        episode.add(0.0, {**step, "lap_time_s": lap_time_s})
    episode.add(0.0, {**step, "fault": "the game went away"})
    episode.add(0.0, step)
    assert episode.lap_time_s == 29.25
    assert episode.fault == "the game went away"


def test_on_step_comes_after_the_decision_and_before_the_env_moves():
    env, policy, seen = ThreeSteps(), OneAction(), []
    drive_episode(
        policy,
        env,
        1,
        on_step=lambda episode, info: seen.append(
            (env.steps, len(policy.shapes), episode.episode_return, info["frames"])
        ),
    )
    assert seen == [(0, 1, 0.0, 0), (1, 2, 1.0, 4), (2, 3, 3.0, 4)]


@pytest.mark.parametrize("num_envs", [1, 2, 3, 8])
def test_episodes_do_not_depend_on_how_many_envs_share_a_batch(num_envs):
    episodes = drive(Swerving(), DUMMY, SEEDS, num_envs=num_envs)
    assert [episode.seed for episode in episodes] == SEEDS
    expected = returns_by_hand(SEEDS)
    assert [episode.episode_return for episode in episodes] == pytest.approx([total for total, _ in expected])
    assert [episode.decisions for episode in episodes] == [decisions for _, decisions in expected]
    assert len({decisions for _, decisions in expected}) > 1, "episodes of one length would prove little"


def test_each_episode_begins_once():
    policy = Swerving()
    drive(policy, DUMMY, SEEDS, num_envs=2)
    assert np.array(policy.firsts).sum() == len(SEEDS)
    assert policy.firsts[0].all()


def test_no_seeds_no_episodes():
    assert drive(Swerving(), DUMMY, []) == []


def test_envs_are_closed_and_errors_name_the_seed(monkeypatch):
    class Failing(ThreeSteps):
        def step(self, action):
            raise OSError("the link is gone")

    envs = []

    def make_env(config, *, training):
        assert not training, "evaluation is the stock task"
        envs.append(Failing())
        return envs[-1]

    monkeypatch.setattr(drive_module, "make_env", make_env)
    monkeypatch.setattr(drive_module, "capacity", lambda config, *, training: None)
    with pytest.raises(OSError, match="the link is gone") as caught:
        drive(OneAction(), {}, [10004, 10005], num_envs=2)
    assert caught.value.__notes__ == ["This happened on seed 10004, decision 1."]
    assert [env.closed for env in envs] == [True, True]


def test_impossible_counts_are_refused(load_policy):
    with pytest.raises(ConfigError, match="num_envs=0"):
        drive(Swerving(), DUMMY, [1], num_envs=0)
    with pytest.raises(ConfigError, match="num_processes=0"):
        drive_parallel(load_policy, (0.9,), DUMMY, [1], num_processes=0)


def test_processes_drive_the_same_episodes_in_order(load_policy):
    heard = []
    episodes = drive_parallel(load_policy, (0.9,), DUMMY, iter(SEEDS), num_processes=2, on_episode=heard.append)
    assert [episode.seed for episode in episodes] == SEEDS
    assert [episode.episode_return for episode in episodes] == pytest.approx([r for r, _ in returns_by_hand(SEEDS)])
    assert sorted(episode.seed for episode in heard) == sorted(SEEDS)


def test_errors_of_a_worker_arrive_as_they_are(load_policy):
    with pytest.raises(ConfigError, match=r"policy\.json is damaged"):
        drive_parallel(load_policy, (0.9, "damaged"), DUMMY, SEEDS, num_processes=1)
    with pytest.raises(RuntimeError, match="fails in step 3") as caught:
        drive_parallel(load_policy, (0.9,), {**DUMMY, "fail_at_step": 3}, SEEDS, num_processes=1)
    assert any("decision 3" in note for note in caught.value.__notes__)


def test_a_worker_that_dies_is_an_error_in_words(load_policy):
    with pytest.raises(RuntimeError, match=r"A worker died with 0 of 5 episodes driven.*fewer processes than 2"):
        drive_parallel(load_policy, (0.9, "die"), DUMMY, SEEDS, num_processes=2)


@pytest.fixture
def drive_alone(tmp_path):
    """Return a function that starts a command which drives with a policy that hangs, after lines of its own."""
    started = []

    def start(*lines):
        drives = f"""
        from experiments.drive import drive_parallel
        from worker_policy import load

        if __name__ == "__main__":
            drive_parallel(load, (0.9, "hang"), {DUMMY}, range(40), num_processes=6,
                           on_episode=lambda episode: print("driven", flush=True))
        """
        script = tmp_path / "script.py"
        script.write_text("\n".join(map(textwrap.dedent, (*lines, drives))))
        environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(tmp_path), *filter(None, sys.path)])}
        process = subprocess.Popen(
            [sys.executable, script],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGKILL])
def test_workers_end_with_the_parent(load_policy, drive_alone, end):
    process = drive_alone()
    assert process.stdout.readline() == "driven\n"
    if end == signal.SIGINT:
        os.killpg(process.pid, end)  # as a terminal does: the whole group hears it
    else:
        process.kill()
    _, errors = process.communicate(timeout=20)  # returns when nobody holds the pipes any more: no orphans
    assert process.returncode == -end
    if end == signal.SIGINT:
        assert errors.count("Traceback") == errors.splitlines().count("KeyboardInterrupt") == 1, errors


def test_workers_that_are_starting_are_silent_on_ctrl_c(load_policy, drive_alone):
    process = drive_alone(
        """
        import os, signal, threading
        if __name__ == "__mp_main__":
            signal.raise_signal(signal.SIGINT)
            os.write(1, b"starting\\n")  # in one piece: print writes the line's end by itself, and six write at once
            threading.Event().wait()
        """
    )
    assert process.stdout.readline() == "starting\n"
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT
    assert errors.count("Traceback") == errors.splitlines().count("KeyboardInterrupt") == 1, errors


def test_ctrl_c_while_a_lock_of_the_pool_is_held_does_not_leave_it_locked(load_policy, drive_alone):
    """The pool's own thread needs the locks of all episodes to end: one that stays locked hangs the command."""
    process = drive_alone(
        """
        import signal, threading
        from concurrent.futures import _base
        from types import SimpleNamespace

        class Interrupted(threading.Condition):
            count = 0

            def __init__(self):
                super().__init__()
                lock, self.acquire = self.acquire, self.interrupted_acquire
                self.locked = lock

            def interrupted_acquire(self, *arguments):
                is_locked = self.locked(*arguments)
                if threading.current_thread() is threading.main_thread() and Interrupted.count == 0:
                    Interrupted.count += 1
                    signal.raise_signal(signal.SIGINT)
                return is_locked

            def __enter__(self):
                return self.acquire()

        _base.threading = SimpleNamespace(**vars(threading) | {"Condition": Interrupted})
        """
    )
    _, errors = process.communicate(timeout=20)
    assert process.returncode == -signal.SIGINT, errors
    assert errors.count("Traceback") == errors.splitlines().count("KeyboardInterrupt") == 1, errors


def test_an_episode_crosses_processes():
    episode = Episode(seed=3, episode_return=1.5, lap_time_s=20.0, finished=True)
    assert pickle.loads(pickle.dumps(episode)) == episode


def test_an_episode_can_be_driven_again_as_one_of_as_many():
    """By a policy whose arithmetic depends on how many rows it sees."""

    class Crowded(Swerving):
        def act(self, observation, is_first):
            return super().act(observation, is_first) * (1 - 0.05 * len(observation))

    together = drive(Crowded(), DUMMY, SEEDS[:3], num_envs=3)
    assert [episode.batch for episode in together] == [3, 3, 3]
    for episode in together:
        again, alone = (drive_episode(Crowded(), make_env(DUMMY), episode.seed, batch=batch) for batch in (3, 1))
        assert again == episode
        assert alone != episode
