"""Constraints: what must hold between the keys of a trial, such as `ray.envs_per_runner >= 8`."""

import ast
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final

from simpleeval import EvalWithCompoundTypes, InvalidExpression

from envs.errors import ConfigError
from tune.space.keys import value_at

_FUNCTIONS: Final = {"min": min, "max": max, "abs": abs, "round": round, "len": len, "int": int, "float": float}
_SYNTAX: Final = (
    *(ast.Expression, ast.BoolOp, ast.And, ast.Or, ast.UnaryOp, ast.Not, ast.USub, ast.UAdd, ast.IfExp, ast.Compare),
    *ast.cmpop.__subclasses__(),  # ==, !=, <, <=, >, >=, in, is and their opposites
    *(ast.BinOp, ast.Add, ast.Sub, ast.Mult, ast.Div, ast.FloorDiv, ast.Mod, ast.Pow),
    *(ast.Call, ast.Name, ast.Attribute, ast.Load, ast.Constant, ast.List, ast.Tuple, ast.Subscript),
)
_LITERALS: Final = {"true": True, "false": False, "null": None}  # as YAML writes them


@dataclass(frozen=True)
class Constraint:
    """A condition that every trial's composed config fulfils.

    Args:
        text: A Python expression over dotted keys with comparisons, `and`, `or`, `not`, arithmetic, lists and the
            functions min, max, abs, round, len, int and float. A group's name stands for its word: `model == 'vit'`.

    Raises:
        ConfigError: It is no such expression.
    """

    text: str
    _expression: ast.expr = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.text, str):
            raise ConfigError(
                f"tuner.constraints: expected a text such as 'ray.envs_per_runner >= 8', got {self.text}."
            )
        try:
            tree = ast.parse(self.text.strip(), mode="eval")
        except (SyntaxError, ValueError) as error:
            raise self._refused(f"it is no expression: {getattr(error, 'msg', error)}") from error
        for node in ast.walk(tree):
            if not isinstance(node, _SYNTAX):
                raise self._refused(f"{_source(node)} is nothing that constraints are made of")
            if isinstance(node, ast.Call):
                self._check_call(node)
        object.__setattr__(self, "_expression", _DottedNames().visit(tree).body)

    def holds(self, config: Mapping[str, Any]) -> bool:
        """Say whether a trial fulfils it.

        Args:
            config: The trial's plain config, with the groups' words as `choices`.

        Raises:
            ConfigError: It names a key that the trial has not, cannot be computed, or is no condition.
        """

        def look_up(node: ast.Name) -> Any:
            if node.id in _LITERALS and node.id not in config:
                return _LITERALS[node.id]
            try:
                return value_at(config, node.id)
            except KeyError as error:
                raise self._refused(
                    f"there is no key {node.id}; {error.args[0]}. A word stands in quotes: '{node.id}'. A key that "
                    f"some trials have not stands behind an or: model != 'vit' or model.depth <= 4"
                ) from error

        try:
            result = EvalWithCompoundTypes(functions=dict(_FUNCTIONS), names=look_up).eval(self.text, self._expression)
        except ConfigError:
            raise
        except (InvalidExpression, TypeError, ValueError, ArithmeticError, LookupError) as error:
            raise self._refused(f"it cannot be computed with {self._values(config)}: {error}") from error
        if not isinstance(result, bool):
            raise self._refused(f"expected a condition, true or false, but it is {result} with {self._values(config)}")
        return result

    def _check_call(self, call: ast.Call) -> None:
        if not isinstance(call.func, ast.Name) or call.func.id not in _FUNCTIONS or call.keywords:
            raise self._refused(f"{_source(call)} is no call of {', '.join(_FUNCTIONS)}")

    def _values(self, config: Mapping[str, Any]) -> str:
        """Return the keys that it names with their values, for messages."""
        names = {node.id for node in ast.walk(self._expression) if isinstance(node, ast.Name)} - _FUNCTIONS.keys()
        known = []
        for name in sorted(names):
            try:
                known.append(f"{name}={value_at(config, name)}")
            except KeyError:
                continue
        return ", ".join(known) or "no keys"

    def _refused(self, reason: str) -> ConfigError:
        return ConfigError(f"tuner.constraints: {self.text!r}: {reason}.")


class _DottedNames(ast.NodeTransformer):
    """Makes one name of `algo.training.lr`: configs are dicts, whose own attributes must stay out of reach."""

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        owner = self.visit(node.value)
        if not isinstance(owner, ast.Name):
            raise ConfigError(f"tuner.constraints: {_source(node)}: expected a dotted key, such as algo.training.lr.")
        return ast.copy_location(ast.Name(f"{owner.id}.{node.attr}", ast.Load()), node)


def _source(node: ast.AST) -> str:
    try:
        return ast.unparse(node) or type(node).__name__
    except (AttributeError, RecursionError, TypeError, ValueError):  # a part that is no code by itself
        return type(node).__name__
