"""What a format of exported files is: a policy that drives from a file, and how that file is written and read."""

from pathlib import Path
from typing import TYPE_CHECKING, Self

import gymnasium as gym

from experiments.described_policy import DescribedPolicy
from experiments.policy_description import PolicyDescription

if TYPE_CHECKING:
    from experiments.exported.graph import PolicyGraph  # brings torch: ONNX files are driven without


class ExportedPolicy(DescribedPolicy):
    """A policy in one file.

    A subclass is one format. It computes a decision (`decide`), writes a file (`write`) and reads it (`load`).
    """

    @classmethod
    def check_installed(cls) -> None:
        """Raise a ConfigError that says what to install, where this format needs packages that are missing."""

    @classmethod
    def write(cls, path: Path, graph: "PolicyGraph", space: gym.spaces.Dict, description: PolicyDescription) -> None:
        """Write a policy's computation (over stacked observations of `space`) and description into one file."""
        raise NotImplementedError

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file that `write` wrote; nothing is unpickled.

        Raises:
            ValueError: It is no such file. What the libraries beneath raise on damaged ones comes as it is.
        """
        raise NotImplementedError
