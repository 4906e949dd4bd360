"""Which pictures a game has: a twin's own, the plugin's shared memory, or those of a capture worker."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from envs.arguments import check_choice, check_range
from envs.assetto_corsa.frame_stream import PORT
from envs.assetto_corsa.games import Game
from envs.assetto_corsa.images import COLOR_MODES, GRAY, Frame, ImageSource

SHARED, NETWORK = "shared", "network"
SOURCES = (SHARED, NETWORK)


@dataclass(frozen=True, kw_only=True)
class ImageSettings:
    """Where pictures come from, and how they are there.

    Attributes:
        source: `shared`: the plugin's shared memory, on this machine's Windows; `network`: a capture worker of ours.
        host: of the worker; None: the game's.
        port: of the worker.
        width: pixels, of shared memory and of twins.
        height: likewise.
        color_mode: `gray` or `bgr`, likewise.
        wait_s: for a worker's first frame, and after losses.
    """

    source: str = NETWORK
    host: str | None = None
    port: int = PORT
    width: int = 320
    height: int = 240
    color_mode: str = GRAY
    wait_s: float = 5.0

    def __post_init__(self) -> None:
        """Check."""
        check_choice("image.source", self.source, SOURCES)
        check_choice("image.color_mode", self.color_mode, COLOR_MODES)
        check_range("image.port", self.port, 1, 65535)
        check_range("image.wait_s", self.wait_s, 0.0, 600.0)
        check_range("image.width", self.width, 16, 4096)
        check_range("image.height", self.height, 16, 4096)


class GameImages:
    """Pictures of a twin in this process, taken when they are asked for.

    Args:
        pictures: see `Game`.
        width: pixels.
        height: pixels.
        color_mode: `gray` or `bgr`.
    """

    def __init__(self, pictures: Callable[[int, int, str], Any], width: int, height: int, color_mode: str) -> None:
        self._take = lambda: pictures(width, height, color_mode)

    def newest(self, steps: int) -> Frame:
        """Return the picture as it is now; its number is the state's."""
        return Frame(self._take(), steps, steps, None, 0.0)

    def close(self) -> None:
        """Do nothing."""


def image_source(game: Game, settings: ImageSettings) -> ImageSource:
    """Return where pictures of a game come from.

    Raises:
        SimulatorUnavailable: there are no pictures.
    """
    size = (settings.width, settings.height)
    if game.pictures is not None:
        return GameImages(game.pictures, *size, settings.color_mode)
    if settings.source == SHARED:
        from envs.assetto_corsa.shared_memory import SharedMemoryImages

        return SharedMemoryImages(*size, settings.color_mode)
    from envs.assetto_corsa.network_images import NetworkImages

    return NetworkImages(settings.host or game.host or "127.0.0.1", settings.port, wait_s=settings.wait_s)
