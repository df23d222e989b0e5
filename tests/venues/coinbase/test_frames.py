"""Every recorded frame of the market stream, and streams of them with numbers missing, repeated and out of order."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.coinbase.changed import paths_of, replaced, with_unknown_members, without
from tests.venues.coinbase.samples import BTC_USD, SAMPLES, frame
from ztb.core.error import VenueError
from ztb.core.event import Depth, Quote, Trade
from ztb.core.instrument import BUY
from ztb.venues.coinbase.frames import MarketReader
from ztb.venues.stream_loop import StreamBroken

NOT_SUBSCRIBED = {"ticker", "candles"}
OF_THE_ACCOUNT = {"user"}
MARKET = ("subscriptions", "heartbeats", "l2_snapshot", "l2_update", "market_trades")
BOOK_NS = 1_775_572_200_456_789_000
"""2026-04-07T14:30:00.456789Z, by a calendar."""


def body(value: Any) -> bytes:  # noqa: ANN401 - JSON
    return json.dumps(value).encode()


def numbered(name: str, number: int, **changes: object) -> bytes:
    return body(frame(name, sequence_num=number, **changes))


def with_book() -> MarketReader:
    """A reader that has read the acknowledgement, a heartbeat and the book: numbers 0, 1 and 2."""
    reader = MarketReader(BTC_USD)
    for name in ("subscriptions", "heartbeats"):
        assert reader.read(body(frame(name)), 5) is None
    reader.read(body(frame("l2_snapshot")), 6)
    return reader


def trades(number: int, *ids: int, kind: str = "update", price: str = "68900.50") -> bytes:
    row = SAMPLES["ws"]["market_trades"]["events"][0]["trades"][0]
    rows = [row | {"trade_id": str(one), "price": price} for one in ids]
    return numbered("market_trades", number, events=[{"type": kind, "trades": rows}])


def update(number: int, *updates: object) -> bytes:
    event = {"type": "update", "product_id": "BTC-USD", "updates": updates}
    return numbered("l2_update", number, events=[event])


def ids_of(news: list[Trade | Depth | Quote] | None) -> list[str]:
    assert news is not None
    return [one.trade_id for one in news if isinstance(one, Trade)]


def test_no_recorded_frame_is_left_out() -> None:
    assert set(SAMPLES["ws"]) == {*MARKET, *NOT_SUBSCRIBED, *OF_THE_ACCOUNT, "error"}


def test_recorded_frames_in_their_order() -> None:
    reader = MarketReader(BTC_USD)
    assert reader.read(body(frame("subscriptions")), 1) is None
    assert reader.read(body(frame("heartbeats")), 2) is None
    assert reader.read(body(frame("l2_snapshot")), 3) == [
        Depth(3, "BTC-USD", ((6_890_000, 150_000_000),), ((6_890_100, 50_000_000),), True, BOOK_NS),
        Quote(3, "BTC-USD", 6_890_000, 150_000_000, 6_890_100, 50_000_000, BOOK_NS),
    ]
    assert reader.read(body(frame("l2_update")), 4) == [
        Depth(4, "BTC-USD", (), ((6_890_100, 0),), False, BOOK_NS + 1_000_000_000),
        Quote(4, "BTC-USD", 6_890_000, 150_000_000, 0, 0, BOOK_NS + 1_000_000_000),
    ]
    assert reader.read(body(frame("market_trades")), 5) == [
        Trade(5, "BTC-USD", 6_890_050, 150_000, BUY, 1_775_572_202_789_012_000, "995098700")
    ]


@pytest.mark.parametrize("name", sorted(NOT_SUBSCRIBED | OF_THE_ACCOUNT))
def test_channel_that_was_not_asked_for_is_refused(name: str) -> None:
    with pytest.raises(VenueError) as caught:
        MarketReader(BTC_USD).read(body(frame(name)), 1)
    assert caught.value.code == "undecodable"


def test_error_frame_ends_the_connection() -> None:
    with pytest.raises(StreamBroken, match="authentication failure"):
        MarketReader(BTC_USD).read(body(frame("error")), 1)


@pytest.mark.parametrize("name", MARKET)
def test_members_that_nobody_knows_are_passed_over(name: str) -> None:
    plain, grown = with_book(), with_book()
    assert grown.read(body(with_unknown_members(frame(name, sequence_num=3))), 9) == plain.read(numbered(name, 3), 9)


@pytest.mark.parametrize("name", MARKET)
def test_client_id_may_be_missing(name: str) -> None:
    with_book().read(body(without(frame(name, sequence_num=3), ("client_id",))), 9)


REQUIRED = {
    "subscriptions": ["channel", "sequence_num", "events", "subscriptions"],
    "heartbeats": ["channel", "timestamp", "sequence_num", "events", "heartbeat_counter"],
    "l2_snapshot": [
        "channel", "timestamp", "sequence_num", "events", "type", "product_id", "updates", "side", "price_level",
        "new_quantity",
    ],
    "l2_update": ["type", "product_id", "updates", "side", "price_level", "new_quantity"],
    "market_trades": ["events", "type", "trades", "trade_id", "product_id", "price", "size", "side", "time"],
}  # fmt: skip
REQUIRED_CASES = [
    (name, path) for name, members in REQUIRED.items() for m in members for path in paths_of(frame(name), m)
]


@pytest.mark.parametrize(("name", "path"), REQUIRED_CASES)
@pytest.mark.parametrize("change", ["missing", "null", "of another type"])
def test_frame_with_less_in_it_is_refused_and_changes_nothing(
    name: str, path: tuple[str | int, ...], change: str
) -> None:
    reader, untouched = with_book(), with_book()
    value = frame(name, sequence_num=3)
    other: object = None if change == "null" else 7.5
    with pytest.raises(VenueError) as caught:
        reader.read(body(without(value, path) if change == "missing" else replaced(value, path, other)), 9)
    assert caught.value.code == "undecodable"
    assert reader.read(numbered("l2_update", 3), 9) == untouched.read(numbered("l2_update", 3), 9)


NONSENSE = [
    ("l2_update", "side", "ask"),
    ("l2_update", "type", "delta"),
    ("l2_update", "price_level", "68901.005"),
    ("l2_update", "price_level", "0"),
    ("l2_update", "price_level", "1e999999999"),
    ("l2_update", "new_quantity", "-1"),
    ("l2_update", "new_quantity", ""),
    ("l2_update", "product_id", "ETH-USD"),
    ("l2_update", "timestamp", "now"),
    ("l2_update", "sequence_num", -1),
    ("market_trades", "side", "bid"),
    ("market_trades", "trade_id", "x"),
    ("market_trades", "product_id", "ETH-USD"),
    ("market_trades", "size", "NaN"),
    ("market_trades", "time", ""),
    ("heartbeats", "timestamp", "2026-04-07"),
]


@pytest.mark.parametrize(("name", "member", "value"), NONSENSE)
def test_nonsense_is_refused_and_changes_nothing(name: str, member: str, value: object) -> None:
    reader, untouched = with_book(), with_book()
    changed = frame(name, sequence_num=3)
    for path in list(paths_of(changed, member))[-1:]:
        changed = replaced(changed, path, value)
    with pytest.raises(VenueError) as caught:
        reader.read(body(changed), 9)
    assert caught.value.code == "undecodable"
    assert reader.read(numbered("l2_update", 3), 9) == untouched.read(numbered("l2_update", 3), 9)


def test_frame_that_was_refused_leaves_a_gap_that_the_next_one_shows() -> None:
    reader = with_book()
    with pytest.raises(VenueError):
        reader.read(b"garbage", 7)
    with pytest.raises(StreamBroken, match="message 3 is missing"):
        reader.read(numbered("heartbeats", 4), 8)


@pytest.mark.parametrize("name", MARKET)
def test_missing_number_ends_the_connection_whatever_the_channel(name: str) -> None:
    with pytest.raises(StreamBroken, match="message 3 is missing, 4 came"):
        with_book().read(numbered(name, 4), 9)


@pytest.mark.parametrize("number", [0, 1, 2])
@pytest.mark.parametrize("name", ["l2_update", "heartbeats", "market_trades"])
def test_frame_told_twice_says_nothing_and_is_no_sign_of_life(number: int, name: str) -> None:
    reader = with_book()
    assert reader.read(numbered(name, number), 9) is None
    assert reader.read(numbered("heartbeats", 3), 9) is not None


def test_stream_need_not_begin_at_zero() -> None:
    reader = MarketReader(BTC_USD)
    reader.read(numbered("l2_snapshot", 17), 1)
    assert reader.read(numbered("l2_update", 18), 1) is not None


def test_new_connection_begins_to_count_anew_and_has_no_book() -> None:
    reader = with_book()
    reader.connected(frozenset({"BTC-USD"}))
    assert reader.read(body(frame("subscriptions")), 1) is None
    assert reader.read(body(frame("heartbeats")), 2) is None
    with pytest.raises(StreamBroken, match="never told"):
        reader.read(numbered("l2_update", 2), 3)


def test_heartbeat_says_that_the_touch_still_holds() -> None:
    reader = with_book()
    for number in (3, 4):
        assert reader.read(numbered("heartbeats", number), 100 + number) == [
            Quote(100 + number, "BTC-USD", 6_890_000, 150_000_000, 6_890_100, 50_000_000, 1_775_572_210_000_000_000)
        ]


def test_heartbeat_may_count_in_text() -> None:
    changed = replaced(frame("heartbeats", sequence_num=3), ("events", 0, "heartbeat_counter"), "3049")
    assert with_book().read(body(changed), 9) is not None


def test_quote_is_told_when_the_touch_changes_and_not_otherwise() -> None:
    reader = with_book()
    deep = [{"side": "bid", "price_level": "100.00", "new_quantity": "1", "event_time": "…"}]
    news = reader.read(
        numbered("l2_update", 3, events=[{"type": "update", "product_id": "BTC-USD", "updates": deep}]), 9
    )
    assert [type(one) for one in news or ()] == [Depth]


def test_size_finer_than_a_lot_is_rounded_down_and_a_trade_to_one_lot() -> None:
    reader = with_book()
    fine = [{"side": "bid", "price_level": "68900.00", "new_quantity": "0.0000000099"}]
    news = reader.read(
        numbered("l2_update", 3, events=[{"type": "update", "product_id": "BTC-USD", "updates": fine}]), 9
    )
    assert news is not None
    assert isinstance(news[0], Depth)
    assert news[0].bids == ((6_890_000, 0),)
    row = SAMPLES["ws"]["market_trades"]["events"][0]["trades"][0] | {"size": "0.0000000001"}
    told = reader.read(numbered("market_trades", 4, events=[{"type": "update", "trades": [row]}]), 9)
    assert [one.lots for one in told or () if isinstance(one, Trade)] == [1]


def test_snapshot_in_the_middle_replaces_the_book() -> None:
    reader = with_book()
    news = reader.read(numbered("l2_snapshot", 3), 9)
    assert [type(one) for one in news or ()] == [Depth]
    assert reader.read(numbered("l2_update", 4), 9) is not None


def test_crossed_book_ends_the_connection() -> None:
    cross = [{"side": "bid", "price_level": "68901.00", "new_quantity": "1"}]
    with pytest.raises(StreamBroken, match="crossed"):
        with_book().read(update(3, *cross), 9)


def test_alias_is_told_under_its_other_name() -> None:
    reader = MarketReader(BTC_USD)
    reader.connected(frozenset({"BTC-USD", "BTC-USDX"}))
    changed = replaced(frame("l2_snapshot"), ("events", 0, "product_id"), "BTC-USDX")
    news = reader.read(body(changed), 1)
    assert [one.instrument for one in news or ()] == ["BTC-USD", "BTC-USD"]
    # Without that knowledge it is somebody else's book.
    with pytest.raises(VenueError):
        MarketReader(BTC_USD).read(body(changed), 1)


def test_history_of_the_first_connection_is_no_news() -> None:
    reader = with_book()
    assert ids_of(reader.read(trades(3, 10, 9, 8, kind="snapshot"), 9)) == []
    assert ids_of(reader.read(trades(4, 12, 11, 10), 9)) == ["11", "12"]
    assert ids_of(reader.read(trades(5, 12), 9)) == []


def test_history_of_a_later_connection_tells_what_was_missed() -> None:
    reader = with_book()
    reader.read(trades(3, 10), 9)
    reader.connected(frozenset({"BTC-USD"}))
    reader.read(numbered("l2_snapshot", 0), 10)
    assert ids_of(reader.read(trades(1, 13, 12, 11, 10, 9, kind="snapshot"), 11)) == ["11", "12", "13"]
    assert reader.missed is None


def test_history_that_does_not_reach_back_leaves_a_gap_to_be_filled() -> None:
    reader = with_book()
    reader.read(trades(3, 10), 9)
    reader.connected(frozenset({"BTC-USD"}))
    reader.read(numbered("l2_snapshot", 0), 10)
    assert ids_of(reader.read(trades(1, 15, 14, kind="snapshot"), 11)) == ["14", "15"]
    assert reader.missed == (10, 14)


def test_trades_that_come_before_the_book_wait_for_it() -> None:
    reader = MarketReader(BTC_USD)
    assert reader.read(trades(0, 5, kind="snapshot"), 1) is None
    assert reader.read(trades(1, 7, 6), 2) is None
    news = reader.read(numbered("l2_snapshot", 2), 3)
    assert ids_of(news) == ["6", "7"]
    assert [type(one) for one in news or ()] == [Trade, Trade, Depth, Quote]
    assert ids_of(reader.read(numbered("heartbeats", 3), 4)) == []


@given(st.binary(max_size=300) | st.text(max_size=100).map(str.encode))
def test_any_bytes_are_refused_and_change_nothing(junk: bytes) -> None:
    reader, untouched = with_book(), with_book()
    with pytest.raises(VenueError):
        reader.read(junk, 9)
    assert reader.read(numbered("l2_update", 3), 9) == untouched.read(numbered("l2_update", 3), 9)


@pytest.mark.parametrize("junk", [b"[" * 100_000, b'{"channel":' * 50_000, b'{"type":"error"', b"\xff\xfe\x00"])
def test_deep_and_broken_frames_are_refused(junk: bytes) -> None:
    with pytest.raises(VenueError):
        with_book().read(junk, 9)
