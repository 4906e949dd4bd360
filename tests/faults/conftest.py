"""A network between client and server that does what networks do."""

import contextlib
import socket
import threading
import time

import pytest


class Proxy:
    """Passes bytes on, in the way that `how` names.

    `plain`; `byte by byte`; `late`: 0.2 s; `twice`: each piece again; `silent`: nothing arrives any more, and nobody is
    told; `cut`: connections are reset.
    """

    def __init__(self, target):
        self.target, self.how = target, "plain"
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = self._listener.getsockname()
        self._pairs = []
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def host(self):
        return f"{self.address[0]}:{self.address[1]}"

    def cut(self):
        self.how = "cut"
        for pair in self._pairs:
            for end in pair:
                with contextlib.suppress(OSError):
                    end.shutdown(socket.SHUT_RDWR)
                end.close()
        self._pairs = []

    def close(self):
        self.cut()
        self._listener.close()

    def _accept(self):
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            if self.how == "cut":
                client.close()
                continue
            try:
                server = socket.create_connection(self.target, timeout=5.0)
            except OSError:
                client.close()
                continue
            for end in (client, server):
                end.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._pairs.append((client, server))
            for source, sink in ((client, server), (server, client)):
                threading.Thread(target=self._pass_on, args=(source, sink), daemon=True).start()

    def _pass_on(self, source, sink):
        with contextlib.suppress(OSError):
            while piece := source.recv(1 << 16):
                if self.how == "silent":
                    continue
                if self.how == "late":
                    time.sleep(0.2)
                if self.how == "byte by byte":
                    for index in range(len(piece)):
                        sink.sendall(piece[index : index + 1])
                else:
                    sink.sendall(piece * (2 if self.how == "twice" else 1))
        for end in (source, sink):
            with contextlib.suppress(OSError):
                end.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def proxy():
    """Return a function that puts a network before a server's address."""
    proxies = []

    def start(target):
        proxies.append(Proxy(target))
        return proxies[-1]

    yield start
    for one in proxies:
        one.close()
