"""What strangers can do to a server: nothing that others notice."""

import contextlib
import json
import socket
import ssl
import subprocess
import sys
import threading
import time

import psutil
import pytest

from envs.dummy import DummyEnv
from envs.errors import ConfigError
from envs.remote.env import RemoteEnv
from envs.remote.racing_client import RacingGameClient
from envs.remote.security import connecting_context

DUMMY = ("env=dummy", "env.obs=vector")


def test_nothing_listens_beyond_this_machine(serve_process):
    process = serve_process("port=0", *DUMMY)
    listening = [one.laddr.ip for one in psutil.Process(process.pid).net_connections() if one.status == "LISTEN"]
    assert listening == ["127.0.0.1"]


def test_a_client_that_says_nothing_loses_its_place(serve_here):
    server = serve_here(lambda training: DummyEnv(training=training), max_clients=1, silence_s=0.3)
    address = server.address
    silent = socket.create_connection(address, timeout=5.0)
    assert json.loads(silent.makefile("rb").readline())["type"] == "HANDSHAKE"
    with pytest.raises(ConnectionError, match="places"):
        RacingGameClient(*address).connect()
    time.sleep(0.5)
    with RacingGameClient(*address) as client:
        client.get_state()
        time.sleep(0.5)  # one that has spoken may think as long as it likes
        client.get_state()
    silent.close()


def test_a_hundred_connections_find_eight_places(serve_process):
    process = serve_process("port=0", *DUMMY)
    driver = RacingGameClient(*process.address, mode="lockstep")
    driver.connect()
    driver.reset(seed=1)
    with contextlib.ExitStack() as stack:
        others = [stack.enter_context(socket.create_connection(process.address, timeout=10.0)) for _ in range(100)]
        greetings = [json.loads(other.makefile("rb").readline()) for other in others]
        kinds = [greeting["type"] for greeting in greetings]
        assert kinds.count("HANDSHAKE") == 7
        assert kinds.count("ERROR") == 93
        for _ in range(20):
            driver.step([0.0, 0.0])
    driver.disconnect()
    with RacingGameClient(*process.address) as client:
        assert client.num_games == 1


def test_a_line_without_end_costs_no_memory(serve_process):
    process = serve_process("port=0", *DUMMY)
    with RacingGameClient(*process.address) as client:
        client.get_state()
        before = psutil.Process(process.pid).memory_info().rss
        stream = socket.create_connection(process.address, timeout=10.0)
        for _ in range(256):
            stream.sendall(b"x" * (1 << 20))
        assert psutil.Process(process.pid).memory_info().rss - before < 16 << 20
        client.get_state()
        stream.close()


@pytest.fixture
def certificate(tmp_path, root):
    command = [sys.executable, "-m", "envs.certificate", "names=[127.0.0.1,localhost]", f"folder={tmp_path}/tls"]
    done = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True)
    assert "tls_authority=certificate.pem" in done.stdout
    again = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert again.returncode == 2
    assert (tmp_path / "tls" / "key.pem").stat().st_mode & 0o077 == 0
    return tmp_path / "tls"


def words(certificate):
    return f"tls_certificate={certificate}/certificate.pem", f"tls_key={certificate}/key.pem"


def test_an_encrypted_server_speaks_to_those_that_check_its_certificate(serve_process, certificate, tmp_path):
    process = serve_process("port=0", "token=secret", *words(certificate), *DUMMY)
    host = f"{process.address[0]}:{process.address[1]}"
    env = RemoteEnv(hosts=[host], token="secret", tls_authority=str(certificate / "certificate.pem"))
    env.reset(seed=1)
    env.close()
    with pytest.raises((ConnectionError, TimeoutError)):  # not encrypted
        RacingGameClient(*process.address, timeout=2.0).connect()
    stranger = ssl.create_default_context()
    with pytest.raises(ConnectionError, match=r"certificate verify failed|self-signed"):
        RacingGameClient(*process.address, context=stranger, timeout=2.0).connect()
    known = connecting_context(str(certificate / "certificate.pem"))
    with pytest.raises(ConnectionError, match="token"):
        RacingGameClient(*process.address, context=known, token="guess", timeout=2.0).connect()
    with RacingGameClient(*process.address, context=known, token="secret") as client:
        assert client.num_games == 1


