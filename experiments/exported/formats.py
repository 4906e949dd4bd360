"""The formats of exported files, by the ending of the file, and the policy that a file or a checkpoint holds."""

import pkgutil
from pathlib import Path

from safetensors import SafetensorError

from envs.errors import ConfigError
from experiments.described_policy import DescribedPolicy
from experiments.exported.exported_policy import ExportedPolicy

# Format (and ending of the file) -> its class, imported when it is asked for: one of them needs an extra.
FORMATS = {
    "onnx": "experiments.exported.onnx_file.OnnxPolicy",
    "pt2": "experiments.exported.torch_program.ProgramPolicy",
    "safetensors": "experiments.exported.weights_file.WeightsPolicy",
}


def format_class(name: str) -> type[ExportedPolicy]:
    """Return the class of a format, whose packages are installed.

    Raises:
        ConfigError: There is no such format, or it needs packages that are missing.
    """
    if name not in FORMATS:
        raise ConfigError(f"format={name}: expected one of {', '.join(FORMATS)}.")
    found: type[ExportedPolicy] = pkgutil.resolve_name(FORMATS[name])
    found.check_installed()
    return found


def load_exported(path: Path) -> ExportedPolicy:
    """Load a file that `python -m experiments.export` wrote; its format is the ending of its name.

    Raises:
        ConfigError: It is no such file, or damaged, or its format needs packages that are missing.
    """
    name = path.suffix.removeprefix(".")
    if name not in FORMATS:
        raise ConfigError(
            f"{path} is no exported policy: those end in {', '.join(f'.{known}' for known in FORMATS)}. "
            "Name such a file, a run, a checkpoint's folder, or run=latest."
        )
    found = format_class(name)
    try:
        return found.load(path)
    except (OSError, ValueError, LookupError, TypeError, RuntimeError, SafetensorError) as error:
        raise ConfigError(
            f"{path} is no usable exported policy: {error}. "
            f"Write it anew: python -m experiments.export run=RUN format={name} output={path}"
        ) from error


def load_policy(path: Path) -> DescribedPolicy:
    """Load what drives, from a checkpoint's folder or an exported file.

    Raises:
        ConfigError: There is no usable policy.
    """
    if path.is_file():
        return load_exported(path)
    from experiments.policy import DrivingPolicy  # brings torch, which a file of ONNX does without

    return DrivingPolicy.load(path)
