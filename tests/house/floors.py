"""Which room may import which: imports point down only.

The floors are ``core`` <- ``policies`` <- shores <- processes <- people. A room imports itself and rooms of lower
floors. Rooms of one floor are joined by whoever stands above them, never by each other.
"""

from __future__ import annotations

import ast
import sys
from collections.abc import Iterator

from tests.house.source import Module

FLOORS: tuple[frozenset[str], ...] = (
    frozenset({"core"}),
    frozenset({"policies"}),
    frozenset({"venues", "simulator", "store", "host", "control", "faults"}),
    frozenset({"service", "ladder", "reports", "fleet"}),
    frozenset({"cli"}),
)
PEOPLE = len(FLOORS) - 1
FLOOR_OF = {room: number for number, rooms in enumerate(FLOORS) for room in rooms}

WRAPS = frozenset({("faults", "venues"), ("faults", "store"), ("faults", "simulator"), ("faults", "host")})
"""A fault acts by wrapping the room that it disturbs: the one import that stays on its floor."""

EDGES = {"pydantic": frozenset({"host", "control", "venues"})}
"""Libraries that stay at the edges, where text from outside becomes our types."""


def imports(module: Module) -> Iterator[tuple[int, str]]:
    """Line and absolute dotted name of everything imported, wherever in the file; ``from a import b`` gives a.b."""
    package = module.name if module.place.endswith("__init__.py") else module.name.rpartition(".")[0]
    for node in ast.walk(module.tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                above = package.split(".")[: len(package.split(".")) - node.level + 1]
                base = ".".join([*above, base] if base else above)
            for alias in node.names:
                yield node.lineno, f"{base}.{alias.name}"


def room_of(name: str) -> str:
    """The room of a dotted name under ztb: "" for the package itself, its version and its entrance."""
    parts = name.split(".")
    return parts[1] if len(parts) > 1 and parts[1] in FLOOR_OF else ""


def unknown_room(module: Module) -> str | None:
    """A package directly under ztb that no floor holds."""
    parts = module.name.split(".")
    if parts[0] != "ztb" or len(parts) < 2 or parts[1] in FLOOR_OF or module.name == "ztb.__main__":
        return None
    return f"{module.place}: the room {parts[1]!r} stands on no floor; give it one in FLOORS"


def upward_imports(module: Module) -> list[str]:
    """What the module imports against the rule, as ``place:line: reason``."""
    found = []
    for line, target in imports(module):
        reason = _reason(module, target)
        if reason:
            found.append(f"{module.place}:{line}: {reason}")
    return found


def _reason(module: Module, target: str) -> str | None:
    top = target.split(".")[0]
    if top == "tests":
        return "shipped code imports tests"
    if module.name.split(".")[0] == "tui":
        is_control = target == "ztb.control" or target.startswith("ztb.control.")
        return f"the tui sees ztb.control only, not {target}" if top == "ztb" and not is_control else None
    if top == "tui":
        return "ztb imports tui"
    own = room_of(module.name)
    if top in EDGES and own not in EDGES[top]:
        return f"{top} stays at the edges: {', '.join(sorted(EDGES[top]))}"
    if top != "ztb":
        return None
    room = room_of(target)
    if room == own or not room or module.name == "ztb.__main__":
        return None
    if not own:
        return f"the package itself imports its room {room}"
    if (own, room) in WRAPS or FLOOR_OF[room] < FLOOR_OF[own]:
        return None
    direction = "across" if FLOOR_OF[room] == FLOOR_OF[own] else "up"
    return f"{own} imports {direction}: {target}"


def third_party(module: Module) -> set[str]:
    """Top names that come neither from the standard library nor from this repository."""
    tops = {target.split(".")[0] for _, target in imports(module)}
    return tops - set(sys.stdlib_module_names) - {"ztb", "tui", "tests"}
