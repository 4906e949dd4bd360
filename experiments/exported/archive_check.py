"""What a .pt2 archive may hold before torch loads it: `torch.export.load` evaluates and unpickles parts of one."""

import io
import json
import re
import zipfile
from typing import Any

_RECORDS = re.compile(
    r"archive_format|archive_version|byteorder|\.data/\w+|models/model\.json|extra/[\w.]+"
    r"|data/(weights/weight_\d+|constants/tensor_\d+|(weights|constants)/model_(weights|constants)_config\.json)"
    r"|data/sample_inputs/model\.pt"
)
_SAMPLE_INPUTS = "data/sample_inputs/model.pt"  # a pickle, unless it is empty
_CONFIG = re.compile(r"data/(weights|constants)/model_(weights|constants)_config\.json")
_MODEL = "models/model.json"

# Strings of the graph that torch looks up, evaluates or executes, by their keys, and the harmless form of each.
# A string under any other key has to be a plain name.
_FORMS = {
    "target": r"torch\.ops\.aten\.(?!from_file)\w+(\.\w+)?|_operator\.(getitem|add|sub|mul|floordiv|mod|eq|ge|le)"
    r"|torch\.ops\.higher_order\.wrap_with_(autocast|set_grad_enabled)",
    "expr_str": r"((Symbol\('\w+'|Integer|Mul|Add|Pow|Mod|FloorDiv)(?=[,(])|(positive|integer)=True|[-\d(), ])*",
    "guards_code": r"(L(\['[^'\[\]\\]*'\])+\.(size\(\)|shape)\[\d+\]|\b(and|or|not)\b|[\d\s<>=!+*()-])*",
}
_NAME = r"[\w. +-]*"
_TREES = ("in_spec", "out_spec")  # how arguments and results are nested: JSON in a string, which names classes
_NODES = ("builtins.tuple", "builtins.list", "builtins.dict", None)


def read_checked_archive(data: bytes, extra: str) -> str:
    """Return the text of an archive's extra file, once nothing in the archive is found that could run code.

    Args:
        data: The whole archive.
        extra: Name of the extra file.

    Raises:
        ValueError: It is no archive of a program, it lacks the file, or it holds what ours do not: a pickle, a call of
            anything but an operator of tensors, an expression with more than sums and products.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            names = archive.namelist()
            records = {name.partition("/")[2]: archive.read(name) for name in names}
    except (zipfile.BadZipFile, NotImplementedError, EOFError) as error:
        raise ValueError(f"it is no whole zip archive ({error})") from error
    if len(records) != len(names):
        raise ValueError("it holds two records of one name")
    for needed in (_MODEL, f"extra/{extra}"):
        if needed not in records:
            raise ValueError(f"it lacks {needed}")
    for name, content in records.items():
        if not _RECORDS.fullmatch(name):
            raise ValueError(f"it holds {name}, which is no part of a policy")
        if name == _SAMPLE_INPUTS and content:
            raise ValueError(f"{name} is pickled")
        if _CONFIG.fullmatch(name):
            _check_raw(name, json.loads(content))
    _check_strings(json.loads(records[_MODEL]), "")
    return records[f"extra/{extra}"].decode("utf-8")


def _check_raw(name: str, payloads: dict[str, Any]) -> None:
    for tensor, payload in payloads["config"].items():
        if payload["use_pickle"] is not False or not re.fullmatch(r"(weight|tensor)_\d+", payload["path_name"]):
            raise ValueError(f"{name}: {tensor} is pickled")


def _check_strings(part: Any, key: str) -> None:
    """Raise a ValueError if a string somewhere in `part`, which stands under `key`, has a form that could do harm."""
    if isinstance(part, dict):
        for name, value in part.items():
            _check_strings(name, "")
            _check_strings(value, name)
    elif isinstance(part, list):
        for value in part:
            _check_strings(value, key)
    elif isinstance(part, str) and key in _TREES:
        _check_tree(json.loads(part)[1])
    elif isinstance(part, str) and not re.fullmatch(_FORMS.get(key, _NAME), part):
        raise ValueError(f"its graph has {part[:80]!r} as {key or 'a name'}")


def _check_tree(tree: dict[str, Any]) -> None:
    if tree["type"] not in _NODES:
        raise ValueError(f"its arguments or results are a {tree['type']}")
    for child in tree["children_spec"]:
        _check_tree(child)
