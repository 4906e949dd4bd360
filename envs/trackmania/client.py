"""A reader of a telemetry plugin: a thread that connects, identifies, reads, and comes back after losses.

The plugin is the server, and nothing is ever written to it.
"""

import threading
import time
from collections.abc import Callable

from envs.remote.backoff import Backoff
from envs.trackmania.connection import LOOK_S, ConnectionReader
from envs.trackmania.faults import CLOSED, REFUSED, STALLED, WRONG_LAYOUT, LinkFault
from envs.trackmania.identification import UnitWatch
from envs.trackmania.layouts import Layout
from envs.trackmania.records import NewestRecord, Record

BACKOFF = Backoff(first_s=0.2, most_s=5.0, attempts=1_000_000)


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
        checks_units: whether told speeds are compared with ways in this machine's time; a twin's may run faster.
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
        checks_units: bool = True,
    ) -> None:
        self._stalled_s, self._backoff, self._now = stalled_s, backoff, now
        self._records, self._units = NewestRecord(), UnitWatch() if checks_units else None
        self._changed = threading.Condition()
        self._end, self._hurry = threading.Event(), threading.Event()
        self._thread: threading.Thread | None = None
        self._fault: LinkFault | None = None  # what is the matter now
        self._loss: LinkFault | None = None  # what happened since open()
        self._listeners: list[Callable[[Record], None]] = []
        self._reader = ConnectionReader(
            host,
            port,
            layout=layout,
            silent_s=silent_s,
            now=now,
            has_ended=self._end,
            deliver=self._deliver,
            report_silence=self._report_silence,
        )
        self._where = self._reader.where

    @property
    def layout(self) -> Layout | None:
        """Of the records; None while it is not known."""
        return self._reader.layout

    @property
    def connections(self) -> int:
        """How often the plugin took a connection."""
        return self._reader.connections

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
                self._changed.wait(min(left, LOOK_S))
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
            before = self.seen
            fault = self._reader.read()
            if self._end.is_set():
                break
            if self.seen > before:
                waits = iter(self._backoff.waits())
            self._report(fault)
            self._hurry.clear()
            self._hurry.wait(next(waits, self._backoff.most_s))

    def _deliver(self, records: list[Record]) -> None:
        with self._changed:
            self._fault = None
            sound = [record for record in records if self._records.put(record)]
            self._changed.notify_all()
        for record in sound:
            for listener in self._listeners:
                listener(record)
        if self._units is not None:
            self._units.see(sound)

    def _report_silence(self, fault: LinkFault) -> None:
        if self._fault is None or self._fault.cause == REFUSED:  # any other tells more than silence
            self._report(fault)

    def _report(self, fault: LinkFault) -> None:
        with self._changed:
            self._fault = fault
            self._loss = self._loss or fault
            if fault.cause in (CLOSED, WRONG_LAYOUT):
                self._records.forget()
            self._changed.notify_all()
