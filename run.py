"""Chicane's face: `python run.py env=carracing algo=sac` trains, `python run.py resume=latest` goes on."""

from omegaconf import DictConfig

from envs.app import run_app
from experiments.schema import register_schema


def main(config: DictConfig) -> int:
    """Train, evaluate and say what came of it."""
    from tune.start import run  # Ray: 3 s, spared to those who ask for --help

    return run(config)


if __name__ == "__main__":
    register_schema()
    run_app(main, config_name="config")
