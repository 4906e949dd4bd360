"""Point 45: nothing of ours unpickles, from files or sockets; read off the source."""

import ast

import pytest

LAYERS = ("envs", "models", "experiments", "tune")
ALLOWED = {
    "experiments/drive.py": ["pickle"],  # a function that a process hands to its own pool's workers: nobody else's
    "envs/assetto_corsa/tracks/pickled_grid.py": ["pickle"],  # writes a grid for the original's client; reads none
}
PICKLERS = {"pickle", "_pickle", "cPickle", "dill", "cloudpickle", "shelve", "marshal"}


def calls(tree, owner, name):
    for node in ast.walk(tree):
        is_call = isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == name
        if is_call and isinstance(node.func.value, ast.Name) and node.func.value.id in owner:
            yield {keyword.arg: ast.unparse(keyword.value) for keyword in node.keywords}


def offences(source):
    """Return what in a source can unpickle."""
    tree = ast.parse(source)
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found += [alias.name for alias in node.names if alias.name.partition(".")[0] in PICKLERS]
        elif isinstance(node, ast.ImportFrom) and (node.module or "").partition(".")[0] in PICKLERS:
            found.append(node.module)
    found += ["torch.load" for given in calls(tree, {"torch"}, "load") if given.get("weights_only") != "True"]
    found += [
        "np.load" for given in calls(tree, {"np", "numpy"}, "load") if given.get("allow_pickle", "False") != "False"
    ]
    found += ["joblib.load" for _ in calls(tree, {"joblib"}, "load")]
    return found


@pytest.mark.point("trackmania", 45)
def test_no_source_unpickles(root):
    files = [path for layer in LAYERS for path in sorted((root / layer).rglob("*.py"))]
    assert len(files) > 100
    assert {str(path.relative_to(root)): found for path in files if (found := offences(path.read_text()))} == ALLOWED


@pytest.mark.point("trackmania", 45)
@pytest.mark.parametrize(
    "source",
    [
        "import pickle",
        "from cloudpickle import loads",
        "torch.load(path)",
        "torch.load(path, weights_only=False)",
        "np.load(path, allow_pickle=True)",
        "joblib.load(path)",
    ],
)
def test_the_check_sees_what_it_looks_for(source):
    assert offences(source)