def test_a_game_that_dials_out_is_driven_by_who_listens(serve_process, certificate, monkeypatch):
    """With the same token and certificate; here the runner is the one that shows it."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    monkeypatch.setenv("CHICANE_TOKEN", "secret")
    authority = f"tls_authority={certificate}/certificate.pem"
    serve_process(f"connect=localhost:{port}", authority, *DUMMY)
    tls = dict(word.split("=", 1) for word in words(certificate))
    for _ in range(2):  # a runner that comes back is dialled again
        env = RemoteEnv(listen=f"127.0.0.1:{port}", connect_timeout_s=20.0, **tls)
        env.reset(seed=1)
        env.close()


@pytest.mark.slow
def test_a_stranger_that_dials_in_drives_nobody(serve_process, certificate):
    from envs.errors import SimulatorUnavailable

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    serve_process(f"connect=127.0.0.1:{port}", "token=guess", *DUMMY)
    with pytest.raises(SimulatorUnavailable, match="token"):
        RemoteEnv(listen=f"127.0.0.1:{port}", token="secret", connect_timeout_s=3.0)


@pytest.mark.parametrize(
    "words",
    [
        ("tls_authority=a.pem",),
        ("connect=trainer:5555", "tls_certificate=a.pem", "tls_key=b.pem"),
        ("strict=true", "token=secret"),
        ("strict=true", "connect=trainer:5555"),
    ],
)
def test_keys_that_would_protect_nothing_are_refused(words):
    from envs.serve import ServeSettings

    values = dict(word.split("=") for word in words) | ({"strict": True} if "strict=true" in words else {})
    with pytest.raises(ConfigError, match="would be without effect here"):
        ServeSettings(**values)
    if "strict=true" not in words:
        with pytest.raises(ConfigError, match="would be without effect here"):
            RemoteEnv(hosts=["a:1"], tls_certificate="a.pem")


def test_a_stranger_without_the_token_loses_its_place_at_its_first_word(serve_here):
    server = serve_here(lambda training: DummyEnv(training=training), token="secret")
    for first in (b"x\n", b'{"type": "FLY"}\n', b"[]\n", b"y" * (2 << 20) + b"\n", b'{"type": "STEP"}\n'):
        stranger = socket.create_connection(server.address, timeout=5.0)
        answers = stranger.makefile("rb")
        answers.readline()
        with contextlib.suppress(OSError):  # the door may close before all was said
            stranger.sendall(first)
            assert json.loads(answers.readline())["code"] == "auth_required"
            assert answers.readline() == b""
        stranger.close()


def test_a_word_that_never_ends_is_no_first_word(serve_here):
    server = serve_here(lambda training: DummyEnv(training=training), silence_s=0.4)
    slow = socket.create_connection(server.address, timeout=5.0)
    began = time.monotonic()
    with pytest.raises(OSError, match=r"reset|Broken pipe|aborted"):  # noqa: PT012 (until it is hung up on)
        while time.monotonic() - began < 5.0:
            slow.sendall(b"z")
            time.sleep(0.05)
    slow.close()


@pytest.mark.parametrize(
    "said",
    [
        b'{"type": "HANDSHAKE", "num_games": 1, "protocol": 2, "token": "\\ud800"}\n',
        b"[" * 200_000 + b"\n",
        b'{"type": "HANDSHAKE"}\n',
        b"GET / HTTP/1.1\n",
    ],
)
def test_what_dials_in_and_talks_nonsense_is_passed_over(said):
    from envs.errors import SimulatorUnavailable

    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]

    def dial():
        for _ in range(200):
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1.0) as stranger:
                stranger.sendall(said)
                return
            time.sleep(0.01)

    thread = threading.Thread(target=dial)
    thread.start()
    with pytest.raises(SimulatorUnavailable, match="Wanted 1 games and found 0"):
        RemoteEnv(listen=f"127.0.0.1:{port}", token="secret", connect_timeout_s=1.0, read_timeout_s=0.5)
    thread.join()
