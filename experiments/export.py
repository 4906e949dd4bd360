"""`python -m experiments.export run=latest format=onnx`: a policy as one file, checked against its checkpoint."""

import os
import sys
from pathlib import Path

from omegaconf import DictConfig
from safetensors.torch import load_file

from envs.app import FAILED, OK, run_app
from envs.errors import ConfigError
from experiments import folders
from experiments.exported.comparison import TOLERANCE, Comparison, compare
from experiments.exported.formats import format_class
from experiments.exported.graph import PolicyGraph
from experiments.exported.inputs import graph_space
from experiments.policy import DrivingPolicy
from experiments.policy_description import WEIGHTS
from experiments.runs import find_policy_folder, find_trial_folders
from experiments.schema import ExportConfig, register_schema, to_plain

_FOLDER = "export"


def export(policy_folder: Path, format_name: str, path: Path) -> Comparison:
    """Write the policy of a checkpoint into one file, in float32, and compare what it does with the checkpoint.

    The file appears under its name when it has been compared and is close; otherwise it is removed.

    Args:
        policy_folder: Where `policy.safetensors` and `policy.json` are.
        format_name: One of `experiments.exported.formats.FORMATS`.
        path: Of the file; an older one is replaced, folders are made.

    Raises:
        ConfigError: The policy is not usable, the format needs packages that are missing, or the file cannot be
            written there.
    """
    chosen = format_class(format_name)
    checkpoint = DrivingPolicy.load(policy_folder)
    description = checkpoint.description
    actor = description.build_actor()
    actor.load_state_dict(load_file(policy_folder / WEIGHTS))
    graph, space = PolicyGraph(actor, description.action_space), graph_space(description)
    fresh = path.with_name(f".{os.getpid()}.{path.name}")
    _begin_file(path, fresh)
    try:
        chosen.write(fresh, graph, space, description)
        comparison = compare(chosen.load(fresh), checkpoint, description)
        if comparison.is_close:
            os.replace(fresh, path)
    finally:
        fresh.unlink(missing_ok=True)
    return comparison


def _begin_file(path: Path, fresh: Path) -> None:
    """Make `fresh`, empty, which is to become `path`: a place where nothing can be written is found before the work."""
    try:
        if path.is_dir():
            raise IsADirectoryError("it is a folder")
        path.parent.mkdir(parents=True, exist_ok=True)
        fresh.touch()
    except OSError as error:
        raise ConfigError(
            f"{path} cannot be written: {error}. Name another place: output=FOLDER/policy{path.suffix}"
        ) from error


def _default_path(trial: Path, format_name: str) -> Path:
    """Return a path in the run's folder, or in the trial's where a run has several or the policy has left its run."""
    run = trial.parent.parent
    is_only = trial.parent.name == folders.TRIALS and len(find_trial_folders(run)) == 1
    return (run if is_only else trial) / _FOLDER / f"policy.{format_name}"


def main(config: DictConfig) -> int:
    """Export what `run=` names."""
    plain = to_plain(config, ExportConfig)
    name = plain["format"]
    format_class(name)
    policy, trial = find_policy_folder(plain["run"], Path(plain["paths"]["outputs"]), plain["paths"]["mlflow_uri"])
    if policy.is_file():
        raise ConfigError(f"run={plain['run']} is an exported file already; name the run or the checkpoint it is of.")
    path = Path(plain["output"]).absolute() if plain["output"] else _default_path(trial, name)
    if path.suffix != f".{name}":
        raise ConfigError(f"output={path}: expected a name that ends in .{name}, as format={name} is chosen.")
    comparison = export(policy, name, path)
    found = (
        f"{comparison.num_observations} {comparison.source}: actions differ from the checkpoint's by at most "
        f"{comparison.difference:.1e} (tolerance {TOLERANCE:.0e})"
    )
    if not comparison.is_close:
        print(f"error: the {name} file does not act as {policy} does. {found}. It was removed.", file=sys.stderr)
        return FAILED
    print(f"Exported  {path} ({path.stat().st_size / 1e6:.2f} MB)\nChecked   {found}")
    print(f"Score it  python -m experiments.evaluate run={path}")
    if name == "onnx":
        print(f"Drive it  python -m examples.drive_exported {path}")
    return OK


if __name__ == "__main__":
    register_schema()
    run_app(main, config_name="export")
