"""`python -m envs.doctor env=assetto_corsa`: what goes wrong with the game, each with what was seen and what to do."""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from envs.assetto_corsa.doctor_drive import drive_checks
from envs.assetto_corsa.doctor_link import link_checks
from envs.assetto_corsa.doctor_parts import part_checks
from envs.assetto_corsa.env import AssettoCorsaEnv
from envs.assetto_corsa.env_arguments import hosts_of
from envs.findings import PROBLEM, Finding


def diagnose(arguments: Mapping[str, Any], seconds: float) -> list[Finding]:
    """Look at everything, in the order in which causes hide each other.

    Args:
        arguments: of `AssettoCorsaEnv`.
        seconds: for which states are watched.

    Raises:
        ConfigError: an argument is wrong.
    """
    twin = arguments.get("twin")
    place = f"twin ({twin})" if twin else hosts_of(arguments)[0]
    env = AssettoCorsaEnv(**dict(arguments) | {"log": None, "on_link_lost": "raise"})
    try:
        findings: dict[str, Finding] = {}
        for one in _all(env, arguments, place, seconds):
            # Pictures are looked at twice: whether they come, and whether the plugin's are of the right size.
            findings[one.check] = _both(findings[one.check], one) if one.check in findings else one
    finally:
        env.close()
    return sorted(findings.values(), key=_number)


def _both(one: Finding, other: Finding) -> Finding:
    worse = other if other.verdict == PROBLEM else one
    return replace(worse, found=f"{one.found}; {other.found}")


def _all(env: AssettoCorsaEnv, arguments: Mapping[str, Any], place: str, seconds: float) -> Iterator[Finding]:
    yield from part_checks(env, arguments, place)
    link = yield from link_checks(env, place, seconds)
    yield from drive_checks(env, place, is_there=link.has_states, is_right=link.is_right)


def _number(finding: Finding) -> int:
    return int(finding.check.split()[0])
