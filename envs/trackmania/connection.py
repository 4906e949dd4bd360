"""Connections to a telemetry plugin, one after another: from bytes to records of a layout that is identified."""

import contextlib
import logging
import socket
import threading
from collections.abc import Callable, Iterator

from envs.errors import ProtocolError
from envs.trackmania.faults import CLOSED, REFUSED, SILENT, WRONG_LAYOUT, LinkFault
from envs.trackmania.identification import identify
from envs.trackmania.layouts import CANDIDATES, RICH1, Layout
from envs.trackmania.records import Record, RecordStream
from envs.trackmania.rich_records import RichStream

log = logging.getLogger(__name__)

LOOK_S = 0.25  # how often a thread that waits for bytes looks whether it shall end
_PIECE = 1 << 16


class ConnectionReader:
    """Connect and read until the connection is lost, as often as asked.

    Args:
        host: of the plugin.
        port: of the plugin.
        layout: of its records; None: identified, and the same on every later connection.
        silent_s: after which a connection without a byte is a fault.
        now: seconds, monotonic.
        has_ended: set from another thread, to end.
        deliver: takes the records of each piece of bytes, perhaps none; a `ProtocolError` of it ends the connection.
        report_silence: takes the fault of a connection without a byte, time and again while it lasts.

    Attributes:
        where: the plugin's address in words.
        layout: of the records; None while it is not known.
        connections: that the plugin took.
    """

    def __init__(
        self,
        host: str,
        port: int,
        *,
        layout: Layout | None,
        silent_s: float,
        now: Callable[[], float],
        has_ended: threading.Event,
        deliver: Callable[[list[Record]], None],
        report_silence: Callable[[LinkFault], None],
    ) -> None:
        self._address, self.where = (host, port), f"{host}:{port}"
        self.layout = layout
        self._silent_s, self._now, self._has_ended = silent_s, now, has_ended
        self._deliver, self._report_silence = deliver, report_silence
        self.connections = 0

    def read(self) -> LinkFault:
        """Read one connection until it is lost or `has_ended`; return why it was lost."""
        try:
            connection = socket.create_connection(self._address, timeout=self._silent_s)
        except OSError as error:
            return LinkFault(REFUSED, self.where, f"refused the connection ({error}).")
        with contextlib.closing(connection):
            self.connections += 1
            connection.settimeout(LOOK_S)
            try:
                self._read(connection)
            except ProtocolError as error:
                return LinkFault(WRONG_LAYOUT, self.where, f"sends another layout: {error}")
            except OSError as error:
                return LinkFault(CLOSED, self.where, f"broke the connection ({error}).")
        return LinkFault(CLOSED, self.where, "closed the connection.")

    def _read(self, connection: socket.socket) -> None:
        stream: RecordStream | RichStream | None = RichStream() if self.layout is RICH1 else None
        burst = bytearray()
        for data, received_s in self._pieces(connection):
            if stream is None:
                burst += data
                layout = identify(bytes(burst), CANDIDATES if self.layout is None else (self.layout,))
                if layout is None:
                    self._deliver([])
                    continue
                self.layout = layout
                stream, data = RecordStream(layout), bytes(burst)
                log.info("Telemetry at %s: %s.", self.where, layout.name)
            self._deliver(stream.feed(data, received_s))

    def _pieces(self, connection: socket.socket) -> Iterator[tuple[bytes, float]]:
        """Yield what comes, and when, until the peer closes or the reader is to end."""
        began = self._now()
        is_silent = True
        while not self._has_ended.is_set():
            try:
                data = connection.recv(_PIECE)
            except TimeoutError:
                waited_s = self._now() - began
                if is_silent and waited_s >= self._silent_s:
                    seen = f"took the connection, but sent nothing in {waited_s:.1f} s."
                    self._report_silence(LinkFault(SILENT, self.where, seen))
                continue
            if not data:
                return
            is_silent = False
            yield data, self._now()
