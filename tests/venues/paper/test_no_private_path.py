"""The paper venue cannot sign and cannot hold a key: by what it imports, by its types, and by what a process loads."""

from __future__ import annotations

import ast
import inspect
import subprocess
import sys
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import get_type_hints

import pytest

import ztb
from tests.venues.paper.test_account import Public
from tests.venues.scripted_clock import ScriptedClock
from ztb.core.error import InvariantBroken
from ztb.venues.clock import Clock
from ztb.venues.paper.account import PaperAccount
from ztb.venues.paper.venue import NO_KEYS, PaperVenue
from ztb.venues.port import ApiKeys, Market, MarketFeed, PublicSide
from ztb.venues.registry import VENUE_NAMES

ROOT = Path(ztb.__file__).parent.parent
SIGNS = ("account", "account_stream", "sign", "nonce", "venue")
"""Modules of other venues that know keys, by their last name."""


def imported(name: str) -> set[str]:
    """Every module of ztb that ``name`` imports anywhere in its text."""
    path = ROOT / (name.replace(".", "/") + ".py")
    if not path.exists():
        path = ROOT / name.replace(".", "/") / "__init__.py"
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
            found |= {f"{node.module}.{alias.name}" for alias in node.names}
    return {one for one in found if one.startswith("ztb.") and _is_module(one)}


def _is_module(name: str) -> bool:
    path = ROOT / name.replace(".", "/")
    return path.with_suffix(".py").exists() or (path / "__init__.py").exists()


def reached(starts: set[str]) -> set[str]:
    """Everything that is imported by these modules, by what they import, and so on."""
    known: set[str] = set()
    waiting = set(starts)
    while waiting:
        name = waiting.pop()
        known.add(name)
        waiting |= imported(name) - known
    return known


def knows_keys(name: str) -> bool:
    parts = name.split(".")
    return parts[:2] == ["ztb", "venues"] and "paper" not in parts and parts[-1] in SIGNS


def test_the_walk_over_imports_sees_what_a_real_venue_imports() -> None:
    assert {"ztb.venues.zaif.sign", "ztb.venues.nonce"} <= reached({"ztb.venues.zaif.venue"})


def test_nothing_that_knows_keys_is_imported_from_the_paper_folder() -> None:
    paper = {f"ztb.venues.paper.{path.stem}" for path in (ROOT / "ztb/venues/paper").glob("[a-z]*.py")}
    assert len(paper) > 5
    assert [name for name in sorted(reached(paper)) if knows_keys(name)] == []
    assert [name for name in sorted(reached(paper)) if name.startswith("ztb.host.secrets")] == []


@pytest.mark.parametrize("venue", VENUE_NAMES)
def test_nothing_that_knows_keys_is_imported_by_a_public_side(venue: str) -> None:
    names = reached({f"ztb.venues.{venue}.public"})
    assert f"ztb.venues.{venue}.rest" in names
    assert [name for name in sorted(names) if knows_keys(name)] == []


@pytest.mark.parametrize("venue", VENUE_NAMES)
def test_a_process_that_opens_a_paper_venue_loads_nothing_that_knows_keys(venue: str) -> None:
    text = (
        "import sys\n"
        "from decimal import Decimal\n"
        "from ztb.host.clock import HostClock\n"
        "from ztb.venues.registry import addresses_at, open_paper\n"
        f"at = addresses_at({venue!r}, 'http://127.0.0.1:1')\n"
        f"made = open_paper({venue!r}, at, clock=HostClock(), jitter=float, balances={{'jpy': Decimal(1)}})\n"
        "assert made.name == 'paper'\n"
        "print('\\n'.join(sorted(sys.modules)))\n"
    )
    run = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True, cwd=ROOT)
    loaded = run.stdout.split()
    assert f"ztb.venues.{venue}.rest" in loaded
    assert [name for name in loaded if knows_keys(name)] == []
    assert "cryptography" not in loaded


def test_its_constructor_takes_public_things_only() -> None:
    hints = get_type_hints(PaperVenue.__init__)
    assert {name: hint for name, hint in hints.items() if name != "return"} == {
        "public": PublicSide,
        "clock": Clock,
        "balances": Mapping[str, Decimal],
        "latency_s": float,
        "leverage": int,
    }
    members = {name for name in dir(PublicSide) if not name.startswith("_")}
    assert members == {"name", "capabilities", "market", "market_feed", "head_room", "close"}
    assert get_type_hints(inspect.getattr_static(PublicSide, "market").fget)["return"] is Market
    assert get_type_hints(PublicSide.market_feed)["return"] is MarketFeed
    assert not any("key" in name for name in inspect.signature(PaperAccount.__init__).parameters)


def test_real_keys_are_refused(tmp_path: Path) -> None:
    for keys in (ApiKeys("k", ""), ApiKeys("", "s")):
        venue = PaperVenue(Public(), clock=ScriptedClock(), balances={})
        with pytest.raises(InvariantBroken) as caught:
            venue.account(keys, {}, directory=tmp_path, at_wire=None)
        assert "'k'" not in str(caught.value)
    assert (NO_KEYS.key, NO_KEYS.secret) == ("", "")
