"""Which order gets the other half of a trade of the account with itself, by hand-made evidence."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Any

import pytest

from ztb.core.instrument import BUY, SELL
from ztb.venues.port import OrderStatus, VenueFill
from ztb.venues.self_trade import OTHER_ORDER_LOOKS_MAX, other_order, other_orders
from ztb.venues.watched import Watched

FILL = VenueFill("1", "ztb-t", "", "btc_jpy", 0, 100, 4, Decimal(0), False, 0)
TAGGED = Watched("ztb-t", BUY, 4, 105, "")


def order(client_id: str = "ztb-m", **changes: Any) -> Watched:  # noqa: ANN401
    """A known sell of 10 lots at the trade's price that stood whole in the open orders."""
    plain = Watched(client_id, SELL, 10, 100, "", is_known=True, open_lots=10)
    return replace(plain, **changes)


def chosen(live: list[Watched], *, ended: list[Watched] | None = None, looks: int = 1) -> str:
    entry = other_order(FILL, TAGGED, live, ended or [], looks=looks)
    return entry.client_id if entry is not None else ""


@pytest.mark.parametrize("looks", [0, 1])
def test_order_that_shrank_by_as_much_is_the_one(looks: int) -> None:
    assert chosen([order("whole"), order("shrunk", open_lots=6, told_lots=4)], looks=looks) == "shrunk"


def test_order_that_shrank_goes_before_one_that_vanished() -> None:
    assert chosen([order("gone", open_lots=0), order("shrunk", open_lots=6, told_lots=4)]) == "shrunk"


def test_order_that_vanished_unasked_goes_before_one_that_was_cancelled() -> None:
    cancelled = order("cancelled", open_lots=0, is_cancel_confirmed=True)
    assert chosen([cancelled, order("gone", open_lots=0)]) == "gone"


def test_cancelled_order_is_taken_only_after_another_look() -> None:
    cancelled = order("cancelled", open_lots=0, is_cancel_confirmed=True)
    assert chosen([cancelled], looks=0) == ""
    assert chosen([cancelled], looks=1) == "cancelled"
    assert chosen([], ended=[cancelled], looks=1) == "cancelled"


@pytest.mark.parametrize(
    "changes",
    [
        {"side": BUY},
        {"price": 101},
        {"lots": 3},
        {"fills": {"0": 7}},
        {"fills": {"1": 4}},
        {"is_known": False},
        {"open_lots": 10},
    ],
    ids=str,
)
def test_order_that_cannot_have_been_there_is_never_taken(changes: dict[str, Any]) -> None:
    gone: dict[str, Any] = {"open_lots": 0}
    assert chosen([order(**gone)]) == "ztb-m"
    assert chosen([order(**(gone | changes))]) == ""


def test_order_whose_answer_was_lost_is_taken_when_nothing_else_can_be_meant() -> None:
    lost = order("lost", open_lots=0, is_known=False, doubt_looks_min=4)
    assert lost.is_lost
    assert chosen([lost], looks=0) == "", "first another look"
    assert chosen([lost]) == "lost", "its price is the trade's: had it never been placed, nothing of ours stood there"
    assert chosen([lost, order("gone", open_lots=0)]) == "gone"
    assert chosen([order("under way", open_lots=0, is_known=False)]) == "", "not before its answer was lost"


def parts(*live: Watched, ended: list[Watched] | None = None, looks: int = OTHER_ORDER_LOOKS_MAX) -> dict[str, int]:
    return {entry.client_id: lots for entry, lots in other_orders(FILL, TAGGED, live, ended or [], looks=looks)}


def short(client_id: str, lots: int, **changes: Any) -> Watched:  # noqa: ANN401
    """Gone, known, never cancelled, and so many lots short of its size."""
    return order(client_id, **({"open_lots": 0, "fills": {"0": 10 - lots}} | changes))


def test_two_orders_that_each_lack_too_little_share_the_fill() -> None:
    # Ten lots each, sold to ourselves as 7, 9 and 4: the 7 went to the one that had sold the 4 and a stranger's 3.
    assert parts(short("a", 3), short("b", 1)) == {"a": 3, "b": 1}
    assert parts(short("a", 3), ended=[short("b", 2)]) == {"a": 3, "b": 1}
    assert parts(short("a", 3), short("b", 4)) == {"b": 4}, "one that can have had it whole goes first"


def test_a_fill_is_shared_only_when_nothing_else_came_up() -> None:
    for looks in range(OTHER_ORDER_LOOKS_MAX):
        assert parts(short("a", 3), short("b", 1), looks=looks) == {}


@pytest.mark.parametrize(
    "changes",
    [
        {"side": BUY},
        {"price": 101},
        {"is_known": False},
        {"open_lots": 1},
        {"is_cancel_confirmed": True},
        {"ended_as": OrderStatus.CANCELLED},
        {"fills": {"1": 9}},
        {"fills": {"0": 10}},
    ],
    ids=str,
)
def test_a_fill_is_shared_only_by_orders_whose_lack_nothing_else_explains(changes: dict[str, Any]) -> None:
    assert parts(short("a", 3), short("b", 1, **changes)) == {}
