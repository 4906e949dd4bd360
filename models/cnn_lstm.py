"""The convolutional recurrent encoder: each frame through a CNN, an LSTM over frames, vectors joined after it."""

from collections.abc import Mapping, Sequence
from itertools import pairwise

import gymnasium as gym
import numpy as np
import torch
from torch import nn

from models.convolutions import as_planes, one_image, strided_convolutions
from models.encoder import Observation, RecurrentEncoder
from models.layers import Latent, check_sizes
from models.memory import Memory

OVER = ("time", "stack")


class CNNLSTMEncoder(RecurrentEncoder):
    """Strided convolutions over one frame, a normalised latent, then an LSTM over frames.

    Over `time` the LSTM is carried from decision to decision and reset where episodes begin: the policy remembers what
    it saw. Over a `stack` it runs over the frames inside one observation, oldest first, and carries nothing.

    Args:
        observation_space: One image `(H, W, C)` uint8 and any number of vectors.
        over: `time` or `stack`.
        channels: Output channels of each convolution.
        kernels: Kernel size of each convolution, in pixels.
        strides: Stride of each convolution, in pixels.
        image_features: Width of a frame's features, which the LSTM reads.
        hidden: Width of the LSTM.
        layers: Layers of the LSTM.
        vector_features: Width of the vectors' features, where there are vectors.
        frames: Frames in an observation, for each way to run over them; over a stack there are several.
        pad: Lay zeros around the image where strides would leave its edges unseen.

    Raises:
        ValueError: As `CNNEncoder`; or `over` is neither, or the image is no stack of several frames.

    Source: Hochreiter and Schmidhuber (1997); state kept and reset as in Hausknecht and Stone, DRQN (2015).
    """

    def __init__(
        self,
        *,
        observation_space: gym.spaces.Dict,
        over: str,
        channels: Sequence[int],
        kernels: Sequence[int],
        strides: Sequence[int],
        image_features: int,
        hidden: int,
        layers: int,
        vector_features: int,
        frames: Mapping[str, int],
        pad: bool = False,
    ) -> None:
        super().__init__()
        self._image_name, image, vectors = one_image(observation_space, type(self).__name__)
        self._vector_names = sorted(vectors)
        check_sizes(image_features=image_features, hidden=hidden, layers=layers, vector_features=vector_features)
        if over not in OVER:
            raise ValueError(f"over={over}: expected one of {', '.join(OVER)}.")
        self._over, self._num_frames = over, frames[over]
        frame = image if over == "time" else _one_frame(image, frames[over])
        self.convolutions, width = strided_convolutions(
            frame, channels=channels, kernels=kernels, strides=strides, pad=pad
        )
        self.image_latent = Latent(width, image_features)
        self.lstm = _initialised(nn.LSTM(image_features, hidden, layers, batch_first=True))
        self.feature_dim = hidden
        self.state_dim = 2 * layers * hidden if over == "time" else 0
        if vectors:
            self.vector_latent = Latent(sum(box.shape[0] for box in vectors.values()), vector_features)
            self.feature_dim += vector_features

    def encode(self, observation: Observation, memory: Memory | None) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Return features `(B * T, D)`, the LSTM's first, and over time the state `(B, S)`."""
        if self._over == "time":
            return super().encode(observation, memory)
        frames = observation[self._image_name].unflatten(-1, (self._num_frames, -1)).movedim(-2, 1)
        outputs, _ = self.lstm(self._frame_features(frames))
        return self._joined(outputs[:, -1], observation), None

    def forward(  # type: ignore[override] # as RecurrentEncoder says
        self, observation: Observation, state: torch.Tensor, is_first: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Return features `(B, T, feature_dim)`, the LSTM's first, and the state `(B, S)` after the last slot.

        The fused LSTM knows no resets: it runs from one slot that begins an episode, in any of the rows, to the next.
        """
        frames, length = self._frame_features(observation[self._image_name]), is_first.shape[1]
        resets = [] if length == 1 else torch.nonzero(is_first[:, 1:].any(0)).flatten().tolist()
        outputs = []
        for begin, end in pairwise([0, *(1 + reset for reset in resets), length]):
            state = torch.where(is_first[:, begin, None], torch.zeros_like(state), state)
            output, state = self._run(frames[:, begin:end], state)
            outputs.append(output)
        return self._joined(torch.cat(outputs, dim=1), observation), state

    def _frame_features(self, frames: torch.Tensor) -> torch.Tensor:
        """Return features `(B, T, F)` of frames `(B, T, H, W, C)`."""
        with self.in_precision(frames.device):
            features: torch.Tensor = self.image_latent(self.convolutions(as_planes(frames.flatten(0, 1))))
        return features.unflatten(0, frames.shape[:2])

    def _run(self, frames: torch.Tensor, state: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Run the LSTM over `(B, T, F)` from a state `(B, S)`: hidden and cell of each layer."""
        sizes = (2, self.lstm.num_layers, self.lstm.hidden_size)
        hidden, cell = state.unflatten(-1, sizes).permute(1, 2, 0, 3).contiguous()
        outputs, after = self.lstm(frames, (hidden, cell))
        return outputs, torch.stack(after).permute(2, 0, 1, 3).flatten(1)

    def _joined(self, outputs: torch.Tensor, observation: Observation) -> torch.Tensor:
        if not self._vector_names:
            return outputs
        vectors = torch.cat([observation[name] for name in self._vector_names], dim=-1)
        return torch.cat([outputs, self.vector_latent(vectors)], dim=-1)


def _initialised(lstm: nn.LSTM) -> nn.LSTM:
    """Make each gate's weights orthogonal, and let forget gates begin open: else a memory halves at every step.

    Source: Jozefowicz et al., "An Empirical Exploration of Recurrent Network Architectures" (2015), section 2.2.
    """
    for name, parameter in lstm.named_parameters():
        if "weight" in name:
            for gate in parameter.detach().chunk(4):
                nn.init.orthogonal_(gate)
        else:
            nn.init.zeros_(parameter)
            if "bias_ih" in name:
                nn.init.ones_(parameter.detach().chunk(4)[1])  # torch's order: input, forget, cell, output
    return lstm


def _one_frame(stack: gym.spaces.Box, num_frames: int) -> gym.spaces.Box:
    """Return the box of one frame of a stack; raise a ValueError unless it can be one of several frames."""
    channels, rest = divmod(stack.shape[-1], num_frames) if num_frames > 1 else (0, 0)
    if rest or not channels:
        raise ValueError(
            f"over=stack: expected an image of frames.stack={num_frames} frames, more than one; it has "
            f"{stack.shape[-1]} channels. Let env.frame_stack be the same as model.frames.stack, or choose over=time."
        )
    return gym.spaces.Box(0, 255, (*stack.shape[:-1], channels), np.uint8)
