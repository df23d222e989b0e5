"""No case is missing at any venue, no topic among the cases, and the manual says the same."""

from __future__ import annotations

import re

import pytest

from tests.venues.contract import test_contract as suite
from tests.venues.contract.case import CASES
from tests.venues.contract.kits import KITS
from tests.venues.contract.table import MODULES, PAGE, outcomes, page
from ztb.venues.registry import VENUE_NAMES

TOPICS = {
    "accept": "C01",
    "reject": "C02",
    "partial fill": "C03",
    "fill before acknowledgement": "C06",
    "cancel races fill": "C07",
    "cancel of a finished order": "C08",
    "order is too new": "C09",
    "post-only that would take": "C10",
    "insufficient funds": "C15",
    "below minimum": "C16",
    "off-tick": "C17",
    "off-step": "C18",
    "self-trade": "C19",
    "empty lists": "C21",
    "balances after fills": "C22",
    "dust": "C23",
    "paging of fills": "C24",
    "reduce-only close": "C25",
    "cancel_all touches only ours": "C27",
    "look_up": "C30",
    "rights": "C31",
    "unknown fate: 502": "C40",
    "unknown fate: hang": "C41",
    "unknown fate: reset": "C42",
    "maintenance": "C47",
    "clock skew": "C48",
    "key without permission": "C49",
    "duplicate events": "C61",
    "reordered events": "C62",
    "expired token": "C66",
}
"""What a venue is promised to be tested for, and where."""


def test_every_topic_has_its_case() -> None:
    assert set(TOPICS.values()) <= set(CASES)
    assert len(set(TOPICS.values())) == len(TOPICS)


def test_every_venue_that_can_be_chosen_is_on_the_bench_alone_and_under_paper() -> None:
    assert {kit.venue for kit in KITS.values() if not kit.is_paper} == set(VENUE_NAMES)
    assert {kit.venue for kit in KITS.values() if kit.is_paper} == set(VENUE_NAMES)
    assert {kit.is_leveraged for kit in KITS.values() if kit.venue == "gmo"} == {True, False}


def test_every_case_runs_at_every_venue() -> None:
    marks = {mark.args[0]: set(mark.args[1]) for mark in suite.test_contract.pytestmark}  # type: ignore[attr-defined]
    assert marks == {"number": set(CASES), "kit": set(KITS)}
    for case in CASES.values():
        assert sorted(kit for kits in outcomes(case).values() for kit in kits) == sorted(KITS)


def test_every_outcome_that_is_named_is_somebodys() -> None:
    for case in CASES.values():
        named = {name for names in case.outcomes for name in names.split(", ")}
        assert named <= {*KITS, "papers", "*"}, case.number
        assert set(outcomes(case)) == set(case.outcomes.values()), case.number


@pytest.mark.parametrize("module", MODULES)
def test_numbers_stand_in_their_order(module: object) -> None:
    text = (getattr(module, "__doc__", "") or "").split(":")[0]
    assert (found := re.fullmatch(r"(C\d\d)–(C\d\d)", text)) is not None
    own = [number for number, case in CASES.items() if case.run.__module__ == getattr(module, "__name__", "")]
    assert own == sorted(own)
    assert (own[0], own[-1]) == found.groups()


def test_the_manual_says_what_the_suite_asserts() -> None:
    assert PAGE.read_text(encoding="utf-8") == page(), "run: python -m tests.venues.contract.table"
