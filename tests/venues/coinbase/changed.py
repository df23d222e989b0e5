"""Recorded answers with something about them changed, for decoders that have to take it or to refuse it."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from typing import Any

Path = tuple[str | int, ...]
MAPS = frozenset({"order_configuration", "subscriptions"})
"""Members whose own members are names, not parts of a shape."""


def with_unknown_members(value: Any) -> Any:  # noqa: ANN401 - any JSON
    """The same, with members in every object that no documentation knows."""
    if isinstance(value, list):
        return [with_unknown_members(one) for one in value]
    if not isinstance(value, dict):
        return value
    grown = {
        name: {key: with_unknown_members(one) for key, one in inner.items()}
        if name in MAPS and isinstance(inner, dict)
        else with_unknown_members(inner)
        for name, inner in value.items()
    }
    return {"a_new_member": {"deep": [1.5, None, "x"]}, **grown, "another_one": None}


def paths_of(value: Any, name: str) -> Iterator[Path]:  # noqa: ANN401 - any JSON
    """Where a member of this name stands."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, one in children:
        if key == name:
            yield (key,)
        for path in paths_of(one, name):
            yield (key, *path)


def without(value: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON
    """The same without one member."""
    changed = copy.deepcopy(value)
    del _inner(changed, path)[path[-1]]
    return changed


def replaced(value: Any, path: Path, member: object) -> Any:  # noqa: ANN401 - any JSON
    """The same with another value of one member."""
    changed = copy.deepcopy(value)
    _inner(changed, path)[path[-1]] = member
    return changed


def _inner(value: Any, path: Path) -> Any:  # noqa: ANN401 - any JSON
    for key in path[:-1]:
        value = value[key]
    return value
