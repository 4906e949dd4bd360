"""What each node of a connected cluster is: its versions, whether it sees our folder, and what it has for trials."""

import platform
import time
import tomllib
import uuid
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement

from envs.app import ROOT
from envs.errors import ConfigError
from experiments.machine import NodeRoom

_DEATH_S = 20.0  # in which Ray gives up a node that was killed, with its usual settings
_MOST_LINES = 8
_INTERNAL = ("object_store_memory", "node:", "accelerator_type:")  # beginnings of what Ray adds for itself


@dataclass(frozen=True)
class NodeReport:
    """What a node says of itself.

    Attributes:
        address: Its IP.
        versions: Of Python and each distribution asked for; None: not installed.
        sees_outputs: Whether the driver's outputs folder is there.
    """

    address: str
    versions: dict[str, str | None]
    sees_outputs: bool


def required_distributions() -> list[str]:
    """Return the names of what `pyproject.toml` requires for a run."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    return [Requirement(line).name for line in project["dependencies"]]


def installed_versions(distributions: Collection[str]) -> dict[str, str | None]:
    """Return the versions of Python and of these distributions here."""
    versions: dict[str, str | None] = {"Python": platform.python_version()}
    for name in distributions:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = None
    return versions


def living_nodes() -> list[NodeRoom]:
    """Return the nodes that the connected cluster has at this moment, and what is on them when they are idle."""
    import ray

    found = []
    for node in ray.nodes():
        if node["Alive"]:
            resources = {name: value for name, value in node["Resources"].items() if not name.startswith(_INTERNAL)}
            found.append(NodeRoom(node["NodeManagerAddress"], resources))
    return sorted(found, key=lambda node: node.address)


def check_nodes(distributions: Collection[str], outputs: Path | None, timeout_s: float) -> None:
    """Let every living node describe itself, all at once, and check that they can run what runs here.

    Args:
        distributions: Whose versions must be the same everywhere.
        outputs: The folder that all must see; None: they need not.
        timeout_s: How long to wait for the slowest.

    Raises:
        ConfigError: A node is silent, or differs from this process; each with its line.
    """
    canary = None if outputs is None else outputs / f".seen_{uuid.uuid4().hex[:8]}"
    if canary is not None:
        try:
            canary.parent.mkdir(parents=True, exist_ok=True)
            canary.touch()
        except OSError as error:
            raise ConfigError(f"paths.outputs={outputs} cannot be written to ({error.strerror}).") from error
    try:
        reports, problems = _ask(distributions, canary, timeout_s)
    finally:
        if canary is not None:
            canary.unlink(missing_ok=True)
    check_reports(reports, installed_versions(distributions), outputs, problems)


def check_reports(
    reports: Sequence[NodeReport], here: dict[str, str | None], outputs: Path | None, problems: Sequence[str] = ()
) -> None:
    """Check that nodes are as this process.

    Args:
        reports: Of the nodes that answered.
        here: Versions in this process.
        outputs: The folder that all must see; None: they need not.
        problems: Lines about nodes that did not answer.

    Raises:
        ConfigError: They are not; a line for each.
    """
    lines = list(problems)
    for report in reports:
        differences = [
            f"{name} {theirs or 'is missing'}, here {here[name] or 'it is missing'}"
            for name, theirs in report.versions.items()
            if theirs != here[name]
        ]
        if outputs is not None and not report.sees_outputs:
            differences.append(f"{outputs} is not the folder that it is here")
        if differences:
            lines.append(f"{report.address}: {'; '.join(differences)}")
    if lines:
        more = [f"… and {len(lines) - _MOST_LINES} more"] if len(lines) > _MOST_LINES else []
        shown = "\n  ".join([*lines[:_MOST_LINES], *more])
        raise ConfigError(
            f"Nodes of the cluster cannot run what would run here:\n  {shown}\n"
            "All need the same Python, the same dependencies (pyproject.toml), and one shared folder for paths.outputs "
            "unless paths.storage is set: docs/cluster.md."
        )


def describe_node(distributions: list[str], canary: str | None) -> tuple[dict[str, str | None], bool]:
    """Return, on a node, what `NodeReport` holds."""
    return installed_versions(distributions), canary is not None and Path(canary).is_file()


def _ask(distributions: Collection[str], canary: Path | None, timeout_s: float) -> tuple[list[NodeReport], list[str]]:
    """Return what the living nodes say, and lines about those that do not; one that dies meanwhile is none of them."""
    import ray
    from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

    # Our own function: that it can be imported there shows that the code has arrived.
    ask = ray.remote(num_cpus=0, max_retries=0)(describe_node)
    asked: dict[Any, dict[str, Any]] = {}
    for node in ray.nodes():
        if node["Alive"]:
            there = NodeAffinitySchedulingStrategy(node["NodeID"], soft=False)
            words = (list(distributions), None if canary is None else str(canary))
            asked[ask.options(scheduling_strategy=there).remote(*words)] = node
    answered, silent = ray.wait(list(asked), num_returns=len(asked), timeout=timeout_s)
    problems = {
        asked[reference]["NodeID"]: f"no answer within {timeout_s:g} s (ray.start_timeout_s)" for reference in silent
    }
    reports = []
    for reference in answered:
        try:
            versions, sees = ray.get(reference)
        except ray.exceptions.RayError as error:
            problems[asked[reference]["NodeID"]] = str(error).strip().splitlines()[-1]
        else:
            reports.append(NodeReport(asked[reference]["NodeManagerAddress"], versions, sees))
    addresses = {node["NodeID"]: node["NodeManagerAddress"] for node in asked.values()}
    return reports, [f"{addresses[one]}: {problems[one]}" for one in _still_alive(problems)]


def _still_alive(nodes: Collection[str]) -> list[str]:
    """Return which of these nodes live on: Ray lists one that was killed for another 15 s."""
    import ray

    deadline = time.monotonic() + _DEATH_S
    while True:
        alive = {node["NodeID"] for node in ray.nodes() if node["Alive"]}
        if not alive & set(nodes) or time.monotonic() > deadline:
            return [node for node in nodes if node in alive]
        time.sleep(0.5)
