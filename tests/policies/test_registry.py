"""Policies are found by entry point, ours and anybody's; what is wrong is named together with what is right."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.policies.distribution import install
from tests.policies.scene import said, trades
from ztb.core.error import ConfigError
from ztb.core.instrument import BUY
from ztb.core.policy import Decision
from ztb.policies.buy_hold import BuyHold
from ztb.policies.registry import available, load_policy
from ztb.policies.sma_fast_slow import SmaFastSlow

THEIRS = '''
from ztb.core.policy import HOLD, Decision, Policy

class Threshold(Policy):
    """Buys at or above a price.

    More text that no list shows.
    """

    name = "threshold"
    input_names = ("price",)

    def __init__(self, *, price: int, label: str = "x", eager: bool = False, options: object = None) -> None:
        if price == 13:
            raise ValueError("13 brings\\nbad luck")
        self.price = price
        self.label = label

    def on_trade(self, trade, held_lots):
        return Decision(1 if trade.price >= self.price else HOLD, self.label, (trade.price,))

class Silent(Policy):
    pass

class Alien:
    pass
'''


@pytest.fixture(name="theirs")
def theirs_installed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {
        "threshold": "their_rules:Threshold",
        "silent": "their_rules:Silent",
        "alien": "their_rules:Alien",
        "absent": "their_rules:Absent",
        "gone": "their_lost_module:Policy",
        "broken": "their_broken:Policy",
        "leaver": "their_leaver:Policy",
    }
    modules = {
        "their_rules": THEIRS,
        "their_broken": "def policy(:\n",
        "their_leaver": "import sys\nsys.exit('bye')\n",
    }
    for module in modules:
        monkeypatch.delitem(sys.modules, module, raising=False)
    install(tmp_path, monkeypatch, entries=entries, modules=modules)


def test_ours_are_found_by_name() -> None:
    assert {"sma_fast_slow", "rsi_reversion", "buy_hold"} <= set(available())
    assert isinstance(load_policy("buy_hold"), BuyHold)
    policy = load_policy("sma_fast_slow", {"fast": 3, "slow": 7})
    assert isinstance(policy, SmaFastSlow)
    assert policy.snapshot()["parameters"] == {"fast": 3, "slow": 7, "bar_seconds": 0}


def test_a_policy_of_another_package_is_loaded_and_decides(theirs: None) -> None:
    policy = load_policy("threshold", {"price": 11, "label": "high"})
    assert said(policy, trades([10, 11])) == [Decision(0, "high", (10,)), Decision(BUY, "high", (11,))]


def test_the_list_has_first_lines_and_says_what_is_unusable(theirs: None) -> None:
    listed = available()
    assert listed["threshold"] == "Buys at or above a price."
    assert listed["silent"] == "(no description)"
    assert listed["buy_hold"] == (BuyHold.__doc__ or "")
    assert listed["broken"].startswith("unusable: policy broken of their-policies 2.5 (their_broken:Policy)")
    assert list(listed) == sorted(listed)


def test_an_unknown_name_lists_the_policies_that_exist() -> None:
    with pytest.raises(ConfigError, match=r"no policy 'sma_slow_fast'.*buy_hold, rsi_reversion, sma_fast_slow") as told:
        load_policy("sma_slow_fast")
    assert told.value.exit_code == 78


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("sma_fast_slow", {"fats": 10}, r"no parameter 'fats'.*fast = 10, slow = 20, bar_seconds = 0"),
        ("buy_hold", {"fast": 10}, r"no parameter 'fast'.*it takes none"),
        ("sma_fast_slow", {"fast": "ten"}, r"fast = 'ten' is not of the right kind.*fast = 10"),
        ("sma_fast_slow", {"fast": "1_0"}, r"fast = '1_0' is not of the right kind"),
        ("sma_fast_slow", {"fast": "\u0663"}, r"is not of the right kind"),
        ("sma_fast_slow", {"fast": ""}, r"is not of the right kind"),
        ("sma_fast_slow", {"fast": True}, r"fast = True is not of the right kind"),
        ("sma_fast_slow", {"fast": 3.0}, r"fast = 3.0 is not of the right kind"),
        ("sma_fast_slow", {"fast": "-3"}, r"fast = -3 is out of range.*1 to 19"),
        ("threshold", {}, r"needs the parameter 'price'.*price \(required\), label = 'x'"),
        ("threshold", {"price": 1, "label": 5}, r"label = 5 is not of the right kind.*label = 'x'"),
        ("threshold", {"price": 1, "eager": 1}, r"eager = 1 is not of the right kind.*eager = False"),
        ("threshold", {"price": 13}, r"their-policies 2.5.*'price': 13.*ValueError: 13 brings bad luck"),
    ],
)
def test_a_wrong_parameter_is_named_with_the_right_ones(
    theirs: None, name: str, parameters: dict[str, int | str | bool], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        load_policy(name, parameters)


def test_a_number_may_come_as_text() -> None:
    policy = load_policy("sma_fast_slow", {"fast": "3", "slow": "+12"})
    assert policy.snapshot()["parameters"] == {"fast": 3, "slow": 12, "bar_seconds": 0}


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("gone", "ModuleNotFoundError: No module named 'their_lost_module'"),
        ("absent", "AttributeError: .*'Absent'"),
        ("broken", "SyntaxError: "),
        ("leaver", "SystemExit: bye"),
        ("alien", "no subclass of ztb.core.policy.Policy"),
    ],
)
def test_a_package_that_does_not_load_is_named(theirs: None, name: str, reason: str) -> None:
    with pytest.raises(ConfigError, match=rf"{name} of their-policies 2.5 .*{reason}"):
        load_policy(name)


def test_one_name_from_two_packages_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entries = {"buy_hold": "their_other:Policy"}
    install(tmp_path, monkeypatch, entries=entries, modules={"their_other": ""}, distribution="other-policies")
    with pytest.raises(ConfigError, match=r"more than once \(other-policies 2.5: their_other:Policy, ztb "):
        load_policy("buy_hold")
