"""What stands between a kill and silence needs no policy, no report and nobody who is told of it.

By the import graph: whatever a module of the kill path imports, directly or through others, is part of that path.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Mapping

import pytest

from tests.house.source import Module, modules_of, parse

KILL_PATH = (
    "ztb.core.control",  # the latch itself, and what each level lets pass
    "ztb.core.upkeep",  # sets it, and cancels
    "ztb.core.reaction",  # which breaker kills
    "ztb.core.trip",  # sets it for a breaker
    "ztb.core.flatten",  # the only orders that still leave
    "ztb.service.operator",  # kill file and signal
    "ztb.service.inotify",
    "ztb.service.inbox",  # goes before everything that is queued
    "ztb.service.gate",  # asked at the wire
    "ztb.store.writer",  # on disk before it is acknowledged
    "ztb.store.journal",
)
FOREIGN = (
    "ztb.policies", "ztb.core.policy", "ztb.core.sizing", "ztb.reports", "ztb.ladder", "ztb.cli", "ztb.simulator",
    "ztb.service.flatness", "ztb.service.flattening", "ztb.service.records", "ztb.service.status",
    "ztb.service.health", "ztb.service.risk", "ztb.service.vitals", "ztb.venues",
)  # fmt: skip
"""Policies; reports and status; whoever tells people; and what the kill path is there to shut."""


def imports_of(module: Module) -> set[str]:
    """Every name that is imported anywhere in the module, also within functions; for types only does not count."""
    found: set[str] = set()
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def reach(start: str, graph: Mapping[str, set[str]]) -> dict[str, str]:
    """Every module of ours behind ``start``, with the one that imports it."""
    by: dict[str, str] = {start: ""}
    waiting = [start]
    while waiting:
        name = waiting.pop()
        for wanted in sorted(graph.get(name, set()) & graph.keys()):
            if wanted not in by:
                by[wanted] = name
                waiting.append(wanted)
    return by


def way_to(name: str, by: Mapping[str, str]) -> str:
    """For the message: who imports whom."""
    way = [name]
    while by[way[-1]]:
        way.append(by[way[-1]])
    return " <- ".join(way)


def foreign_of(start: str, graph: Mapping[str, set[str]], foreign: Iterable[str] = FOREIGN) -> list[str]:
    by = reach(start, graph)
    return [
        way_to(name, by)
        for name in by
        if any(name == other or name.startswith(f"{other}.") for other in foreign)
    ]  # fmt: skip


GRAPH = {module.name: imports_of(module) for module in modules_of("ztb")}


@pytest.mark.parametrize("start", KILL_PATH)
def test_the_kill_path_leans_on_nothing_that_may_fail_with_the_trading(start: str) -> None:
    assert start in GRAPH, "renamed: name it here as it is called now"
    assert foreign_of(start, GRAPH) == []


def test_all_that_is_foreign_exists() -> None:
    rooms = {".".join(name.split(".")[: name.count(".") + 1 - up]) for name in GRAPH for up in range(name.count("."))}
    assert set(FOREIGN) <= rooms | set(GRAPH)


def test_a_way_round_is_found() -> None:
    planted = {
        "ztb.core.control": imports_of(parse("def f() -> None:\n    from ztb.core import money", name="c")),
        "ztb.core.money": imports_of(parse("import ztb.reports.daily", name="m")),
        "ztb.reports.daily": set[str](),
    }
    assert foreign_of("ztb.core.control", planted) == ["ztb.reports.daily <- ztb.core.money <- ztb.core.control"]
