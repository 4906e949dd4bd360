"""A real Ray cluster on one machine, for tests and measurements: a head, and nodes that come and die."""

import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import psutil

from benchmarks.cluster_network import new_network

ROOT = Path(__file__).resolve().parent.parent
RAY = (sys.executable, "-m", "ray.scripts.scripts")
_MARK = "CHICANE_TEST_NODE"  # stands in the environment of everything that a node starts
_OBJECT_STORE_BYTES = 80 * 2**20  # Ray wants 75 MB at least
_GCS_PORT, _DASHBOARD_PORT, _AGENT_PORT = 6379, 8265, 52365
_START_S, _COMMAND_S, _DEATH_S = 120.0, 240.0, 20.0


def wait_until(is_true: Callable[[], object], timeout_s: float, what: str) -> None:
    """Return as soon as `is_true` says so.

    Raises:
        TimeoutError: It did not within `timeout_s`.
    """
    deadline = time.monotonic() + timeout_s
    while not is_true():
        if time.monotonic() > deadline:
            raise TimeoutError(f"Waited {timeout_s:g} s in vain for {what}.")
        time.sleep(0.1)


@dataclass(frozen=True)
class Node:
    """One machine of the cluster.

    Attributes:
        number: 0 is the head.
        address: Its IP.
        prefix: What stands before a command that shall run on it.
        environment: Of its processes.
    """

    number: int
    address: str
    prefix: list[str]
    environment: dict[str, str]

    def processes(self) -> list[psutil.Process]:
        """Return all that runs on it: Ray's servers, workers, drivers of jobs, and orphans."""
        mark = self.environment[_MARK]
        return [process for process in psutil.process_iter() if _environment(process).get(_MARK) == mark]

    def kill(self) -> None:
        """End all its processes by SIGKILL, as a power cut would, and see them gone."""

        def is_dead() -> bool:
            alive = self.processes()
            for process in alive:
                with suppress(psutil.NoSuchProcess):
                    process.send_signal(signal.SIGKILL)
            return not alive

        wait_until(is_dead, _DEATH_S, f"the end of node {self.number}")


class Driver:
    """A command that runs on a node meanwhile, and what it says."""

    def __init__(self, process: subprocess.Popen[bytes], log: Path) -> None:
        self.process, self._log = process, log

    def wait_for_line(self, beginning: str, timeout_s: float) -> str:
        """Return the line that begins so, as soon as it is there.

        Raises:
            TimeoutError: It was not within `timeout_s`, or the command ended without it; with its last words.
        """

        def is_over() -> bool:
            return self._line(beginning) is not None or self.process.poll() is not None

        with suppress(TimeoutError):
            wait_until(is_over, timeout_s, beginning)
        line = self._line(beginning)
        if line is None:
            raise TimeoutError(f"No line {beginning!r} within {timeout_s:g} s. Last words:\n{self.said()[-3000:]}")
        return line

    def wait_for_text(self, text: str, timeout_s: float) -> None:
        """Return as soon as it has said so, anywhere in a line.

        Raises:
            TimeoutError: It did not within `timeout_s`, or ended without it; with its last words.
        """
        with suppress(TimeoutError):
            wait_until(lambda: text in self.said() or self.process.poll() is not None, timeout_s, text)
        if text not in self.said():
            raise TimeoutError(f"It did not say {text!r} within {timeout_s:g} s. Last words:\n{self.said()[-3000:]}")

    def said(self) -> str:
        """Return all that it printed until now."""
        return self._log.read_text(errors="replace")

    def _line(self, beginning: str) -> str | None:
        whole = self.said().rpartition("\n")[0].splitlines()
        return next((line for line in whole if line.startswith(beginning)), None)


