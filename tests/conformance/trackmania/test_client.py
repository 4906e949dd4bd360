"""Points 6 and 7, and the link's part of 28: a reader that survives what plugins and networks do."""

import contextlib
import functools
import socket
import struct
import threading
import time

import pytest

from envs.remote.backoff import Backoff
from envs.trackmania import games
from envs.trackmania.client import TelemetryClient
from envs.trackmania.env import TrackmaniaEnv
from envs.trackmania.faults import CAUSES, CLOSED, REFUSED, SILENT, STALLED, WRONG_LAYOUT, LinkFault
from envs.trackmania.layouts import IQN33, TMRL11, layout_of

QUICK = Backoff(first_s=0.02, most_s=0.05, attempts=1000)
PATIENCE_S = 10.0  # of a test for what must come


class Plugin:
    """A server that a test writes by hand."""

    def __init__(self, port=0):
        self.listener = socket.create_server(("127.0.0.1", port))
        self.port = self.listener.getsockname()[1]
        self.connection = None
        self.frame = 0

    def accept(self):
        self.listener.settimeout(PATIENCE_S)
        self.connection, _ = self.listener.accept()

    def send(self, data):
        self.connection.sendall(data)

    def hang_up(self):
        if self.connection is not None:
            self.connection.close()
            self.connection = None

    def close(self):
        self.hang_up()
        self.listener.close()


@pytest.fixture
def plugin():
    one = Plugin()
    yield one
    one.close()


@pytest.fixture
def client():
    """Return a function that makes a client of a port; clients are closed."""
    made = []

    def make(port, **arguments):
        arguments = {"silent_s": 0.3, "stalled_s": 0.5, "backoff": QUICK} | arguments
        made.append(TelemetryClient(port=port, **arguments))
        return made[-1]

    yield make
    for one in made:
        one.close()


def until(condition, what):
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, f"waited {PATIENCE_S} s for {what}"
        time.sleep(0.002)


def opened(client, plugin, data):
    """Open while the plugin accepts and sends."""
    thread = threading.Thread(target=client.open, args=(PATIENCE_S,))
    thread.start()
    plugin.accept()
    plugin.send(data)
    thread.join(PATIENCE_S)
    assert not thread.is_alive()


def drive(cars, first, count, layout=TMRL11):
    return b"".join(cars.packed(layout, cars.driving(index)) for index in range(first, first + count))


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as listener:
        return listener.getsockname()[1]


def test_it_reads_what_a_plugin_sends(plugin, client, cars):
    one = client(plugin.port)
    heard = []
    one.listen(heard.append)
    opened(one, plugin, drive(cars, 0, 90))
    assert one.layout is TMRL11
    until(lambda: one.seen == 90, "90 records")
    assert one.newest()["rpm"] == 8000.0 + 10.0 * 89
    assert one.skipped == 89
    until(lambda: len(heard) == 90, "the listener")
    plugin.send(drive(cars, 90, 1))
    until(lambda: one.seen == 91, "one more")
    assert one.newest()["rpm"] == 8900.0
    assert one.skipped == 89


def causes_within_3_s(cars, client):
    """Provoke each fault; return cause -> (message, seconds)."""
    found = {}

    def provoke(one, act=lambda: None):
        began = time.monotonic()
        with pytest.raises(LinkFault) as raised:  # noqa: PT012 (the cause is what matters)
            act()
            one.open(2.5)
            deadline = time.monotonic() + PATIENCE_S
            while time.monotonic() < deadline:
                one.newest()
                time.sleep(0.01)
        found[raised.value.cause] = (str(raised.value), time.monotonic() - began)

    defaults = {"silent_s": 2.0, "stalled_s": 1.0}
    provoke(client(free_port(), **defaults))
    with contextlib.closing(Plugin()) as silent:
        provoke(client(silent.port, **defaults))
    with contextlib.closing(Plugin()) as stalled:
        one = client(stalled.port, **defaults)
        opened(one, stalled, drive(cars, 0, 90))
        provoke(one)
    with contextlib.closing(Plugin()) as closing:
        one = client(closing.port, **defaults)
        opened(one, closing, drive(cars, 0, 90))
        provoke(one, lambda: (closing.close(), until(lambda: one.loss is not None, "the loss"), one.newest()))
    with contextlib.closing(Plugin()) as other:
        one = client(other.port, layout=TMRL11, **defaults)
        thread = threading.Thread(target=lambda: (other.accept(), other.send(drive(cars, 0, 60, IQN33))))
        thread.start()
        provoke(one)
        thread.join()
    return found


