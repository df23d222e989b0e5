"""Keys as data: words for what is allowed, guesses, texts from outside, and that something reads every key."""

from __future__ import annotations

import ast
from decimal import Decimal
from pathlib import Path

import pytest

import ztb
from ztb.host import schema

PACKAGE = Path(ztb.__file__).parent
DEFINERS = ("host/profile.py", "host/bounds.py", "host/schema.py", "cli/config.py")
"""These name keys without acting on them."""

READ_THROUGH = {"mode.execute_orders": "armed", "mode.live_http_enabled": "armed", "kind": "violations"}
"""Keys that act through a property of the profile or through the bounds."""


def attributes_read() -> set[str]:
    """Every attribute name that the code of ztb reads outside the files that define or show the keys."""
    names = set()
    for path in PACKAGE.rglob("*.py"):
        if path.relative_to(PACKAGE).as_posix() in DEFINERS:
            continue
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                names.add(node.attr)
    return names


def test_no_key_stands_in_a_profile_that_nothing_reads() -> None:
    read = attributes_read()
    unread = {
        schema.dotted(key) for key in schema.fields() if READ_THROUGH.get(schema.dotted(key), key[-1]) not in read
    }
    assert unread == set()


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("mode.stop_policy", "one of cancel, flatten, leave"),
        ("mode.execute_orders", "true or false"),
        ("limits.orders_per_minute_max", "a whole number at least 1 and at most 600"),
        ("limits.price_collar_pct", "a number above 0 and at most 10"),
        ("state.directory", "a text"),
        ("policy.name", "a text at least 1 long and at most 64 long"),
        ("policy.parameters.fast", "a whole number, a text, true or false"),
    ],
)
def test_what_is_allowed_in_words(key: str, words: str) -> None:
    assert schema.allowed(tuple(key.split("."))) == words


@pytest.mark.parametrize(
    ("key", "words"),
    [
        ("mode.stop_policy", "must be given"),
        ("mode.trading", "default observe"),
        ("mode.execute_orders", "default false"),
        ("risk.day_offset_minutes", "default 540"),
        ("state.directory", "default: none"),
    ],
)
def test_defaults_in_words(key: str, words: str) -> None:
    assert schema.default(tuple(key.split("."))) == words


@pytest.mark.parametrize(
    ("wrong", "meant"),
    [
        ("limits.postion_max", "limits.position_max"),
        ("limit.position_max", "limits.position_max"),
        ("position_max", "limits.position_max"),
        ("risk.drawdown_max_pct", "limits.drawdown_max_pct"),
        ("order_ttl", "limits.order_ttl_seconds"),
        ("zzz.qqq", ""),
    ],
)
def test_the_key_that_was_probably_meant(wrong: str, meant: str) -> None:
    assert schema.nearest(tuple(wrong.split("."))) == meant


@pytest.mark.parametrize(
    ("key", "text", "value"),
    [
        ("limits.orders_per_minute_max", "30", 30),
        ("limits.position_max", "0.10", Decimal("0.10")),
        ("mode.execute_orders", "true", True),
        ("mode.execute_orders", "yes", "yes"),
        ("mode.trading", "observe", "observe"),
        ("venue.tape", "007", "007"),
        ("policy.parameters.name", '"quoted"', "quoted"),
        ("policy.parameters.name", "plain", "plain"),
        ("unknown.key", "1", 1),
    ],
)
def test_what_a_text_from_outside_means(key: str, text: str, value: object) -> None:
    meant = schema.from_text(tuple(key.split(".")), text)
    assert meant == value
    assert type(meant) is type(value)


def test_keys_and_sections_are_told_apart() -> None:
    assert schema.is_key(("kind",))
    assert schema.is_key(("policy", "parameters", "anything"))
    assert not schema.is_key(("policy", "parameters"))
    assert not schema.is_key(("policy", "parameters", "a", "b"))
    assert not schema.is_key(("limits",))
    assert not schema.is_key(())
