"""`python -m envs.assetto_corsa.tracks kind=synthetic folder=tracks`: makes and imports tracks, writes their grids."""

from typing import Any

from envs.app import OK, plain, run_app
from envs.assetto_corsa.tracks.commands import carry_out


def main(config: Any) -> int:
    """Do it, and print what was done."""
    print(carry_out(plain(config)))
    return OK


if __name__ == "__main__":
    run_app(main, config_name="assetto_corsa_track")
