"""Buy once, whatever becomes of the order."""

from __future__ import annotations

from tests.policies.scene import said, trades
from ztb.core.instrument import BUY
from ztb.core.policy import HOLD, Decision
from ztb.policies.buy_hold import BuyHold


def test_buys_at_the_first_trade_and_holds() -> None:
    policy = BuyHold()
    (first,) = said(policy, trades([10]))
    later = said(policy, trades([11, 12]), held_lots=100)
    assert first == Decision(BUY, "buy_once", (10, 0))
    assert later == [Decision(HOLD, "holding", (11, 100)), Decision(HOLD, "holding", (12, 100))]


def test_does_not_ask_again_when_the_order_came_to_nothing() -> None:
    reasons = [d.reason for d in said(BuyHold(), trades([10, 11, 12])) if d is not None]
    assert reasons == ["buy_once", "asked_already", "asked_already"]


def test_does_not_buy_when_something_is_held_and_not_after_it_was_sold() -> None:
    policy = BuyHold()
    assert [d.reason for d in said(policy, trades([10]), held_lots=1) if d is not None] == ["holding"]
    assert [d.reason for d in said(policy, trades([10])) if d is not None] == ["asked_already"]


def test_a_restored_one_does_not_buy_again() -> None:
    first, second = BuyHold(), BuyHold()
    said(first, trades([10]))
    second.restore(first.snapshot())
    assert [d.reason for d in said(second, trades([11])) if d is not None] == ["asked_already"]
