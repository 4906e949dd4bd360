"""`python -m envs.trackmania.import_tmrl file=TmrlData/config/config.json`: TMRL's settings, as words for run.py."""

from pathlib import Path
from typing import Any

from envs.app import OK, plain, run_app
from envs.trackmania.tmrl_config import load_tmrl_config


def main(config: Any) -> int:
    """Print the command, and what was not taken over."""
    print(load_tmrl_config(Path(plain(config)["file"]).expanduser()).describe())
    return OK


if __name__ == "__main__":
    run_app(main, config_name="import_tmrl")
