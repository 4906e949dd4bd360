"""Where the nodes of a test cluster live: in a network namespace each, or else at loopback addresses of their own."""

import os
import shutil
import subprocess
import sys
import uuid
from contextlib import suppress

_IP_S = 20.0  # one call of the command ip


class Namespaces:
    """A network namespace a node, all plugged into a bridge that has one too: the machine's own network stays as it is.

    Takes root and the command ip, on Linux.
    """

    def __init__(self) -> None:
        self._stem = f"chicane-{uuid.uuid4().hex[:6]}"
        self._names: list[str] = []
        self._hub = self._new("hub")
        _ip("-n", self._hub, "link", "add", "bridge", "type", "bridge")
        _ip("-n", self._hub, "link", "set", "bridge", "up")

    def join(self, number: int) -> tuple[str, list[str]]:
        """Return the address of node `number`, and the words before each command that shall run on it."""
        name, address, port = self._new(str(number)), self.address(number), f"port{number}"
        _ip("-n", self._hub, "link", "add", port, "type", "veth", "peer", "name", "eth0", "netns", name)
        _ip("-n", self._hub, "link", "set", port, "master", "bridge", "up")
        _ip("-n", name, "addr", "add", f"{address}/24", "dev", "eth0")
        for device in ("eth0", "lo"):
            _ip("-n", name, "link", "set", device, "up")
        return address, ["ip", "netns", "exec", name]

    def address(self, number: int) -> str:
        """Return the address that node `number` has or will have."""
        return f"10.77.0.{number + 1}"

    def unplug(self, number: int) -> None:
        """Pull a node's cable: nothing is refused, nothing comes back."""
        _ip("-n", self._hub, "link", "set", f"port{number}", "down")

    def close(self) -> None:
        """Take the namespaces away, and with them all cables."""
        for name in self._names:
            with suppress(subprocess.SubprocessError):
                _ip("netns", "del", name)

    def _new(self, end: str) -> str:
        name = f"{self._stem}-{end}"
        _ip("netns", "add", name)
        self._names.append(name)
        return name


class Loopback:
    """An address of the loopback network a node: what there is without rights. No cable can be pulled."""

    def join(self, number: int) -> tuple[str, list[str]]:
        """Return the address of node `number`, and the words before each command that shall run on it: none."""
        return self.address(number), []

    def address(self, number: int) -> str:
        """Return the address that node `number` has or will have."""
        return f"127.77.0.{number + 1}"

    def unplug(self, number: int) -> None:
        """Refuse: connections within one network cannot fall silent.

        Raises:
            NotImplementedError: Always.
        """
        raise NotImplementedError("Pulling a node's cable takes network namespaces: root, and the command ip.")

    def close(self) -> None:
        """Do nothing: nothing was made."""


def new_network() -> Namespaces | Loopback:
    """Return namespaces where this system lets us make and connect them, else loopback addresses."""
    if not sys.platform.startswith("linux") or os.geteuid() != 0 or shutil.which("ip") is None:
        return Loopback()
    network = None
    try:
        network = Namespaces()
        network.join(99)  # with a cable, which not every kernel has
    except subprocess.SubprocessError:
        if network is not None:
            network.close()
        return Loopback()
    return network


def _ip(*words: str) -> None:
    subprocess.run(["ip", *words], check=True, capture_output=True, timeout=_IP_S)
