"""What leaves the house: an actor's deterministic decision, from stacked observations to the env's own actions."""

import warnings

import gymnasium as gym
import numpy as np
import torch
from torch import nn
from torch.export import Dim, ExportedProgram, export
from torch.fx import GraphModule

from envs.contract import unsquash
from models.actor import Actor
from models.encoder import Observation
from models.memory import Memory

_TRACED_BATCH = 2  # of the traced example; torch takes batches of 0 and 1 for constants


class PolicyGraph(nn.Module):
    """One decision of `B` envs in float32, with all that happens to a stacked observation and to the actions after it.

    Args:
        actor: The trained policy.
        action_space: The env's box, over which the actor's [-1, 1] is stretched; or its choice of one action.

    Raises:
        ConfigError: A bound of the box is infinite.
    """

    def __init__(self, actor: Actor, action_space: gym.spaces.Box | gym.spaces.Discrete) -> None:
        super().__init__()
        # Channels-last weights are of use in training only, and a file of raw bytes does without strides.
        self.actor = actor.eval().requires_grad_(False).to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
        self.to_env = _Choice(action_space) if isinstance(action_space, gym.spaces.Discrete) else _Stretch(action_space)

    @property
    def state_dim(self) -> int:
        """S, the numbers that the policy carries from decision to decision; 0: none."""
        return self.actor.encoder.state_dim

    def forward(
        self, observation: Observation, state: torch.Tensor | None = None, is_first: torch.Tensor | None = None
    ) -> torch.Tensor | tuple[torch.Tensor, torch.Tensor]:
        """Return the env's actions, `(B, A)` of its box or `(B,)` whole numbers, and a recurrent policy's next state.

        Args:
            observation: Stacked images `(B, H, W, C * k)` uint8 and vectors `(B, D)` float32 by name.
            state: `(B, S)` float32, what the decision before returned; of a recurrent policy only.
            is_first: `(B,)` bool, where an episode begins and the state counts as zeros; of a recurrent policy only.

        Returns:
            Actions, and of a recurrent policy the next state `(B, S)`.
        """
        memory = None if state is None or is_first is None else Memory.of_one_step(state, is_first)
        actions, next_state = self.actor.step(observation, memory)
        taken = self.to_env(actions)
        return taken if next_state is None else (taken, next_state)


class _Stretch(nn.Module):
    """An actor's numbers `(B, A)` in [-1, 1] stretched over a box."""

    low: torch.Tensor
    high: torch.Tensor
    centre: torch.Tensor
    half_range: torch.Tensor

    def __init__(self, box: gym.spaces.Box) -> None:
        super().__init__()
        low, high = box.low, box.high
        centre = unsquash(np.zeros_like(low), low, high)
        bounds = {"low": low, "high": high, "centre": centre, "half_range": (high - low) * 0.5}
        for name, bound in bounds.items():
            self.register_buffer(name, torch.tensor(bound, dtype=torch.float32), persistent=False)

    def forward(self, actions: torch.Tensor) -> torch.Tensor:
        """Return actions `(B, A)` of the box."""
        return torch.clamp(self.centre + actions * self.half_range, self.low, self.high)


class _Choice(nn.Module):
    """An actor's one-hots `(B, A)` as whole numbers."""

    def __init__(self, choice: gym.spaces.Discrete) -> None:
        super().__init__()
        self._first = int(choice.start)

    def forward(self, actions: torch.Tensor) -> torch.Tensor:
        """Return actions `(B,)` int64."""
        return actions.argmax(-1) + self._first


def trace(graph: PolicyGraph, space: gym.spaces.Dict) -> ExportedProgram:
    """Record the graph's computation for batches of any size, without the paths of this machine and without examples.

    Args:
        graph: Of the policy.
        space: What `experiments.exported.inputs.graph_space` returns.
    """
    batch = {0: Dim("batch")}
    observation = {
        name: torch.zeros(_TRACED_BATCH, *box.shape, dtype=torch.uint8 if box.dtype == np.uint8 else torch.float32)
        for name, box in space.spaces.items()
        if box.shape is not None
    }
    arguments: tuple[object, ...] = (observation,)
    shapes: tuple[object, ...] = (dict.fromkeys(observation, batch),)
    if graph.state_dim:
        state = torch.zeros(_TRACED_BATCH, graph.state_dim)
        arguments += (state, torch.zeros(_TRACED_BATCH, dtype=torch.bool))
        shapes += (batch, batch)
    with torch.no_grad(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # torch's own: an LSTM keeps its weights in a list as well
        program = export(graph, arguments, dynamic_shapes=shapes)
    for part in program.graph_module.modules():  # autocast regions are graphs of their own
        for node in part.graph.nodes if isinstance(part, GraphModule) else ():
            for note in ("stack_trace", "nn_module_stack", "torch_fn"):
                node.meta.pop(note, None)
    program.example_inputs = None  # they would be saved as a pickle
    return program
