"""Leverage by hand: positions, what they bind, and orders that may only reduce."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import pytest

from tests.venues.paper.desk import MARGIN, Desk
from ztb.core.error import ConfigError, Rejected
from ztb.core.instrument import BUY, SELL
from ztb.venues.paper.wallet import Wallet
from ztb.venues.port import OrderStatus, VenuePosition

# A position of 10,000 lots (1 BTC) at 1,000 ticks is worth 5,000 yen; the fee of a taker on it is 5 yen.
FREE = replace(MARGIN, maker_fee_ppm=0, taker_fee_ppm=0)
JPY = {"jpy": Decimal(10_000)}


def test_a_position_opens_binds_its_value_and_closes_with_profit(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FREE, balances=JPY)
    desk.show(((999, 50_000),), ((1_000, 10_000),))
    desk.place(BUY, 10_000, 1_000)
    assert desk.exchange.wallet.positions("BTC_JPY") == [VenuePosition("BTC_JPY", BUY, 10_000, Decimal(5_000))]
    assert (desk.total("jpy"), desk.available("jpy")) == (Decimal(10_000), Decimal(5_000))
    desk.show(((1_100, 50_000),), ((1_101, 10_000),))
    desk.place(SELL, 4_000, 1_100, reduce_only=True)
    # 4,000 lots gained 100 ticks of 5 yen: 0.4 x 500.
    assert (desk.total("jpy"), desk.available("jpy")) == (Decimal(10_200), Decimal(7_200))
    assert desk.exchange.wallet.positions("BTC_JPY") == [VenuePosition("BTC_JPY", BUY, 6_000, Decimal(5_000))]


def test_losses_that_are_not_realised_bind_money_and_gains_free_none(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FREE, balances=JPY, leverage=2)
    desk.show(((1_000, 10_000),), ((1_001, 1),))
    desk.place(SELL, 10_000, 1_000)
    assert desk.available("jpy") == 7_500
    desk.print(1_200, 1)
    # The short position has lost 200 ticks: 1,000 yen.
    assert desk.available("jpy") == 6_500
    desk.print(800, 1)
    assert desk.available("jpy") == 7_500


def test_a_netting_instrument_flips_and_another_one_holds_both_sides(tmp_path: Path) -> None:
    for name, nets, expected in (
        ("nets", True, [(SELL, 5_000)]),
        ("holds", False, [(BUY, 10_000), (SELL, 15_000)]),
    ):
        folder = tmp_path / name
        folder.mkdir()
        desk = Desk(folder, replace(FREE, nets=nets), balances={"jpy": Decimal(1_000_000)})
        desk.show(((1_000, 50_000),), ((1_000, 50_000),))
        desk.place(BUY, 10_000, 1_000)
        desk.place(SELL, 15_000, 1_000)
        assert [(one.side, one.lots) for one in desk.exchange.wallet.positions("BTC_JPY")] == expected


def test_an_order_that_only_reduces_needs_a_position_of_its_size(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FREE, balances=JPY)
    desk.show(((1_000, 50_000),), ((1_000, 10_000),))
    desk.place(BUY, 10_000, 1_000)
    for side, lots in ((SELL, 10_001), (BUY, 1)):
        with pytest.raises(Rejected) as caught:
            desk.place(side, lots, 1_000, reduce_only=True)
        assert caught.value.code == "reduce_only"
    desk.place(SELL, 6_000, 1_050, reduce_only=True)
    with pytest.raises(Rejected):
        desk.place(SELL, 4_001, 1_050, reduce_only=True)
    desk.place(SELL, 4_000, 1_050, reduce_only=True)
    desk.print(1_060, 10_000)
    assert desk.exchange.wallet.positions("BTC_JPY") == []
    # 10,000 lots gained 50 ticks of 5 yen.
    assert desk.total("jpy") == 10_250


def test_an_order_that_only_reduces_ends_with_the_position(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FREE, balances=JPY)
    desk.show(((1_000, 50_000),), ((1_000, 10_000),))
    desk.place(BUY, 10_000, 1_000)
    waiting = desk.place(SELL, 10_000, 1_050, reduce_only=True)
    desk.place(SELL, 7_000, 1_000)
    desk.print(1_060, 50_000)
    [report] = desk.exchange.reports("BTC_JPY", frozenset({waiting.venue_id}))
    assert (report.status, report.reason, report.filled_lots) == (OrderStatus.CANCELLED, "reduce_only", 3_000)
    assert desk.exchange.wallet.positions("BTC_JPY") == []
    assert desk.working() == []


def test_margin_that_is_not_there_is_refused(tmp_path: Path) -> None:
    desk = Desk(tmp_path, MARGIN, balances=JPY)
    desk.show(((1_000, 50_000),), ((1_000, 50_000),))
    with pytest.raises(Rejected) as caught:
        desk.place(BUY, 20_000, 1_000)
    assert caught.value.code == "insufficient_funds"
    desk.place(BUY, 10_000, 1_000)
    desk.place(BUY, 9_900, 900)
    with pytest.raises(Rejected):
        desk.place(BUY, 1_200, 900)


def test_a_loss_beyond_the_balance_leaves_nothing_and_says_how_much(tmp_path: Path) -> None:
    desk = Desk(tmp_path, FREE, balances={"jpy": Decimal(5_000)})
    desk.show(((1_000, 10_000),), ((1_001, 1),))
    desk.place(SELL, 10_000, 1_000)
    desk.show(((2_400, 1),), ((2_500, 10_000),))
    desk.place(BUY, 10_000, 2_500, reduce_only=True)
    assert desk.total("jpy") == 0
    # It lost 1,500 ticks of 5 yen: 7,500 yen, of which 5,000 were there.
    assert desk.exchange.wallet.shortfall["jpy"] == 2_500 * 10**18


def test_a_wallet_that_makes_no_sense_is_refused() -> None:
    for balances, leverage in (
        ({"jpy": Decimal(-1)}, 1),
        ({"jpy": Decimal("1e-19")}, 1),
        ({"jpy": Decimal("NaN")}, 1),
        ({"jpy": Decimal(1)}, 0),
    ):
        with pytest.raises(ConfigError):
            Wallet(balances, leverage=leverage)
