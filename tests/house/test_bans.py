"""The core and the policies are deterministic by what they leave out; each ban is tried on planted code."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.house.bans import EXEMPT, findings, unused_exemptions
from tests.house.source import ROOT, Module, modules_of, parse

PURE = (*modules_of("ztb/core"), *modules_of("ztb/policies"))


@pytest.mark.parametrize("module", PURE, ids=lambda module: module.place)
def test_nothing_banned(module: Module) -> None:
    assert findings(module) == []


def test_there_is_something_to_check() -> None:
    assert len(modules_of("ztb/core")) >= 5
    assert len(modules_of("ztb/policies")) >= 1


def test_every_exemption_is_needed_and_says_why() -> None:
    assert all(EXEMPT.values())
    assert unused_exemptions(PURE) == []


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("import", "import time"),
        ("import", "from time import time_ns"),
        ("import", "import datetime"),
        ("import", "from datetime import datetime"),
        ("import", "import random"),
        ("import", "import secrets"),
        ("import", "import uuid"),
        ("import", "import os"),
        ("import", "import os.path"),
        ("import", "import socket"),
        ("import", "import asyncio"),
        ("import", "import logging"),
        ("import", "import threading"),
        ("import", "import math"),
        ("import", "import apsw"),
        ("import", "from pathlib import Path"),
        ("import", "def late() -> None:\n    import time"),
        ("float literal", "rate = 0.5"),
        ("float literal", "rate = 1e3"),
        ("float literal", "def f(x: int = 1.0) -> None: ..."),
        ("float literal", "z = 1j"),
        ("name", "x = float('1')"),
        ("name", "def f(x: float) -> None: ..."),
        ("name", "key = hash('a')"),
        ("name", "key = id(object())"),
        ("name", "print('hello')"),
        ("name", "with open('f') as f: ..."),
        ("name", "values = map(float, texts)"),
        ("true division", "x = 1 / 2"),
        ("true division", "x /= 2"),
        ("true division", "import operator\nx = operator.truediv(1, 2)"),
        ("negative power", "x = 10 ** -2"),
        ("async", "async def f() -> None: ..."),
        ("set order", "for x in {1, 2}: ..."),
        ("set order", "for x in set(names): ..."),
        ("set order", "out = [x for x in frozenset(names)]"),
        ("set order", "out = list({'a', 'b'})"),
        ("set order", "out = tuple(set(a) | set(b))"),
        ("set order", "out = ','.join({'a', 'b'})"),
        ("set order", "out = [*{1, 2}]"),
        ("set order", "seen = set()\nfor x in seen: ..."),
        ("set order", "def f(seen: set[str]) -> list[str]:\n    return [x for x in seen]"),
        ("set order", "class A:\n    def __init__(self) -> None:\n        self.seen: set[str] = make()\n"
         "    def f(self) -> None:\n        for x in self.seen: ..."),
        ("set order", "NAMES: Final[frozenset[str]] = make()\nout = list(NAMES)"),
        ("set order", "a = set()\nb = a\nc = b\nfor x in c: ..."),
        ("set order", "seen = {1}\nfirst = seen.pop()"),
    ],
)  # fmt: skip
def test_banned_code_is_found(kind: str, code: str) -> None:
    found = findings(parse(code, name="ztb.core.planted"))
    assert found, code
    assert all(f": {kind}: " in line for line in found), found


@pytest.mark.parametrize(
    "code",
    [
        "from decimal import Decimal\nx = Decimal('0.5')",
        "import json, hashlib, itertools\nfrom collections.abc import Iterator",
        "from ztb.core.event import Trade",
        "x = 7 // 2\nx //= 2\ny = 10 ** 2\nz = divmod(7, 2)",
        "seen = {1, 2}\nok = 1 in seen\nsize = len(seen)\nout = sorted(seen)",
        "for x in sorted({3, 1}): ...",
        "for key in {'a': 1}: ...",
        "stack = [1]\ntop = stack.pop()",
        "'''A float of 0.5, in words; print(it).'''",
    ],
)
def test_exact_and_ordered_code_is_left_alone(code: str) -> None:
    assert findings(parse(code, name="ztb.core.planted")) == []


def test_an_exemption_excuses_only_its_own_kind_in_its_own_module() -> None:
    code = "import time\nx = a / b"
    assert len(findings(parse(code, name="ztb.core.planted"))) == 2
    [left] = findings(parse(code, name="ztb.policies.registry"))
    assert "true division" in left


def test_importing_the_pure_rooms_brings_no_clock_loop_or_network() -> None:
    # What the files import in turn counts as well; a fresh interpreter shows it.
    names = sorted(module.name for module in PURE if module.name != "ztb.policies.registry")
    code = f"import sys\nfor name in {names!r}:\n    __import__(name)\nprint(*sorted(sys.modules))"
    done = subprocess.run(
        [sys.executable, "-I", "-c", f"import sys; sys.path.insert(0, {str(ROOT)!r})\n{code}"],
        capture_output=True,
        text=True,
        env={"PATH": os.environ.get("PATH", "")},
        timeout=60,
        check=True,
    )
    loaded = set(done.stdout.split())
    assert set(names) <= loaded
    # msgspec brings uuid, whose import neither asks for chance nor for the host; the ban above keeps it out of use.
    assert loaded.isdisjoint({"asyncio", "socket", "random", "secrets", "logging", "sqlite3", "pydantic"})
