"""The policies on the market data that ztb ships, against the whole series computed at once."""

from __future__ import annotations

from fractions import Fraction
from itertools import groupby, pairwise
from pathlib import Path

import pytest

from tests.policies.scene import said
from tests.policies.test_indicators import exact_rsi
from tests.policies.test_sma_fast_slow import expected_reasons
from ztb.core.event import Trade
from ztb.core.instrument import BUY, SELL
from ztb.core.policy import HOLD
from ztb.policies.registry import load_policy
from ztb.store.tape import TapeReader

DEMO = Path(__file__).parents[2] / "ztb" / "data" / "demo-btc_jpy.tape"


@pytest.fixture(name="market", scope="module")
def shipped_trades() -> list[Trade]:
    """Every trade of the demo tape, in its order."""
    return [event for event in TapeReader(DEMO).events() if type(event) is Trade]


def closes(market: list[Trade], bar_seconds: int) -> list[int]:
    """The last price of each bar but the open one, by grouping."""
    bars = groupby(market, key=lambda trade: trade.ts_ns // (bar_seconds * 1_000_000_000))
    return [list(bar)[-1].price for _, bar in bars][:-1]


def test_the_tape_is_what_the_tests_need(market: list[Trade]) -> None:
    assert len(market) > 1_000
    assert [trade.ts_ns for trade in market] == sorted(trade.ts_ns for trade in market)


@pytest.mark.parametrize(("fast", "slow", "bar_seconds"), [(10, 20, 1), (3, 7, 5)])
def test_crossings_of_the_exact_averages(market: list[Trade], fast: int, slow: int, bar_seconds: int) -> None:
    policy = load_policy("sma_fast_slow", {"fast": fast, "slow": slow, "bar_seconds": bar_seconds})
    decisions = [decision for decision in said(policy, market) if decision is not None]
    series = closes(market, bar_seconds)
    assert [decision.inputs[0] for decision in decisions] == series
    assert [decision.reason for decision in decisions] == expected_reasons(series, fast, slow)
    actions = [decision.action for decision in decisions if decision.action != HOLD]
    assert len(actions) >= 6
    assert all(action != after for action, after in pairwise(actions)), "crossings alternate"


def test_zones_of_the_exact_index(market: list[Trade]) -> None:
    series = closes(market, 2)
    policy = load_policy("rsi_reversion", {"length": 7, "bar_seconds": 2})
    decisions = [decision for decision in said(policy, market) if decision is not None]
    expected: list[int] = []
    before = ""
    for end in range(1, len(series) + 1):
        exact = exact_rsi(series[:end], 7)
        if exact is None:
            expected.append(HOLD)
            continue
        zone = "low" if exact < Fraction(3, 10) else "high" if exact > Fraction(7, 10) else "band"
        entered = before not in ("", zone)
        expected.append({"low": BUY, "high": SELL, "band": HOLD}[zone] if entered else HOLD)
        before = zone
    assert [decision.action for decision in decisions] == expected
    assert {BUY, SELL} <= set(expected)


def test_buy_hold_buys_the_first_trade_only(market: list[Trade]) -> None:
    decisions = said(load_policy("buy_hold"), market)
    assert [n for n, decision in enumerate(decisions) if decision is None or decision.action] == [0]
