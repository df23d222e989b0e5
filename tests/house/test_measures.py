"""Small modules, small functions, words that say something: the house measures."""

from __future__ import annotations

import ast
import re
import statistics

import pytest

from tests.house.measures import (
    CORE_ASSERTS_PER_1000_MIN,
    FUNCTION_LINES_MAX,
    FUNCTION_LINES_P95_MAX,
    MODULE_LINES_MAX,
    MODULE_LINES_MEDIAN_MAX,
    NAMES_BANNED,
    TEST_LINES_PER_SOURCE_LINE_MIN,
    WORDS_OF_UNFINISHED_WORK,
    asserts,
    banned_words,
    functions,
    swallowed_exceptions,
)
from tests.house.source import ROOT, Module, modules_of, parse, shipped_modules, text_files

SHIPPED = shipped_modules()
TESTS = modules_of("tests")


@pytest.mark.parametrize("module", SHIPPED, ids=lambda module: module.place)
def test_a_shipped_module_keeps_the_measure(module: Module) -> None:
    assert module.lines <= MODULE_LINES_MAX
    assert ast.get_docstring(module.tree), f"{module.place} has no docstring"
    assert [place for place, _, lines in functions(module) if lines > FUNCTION_LINES_MAX] == []
    assert swallowed_exceptions(module) == []
    assert NAMES_BANNED.isdisjoint(module.name.split("."))


@pytest.mark.parametrize("module", TESTS, ids=lambda module: module.place)
def test_a_test_module_keeps_the_measure(module: Module) -> None:
    assert [place for place, _, lines in functions(module) if lines > FUNCTION_LINES_MAX] == []
    assert NAMES_BANNED.isdisjoint(module.name.split("."))
    if module.tree.body:
        assert ast.get_docstring(module.tree), f"{module.place} has no docstring"


def test_the_median_module_is_short() -> None:
    assert statistics.median(module.lines for module in SHIPPED) <= MODULE_LINES_MEDIAN_MAX


def test_nearly_every_function_is_short() -> None:
    lengths = [lines for module in SHIPPED for _, _, lines in functions(module)]
    assert statistics.quantiles(lengths, n=20)[-1] <= FUNCTION_LINES_P95_MAX


def test_the_core_asserts_its_invariants() -> None:
    core = modules_of("ztb/core")
    assert asserts(core) * 1000 >= CORE_ASSERTS_PER_1000_MIN * sum(module.lines for module in core)


def test_there_is_more_test_than_source() -> None:
    source = sum(module.lines for module in SHIPPED)
    tests = sum(module.lines for module in TESTS)
    print(f"test : source = {tests} : {source} = {tests / source:.2f}")
    assert tests >= TEST_LINES_PER_SOURCE_LINE_MIN * source


def test_nothing_is_marked_as_unfinished() -> None:
    found = []
    for path, text in text_files():
        if path.suffix not in {".lock", ".jsonl", ".csv"}:
            found += banned_words(str(path.relative_to(ROOT)), text)
    assert found == []


def test_one_version_everywhere() -> None:
    init = (ROOT / "ztb" / "__init__.py").read_text(encoding="utf-8")
    changelog = (ROOT / "CHANGELOG.md").read_text(encoding="utf-8")
    debian = (ROOT / "debian" / "changelog").read_text(encoding="utf-8")
    version = re.search(r'__version__ = "([^"]+)"', init)
    assert version is not None
    first = re.search(r"^## \[([^\]]+)\]", changelog, re.MULTILINE)
    assert first is not None
    assert first.group(1) == version.group(1)
    assert debian.startswith(f"ztb ({version.group(1)}-")


def _planted(lines: int) -> str:
    return '"""Planted."""\n' + "def grow() -> int:\n" + "    x = 1\n" * (lines - 2) + "    return x\n"


@pytest.mark.parametrize("lines", [2, FUNCTION_LINES_MAX, FUNCTION_LINES_MAX + 1])
def test_function_length_counts_from_def_to_the_last_line(lines: int) -> None:
    [(place, line, measured)] = functions(parse(_planted(lines), name="ztb.planted"))
    assert (line, measured) == (2, lines)
    assert place == "ztb/planted.py:2: grow"


def test_nested_and_async_functions_are_measured() -> None:
    code = "class A:\n    async def f(self) -> None:\n        def g() -> None: ...\n        g()\n"
    assert [lines for _, _, lines in functions(parse(code, name="ztb.planted"))] == [3, 1]


@pytest.mark.parametrize("body", ["pass", "...", "'never mind'"])
def test_a_swallowed_exception_is_found(body: str) -> None:
    code = f"try:\n    f()\nexcept OSError:\n    {body}\n"
    assert swallowed_exceptions(parse(code, name="ztb.planted")) == ["ztb/planted.py:3"]


def test_a_handled_exception_is_left_alone() -> None:
    code = "try:\n    f()\nexcept OSError:\n    count += 1\n"
    assert swallowed_exceptions(parse(code, name="ztb.planted")) == []


@pytest.mark.parametrize("word", WORDS_OF_UNFINISHED_WORK)
def test_words_of_unfinished_work_are_found(word: str) -> None:
    assert banned_words("a.py", f"fine\n# {word}: later") == [f"a.py:2: {word}"]
    assert banned_words("a.py", f"# {word.upper()}") == [f"a.py:1: {word.upper()}"]
    assert banned_words("a.py", f"x{word}y inside another word") == []


def test_asserts_are_counted() -> None:
    assert asserts([parse("assert a\nif b:\n    assert c, 'text'\n# assert d\n", name="ztb.planted")]) == 2
