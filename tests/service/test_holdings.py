"""Our books against the account's holdings: the owner may hold more, never less than we alone do."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.core.scene import SPOT
from tests.service.scene import PlayedAccount
from ztb.core.instrument import BUY, SELL
from ztb.core.position import Position
from ztb.service.holdings import Shortfall, shortfall
from ztb.venues.port import Balance, VenuePosition

LEVERAGE = replace(SPOT, leveraged=True, nets=False)


def said(found: Shortfall) -> str:
    """In words; there are some exactly when something is missing."""
    assert (found.lots > 0) is bool(found.text)
    return found.text


def position(lots: int, *, fees: int = 0, price: int = 1_000) -> Position:
    per = SPOT.money_per_tick_lot
    return Position(per, lots, lots * price * per, 0, fees)


def spot(held: str | None, lots: int, *, fees: int = 0, fee_in_base: bool = False) -> str:
    account = PlayedAccount()
    account.held = {} if held is None else {SPOT.base.lower(): Balance("btc", Decimal(0), Decimal(held))}
    return said(asyncio.run(shortfall(account, SPOT, position(lots, fees=fees), fee_in_base=fee_in_base)))


def leveraged(held: list[tuple[int, int]], lots: int) -> str:
    account = PlayedAccount()
    account.positions_held = [VenuePosition(SPOT.symbol, side, size, Decimal(1)) for side, size in held]
    return said(asyncio.run(shortfall(account, LEVERAGE, position(lots), fee_in_base=False)))


@pytest.mark.parametrize(
    ("held", "lots", "is_covered"),
    [
        ("30", 30, True), ("5000", 30, True), ("29", 30, False), ("0", 30, False), (None, 30, False), (None, 0, True),
        ("29.99999999", 30, False),
    ],
)  # fmt: skip
def test_spot(held: str | None, lots: int, is_covered: bool) -> None:
    assert (spot(held, lots) == "") is is_covered


def test_spot_cannot_be_short() -> None:
    assert "short" in spot("100", -1)


def test_fees_that_were_taken_in_the_base_currency_are_not_missed() -> None:
    # 1 % of 100 lots at the price of 1,000 ticks is one lot.
    one_lot = 1_000 * SPOT.money_per_tick_lot
    assert spot("99", 100, fees=one_lot, fee_in_base=True) == ""
    assert spot("98", 100, fees=one_lot, fee_in_base=True) != ""
    assert spot("99", 100, fees=one_lot) != ""


@pytest.mark.parametrize(
    ("held", "lots", "is_covered"),
    [
        ([(BUY, 30)], 30, True), ([(BUY, 31)], 30, True), ([(BUY, 29)], 30, False), ([], 30, False),
        ([(SELL, 30)], -30, True), ([(BUY, 30)], -30, False), ([(BUY, 30), (SELL, 50)], 30, True), ([], 0, True),
    ],
)  # fmt: skip
def test_leverage_by_sides(held: list[tuple[int, int]], lots: int, is_covered: bool) -> None:
    assert (leveraged(held, lots) == "") is is_covered


@given(lots=st.integers(1, 10_000), more=st.integers(0, 10_000))
def test_what_the_owner_holds_beside_it_makes_no_difference(lots: int, more: int) -> None:
    assert spot(str(SPOT.lot_size * (lots + more)), lots) == ""
    assert spot(str(SPOT.lot_size * (lots - 1)), lots) != ""
