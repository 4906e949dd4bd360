"""`python -m envs.record env=trackmania kind=trajectory file=line.npz`: records what is driven in a game."""

from typing import Any

from envs.app import OK, plain, run_app
from envs.errors import ConfigError
from envs.factory import record


def main(config: Any) -> int:
    """Record, and print what was recorded."""
    section = plain(config)
    env = section.pop("env")
    if not isinstance(env, dict):
        raise ConfigError("Expected env=NAME: the env in whose game is recorded, such as env=trackmania.")
    print(record(env, section))
    return OK


if __name__ == "__main__":
    run_app(main, config_name="record")