class Cluster:
    """A head, and the nodes that are added to it, with token authentication.

    Args:
        num_cpus: Of the head.
        head_environment: More variables for the head, such as Ray's health checks.
    """

    def __init__(self, *, num_cpus: int = 1, head_environment: dict[str, str] | None = None) -> None:
        self.folder = Path(tempfile.mkdtemp(prefix="chc-"))  # short: sockets lie below it, whose paths hold 107 bytes
        self.token = self.folder / "token"
        self.token.write_text(secrets.token_hex(32))
        self.token.chmod(0o600)
        self.nodes: list[Node] = []
        self.network = new_network()
        head = ["--head", f"--port={_GCS_PORT}", f"--dashboard-host={self.network.address(0)}"]
        head.append(f"--dashboard-port={_DASHBOARD_PORT}")
        try:
            self._start(head, num_cpus, {}, head_environment or {})
        except BaseException:
            self.close()
            raise

    @property
    def address(self) -> str:
        """Return what a driver takes for `ray.address`."""
        return f"{self.nodes[0].address}:{_GCS_PORT}"

    @property
    def job_server(self) -> str:
        """Return where Ray Jobs are submitted."""
        return f"http://{self.nodes[0].address}:{_DASHBOARD_PORT}"

    def add_node(
        self,
        *,
        num_cpus: int = 1,
        resources: dict[str, float] | None = None,
        environment: dict[str, str] | None = None,
        prefix: Sequence[str] = (),
    ) -> Node:
        """Start a node and wait until it has joined.

        Args:
            num_cpus: What Ray shall take it for.
            resources: Custom ones.
            environment: More variables for it.
            prefix: More words before each of its commands, after those that lead into its network.
        """
        return self._start([f"--address={self.address}"], num_cpus, resources or {}, environment or {}, prefix)

    def address_of(self, number: int) -> str:
        """Return the address that node `number` has, or would have."""
        return self.network.address(number)

    def kill_node(self, node: Node) -> None:
        """Let a node die as by a power cut; the system closes its connections."""
        node.kill()

    def unplug_node(self, node: Node) -> None:
        """Let a node fall silent: only time tells the others."""
        self.network.unplug(node.number)

    def run(
        self, *command: str, node: Node | None = None, timeout_s: float = _COMMAND_S, **environment: str | None
    ) -> subprocess.CompletedProcess[str]:
        """Run a command on a node (the head), in our folder; None takes a variable out of its environment."""
        where = node or self.nodes[0]
        asked = where.environment | {"RAY_ADDRESS": self.address} | environment
        given = {name: value for name, value in asked.items() if value is not None}
        words = [*where.prefix, *command]
        return subprocess.run(words, env=given, cwd=ROOT, capture_output=True, text=True, timeout=timeout_s)

    @contextmanager
    def running(self, *command: str, node: Node | None = None) -> Iterator[Driver]:
        """Run a command on a node (the head) meanwhile."""
        where = node or self.nodes[0]
        log = self.folder / f"driver_{uuid.uuid4().hex[:6]}.log"
        process = self._popen(where, list(command), log, {"RAY_ADDRESS": self.address})
        try:
            yield Driver(process, log)
        finally:
            process.kill()
            process.wait()

    def submit(
        self, *command: str, working_dir: Path = ROOT, options: Sequence[str] = (), timeout_s: float = _COMMAND_S
    ) -> subprocess.CompletedProcess[str]:
        """Run a command as a Ray Job, with the code below `working_dir`, and wait for its end."""
        words = [*RAY, "job", "submit", "--address", self.job_server, "--working-dir", str(working_dir), *options]
        return self.run(*words, "--", *command, timeout_s=timeout_s)

    def close(self) -> None:
        """End everything; nothing is asked first."""
        for node in reversed(self.nodes):
            node.kill()
        self.network.close()
        shutil.rmtree(self.folder, ignore_errors=True)

    def _start(
        self,
        role: list[str],
        num_cpus: int,
        resources: dict[str, float],
        more: dict[str, str],
        inner: Sequence[str] = (),
    ) -> Node:
        number = len(self.nodes)
        address, prefix = self.network.join(number)
        node = Node(number, address, [*prefix, *inner], self._environment() | more)
        self.nodes.append(node)
        log = self.folder / f"node{number}.log"
        options = (
            f"--node-ip-address={address}",
            f"--temp-dir={self.folder / str(number)}",
            f"--num-cpus={num_cpus}",
            "--num-gpus=0",
            f"--resources={json.dumps(resources)}",
            f"--object-store-memory={_OBJECT_STORE_BYTES}",
            f"--dashboard-agent-listen-port={_AGENT_PORT + number}",  # it also listens on loopback
            "--disable-usage-stats",
            "--block",
        )
        process = self._popen(node, [*RAY, "start", *role, *options], log)

        def is_up() -> bool:
            said = log.read_text(errors="replace")
            if process.poll() is not None:
                raise RuntimeError(f"ray start ended with {process.returncode}:\n{said[-3000:]}")
            return "Ray runtime started" in said

        wait_until(is_up, _START_S, f"node {number} to start")
        return node

    def _popen(
        self, node: Node, command: list[str], log: Path, more: dict[str, str] | None = None
    ) -> "subprocess.Popen[bytes]":
        with log.open("wb") as file:
            return subprocess.Popen(
                [*node.prefix, *command],
                env=node.environment | (more or {}),
                cwd=ROOT,
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,  # a ctrl-C at the tests ends them by close()
            )

    def _environment(self) -> dict[str, str]:
        proxies = {f"{kind}_proxy" for kind in ("http", "https", "all")}  # out of reach from a node's network
        kept = {
            name: value
            for name, value in os.environ.items()
            if not name.startswith(("RAY_", "TUNE_")) and name.lower() not in proxies
        }
        return kept | {
            _MARK: uuid.uuid4().hex,
            "RAY_AUTH_MODE": "token",
            "RAY_AUTH_TOKEN_PATH": str(self.token),
            "RAY_USAGE_STATS_ENABLED": "0",
            "OMP_NUM_THREADS": "1",
            "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",  # `python` in a job is this one
        }


def _environment(process: psutil.Process) -> dict[str, str]:
    try:
        return {} if process.status() == psutil.STATUS_ZOMBIE else process.environ()
    except (psutil.Error, OSError):  # it ended, or is another user's
        return {}
