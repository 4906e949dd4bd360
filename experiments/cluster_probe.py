"""Whether a Ray cluster answers, takes our token and is of our versions: asked before Ray is, which would hang.

`ray.init` tries a port that nobody listens on for 13 minutes, and does not say that a token is wrong. `GcsClient` says
so at once, but waits 40 s for what is no cluster, so that it is asked in a process of its own.
"""

import json
import os
import platform
import socket
import subprocess
import sys

from envs.errors import ConfigError

_CONNECT_S = 3.0
_OWN = "127.0.0.1:"  # where a run's own Ray listens, which is no cluster: `experiments.cluster.start_ray`
_REFUSED = 3  # exit code of the question below: our token was not taken
_QUESTION = f"""
import sys
from ray._raylet import GcsClient
from ray.exceptions import AuthenticationError
try:
    client = GcsClient(address=sys.argv[1])
    print((client.internal_kv_get(b"CLUSTER_METADATA", b"cluster", timeout=5) or b"null").decode())
except AuthenticationError as error:
    print(error, file=sys.stderr)
    sys.exit({_REFUSED})
"""


def find_cluster(address: str) -> str:
    """Return the `HOST:PORT` that `ray.address` means.

    Raises:
        ConfigError: `auto`, but this machine belongs to no cluster; or an address that we do not take.
    """
    asked = f"ray.address={address}"
    if address == "auto" and os.environ.get("RAY_ADDRESS"):
        address = os.environ["RAY_ADDRESS"]
        asked += f" with RAY_ADDRESS={address}"
    elif address == "auto":
        address = _running_here()
    if address.startswith("ray://"):
        raise ConfigError(
            f"{asked}: clients of ray:// end with the terminal that opened them. Submit the command as a "
            "Ray Job instead: ray job submit --working-dir . -- python run.py ray=cluster … (docs/cluster.md)."
        )
    host, _, port = address.rpartition(":")
    if not (host and port.isdecimal() and 0 < int(port) < 2**16):
        raise ConfigError(f"{asked}: expected auto or HOST:PORT, such as 10.0.0.5:6379.")
    return address


def check_answer(address: str, timeout_s: float) -> None:
    """Check that a cluster of our versions answers at `address` (`HOST:PORT`) and takes our token.

    Raises:
        ConfigError: It does not; in words, after `timeout_s` and 3 s at most.
    """
    host, _, port = address.rpartition(":")
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=_CONNECT_S).close()
    except (OSError, UnicodeError) as error:  # the latter: no name of a host
        raise ConfigError(
            f"Nobody answers at {address} (ray.address): {error}. Is the head up (ray start --head), and do "
            f"firewalls let port {port} through? See docs/cluster.md."
        ) from error
    try:
        answer = subprocess.run(
            [sys.executable, "-c", _QUESTION, address], capture_output=True, text=True, timeout=timeout_s
        )
    except subprocess.TimeoutExpired as error:
        raise ConfigError(
            f"What listens at {address} (ray.address) did not answer as the head of a Ray cluster within "
            f"{timeout_s:g} s (ray.start_timeout_s). The head listens on 6379; 8265 is for ray job submit."
        ) from error
    if answer.returncode == _REFUSED:
        raise ConfigError(
            f"The Ray cluster at {address} does not let us in: {_token_words()} See docs/cluster.md, Tokens."
        )
    if answer.returncode != 0:
        raise ConfigError(f"The Ray cluster at {address} (ray.address) did not answer: {answer.stderr[-500:].strip()}")
    _check_versions(address, json.loads(answer.stdout.strip().splitlines()[-1]))


def _check_versions(address: str, cluster: dict[str, str] | None) -> None:
    import ray

    if cluster is None:  # a head writes it as it starts
        raise ConfigError(f"The Ray cluster at {address} (ray.address) is not up yet. Try again in some seconds.")
    here = {"ray_version": ray.__version__, "python_version": platform.python_version()}
    theirs = {name: cluster[name] for name in here}
    if theirs != here:
        raise ConfigError(
            f"The cluster at {address} runs Ray {theirs['ray_version']} on Python {theirs['python_version']}, but this "
            f"is Ray {here['ray_version']} on Python {here['python_version']}. All nodes and drivers need the same."
        )


def _token_words() -> str:
    if os.environ.get("RAY_AUTH_MODE") != "token":
        return "it asks for a token, and RAY_AUTH_MODE=token is not set here."
    path = os.environ.get("RAY_AUTH_TOKEN_PATH", "~/.ray/auth_token")
    where = "in RAY_AUTH_TOKEN" if os.environ.get("RAY_AUTH_TOKEN") else f"in {path}"
    return f"the token {where} is missing, or not the head's."


def _running_here() -> str:
    from ray._private.services import find_gcs_addresses

    found = sorted(address for address in find_gcs_addresses() if not address.startswith(_OWN))
    if len(found) != 1:
        runs = (
            f"{len(found)} clusters run on this machine: {', '.join(found)}" if found else "none runs on this machine"
        )
        raise ConfigError(
            f"ray.address=auto, but {runs}. Submit the command to the cluster (ray job submit, docs/cluster.md), "
            "or name its head: ray.address=HOST:6379."
        )
    return str(found[0])
