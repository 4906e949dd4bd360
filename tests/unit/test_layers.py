"""Layers import downwards only, and what people wait for imports little."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent.parent
OURS = {"envs", "models", "experiments", "tune", "run", "tests"}
MAY_IMPORT = {
    "envs": {"envs"},
    "models": {"models"},
    "experiments": {"experiments", "models", "envs"},
    "tune": OURS - {"run", "tests"},
}
BANNED = {"envs": {"ray", "torch", "mlflow", "hydra", "omegaconf"}, "models": {"hydra", "omegaconf", "mlflow"}}
ENTRY = ROOT / "envs" / "app.py"  # composes for every command


def imported(path):
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path} has a relative import"
            yield node.module.partition(".")[0]


@pytest.mark.parametrize("layer", MAY_IMPORT)
def test_layers_import_downwards_only(layer):
    files = sorted((ROOT / layer).rglob("*.py"))
    assert files
    for path in files:
        names = set(imported(path))
        assert names & OURS <= MAY_IMPORT[layer], path
        if path != ENTRY:
            assert not names & BANNED.get(layer, set()), path


@pytest.mark.parametrize("module", ["envs.factory", "envs.carracing.env", "envs.dummy"])
def test_envs_bring_nothing_heavy(module):
    code = f"import sys, {module}; print(sorted({{'ray', 'torch', 'mlflow', 'hydra'}} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_no_module_is_named_like_a_library():
    taken = {"ray", "mlflow", "torch", "hydra", "gymnasium", "numpy"}
    ours = {path.stem for layer in MAY_IMPORT for path in (ROOT / layer).rglob("*.py")}
    assert not ours & taken
