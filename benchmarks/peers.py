"""Stable-baselines3 on the suite's envs and with the suite's networks, as fast as its own parts allow."""

import functools
import time
from collections.abc import Callable, Mapping
from typing import Any

import gymnasium as gym
import torch
from torch import nn

from benchmarks.setting import HOW_TO_INSTALL
from envs.factory import TRAIN_SEEDS, make_env
from envs.seeds import episode_seeds, training_range_from
from envs.stacking import frame_stack
from envs.wrappers import TrainingSeeds
from models.convolutions import padding_of

try:
    from stable_baselines3 import PPO, SAC
    from stable_baselines3.common.callbacks import BaseCallback
    from stable_baselines3.common.torch_layers import BaseFeaturesExtractor
    from stable_baselines3.common.vec_env import DummyVecEnv, SubprocVecEnv, VecEnv, VecFrameStack, VecTransposeImage
except ImportError as error:
    raise ImportError(f"This benchmark measures against stable-baselines3; {HOW_TO_INSTALL}.") from error


class WithoutInfo(gym.Wrapper[Any, Any, Any, Any]):
    """Drop `info`, which stable-baselines3 would copy at every step, or send through a pipe, for nobody."""

    def reset(self, **arguments: Any) -> tuple[Any, dict[str, Any]]:
        """Return the observation alone."""
        return self.env.reset(**arguments)[0], {}

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Return all but `info`."""
        observation, reward, terminated, truncated, _ = self.env.step(action)
        return observation, float(reward), terminated, truncated, {}


def training_env(config: Mapping[str, Any], *, index: int, num_envs: int, seed: int) -> gym.Env[Any, Any]:
    """Return env `index` of `num_envs` with the rules and tracks that it has in training.

    Args:
        config: The section `env` of a run's config.
        index: Which of the envs.
        num_envs: How many there are; each has tracks of its own.
        seed: The run's seed.
    """
    seeds = training_range_from(config.get(TRAIN_SEEDS))
    stream = episode_seeds(seeds, seed=seed, stream=index, num_streams=num_envs, start=0)
    return WithoutInfo(TrainingSeeds(make_env(config, training=True), stream))


def sb3_vector_env(config: Mapping[str, Any], *, num_envs: int, processes: bool, seed: int = 0) -> VecEnv:
    """Return stable-baselines3's vector env of stacked frames `(N, C * k, H, W)` uint8.

    Frames are transposed before they are stacked: for grey ones that moves no byte, and the stacks are contiguous.

    Args:
        config: The section `env` of a run's config.
        num_envs: N.
        processes: True: `SubprocVecEnv`, a process an env; False: `DummyVecEnv`, one after the other in this process.
        seed: Of the tracks.
    """
    builders: list[Callable[[], gym.Env[Any, Any]]] = [
        functools.partial(training_env, config, index=index, num_envs=num_envs, seed=seed) for index in range(num_envs)
    ]
    if processes:
        vector: VecEnv = SubprocVecEnv(builders)  # forkserver, or spawn: a fork beside torch's threads may hang
    else:
        vector = DummyVecEnv(builders)
    return VecFrameStack(VecTransposeImage(vector), n_stack=frame_stack(config), channels_order="first")


class PlainEncoder(BaseFeaturesExtractor):
    """The layers of `models.cnn.CNNEncoder`, in plain torch, as a features extractor of stable-baselines3.

    Args:
        observation_space: A stack of frames `(C * k, H, W)`.
        channels: As in conf/model/cnn.yaml.
        kernels: As there.
        strides: As there.
        image_features: As there.
        pad: As there.
    """

    def __init__(
        self,
        observation_space: gym.spaces.Box,
        channels: list[int],
        kernels: list[int],
        strides: list[int],
        image_features: int,
        pad: bool,
    ) -> None:
        super().__init__(observation_space, image_features)
        in_channels, height, width = observation_space.shape
        padding = (padding_of(height, kernels, strides), padding_of(width, kernels, strides)) if pad else (0, 0)
        height, width = height + 2 * padding[0], width + 2 * padding[1]
        layers: list[nn.Module] = []
        for out_channels, kernel, stride in zip(channels, kernels, strides, strict=True):
            layers += [nn.Conv2d(in_channels, out_channels, kernel, stride, (0, 0) if layers else padding), nn.ReLU()]
            height, width = ((size - kernel) // stride + 1 for size in (height, width))
            in_channels = out_channels
        flat = in_channels * height * width
        latent = [nn.Linear(flat, image_features), nn.LayerNorm(image_features), nn.Tanh()]
        self.layers = nn.Sequential(*layers, nn.Flatten(), *latent)

    def forward(self, observations: torch.Tensor) -> torch.Tensor:
        """Map images `(B, C * k, H, W)`, which stable-baselines3 has scaled to [0, 1], to features `(B, D)`."""
        return self.layers(observations)


def sb3_encoder(model: Mapping[str, Any]) -> dict[str, Any]:
    """Return the `policy_kwargs` that give any CnnPolicy the encoder of a run's section `model` (model=cnn), once."""
    sizes = ("channels", "kernels", "strides", "image_features", "pad")
    return {
        "features_extractor_class": PlainEncoder,
        "features_extractor_kwargs": {name: model[name] for name in sizes},
        "share_features_extractor": True,
    }


