"""The table of what silence means, cell by cell."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from ztb.core.instrument import BUY
from ztb.venues.port import OrderStatus
from ztb.venues.verdict import Patience, Verdict, counts, verdict
from ztb.venues.watched import Watched

SECOND = 1_000_000_000
PATIENCE = Patience(gone_s=1.0, absent_s=65.0, absent_looks_min=4)
KNOWN: dict[str, Any] = {"is_known": True, "venue_id": "7"}
DOUBTED: dict[str, Any] = {"doubt_looks_min": 4, "doubt_spread_ns": 65 * SECOND}
CANCELLED: dict[str, Any] = {"ended_as": OrderStatus.CANCELLED}


def found(*, looks: int, over_s: float, has_status: bool = False, **evidence: Any) -> str:  # noqa: ANN401
    entry = replace(Watched("ztb-a", BUY, 10, 100, ""), absent_looks=looks, absent_since_ns=SECOND, **evidence)
    now_ns = SECOND + int(over_s * SECOND)
    return verdict(entry, monotonic_ns=now_ns, patience=PATIENCE, has_status=has_status).value


@pytest.mark.parametrize(
    ("evidence", "looks", "over_s", "expected"),
    [
        # Nobody ended it, as far as we know: a venue may hide it for a minute.
        (KNOWN, 100, 64.9, "open"),
        (KNOWN, 3, 1_000, "open"),
        (KNOWN, 4, 65, "cancelled"),
        # The venue could not find it when it was cancelled.
        (KNOWN | {"is_told_gone": True}, 1, 0, "open"),
        (KNOWN | {"is_told_gone": True}, 2, 0.9, "open"),
        (KNOWN | {"is_told_gone": True}, 2, 1, "cancelled"),
        # The venue confirmed the cancel.
        (KNOWN | {"is_cancel_confirmed": True}, 1, 0, "cancelled"),
        # Its answer was lost.
        (DOUBTED, 100, 64.9, "open"),
        (DOUBTED, 3, 1_000, "open"),
        (DOUBTED, 4, 65, "never_placed"),
        # Its answer was lost, and it has filled since: it was placed.
        (DOUBTED | {"is_known": True, "fills": {"1": 4}}, 4, 65, "cancelled"),
        # The venue says how it ended.
        (KNOWN | CANCELLED, 1, 0, "cancelled"),
        (KNOWN | {"ended_as": OrderStatus.EXPIRED}, 1, 0, "expired"),
        (KNOWN | {"ended_as": OrderStatus.REJECTED}, 1, 0, "rejected"),
        (KNOWN | {"ended_as": OrderStatus.REJECTED, "fills": {"1": 4}, "final_lots": 4}, 1, 0, "cancelled"),
        # It says filled, and the fills are still to come.
        (KNOWN | {"ended_as": OrderStatus.FILLED}, 9, 1_000, "open"),
        # It owes fills: nothing is concluded, whatever else it says (F-13).
        (KNOWN | CANCELLED | {"told_lots": 3}, 9, 1_000, "open"),
        (KNOWN | {"is_cancel_confirmed": True, "told_lots": 3}, 9, 1_000, "open"),
        (DOUBTED | {"told_lots": 1}, 9, 1_000, "open"),
    ],
)
def test_what_is_concluded(evidence: dict[str, Any], looks: int, over_s: float, expected: str) -> None:
    assert found(looks=looks, over_s=over_s, **evidence) == expected


def test_where_the_status_can_be_asked_a_confirmed_cancel_waits_for_it_a_moment() -> None:
    """Accepted is not cancelled there: the order may have filled meanwhile, and the status says so."""
    confirmed = KNOWN | {"is_cancel_confirmed": True}
    assert found(looks=1, over_s=0, has_status=True, **confirmed) == "open"
    assert found(looks=2, over_s=1, has_status=True, **confirmed) == "cancelled"


def test_every_told_end_has_a_verdict() -> None:
    for status in OrderStatus:
        if status is not OrderStatus.WORKING:
            assert found(looks=1, over_s=0, **KNOWN, ended_as=status) in set(Verdict)


@pytest.mark.parametrize(
    ("evidence", "expected"),
    [
        (KNOWN, True), (DOUBTED, True), ({}, False), (KNOWN | {"open_lots": 10}, False),
        (KNOWN | {"noted_look": 5}, False), (KNOWN | {"noted_look": 4}, True),
    ],
)  # fmt: skip
def test_which_orders_a_look_says_anything_about(evidence: dict[str, Any], expected: bool) -> None:
    assert counts(replace(Watched("ztb-a", BUY, 10, 100, ""), **evidence), look=5) is expected
