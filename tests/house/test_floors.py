"""Imports point down only; the checker itself is tried on planted code."""

from __future__ import annotations

import pytest

from tests.house.floors import third_party, unknown_room, upward_imports
from tests.house.source import Module, parse, shipped_modules


@pytest.mark.parametrize("module", shipped_modules(), ids=lambda module: module.place)
def test_imports_point_down(module: Module) -> None:
    assert upward_imports(module) == []


def test_every_room_stands_on_a_floor() -> None:
    assert [reason for module in shipped_modules() if (reason := unknown_room(module))] == []


def test_there_is_something_to_check() -> None:
    rooms = {module.name.split(".")[1] for module in shipped_modules() if module.name.count(".") >= 2}
    assert {"core", "policies", "venues", "simulator", "store", "host", "cli"} <= rooms


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ztb.core.order", "import ztb.policies.registry"),
        ("ztb.core.order", "from ztb.store import journal"),
        ("ztb.core.order", "from ..store.journal import Journal"),
        ("ztb.core.order", "from .. import store"),
        ("ztb.core.order", "def late() -> None:\n    from ztb.host.clock import HostClock"),
        ("ztb.core.order", "if TYPE_CHECKING:\n    from ztb.venues.port import Account"),
        ("ztb.policies.mine", "from ztb.venues.port import Account"),
        ("ztb.venues.zaif.rest", "from ztb.simulator.http import Server"),
        ("ztb.simulator.server", "import ztb.store.tape as tape"),
        ("ztb.store.journal", "from ztb.service.loop import run"),
        ("ztb.service.loop", "from ztb.cli.main import main"),
        ("ztb.ladder.judge", "from ztb.reports.chart import svg"),
        ("ztb.reports.chart", "from ztb import service"),
        ("ztb.store.faulty", "from ztb.faults.disk import Full"),
        ("ztb.core.order", "import pydantic"),
        ("ztb.store.codec", "from pydantic import BaseModel"),
        ("ztb.cli.main", "import tui.app"),
        ("ztb.cli.main", "from tests.house import source"),
        ("tui.app", "from ztb.service.loop import run"),
        ("tui.app", "import ztb"),
    ],
)
def test_an_import_against_the_rule_is_found(name: str, code: str) -> None:
    found = upward_imports(parse(code, name=name))
    assert len(found) == 1
    assert found[0].startswith(f"{name.replace('.', '/')}.py:{len(code.splitlines())}: ")


@pytest.mark.parametrize(
    ("name", "code"),
    [
        ("ztb.core.order", "from ztb.core.event import Trade"),
        ("ztb.core.order", "from .event import Trade"),
        ("ztb.policies.mine", "from ztb.core.policy import Policy"),
        ("ztb.venues.zaif.rest", "from ..transport import Transport\nimport httpx"),
        ("ztb.faults.disk", "from ztb.store.journal import Journal"),
        ("ztb.service.loop", "import ztb.store.journal\nfrom ztb import venues"),
        ("ztb.host.config", "from pydantic import BaseModel"),
        ("ztb.cli.main", "from ztb import __version__\nfrom ztb.service.loop import run"),
        ("ztb.__main__", "from ztb.cli.main import main"),
        ("tui.app", "from ztb.control.client import Client\nfrom ztb import control"),
    ],
)
def test_an_import_within_the_rule_is_left_alone(name: str, code: str) -> None:
    assert upward_imports(parse(code, name=name)) == []


def test_a_room_without_a_floor_is_found() -> None:
    assert unknown_room(parse("", name="ztb.attic.box")) is not None
    assert unknown_room(parse("", name="ztb.core.box")) is None


def test_third_party_names_are_told_from_others() -> None:
    code = "import json\nimport httpx\nfrom websockets.client import connect\nfrom ztb.core import event\n"
    assert third_party(parse(code, name="ztb.venues.box")) == {"httpx", "websockets"}
