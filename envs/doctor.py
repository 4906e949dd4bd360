"""`python -m envs.doctor env=remote env.hosts=[pc1:5555]`: looks at games that are elsewhere, says what to do."""

import json
from dataclasses import asdict
from typing import Any

from envs.app import FAILED, OK, plain, run_app
from envs.arguments import check_range
from envs.errors import ConfigError
from envs.factory import diagnose
from envs.findings import PROBLEM, as_table


def main(config: Any) -> int:
    """Print the findings; a problem among them is a failure."""
    section = plain(config)
    env, seconds = section["env"], section["seconds"]
    if not isinstance(env, dict):
        raise ConfigError("Expected env=NAME: the env whose games are to be looked at, such as env=remote.")
    check_range("seconds", seconds, 0.1, 3600.0)
    findings = diagnose(env, float(seconds))
    if section["json"]:
        print(json.dumps([asdict(one) for one in findings], indent=1))
    else:
        print(as_table(findings))
    return FAILED if any(one.verdict == PROBLEM for one in findings) else OK


if __name__ == "__main__":
    run_app(main, config_name="doctor")