@pytest.mark.point("trackmania", 6)
def test_five_faults_have_five_errors_within_3_s(cars, client):
    found = causes_within_3_s(cars, client)
    assert set(found) == set(CAUSES) == {REFUSED, SILENT, STALLED, CLOSED, WRONG_LAYOUT}
    assert len({message for message, _ in found.values()}) == 5
    assert max(seconds for _, seconds in found.values()) < 3.0
    words = {REFUSED: "refused", SILENT: "sent nothing", STALLED: "stalled", CLOSED: "closed", WRONG_LAYOUT: "TMRL11"}
    for cause, word in words.items():
        assert word in found[cause][0]
        assert "127.0.0.1:" in found[cause][0]


def test_a_loss_is_told_even_if_the_link_is_back(plugin, client, cars):
    one = client(plugin.port)
    opened(one, plugin, drive(cars, 0, 90))
    plugin.hang_up()
    plugin.accept()
    plugin.send(drive(cars, 0, 90))
    until(lambda: one.connections == 2 and one.seen == 180, "the second connection")
    with pytest.raises(LinkFault, match="closed"):
        one.newest()
    one.open(PATIENCE_S)
    assert one.newest().layout is TMRL11


def test_another_layout_after_a_reconnect_is_refused(plugin, client, cars):
    one = client(plugin.port)
    opened(one, plugin, drive(cars, 0, 90))
    plugin.hang_up()
    until(lambda: one.loss is not None, "the loss")
    is_over = threading.Event()

    def serve_another():
        while not is_over.is_set():
            plugin.accept()
            with contextlib.suppress(OSError):
                plugin.send(drive(cars, 0, 90, layout_of("MAP25")))

    thread = threading.Thread(target=serve_another)
    thread.start()
    with pytest.raises(LinkFault, match="TMRL11") as raised:
        one.open(PATIENCE_S)
    assert raised.value.cause == WRONG_LAYOUT
    is_over.set()
    socket.create_connection(("127.0.0.1", plugin.port)).close()  # wakes the server to its end
    thread.join(PATIENCE_S)


def test_a_fragment_dies_with_its_connection(plugin, client, cars):
    one = client(plugin.port)
    opened(one, plugin, drive(cars, 0, 90) + bytes(20))
    plugin.hang_up()
    plugin.accept()
    plugin.send(drive(cars, 100, 40))
    until(lambda: one.seen == 130, "records of the second connection")
    one.open(PATIENCE_S)
    assert one.newest()["rpm"] == 8000.0 + 10.0 * 139


@pytest.mark.point("trackmania", 7)
def test_it_comes_back_when_the_server_does(client, cars):
    first = Plugin()
    one = client(first.port)
    opened(one, first, drive(cars, 0, 90))
    first.close()
    until(lambda: one.fault is not None and one.fault.cause == REFUSED, "a refused attempt")
    with contextlib.closing(Plugin(first.port)) as second:
        opened(one, second, drive(cars, 0, 90))
        assert one.newest().layout is TMRL11


@pytest.mark.timing
@pytest.mark.point("trackmania", 7)
@pytest.mark.parametrize("case", ["closed", "silent"])
def test_waiting_costs_no_cpu(case, client, cars, plugin):
    one = client(plugin.port, silent_s=2.0, backoff=Backoff(first_s=0.2, most_s=5.0, attempts=1000))
    opened(one, plugin, drive(cars, 0, 90))
    if case == "closed":
        plugin.close()
        until(lambda: one.loss is not None, "the loss")
    before = time.process_time()
    time.sleep(5.0)
    assert time.process_time() - before < 0.02 * 5.0


