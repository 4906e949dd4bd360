"""The server around a game: ports that are taken, several at once, its end, and a clock that is kept."""

import socket
import threading

import pytest

from envs.assetto_corsa.twin.server import TwinServer
from envs.errors import ConfigError
from envs.ports import bind_datagrams


def test_a_port_that_is_taken_is_named_and_the_others_are_free_again(ring):
    taken = socket.create_server(("127.0.0.1", 0))
    port = taken.getsockname()[1] - 2  # management's would be the taken one
    with taken, pytest.raises(ConfigError, match="management"):
        TwinServer(port=port, speed=0.0, game={"track": ring})
    bind_datagrams("127.0.0.1", port, "the next").close()


def test_a_server_closes_twice_and_frees_its_ports(twin, ego, tcp):
    server = twin()
    client, connection = ego(server), tcp(server.management)
    client.connect()
    server.close()
    server.close()
    assert connection.recv(1) == b""
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(server.management, timeout=5.0)
    again = twin(port=0)
    assert ego(again).connect()["steps"] == 1


def test_several_twins_are_independent(twin, ego):
    servers = [twin(game={"car": car}) for car in ("dallara_f317", "ks_mazda_miata")]
    clients = [ego(server) for server in servers]
    for client in clients:
        client.connect()
    for _ in range(75):
        speeds = [client.drive(acc=1.0)["speed"] for client in clients]
    assert speeds[0] > 1.5 * speeds[1]
    assert [server.session.counts["control"] for server in servers] == [75, 75]


def test_the_number_of_a_twin_is_added_to_its_seed():
    with TwinServer(port=0, speed=0.0, number=2, game={"seed": 3}) as server:
        assert server.game.track.full_name == "chicane_5"


def test_commands_are_answered_while_the_game_is_driven(twin, ego, ask):
    server = twin()
    client, has_ended = ego(server), threading.Event()
    client.connect()

    def drive():
        while not has_ended.is_set():
            client.drive(acc=0.5)

    thread = threading.Thread(target=drive)
    thread.start()
    try:
        for _ in range(5):
            assert ask(server, "get_static_info")["CarName"] == "dallara_f317"
            assert len(ask(server, "get_config")) == 28
    finally:
        has_ended.set()
        thread.join(10.0)
    assert not thread.is_alive()


@pytest.mark.timing
def test_time_that_was_lost_is_not_made_up_for(twin, ego):
    server = twin(speed=1.0)
    client = ego(server)
    client.connect()
    with server.lock:  # the machine does something else
        began_us = server.game.time_us
        threading.Event().wait(0.6)
    state = client.state()
    assert state["timestamp_ac"] - began_us / 1e6 < 0.4
    assert server.pace.times_slow >= 1
