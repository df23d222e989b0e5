"""What is measured of the source: lines, functions, docstrings, assertions, words."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

from tests.house.source import Module

MODULE_LINES_MAX = 400
MODULE_LINES_MEDIAN_MAX = 120
FUNCTION_LINES_MAX = 70
FUNCTION_LINES_P95_MAX = 40
CORE_ASSERTS_PER_1000_MIN = 5
TEST_LINES_PER_SOURCE_LINE_MIN = 1.2

NAMES_BANNED = frozenset({"utils", "util", "helpers", "helper", "common", "manager", "managers", "misc", "shared"})
"""Module names that say nothing about what is inside."""

# Written backwards, so that this file does not find itself.
WORDS_OF_UNFINISHED_WORK = tuple(
    word[::-1] for word in ("ODOT", "EMXIF", "X" * 3, "buts", "redlohecalp", "detnemelpmi ton")
)
WORDS_BANNED = re.compile(rf"\b({'|'.join(WORDS_OF_UNFINISHED_WORK)})\b", re.IGNORECASE)

Function = ast.FunctionDef | ast.AsyncFunctionDef


def functions(module: Module) -> Iterator[tuple[str, int, int]]:
    """Place, line and length in lines of every function, nested ones too; decorators do not count."""
    for node in ast.walk(module.tree):
        if isinstance(node, Function):
            assert node.end_lineno is not None
            yield f"{module.place}:{node.lineno}: {node.name}", node.lineno, node.end_lineno - node.lineno + 1


def swallowed_exceptions(module: Module) -> list[str]:
    """Handlers that do nothing at all with what they caught."""
    return [
        f"{module.place}:{node.lineno}"
        for node in ast.walk(module.tree)
        if isinstance(node, ast.ExceptHandler) and all(_is_nothing(statement) for statement in node.body)
    ]


def _is_nothing(statement: ast.stmt) -> bool:
    match statement:
        case ast.Pass() | ast.Expr(value=ast.Constant()):
            return True
        case _:
            return False


def asserts(modules: Iterable[Module]) -> int:
    """How many ``assert`` statements there are."""
    return sum(isinstance(node, ast.Assert) for module in modules for node in ast.walk(module.tree))


def banned_words(place: str, text: str) -> list[str]:
    """Words that mark unfinished work, as ``place:line: word``."""
    return [
        f"{place}:{number}: {hit.group()}"
        for number, line in enumerate(text.splitlines(), start=1)
        for hit in WORDS_BANNED.finditer(line)
    ]
