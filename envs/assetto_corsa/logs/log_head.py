"""What a log says of itself: kept as JSON in the metadata of its schema."""

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

from envs.assetto_corsa.geometry.derived import GEOMETRY_VERSION

KEY = b"chicane"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class LogHead:
    """How a log came about.

    Attributes:
        track: full name.
        track_digest: `AcTrack.digest`; derived channels may be reused only where it is the same.
        car: as the game calls it.
        rate_hz: decisions a second.
        is_fixed: which of the two geometries derived the channels.
        presets: whatever else describes the env, by name: observation, actions, reward.
        source: who drove, such as `policy`.
        outcome: `ended`, or `aborted` where the episode was not finished.
        geometry_version: of the rules of the derived channels.
        format_version: of this head and the columns.
    """

    track: str
    track_digest: str
    car: str
    rate_hz: float
    is_fixed: bool
    presets: Mapping[str, Any] = field(default_factory=dict)
    source: str = "policy"
    outcome: str = "ended"
    geometry_version: int = GEOMETRY_VERSION
    format_version: int = FORMAT_VERSION

    def as_metadata(self) -> dict[bytes, bytes]:
        """Return the metadata of a schema."""
        return {KEY: json.dumps(asdict(self), sort_keys=True).encode()}

    @classmethod
    def from_metadata(cls, metadata: Mapping[bytes, bytes] | None) -> "LogHead | None":
        """Return what a schema says, None if it is nobody's of ours.

        Raises:
            ValueError: it is ours, and of a format that is not known.
        """
        if not metadata or KEY not in metadata:
            return None
        told = json.loads(metadata[KEY])
        if not isinstance(told, dict) or told.get("format_version") != FORMAT_VERSION:
            raise ValueError(f"Expected a log of format {FORMAT_VERSION}, got {str(told)[:100]}.")
        try:
            return cls(**told)
        except TypeError as error:
            raise ValueError(f"A log's head of format {FORMAT_VERSION} has other keys: {error}.") from error
