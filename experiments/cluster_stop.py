"""How trials on other nodes learn that a run was asked to stop: they ask an actor beside the driver."""

import logging
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

logger = logging.getLogger(__name__)

_NAME = "chicane_stop_desk"  # names belong to a driver's own namespace, so that several runs have one each
_ASK_EVERY_S = 1.0
_FIRST_ANSWER_S = 60.0


class StopDesk:
    """Looks whether the file is there that asks a run to stop; lives on the driver's node, where the file is written.

    Args:
        stop_request: The file.
    """

    def __init__(self, stop_request: str) -> None:
        self._stop_request = Path(stop_request)

    def is_requested(self) -> bool:
        """Return whether the run was asked to stop."""
        return self._stop_request.exists()


def open_stop_desk(stop_request: Path) -> Any:
    """Start the desk on this process's node, and return it: it ends with the driver, or with its last handle."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=False)
    desk = ray.remote(num_cpus=0)(StopDesk).options(name=_NAME, scheduling_strategy=here)
    return desk.remote(str(stop_request))


def stop_watch(settings: dict[str, Any], stop_request: Path) -> Callable[[], bool]:
    """Return what a trial asks, often, whether it shall stop: it takes microseconds.

    A shared folder is not looked into: NFS clients remember for a minute that there was no such file.

    Args:
        settings: The section `ray` of its config.
        stop_request: The file that asks, where driver and trial are on one machine.
    """
    if settings.get("address") is None:
        return stop_request.exists
    import ray

    return DeskWatch(ray.get_actor(_NAME))


class DeskWatch:
    """Asks the desk once a second, without waiting for the answer.

    Args:
        desk: The actor, whose first answer is waited for: the request may be older than the trial.
    """

    def __init__(self, desk: Any) -> None:
        import ray

        self._desk = desk
        self._pending: Any = None
        self._is_requested = bool(ray.get(desk.is_requested.remote(), timeout=_FIRST_ANSWER_S))
        self._asked_s = time.monotonic()

    def __call__(self) -> bool:
        """Return the newest answer."""
        import ray

        if self._is_requested:
            return True
        if self._pending is None and time.monotonic() - self._asked_s >= _ASK_EVERY_S:
            self._pending, self._asked_s = self._desk.is_requested.remote(), time.monotonic()
        if self._pending is not None and ray.wait([self._pending], timeout=0)[0]:
            try:
                self._is_requested = ray.get(self._pending)
            except ray.exceptions.RayError:  # it is lost with the driver, which ends us as well
                logger.warning("The driver's stop desk does not answer.", exc_info=True)
            self._pending = None
        return self._is_requested