def sb3_sac(config: Mapping[str, Any], env: VecEnv | gym.Env[Any, Any], **arguments: Any) -> SAC:
    """Return stable-baselines3's SAC with the network and the numbers of a run's config (algo=sac model=cnn).

    The encoder is shared by actor and critics, which saves stable-baselines3 a training pass; its target critic has
    one of its own all the same.

    Args:
        config: A run's config.
        env: What it drives.
        **arguments: Of `SAC`, on top.
    """
    options = config["algo"]["training"]
    widths = {"pi": options["head"]["hidden"], "qf": options["critic_hidden"]}
    return SAC(
        "CnnPolicy",
        env,
        **{
            "learning_rate": options["lr"],
            "gamma": options["gamma"],
            "tau": options["target_rate"],
            "batch_size": options["batch_size"],
            "buffer_size": options["replay_capacity"],
            "learning_starts": options["start_after_decisions"],
            "ent_coef": f"auto_{options['initial_alpha']}",
            "policy_kwargs": sb3_encoder(config["model"]) | {"net_arch": widths},
            "seed": config["seed"],
            "device": "cpu",
        }
        | arguments,
    )


def sb3_ppo(config: Mapping[str, Any], env: VecEnv) -> PPO:
    """Return stable-baselines3's PPO with the network and the numbers of a run's config (algo=ppo model=cnn).

    Args:
        config: A run's config.
        env: What it drives.
    """
    options = config["algo"]["training"]
    widths = {"pi": options["head"]["hidden"], "vf": options["critic_hidden"]}
    return PPO(
        "CnnPolicy",
        env,
        learning_rate=options["lr"],
        n_steps=options["rollout_steps"],
        batch_size=options["minibatch_size"],
        n_epochs=options["epochs"],
        gamma=options["gamma"],
        gae_lambda=options["gae_lambda"],
        clip_range=options["clip"],
        ent_coef=options["entropy_coeff"],
        vf_coef=options["value_coeff"],
        max_grad_norm=options["max_grad_norm"],
        policy_kwargs=sb3_encoder(config["model"]) | {"net_arch": widths},
        seed=config["seed"],
        device="cpu",
    )


class SB3Window(BaseCallback):
    """Count what stable-baselines3 does in a stretch of time, from before a rollout to before a later one; then end it.

    Args:
        opens_at: Decisions before it begins.
        seconds: How long it is at least.
    """

    def __init__(self, *, opens_at: int, seconds: float) -> None:
        super().__init__()
        self._opens_at, self._seconds = opens_at, seconds
        self._began: tuple[float, int, int] | None = None
        self._is_over = False
        self.elapsed_s, self.decisions, self.updates = 0.0, 0, 0

    def _on_rollout_start(self) -> None:
        model: Any = self.model
        now = time.perf_counter(), model.num_timesteps, model._n_updates
        if self._began is None:
            if model.num_timesteps >= self._opens_at:
                self._began = now
        elif now[0] - self._began[0] >= self._seconds:
            self.elapsed_s, self.decisions, self.updates = (
                after - before for after, before in zip(now, self._began, strict=True)
            )
            self._is_over = True

    def _on_step(self) -> bool:
        return not self._is_over