@pytest.mark.point("trackmania", 28)
def test_records_that_are_not_finite_are_counted_and_not_delivered(plugin, client, cars):
    one = client(plugin.port)
    opened(one, plugin, drive(cars, 0, 90))
    until(lambda: one.seen == 90, "the burst")
    for broken in (float("nan"), float("inf")):
        plugin.send(
            cars.packed(
                TMRL11,
                cars.driving(
                    90,
                )
                | {"x_m": broken},
            )
        )
    until(lambda: one.seen == 92, "the broken ones")
    assert one.unsound == 2
    assert one.newest()["rpm"] == 8890.0


def test_kilometres_per_hour_are_found_out(plugin, client, cars):
    clock = [100.0]
    one = client(plugin.port, now=lambda: clock[0])
    opened(one, plugin, drive(cars, 0, 40))
    until(lambda: one.seen == 40, "the burst")
    for index in range(40, 640):
        clock[0] += 1 / 60
        with contextlib.suppress(OSError):
            plugin.send(cars.packed(TMRL11, cars.driving(index, fps=60.0) | {"speed_mps": 3.6 * 40.0}))
        until(lambda: one.seen > index or one.loss is not None, "the record")  # noqa: B023 (called at once)
        if one.loss is not None:
            break
    with pytest.raises(LinkFault, match="km/h"):
        one.newest()


def test_it_never_writes_and_closes_twice(plugin, client, cars):
    one = client(plugin.port)
    opened(one, plugin, drive(cars, 0, 90))
    plugin.connection.settimeout(0.1)
    with pytest.raises(TimeoutError):
        plugin.connection.recv(1)
    one.close()
    one.close()
    plugin.connection.settimeout(PATIENCE_S)
    assert plugin.connection.recv(1) == b""
    assert struct.calcsize("<11f") == 44


def test_a_plugin_that_comes_late_and_is_silent_is_silent_not_missing():
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    one = TelemetryClient(port=port, silent_s=0.3, backoff=Backoff(first_s=0.05, most_s=0.05, attempts=1000))
    faults = []

    def wait():
        try:
            one.open(1.5)
        except LinkFault as fault:
            faults.append(fault)

    thread = threading.Thread(target=wait)
    thread.start()
    deadline = time.monotonic() + 1.0
    while one.fault is None and time.monotonic() < deadline:
        time.sleep(0.005)
    assert one.fault.cause == REFUSED
    with socket.create_server(("127.0.0.1", port)):
        thread.join()
        one.close()
    assert [fault.cause for fault in faults] == [SILENT]


@pytest.mark.parametrize("controls", ["loopback", "none"])
def test_a_twin_may_be_faster_than_this_machines_time(controls, plugin, cars, monkeypatch):
    clock = [100.0]
    monkeypatch.setattr(games, "TelemetryClient", functools.partial(TelemetryClient, now=lambda: clock[0]))
    env = TrackmaniaEnv(hosts=f"127.0.0.1:{plugin.port}", controls=controls, obs="lidar")
    one = env.game.telemetry()
    try:
        opened(one, plugin, drive(cars, 0, 40))
        for index in range(40, 2600, 24):  # 24 records of 60 frames/s in 0.1 s: four times as fast
            clock[0] += 0.1
            data = [
                cars.packed(TMRL11, cars.driving(frame, fps=60.0) | {"rpm": 8e3}) for frame in range(index, index + 24)
            ]
            with contextlib.suppress(OSError):
                plugin.send(b"".join(data))
            until(lambda: one.seen >= index + 24 or one.loss is not None, "the records")  # noqa: B023
            if one.loss is not None:
                break
        assert (one.loss is None) == (controls == "loopback")  # a game's time is this machine's
        assert one.loss is None or "got 0.25 times" in str(one.loss)
    finally:
        one.close()
        env.close()
