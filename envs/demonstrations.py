"""Demonstrations: episodes that somebody drove, one npz each, whoever it was."""

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

_FORMAT = 1
_OBSERVATION = "observation/"


@dataclass(frozen=True)
class Demonstration:
    """One episode.

    Attributes:
        observations: name -> `(T + 1, …)`, the first before the first action; a bare box is `image` or `vector`.
        actions: `(T, A)`, in the env's action space: what was applied between two observations.
        rewards: `(T,)`.
        terminated: how it ended.
        truncated: how it ended.
        source: who drove, such as `person`.
        config_hash: of the env's config, see `config_hash`.
    """

    observations: Mapping[str, npt.NDArray[Any]]
    actions: npt.NDArray[np.float32]
    rewards: npt.NDArray[np.float64]
    terminated: bool
    truncated: bool
    source: str
    config_hash: str

    def save(self, path: Path) -> None:
        """Write an npz."""
        head = {
            **{"format": _FORMAT, "terminated": self.terminated, "truncated": self.truncated},
            **{"source": self.source, "config_hash": self.config_hash},
        }
        arrays = {f"{_OBSERVATION}{name}": part for name, part in self.observations.items()}
        np.savez_compressed(
            path,
            head=np.array(json.dumps(head)),
            actions=self.actions,
            rewards=self.rewards,
            **arrays,  # type: ignore[arg-type]
        )

    @classmethod
    def load(cls, path: Path) -> "Demonstration":
        """Read what `save` wrote; nothing is unpickled.

        Raises:
            ValueError: the file holds no demonstration.
        """
        try:
            with np.load(path, allow_pickle=False) as data:
                head = json.loads(str(data["head"]))
                if head["format"] != _FORMAT:
                    raise ValueError(f"its format is {head['format']}")
                parts = {
                    name.removeprefix(_OBSERVATION): data[name] for name in data.files if name.startswith(_OBSERVATION)
                }
                return cls(
                    parts,
                    data["actions"],
                    data["rewards"],
                    bool(head["terminated"]),
                    bool(head["truncated"]),
                    str(head["source"]),
                    str(head["config_hash"]),
                )
        except (OSError, BadZipFile, KeyError, TypeError, ValueError) as error:
            raise ValueError(f"{path} holds no demonstration of format {_FORMAT} ({error}).") from error


def config_hash(config: Mapping[str, Any]) -> str:
    """Return a hash of an env's config, the same for the same keys and values."""
    return hashlib.sha256(json.dumps(config, sort_keys=True, default=str).encode()).hexdigest()[:16]
