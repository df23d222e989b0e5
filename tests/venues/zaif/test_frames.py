"""Stream frames to events: what is new, exact amounts, and frames that cannot be."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.zaif.samples import BTC_JPY, frame
from ztb.core.error import VenueError
from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import BUY, SELL
from ztb.venues.decoding import decoded
from ztb.venues.zaif import codec
from ztb.venues.zaif.frames import FrameReader

TS_NS = 1_700_000_011_200_000_000
VENUE_NS = 1_700_000_011_123_456_000


def _trade(tid: int, *, price: float = 13690000.0, amount: float = 0.002, side: str = "ask") -> dict[str, Any]:
    return {"trade_type": side, "price": price, "tid": tid, "amount": amount, "date": 1700000010}


def test_first_frame_is_a_book_and_a_quote_but_no_news_of_the_past() -> None:
    reader = FrameReader(BTC_JPY)
    read = reader.read(frame(), TS_NS)
    assert read.trades == []
    assert not read.missed
    assert read.depth == Depth(
        TS_NS,
        "btc_jpy",
        ((2_737_999, 3000), (2_737_800, 10_000)),
        ((2_738_000, 5000), (2_738_001, 123)),
        True,
        VENUE_NS,
    )
    assert read.quote == Quote(TS_NS, "btc_jpy", 2_737_999, 3000, 2_738_000, 5000, VENUE_NS)
    assert reader.last_tid == 250_000_002


def test_later_frame_tells_new_trades_oldest_first_and_only_once() -> None:
    reader = FrameReader(BTC_JPY)
    reader.read(frame(), TS_NS)
    news = frame(trades=[_trade(250_000_004, side="bid", amount=0.0101), _trade(250_000_003), _trade(250_000_002)])
    read = reader.read(news, TS_NS + 1)
    venue_ns = 1_700_000_010_000_000_000
    assert read.trades == [
        Trade(TS_NS + 1, "btc_jpy", 2_738_000, 20, SELL, venue_ns, "250000003"),
        Trade(TS_NS + 1, "btc_jpy", 2_738_000, 101, BUY, venue_ns, "250000004"),
    ]
    assert not read.missed
    assert read.quote is None
    assert reader.read(news, TS_NS + 2).trades == []


def test_frame_without_overlap_says_that_trades_were_missed() -> None:
    reader = FrameReader(BTC_JPY)
    reader.read(frame(), TS_NS)
    read = reader.read(frame(trades=[_trade(250_000_009), _trade(250_000_008)]), TS_NS)
    assert [trade.trade_id for trade in read.trades] == ["250000008", "250000009"]
    assert read.missed
    assert read.last_tid_before == 250_000_002


def test_market_that_begins_without_trades() -> None:
    reader = FrameReader(BTC_JPY)
    assert reader.read(frame(trades=[]), TS_NS).trades == []
    assert [trade.trade_id for trade in reader.read(frame(trades=[_trade(7)]), TS_NS).trades] == ["7"]


def test_quote_is_told_only_when_it_changes() -> None:
    reader = FrameReader(BTC_JPY)
    assert reader.read(frame(), TS_NS).quote is not None
    assert reader.read(frame(), TS_NS).quote is None
    deeper = frame(bids=[[13689995.0, 0.3], [13688000.0, 1.0]])
    assert reader.read(deeper, TS_NS).quote is None
    assert reader.read(frame(bids=[[13689995.0, 0.2]]), TS_NS).quote is not None


def test_empty_side_is_price_zero() -> None:
    read = FrameReader(BTC_JPY).read(frame(bids=[]), TS_NS)
    assert read.quote == Quote(TS_NS, "btc_jpy", 0, 0, 2_738_000, 5000, VENUE_NS)


def test_sizes_finer_than_a_lot_are_rounded_down_and_a_trade_to_one_lot_at_least() -> None:
    reader = FrameReader(BTC_JPY)
    reader.read(frame(), TS_NS)
    read = reader.read(
        frame(asks=[[13690000.0, 1e-08], [13690005.0, 0.00019]], trades=[_trade(250_000_003, amount=9e-08)]), TS_NS
    )
    assert read.depth.asks == ((2_738_001, 1),)
    assert read.trades[0].lots == 1


@pytest.mark.parametrize(
    "changes",
    [
        {"currency_pair": "eth_jpy"},
        {"timestamp": "yesterday"},
        {"asks": [[13690003.0, 0.5]]},
        {"asks": [[13690005.0, 0.5], [13690000.0, 0.5]]},
        {"asks": [[13690005.0, 0.5], [13690005.0, 0.5]]},
        {"bids": [[13689000.0, 0.5], [13689005.0, 0.5]]},
        {"bids": [[13690000.0, 0.5]]},
        {"bids": [[0, 0.5]]},
        {"bids": [[-5, 0.5]]},
        {"bids": [["NaN", 0.5]]},
        {"bids": [["sNaN", 0.5]]},
        {"bids": [["1e999999", 0.5]]},
        {"bids": [[5, "sNaN"]]},
        {"bids": [[5, -1]]},
        {"bids": [[5]]},
        {"bids": None},
        {"trades": [_trade(250_000_003) | {"date": 1 << 40}]},
        {"trades": [_trade(250_000_003) | {"date": -1}]},
        {"trades": [_trade(1) | {"trade_type": "buy"}]},
        {"trades": [_trade(250_000_003, price=13690001.0)]},
        {"trades": [_trade(250_000_003, amount=-1.0)]},
    ],
    ids=str,
)
def test_frame_that_cannot_be_is_refused_and_changes_nothing(changes: dict[str, Any]) -> None:
    reader = FrameReader(BTC_JPY)
    reader.read(frame(), TS_NS)
    with pytest.raises(VenueError) as caught:
        reader.read(frame(**changes), TS_NS)
    assert caught.value.code == "undecodable"
    assert reader.last_tid == 250_000_002
    after = reader.read(frame(trades=[_trade(250_000_003), _trade(250_000_002)]), TS_NS)
    assert [trade.trade_id for trade in after.trades] == ["250000003"]
    assert after.quote is None


def test_rest_shapes() -> None:
    reader = FrameReader(BTC_JPY)
    row = decoded(codec.DEPTH, json.dumps({"asks": [[13690000.0, 0.5]], "bids": []}).encode(), "depth")
    assert reader.read_depth(row, TS_NS) == Depth(TS_NS, "btc_jpy", (), ((2_738_000, 5000),), True)
    rows = decoded(codec.TRADES, json.dumps([_trade(5), _trade(4)]).encode(), "trades")
    assert [trade.trade_id for trade in reader.read_trades(rows, TS_NS)] == ["4", "5"]
    with pytest.raises(VenueError, match="nonsense id"):
        reader.read_trades([codec.TradeRow(0, Decimal(5), Decimal(1), -1, "ask")], TS_NS)


@settings(max_examples=examples(100), deadline=None)
@given(
    levels=st.lists(
        st.tuples(st.integers(1, 10**7), st.integers(1, 10**9)), unique_by=lambda level: level[0], max_size=25
    )
)
def test_any_book_on_the_grid_comes_back_as_it_was(levels: list[tuple[int, int]]) -> None:
    """Amounts written as text in JSON numbers, read back as ticks and lots."""
    asks = sorted(levels)
    text = ",".join(f"[{ticks * 5}.0,{lots // 10_000}.{lots % 10_000:04d}]" for ticks, lots in asks)
    body = frame(bids=[], asks="ASKS").replace(b'"ASKS"', f"[{text}]".encode())
    assert FrameReader(BTC_JPY).read(body, TS_NS).depth.asks == tuple(asks)


ODD_SIDES = [
    "[[13690000.0, 0.5], [13690005.0, 0.1]]",
    "[ [13690000.0,0.5],[13690005.0,0.1] ]",
    "[[13690000.0,0.5],\\n[13690005.0,0.1]]",
    '[["13690000","0.5"],["13690005.0","0.1"]]',
    "[[1.369e7,5e-1],[13690005,0.1]]",
    "[[13690000.0,0.5],[13690005.0,0.10000]]",
    "[[13690000.00000000000000000,0.5],[13690005.0,0.1]]",
]
"""The same two levels, as a venue might write them one day."""


@pytest.mark.parametrize("side", ODD_SIDES)
def test_a_book_is_the_same_however_it_is_written(side: str) -> None:
    reader = FrameReader(BTC_JPY)
    for _ in range(2):
        body = frame(bids=[], asks="ASKS").replace(b'"ASKS"', side.replace("\\n", "\n").encode())
        assert reader.read(body, TS_NS).depth.asks == ((2_738_000, 5000), (2_738_001, 1000))


@pytest.mark.parametrize(
    "side",
    [
        '[["a],[b",1]]', '[["13690000.0,1],[13690005.0",1]]', "[[13690000.0,0.5,1]]", "[[13690000.0],[0.5]]",
        "[[[13690000.0,0.5]]]", "[[13690000.0,0.5],[]]", '[[13690000.0,"0.5"x]]', "[[013690000.0,0.5]]",
        "[[13690000.,0.5]]", "[[+13690000.0,0.5]]", "[[13690000.0,0.5]", "[[13690000.0,0.5],]", "[[NaN,0.5]]",
        "[[13690000.0,-0.5]]", "[[13690000.0,null]]", "{}", '"[[13690000.0,0.5]]"', "[[13690000.0 0.5]]", "[[]]",
        "[[13690000.0,0.5],[13690000.0,0.5]]", "[[13690000.0,1e999999]]", "[[0.0,0.5]]", "[[00,0.5]]",
    ],
)  # fmt: skip
def test_a_side_that_is_none_is_refused_and_not_remembered(side: str) -> None:
    reader = FrameReader(BTC_JPY)
    reader.read(frame(), TS_NS)
    body = frame(bids=[], asks="ASKS").replace(b'"ASKS"', side.encode())
    for _ in range(3):
        with pytest.raises(VenueError) as caught:
            reader.read(body, TS_NS)
        assert caught.value.code == "undecodable"
    assert reader.read(frame(), TS_NS).depth.asks == ((2_738_000, 5000), (2_738_001, 123))


@settings(max_examples=examples(60), deadline=None)
@given(
    frames=st.lists(
        st.tuples(
            st.lists(st.tuples(st.integers(2_738_000, 2_738_020), st.integers(0, 3)), max_size=6),
            st.lists(st.tuples(st.integers(1, 40), st.integers(1, 9)), max_size=6),
        ),
        min_size=1,
        max_size=8,
    )
)
def test_a_reader_that_remembers_tells_what_one_that_knows_nothing_tells(
    frames: list[tuple[list[tuple[int, int]], list[tuple[int, int]]]],
) -> None:
    """Frame by frame, against a reader that never saw a text before and is told only which trade was the last."""
    reader, last = FrameReader(BTC_JPY), -1
    for levels, tids in frames:
        asks = [[ticks * 5.0, lots / 10_000] for ticks, lots in sorted(dict(levels).items())]
        body = frame(bids=[], asks=asks, trades=[_trade(tid, amount=size / 1_000) for tid, size in tids])
        read = reader.read(body, TS_NS)
        fresh = FrameReader(BTC_JPY)
        fresh._last_tid = last
        expected = fresh.read(body, TS_NS)
        assert (read.depth, read.trades, read.missed) == (expected.depth, expected.trades, expected.missed)
        last = reader.last_tid


def test_memory_for_seen_amounts_is_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.venues.zaif.frames._MEMO_MAX", 10)
    reader = FrameReader(BTC_JPY)
    for ticks in range(1, 200):
        read = reader.read(frame(bids=[], asks=[[ticks * 5, ticks * 0.5]]), TS_NS)
        assert read.depth.asks == ((ticks, ticks * 5000),)
    assert len(reader._prices) <= 10
    assert len(reader._sizes) <= 10
    assert len(reader._levels) <= 10
