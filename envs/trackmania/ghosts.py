"""The plugin that saves a ghost of the last race: a connection to its port is the whole command."""

import logging
import socket
from collections.abc import Callable

log = logging.getLogger(__name__)

PORT = 10000
PAUSE_S = 1.0  # that the game takes to save
_TIMEOUT_S = 1.0


def save_ghost(sleep: Callable[[float], None], *, host: str = "127.0.0.1", port: int = PORT) -> bool:
    """Ask for a ghost and wait until it is saved; return whether the plugin is there. Its absence is only a warning."""
    try:
        socket.create_connection((host, port), _TIMEOUT_S).close()
    except OSError as error:
        log.warning("No ghost was saved: the plugin TMRL Save Ghost does not answer at %s:%d (%s).", host, port, error)
        return False
    sleep(PAUSE_S)
    return True
