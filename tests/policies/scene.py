"""Trades made from a list of prices, and what a policy says to them."""

from __future__ import annotations

from collections.abc import Sequence

from ztb.core.event import Trade
from ztb.core.instrument import BUY
from ztb.core.policy import Decision, Policy

SECOND_NS = 1_000_000_000
START_NS = 1_700_000_000 * SECOND_NS


def trades(prices: Sequence[int], *, step_ns: int = SECOND_NS) -> list[Trade]:
    """One trade for each price, ``step_ns`` apart, the first at a full minute and twenty seconds past it."""
    return [Trade(START_NS + n * step_ns, "btc_jpy", price, 100, BUY) for n, price in enumerate(prices)]


def said(policy: Policy, events: Sequence[Trade], *, held_lots: int = 0) -> list[Decision | None]:
    """Every answer of ``policy``."""
    return [policy.on_trade(event, held_lots) for event in events]


def reasons(policy: Policy, prices: Sequence[int]) -> list[str]:
    """The reasons alone, "" where there was no decision."""
    return [decision.reason if decision is not None else "" for decision in said(policy, trades(prices))]
