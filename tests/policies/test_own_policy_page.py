"""The page that tells users how to write a policy: its own code is what runs here."""

from __future__ import annotations

import re
import sys
import tomllib
from pathlib import Path

import pytest

from tests.policies.distribution import install
from tests.policies.scene import said, trades
from ztb.core.instrument import BUY, SELL
from ztb.policies.registry import available, load_policy

PAGE = Path(__file__).parents[2] / "docs" / "own-policy.md"


def blocks(language: str) -> list[str]:
    """The page's code of one language, in order."""
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(), flags=re.DOTALL)


@pytest.fixture(name="parameters")
def installed_from_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """The page's package, installed; the parameters of its profile."""
    (code,) = blocks("python")
    package, profile = (tomllib.loads(block) for block in blocks("toml"))
    (module,) = package["tool"]["setuptools"]["py-modules"]
    monkeypatch.delitem(sys.modules, module, raising=False)
    install(
        tmp_path,
        monkeypatch,
        entries=package["project"]["entry-points"]["ztb.policies"],
        modules={module: code},
        distribution=package["project"]["name"],
    )
    assert profile["policy"]["name"] == "three_in_a_row"
    parameters: dict[str, int] = profile["policy"]["parameters"]
    return parameters


def test_the_policy_of_the_page_is_listed_and_trades(parameters: dict[str, int]) -> None:
    assert available()["three_in_a_row"] == "Buys after three rises in a row, sells after three falls."
    decisions = said(load_policy("three_in_a_row"), trades([5, 6, 7, 8, 9, 8, 7, 7, 6, 9]))
    actions = {n: decision.action for n, decision in enumerate(decisions) if decision and decision.action}
    assert actions == {3: BUY, 8: SELL}


def test_the_profile_of_the_page_is_accepted(parameters: dict[str, int]) -> None:
    decisions = said(load_policy("three_in_a_row", parameters), trades([5, 6, 7, 8, 9]))
    assert [d.inputs for d in decisions if d and d.action] == [(9, 4)]


def test_the_class_of_the_page_takes_about_ten_lines() -> None:
    (code,) = blocks("python")
    inside = code.split("class ThreeInARow(Policy):\n")[1].splitlines()
    assert 8 <= len(inside) <= 12
