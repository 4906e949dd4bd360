"""A reader of a telemetry plugin: a thread that connects, identifies, reads, and comes back after losses.

The plugin is the server, and nothing is ever written to it.
"""

import contextlib
import logging
import socket
import threading
import time
from collections.abc import Callable, Iterator

from envs.errors import ProtocolError
from envs.remote.backoff import Backoff
from envs.trackmania.faults import CLOSED, REFUSED, SILENT, STALLED, WRONG_LAYOUT, LinkFault
from envs.trackmania.identification import check_units, identify, speed_ratio
from envs.trackmania.layouts import CANDIDATES, RICH1, Layout
from envs.trackmania.records import NewestRecord, Record, RecordStream
from envs.trackmania.rich_records import RichStream

log = logging.getLogger(__name__)

BACKOFF = Backoff(first_s=0.2, most_s=5.0, attempts=1_000_000)
_PIECE = 1 << 16
_LOOK_S = 0.25  # how often a thread that waits for bytes looks whether it shall end
_UNIT_S = 8.0  # of records, in which the car may have moved long enough to compare speeds


class TelemetryClient:
    """Read a plugin in the background; the newest sound record is always at hand.

    Args:
        host: of the plugin, loopback unless the game is elsewhere.
        port: of the plugin.
        layout: of its records; None: identified, and the same after every reconnect.
        silent_s: after which a connection without a byte is a fault.
        stalled_s: after which the newest record is too old.
        backoff: between attempts to connect.
        now: seconds, monotonic.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 9000,
        layout: Layout | None = None,
        silent_s: float = 2.0,
        stalled_s: float = 1.0,
        backoff: Backoff = BACKOFF,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        self._address, self._where = (host, port), f"{host}:{port}"
        self.layout = layout
        self._silent_s, self._stalled_s, self._backoff, self._now = silent_s, stalled_s, backoff, now
        self._records = NewestRecord()
        self._changed = threading.Condition()
        self._end, self._hurry = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._fault: LinkFault | None = None  # what is the matter now
        self._loss: LinkFault | None = None  # what happened since open()
        self._listeners: list[Callable[[Record], None]] = []
        self._for_units: list[Record] | None = []
        self.connections = 0

    @property
    def seen(self) -> int:
        """Records so far, over all connections."""
        return self._records.seen

    @property
    def skipped(self) -> int:
        """Sound records that were superseded before they were read."""
        return self._records.skipped

    @property
    def unsound(self) -> int:
        """Records that were not finite or out of range, and not delivered."""
        return self._records.unsound

    @property
    def fault(self) -> LinkFault | None:
        """What is the matter now; None while records come."""
        return self._fault

    @property
    def loss(self) -> LinkFault | None:
        """What was the first loss since `open`, even if the link is back."""
        return self._loss

    def listen(self, listener: Callable[[Record], None]) -> None:
        """Call `listener` with every sound record, in the reading thread."""
        self._listeners.append(listener)

    def open(self, timeout_s: float = 2.5) -> None:
        """Connect if there is no connection, and wait for a record.

        Raises:
            LinkFault: there is none within `timeout_s`; at once if the records are of another layout.
        """
        deadline = self._now() + timeout_s
        with self._changed:
            self._loss = None
            if self._fault is not None and self._fault.cause == WRONG_LAYOUT:
                self._fault = None  # perhaps another plugin is there by now
        self._hurry.set()
        if self._thread is None or not self._thread.is_alive():
            self._end.clear()
            self._thread = threading.Thread(target=self._run, name=f"telemetry {self._where}", daemon=True)
            self._thread.start()
        with self._changed:
            while not self._is_fresh():
                if self._fault is not None and self._fault.cause == WRONG_LAYOUT:
                    raise self._fault
                left = deadline - self._now()
                if left <= 0:
                    raise self._fault or self._stalled()
                self._changed.wait(min(left, _LOOK_S))
            self._loss = None

    def newest(self) -> Record:
        """Return the newest sound record.

        Raises:
            LinkFault: the link was lost since `open`, even if it is back, or the record is too old.
        """
        with self._changed:
            if self._loss is not None:
                raise self._loss
            if not self._is_fresh():
                raise self._fault or self._stalled()
            record = self._records.take()
            assert record is not None
            return record

    def close(self) -> None:
        """Hang up; a second call does nothing."""
        self._end.set()
        self._hurry.set()
        if self._thread is not None:
            self._thread.join(5.0)
            self._thread = None

    def _is_fresh(self) -> bool:
        newest = self._records.newest
        return newest is not None and self._now() - newest.received_s <= self._stalled_s

    def _stalled(self) -> LinkFault:
        newest = self._records.newest
        seen = "sent too little to know its layout." if newest is None else ""
        if newest is not None:
            age_s = self._now() - newest.received_s
            seen = f"has stalled: its newest record is {age_s:.1f} s old (at most {self._stalled_s:g} s)."
        return LinkFault(STALLED, self._where, seen)

    def _run(self) -> None:
        waits = iter(self._backoff.waits())
        while not self._end.is_set():
            fault, was_heard = self._connection()
            if self._end.is_set():
                break
            if was_heard:
                waits = iter(self._backoff.waits())
            self._report(fault)
            self._hurry.clear()
            self._hurry.wait(next(waits, self._backoff.most_s))

    def _connection(self) -> tuple[LinkFault, bool]:
        """Read one connection until it is lost; return why, and whether it delivered anything."""
        try:
            connection = socket.create_connection(self._address, timeout=self._silent_s)
        except OSError as error:
            return LinkFault(REFUSED, self._where, f"refused the connection ({error})."), False
        before = self.seen
        with contextlib.closing(connection):
            self.connections += 1
            connection.settimeout(_LOOK_S)
            try:
                self._read(connection)
                fault = LinkFault(CLOSED, self._where, "closed the connection.")
            except ProtocolError as error:
                fault = LinkFault(WRONG_LAYOUT, self._where, f"sends another layout: {error}")
            except OSError as error:
                fault = LinkFault(CLOSED, self._where, f"broke the connection ({error}).")
        return fault, self.seen > before

    def _read(self, connection: socket.socket) -> None:
        """Read until the peer closes or `close` is called."""
        stream: RecordStream | RichStream | None = RichStream() if self.layout is RICH1 else None
        burst = bytearray()
        for data, received_s in self._pieces(connection):
            if stream is None:
                burst += data
                layout = identify(bytes(burst), CANDIDATES if self.layout is None else (self.layout,))
                if layout is None:
                    continue
                self.layout = layout
                stream, data = RecordStream(layout), bytes(burst)
                log.info("Telemetry at %s: %s.", self._where, layout.name)
            self._deliver(stream.feed(data, received_s))

    def _pieces(self, connection: socket.socket) -> Iterator[tuple[bytes, float]]:
        began = self._now()
        is_silent = True
        while not self._end.is_set():
            try:
                data = connection.recv(_PIECE)
            except TimeoutError:
                if is_silent and self._now() - began >= self._silent_s and self._fault is None:
                    waited = self._now() - began
                    self._report(
                        LinkFault(SILENT, self._where, f"took the connection, but sent nothing in {waited:.1f} s.")
                    )
                continue
            if not data:
                return
            if is_silent:
                is_silent = False
                with self._changed:
                    self._fault = None
            yield data, self._now()

    def _deliver(self, records: list[Record]) -> None:
        with self._changed:
            sound = [record for record in records if self._records.put(record)]
            self._changed.notify_all()
        for record in sound:
            for listener in self._listeners:
                listener(record)
        self._check_units(sound)

    def _check_units(self, records: list[Record]) -> None:
        """Compare speeds with positions until that was once possible."""
        if self._for_units is None:
            return
        self._for_units.extend(records)
        if not self._for_units or self._for_units[-1].received_s - self._for_units[0].received_s < _UNIT_S:
            return
        ratio = speed_ratio(list(self._for_units))
        self._for_units.clear()
        if ratio is not None:
            check_units(records[-1].layout, ratio)
            self._for_units = None

    def _report(self, fault: LinkFault) -> None:
        with self._changed:
            self._fault = fault
            self._loss = self._loss or fault
            if fault.cause in (CLOSED, WRONG_LAYOUT):
                self._records.forget()
            self._changed.notify_all()
