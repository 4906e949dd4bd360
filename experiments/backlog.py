"""Requests to a store that may be away: queued, then sent in order in the background, each until it gets through."""

import logging
import threading
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from experiments.mlflow_store import without_password

_logger = logging.getLogger(__name__)

# Answers that stay the same however often one asks; everything else may be different in a minute.
_REFUSALS = frozenset(
    {"INVALID_PARAMETER_VALUE", "BAD_REQUEST", "INVALID_STATE"}
    | {"RESOURCE_DOES_NOT_EXIST", "PERMISSION_DENIED", "UNAUTHENTICATED"}
)
_OUR_MISTAKES = (FileNotFoundError, ImportError, TypeError, AttributeError, LookupError)


@dataclass
class Request:
    """One thing to ask of the store.

    Attributes:
        what: its name in messages; of equal names only the first refusal is reported.
        action: does it, raising when the store fails.
        refused: called when the store says no for good.
        is_metrics: True where it may be dropped when too much waits.
    """

    what: str
    action: Callable[[], None]
    refused: Callable[[], None] | None = None
    is_metrics: bool = False


class Backlog:
    """Carries out requests in order in a background thread, repeating each until it gets through.

    Args:
        store: address of the store, for messages.
        retry_first_s: pause after the first failure; doubled after each further one.
        retry_max_s: longest pause between two attempts.
        max_waiting: requests kept; above it, the oldest metrics are dropped.
    """

    def __init__(self, *, store: str, retry_first_s: float, retry_max_s: float, max_waiting: int) -> None:
        self._store = without_password(store)
        self._retry_first_s, self._retry_max_s = retry_first_s, retry_max_s
        self._max_waiting = max_waiting
        self._waiting: deque[Request] = deque()
        self._changed = threading.Condition()
        self._thread: threading.Thread | None = None
        self._is_busy = self._is_failing = self._is_hurried = self._is_closing = self._is_abandoned = False
        self._num_dropped = 0
        self._refused: set[str] = set()  # kinds of requests already warned about

    def put(self, request: Request) -> None:
        """Queue a request; return at once."""
        with self._changed:
            if self._is_abandoned:
                return
            if request.is_metrics and len(self._waiting) >= self._max_waiting:
                self._drop_oldest_metrics()
            self._waiting.append(request)
            if self._thread is None:
                self._is_closing = False
                self._thread = threading.Thread(target=self._run, name="mlflow-writer", daemon=True)
                self._thread.start()
            self._changed.notify_all()

    def wait_for(self, condition: Callable[[], bool], timeout_s: float) -> bool:
        """Wait until the condition holds, looking again after each request, at most `timeout_s`."""
        with self._changed:
            return self._changed.wait_for(condition, timeout_s)

    def flush(self, timeout_s: float) -> bool:
        """Wait up to `timeout_s` until nothing is left, trying again at once; return whether nothing is."""
        with self._changed:
            self._is_hurried = True
            self._changed.notify_all()
            return self._changed.wait_for(lambda: not (self._waiting or self._is_busy), timeout_s)

    def close(self, timeout_s: float) -> None:
        """Flush, stop the thread and say what was lost; what was not sent within `timeout_s` is given up."""
        if self._is_abandoned:
            return
        is_done = self.flush(timeout_s)
        with self._changed:
            self._is_closing = True
            self._is_abandoned = not is_done
            num_lost = len(self._waiting) + self._is_busy + self._num_dropped
            self._waiting.clear()
            self._num_dropped = 0
            self._changed.notify_all()
        if num_lost:
            # Whoever was already warned that the store is away needs no second warning.
            level = logging.INFO if self._is_failing else logging.WARNING
            _logger.log(
                level, "%d entries never reached MLflow at %s; progress.csv has every row.", num_lost, self._store
            )

    def _drop_oldest_metrics(self) -> None:
        for index, request in enumerate(self._waiting):
            if request.is_metrics:
                del self._waiting[index]
                self._num_dropped += 1
                return

    def _run(self) -> None:
        while (request := self._next()) is not None:
            self._carry_out(request)

    def _next(self) -> Request | None:
        with self._changed:
            self._is_busy = False
            self._changed.notify_all()
            self._changed.wait_for(lambda: bool(self._waiting) or self._is_closing)
            if not self._waiting:
                self._thread = None
                return None
            self._is_busy = True
            return self._waiting.popleft()

    def _carry_out(self, request: Request) -> None:
        pause_s = self._retry_first_s
        while not self._is_abandoned:
            try:
                request.action()
            except Exception as error:  # whatever a store's driver raises: training must not notice
                if isinstance(error, _OUR_MISTAKES) or getattr(error, "error_code", "") in _REFUSALS:
                    self._report_refusal(request, error)
                    return
                self._report_outage(error)
            else:
                self._report_recovery()
                return
            with self._changed:
                if self._changed.wait_for(lambda: self._is_hurried or self._is_abandoned, pause_s):
                    self._is_hurried, pause_s = False, self._retry_first_s
                else:
                    pause_s = min(2 * pause_s, self._retry_max_s)

    def _report_refusal(self, request: Request, error: Exception) -> None:
        if request.refused is not None:
            request.refused()
        if request.what not in self._refused:
            self._refused.add(request.what)
            _logger.warning(
                "MLflow at %s refuses %s: %s. Training goes on; progress.csv has every row.",
                *(self._store, request.what, _first_line(error)),
            )

    def _report_outage(self, error: Exception) -> None:
        if not self._is_failing:
            self._is_failing = True
            _logger.warning(
                "MLflow at %s does not take what we write: %s. Training goes on, and progress.csv has every row; "
                "what waits is sent when the store works again.",
                *(self._store, _first_line(error)),
            )

    def _report_recovery(self) -> None:
        if self._is_failing:
            self._is_failing = False
            _logger.info("MLflow at %s works again; %d waiting entries follow.", self._store, len(self._waiting))


def _first_line(error: Exception) -> str:
    return without_password(f"{type(error).__name__}: {error}".splitlines()[0])[:300]
