"""Events, commands and errors: complete lists, cheap, plain, and changed by nobody."""

from __future__ import annotations

import ast
import copy
import inspect
import re
from dataclasses import fields
from pathlib import Path
from typing import get_args

import pytest
from msgspec import Struct, structs

from tests.core.scene import T0, Desk
from ztb.core import command as command_module
from ztb.core import error as error_module
from ztb.core import event as event_module
from ztb.core.command import COMMAND_TYPES, Command
from ztb.core.error import Rejected, Throttled, UnknownFate, Unreachable, VenueError, ZtbError
from ztb.core.event import EVENT_TYPES, Event, Trade
from ztb.core.order import Order
from ztb.core.policy import HOLD, Decision

ROOT = Path(__file__).resolve().parents[2]


def defined_in(module: object, base: type = object) -> set[type]:
    """Every class that the module itself defines."""
    assert inspect.ismodule(module)
    return {
        value
        for value in vars(module).values()
        if inspect.isclass(value) and value.__module__ == module.__name__ and issubclass(value, base)
    }


def test_the_lists_of_events_and_commands_are_complete() -> None:
    assert set(EVENT_TYPES) == set(get_args(Event)) == defined_in(event_module)
    assert set(COMMAND_TYPES) == set(get_args(Command)) == defined_in(command_module)
    assert len(set(EVENT_TYPES)) == len(EVENT_TYPES)
    assert not set(EVENT_TYPES) & set(COMMAND_TYPES)


@pytest.mark.parametrize("kind", [*EVENT_TYPES, *COMMAND_TYPES], ids=lambda kind: kind.__name__)
def test_every_event_and_command_begins_with_its_time_and_is_plain(kind: type) -> None:
    assert issubclass(kind, Struct)
    assert kind.__struct_fields__[0] == "ts_ns"
    types = {str(field.type) for field in structs.fields(kind)}
    allowed = {str(plain) for plain in (int, str, bool, tuple[tuple[int, int], ...])}
    assert types <= allowed, "no float, nothing that can be changed inside or that can be part of a cycle"
    assert not kind.__struct_config__.gc


def bound_to_events(function: ast.FunctionDef | ast.AsyncFunctionDef) -> set[str]:
    """Arguments and local names that the annotations call an event or a command."""
    kinds = {kind.__name__ for kind in (*EVENT_TYPES, *COMMAND_TYPES)} | {"Event", "Command", "Market", "OrderEvent"}
    found = set()
    for node in ast.walk(function):
        annotation: ast.expr | None = None
        name = ""
        if isinstance(node, ast.arg):
            annotation, name = node.annotation, node.arg
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            annotation, name = node.annotation, node.target.id
        if annotation is not None and kinds & set(re.findall(r"\w+", ast.unparse(annotation))):
            found.add(name)
    return found


def changed_events(source: str) -> list[str]:
    """``name.attribute`` of every assignment to an attribute of what is annotated as an event or a command."""
    found = []
    for function in ast.walk(ast.parse(source)):
        if not isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            continue
        names = bound_to_events(function)
        for node in ast.walk(function):
            targets: list[ast.expr] = []
            if isinstance(node, ast.Assign):
                targets = node.targets
            elif isinstance(node, ast.AugAssign | ast.AnnAssign):
                targets = [node.target]
            found += [
                ast.unparse(target)
                for target in targets
                if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id in names
            ]
    return found


def test_the_search_for_changed_events_finds_one() -> None:
    assert changed_events("def f(event: Trade) -> None:\n    event.price = 5\n") == ["event.price"]
    assert changed_events("def f(self, one: Place | None) -> None:\n    one.lots += 5\n") == ["one.lots"]
    assert changed_events("def f(order: Order) -> None:\n    order.lots = 5\n") == []


STAMPED = {"ztb/service/inbox.py": {"event.ts_ns"}}
"""The inbox gives an event its time when it enters; before that it is nobody's."""


def test_nobody_changes_an_event_or_a_command_after_it_is_made() -> None:
    files = sorted((ROOT / "ztb").rglob("*.py"))
    assert len(files) > 20
    found = {path.relative_to(ROOT).as_posix(): set(changed_events(path.read_text())) for path in files}
    assert {place: changed for place, changed in found.items() if changed} == STAMPED


def test_a_policy_that_changes_its_event_does_not_reach_the_engine_s_books() -> None:
    desk = Desk()

    def vandal(event: object) -> None:
        assert isinstance(event, Trade)
        event.price = 1
        event.instrument = "eth_jpy"

    desk.policy.on_seen = vandal
    desk.policy.answer = Decision(HOLD, "vandalised", ())
    trade = Trade(T0, "btc_jpy", 1_000, 1, 1)
    kept = copy.copy(trade)
    desk.engine.step(trade)
    assert trade != kept
    assert desk.engine.state.desks["btc_jpy"].last_price == 1_000
    assert desk.engine.take_decisions() == [(T0, "btc_jpy", HOLD, "vandalised", (), "")]


# --- errors --------------------------------------------------------------------------------------------------------


def test_the_tree_in_the_docstring_is_the_tree_in_the_code() -> None:
    text = error_module.__doc__ or ""
    named = re.findall(r"^[│├└─ ]*([A-Z]\w+)", text, flags=re.MULTILINE)
    tree = {name for name in named if hasattr(error_module, name)}
    written = {kind.__name__ for kind in defined_in(error_module, Exception)}
    # What only refines its parent, without an exit code of its own, may be missing in the picture.
    refined = {k.__name__ for k in defined_in(error_module, Exception) if "exit_code" not in vars(k)}
    assert tree <= written
    assert written - tree <= refined
    codes = {m[0]: int(m[1]) for m in re.findall(r"([A-Z]\w+)\s+(\d+)\b", text)}
    assert {"ZtbError": 1, "ConfigError": 78, "StoreCorrupt": 65, "InvariantBroken": 70}.items() <= codes.items()
    for name, code in codes.items():
        assert getattr(error_module, name).exit_code == code


def test_a_remedy_stands_behind_the_message() -> None:
    assert str(ZtbError("the disk is full", remedy="make room")) == "the disk is full (make room)"
    assert str(ZtbError("the disk is full")) == "the disk is full"


def test_the_four_fates_of_a_request_are_told_apart() -> None:
    fates = (Rejected, Throttled, Unreachable, UnknownFate)
    for fate in fates:
        error = fate("no", kind="exchange", code="e1", retryable=True)
        assert isinstance(error, VenueError)
        assert (error.kind, error.code, error.retryable, error.exit_code) == ("exchange", "e1", True, 69)
        assert [isinstance(error, other) for other in fates].count(True) == 1
    with pytest.raises(AssertionError):
        Rejected("no", kind="weather")


def test_an_order_of_ours_has_no_field_that_its_snapshot_forgets() -> None:
    order = Order("a", "b", 1, 2, 3, True, 4, 5)
    assert set(order.snapshot()) == {field.name for field in fields(Order)}
