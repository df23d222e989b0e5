"""Public frames to events: exact amounts, and frames that cannot be."""

from __future__ import annotations

import json
from contextlib import suppress

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.gmo.samples import LEVERAGE, SAMPLES, SPOT, frame
from ztb.core.error import VenueError
from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import BUY, SELL
from ztb.venues.gmo.frames import FrameReader, refusal_of
from ztb.venues.gmo.rows import TradeRow

TS_NS = 1_700_000_000_200_000_000
VENUE_NS = 1_700_000_000_003_000_000


def test_book_frame_is_a_book_and_a_quote() -> None:
    assert FrameReader(LEVERAGE).read(frame("orderbooks"), TS_NS) == [
        Depth(TS_NS, "BTC_JPY", ((13_689_000, 200),), ((13_690_000, 100),), True, VENUE_NS),
        Quote(TS_NS, "BTC_JPY", 13_689_000, 200, 13_690_000, 100, VENUE_NS),
    ]


def test_quote_is_told_only_when_it_changes() -> None:
    reader = FrameReader(LEVERAGE)
    kinds = []
    deeper = [{"price": "13689000", "size": "0.2"}, {"price": "13688000", "size": "5"}]
    for changes in ({}, {}, {"bids": deeper}, {"bids": deeper[1:]}):
        kinds.append([type(one) for one in reader.read(frame("orderbooks", **changes), TS_NS)])
    assert kinds == [[Depth, Quote], [Depth], [Depth], [Depth, Quote]]


def test_empty_side_is_price_zero() -> None:
    _, quote = FrameReader(LEVERAGE).read(frame("orderbooks", bids=[]), TS_NS)
    assert quote == Quote(TS_NS, "BTC_JPY", 0, 0, 13_690_000, 100, VENUE_NS)


def test_trade_frame() -> None:
    assert FrameReader(LEVERAGE).read(frame("trades"), TS_NS) == [
        Trade(TS_NS, "BTC_JPY", 13_690_000, 100, BUY, VENUE_NS)
    ]
    [trade] = FrameReader(SPOT).read(frame("trades", symbol="BTC", side="SELL", size="0.00001"), TS_NS)
    assert isinstance(trade, Trade)
    assert (trade.lots, trade.side) == (1, SELL)


def test_sizes_finer_than_a_lot_are_rounded_down_and_a_trade_to_one_lot_at_least() -> None:
    reader = FrameReader(LEVERAGE)
    asks = [{"price": "13690000", "size": "0.0009"}, {"price": "13690001", "size": "0.0019"}]
    depth = reader.read(frame("orderbooks", asks=asks), TS_NS)[0]
    assert isinstance(depth, Depth)
    assert depth.asks == ((13_690_001, 1),)
    [trade] = reader.read(frame("trades", size="0.0001"), TS_NS)
    assert isinstance(trade, Trade)
    assert trade.lots == 1


def test_ticker_is_a_sign_of_life_without_news() -> None:
    assert FrameReader(LEVERAGE).read(frame("ticker"), TS_NS) == []


@pytest.mark.parametrize("name", ["orderbooks", "ticker", "trades"])
def test_unknown_members_change_nothing(name: str) -> None:
    plain = FrameReader(LEVERAGE).read(frame(name), TS_NS)
    assert FrameReader(LEVERAGE).read(frame(name, newMember={"deep": [1]}), TS_NS) == plain


REQUIRED = {
    "orderbooks": {"channel", "asks", "bids", "symbol", "timestamp"},
    "trades": {"channel", "price", "side", "size", "symbol", "timestamp"},
    "ticker": {"channel", "symbol"},
}


@pytest.mark.parametrize(("name", "member"), [(name, member) for name in REQUIRED for member in SAMPLES["ws"][name]])
def test_member_that_is_needed_is_missed_and_another_is_not(name: str, member: str) -> None:
    body = json.dumps({key: value for key, value in SAMPLES["ws"][name].items() if key != member}).encode()
    if member in REQUIRED[name]:
        with pytest.raises(VenueError) as caught:
            FrameReader(LEVERAGE).read(body, TS_NS)
        assert caught.value.code == "undecodable"
    else:
        FrameReader(LEVERAGE).read(body, TS_NS)


def _level(price: object = "13690000", size: object = "0.1") -> dict[str, object]:
    return {"price": price, "size": size}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("orderbooks", {"symbol": "ETH_JPY"}),
        ("orderbooks", {"timestamp": "yesterday"}),
        ("orderbooks", {"channel": "orderbook"}),
        ("orderbooks", {"asks": [_level("13690000.5")]}),
        ("orderbooks", {"asks": [_level("13690001"), _level("13690000")]}),
        ("orderbooks", {"asks": [_level(), _level()]}),
        ("orderbooks", {"bids": [_level("13688000"), _level("13689000")]}),
        ("orderbooks", {"bids": [_level("13689000"), _level("13689000")]}),
        ("orderbooks", {"bids": [_level("13690000")]}),
        ("orderbooks", {"bids": [_level("0")]}),
        ("orderbooks", {"bids": [_level("-5")]}),
        ("orderbooks", {"bids": [_level("NaN")]}),
        ("orderbooks", {"bids": [_level("1e999999")]}),
        ("orderbooks", {"bids": [_level(13_689_000)]}),
        ("orderbooks", {"bids": [_level("5", "sNaN")]}),
        ("orderbooks", {"bids": [_level("5", "-1")]}),
        ("orderbooks", {"bids": [{"price": "5"}]}),
        ("orderbooks", {"bids": [["5", "1"]]}),
        ("orderbooks", {"bids": None}),
        ("trades", {"side": "BOTH"}),
        ("trades", {"side": "buy"}),
        ("trades", {"price": "0"}),
        ("trades", {"size": "-0.1"}),
        ("trades", {"size": 0.1}),
        ("trades", {"symbol": "BTC"}),
    ],
)
def test_frame_that_cannot_be_is_refused_and_changes_nothing(name: str, changes: dict[str, object]) -> None:
    reader = FrameReader(LEVERAGE)
    reader.read(frame("orderbooks"), TS_NS)
    with pytest.raises(VenueError) as caught:
        reader.read(frame(name, **changes), TS_NS)
    assert caught.value.code == "undecodable"
    assert [type(one) for one in reader.read(frame("orderbooks"), TS_NS)] == [Depth]


@pytest.mark.parametrize("name", ["error_rate", "error_param"])
def test_refusal_of_the_socket_is_recognised(name: str) -> None:
    assert refusal_of(frame(name)) == SAMPLES["ws"][name]["error"]
    with pytest.raises(VenueError):
        FrameReader(LEVERAGE).read(frame(name), TS_NS)


@pytest.mark.parametrize("body", [b"", b"{}", b"[]", b'{"error":5}', b"[" * 100_000, frame("orderbooks")])
def test_other_frames_are_no_refusal(body: bytes) -> None:
    assert refusal_of(body) == ""


def test_refusal_without_a_text_is_one_all_the_same_and_a_long_one_is_cut() -> None:
    assert refusal_of(b'{"error":""}')
    assert len(refusal_of(json.dumps({"error": "x" * 10_000}).encode())) == 200


def _row(price: str, millisecond: int) -> TradeRow:
    return TradeRow(price, "BUY", "0.001", f"2023-11-14T22:13:20.{millisecond:03}Z")


def test_history_comes_newest_first_and_is_told_oldest_first() -> None:
    rows = [_row("5", 9), _row("4", 7), _row("3", 7), _row("2", 1)]
    trades = FrameReader(LEVERAGE).read_trades(rows, TS_NS)
    assert [trade.price for trade in trades] == [2, 3, 4, 5]
    assert [trade.venue_ns % 1_000_000_000 for trade in trades] == [1_000_000, 7_000_000, 7_000_000, 9_000_000]


@given(price=st.integers(1, 10**12), lots=st.integers(1, 10**9))
def test_amounts_come_back_as_they_were_written(price: int, lots: int) -> None:
    body = frame("trades", price=LEVERAGE.prices.text(price), size=LEVERAGE.sizes.text(lots))
    [trade] = FrameReader(LEVERAGE).read(body, TS_NS)
    assert isinstance(trade, Trade)
    assert (trade.price, trade.lots) == (price, lots)


@settings(max_examples=examples(100))
@given(body=st.binary(max_size=300) | st.text(max_size=100).map(lambda text: json.dumps({"channel": text}).encode()))
def test_no_bytes_raise_anything_but_a_venue_error(body: bytes) -> None:
    reader = FrameReader(LEVERAGE)
    with pytest.raises(VenueError):
        reader.read(body, TS_NS)
    refusal_of(body)


@settings(max_examples=examples(100))
@given(cut=st.integers(0, 200), name=st.sampled_from(["orderbooks", "trades", "ticker"]))
def test_cut_frame_is_refused(cut: int, name: str) -> None:
    whole = frame(name)
    with suppress(VenueError):
        FrameReader(LEVERAGE).read(whole[:cut], TS_NS)
        assert cut >= len(whole)
