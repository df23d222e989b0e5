"""Every recorded shape of the venue, exact numbers, and what happens to anything else."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from decimal import Decimal
from typing import Any

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.venues.zaif.samples import BTC_JPY, SAMPLES, frame, rest_body, variant
from ztb.core.error import Rejected, VenueError
from ztb.core.instrument import BUY, SELL
from ztb.venues.decoding import decoded
from ztb.venues.port import Balance, OpenOrder, VenueFill
from ztb.venues.zaif import codec
from ztb.venues.zaif.frames import FrameReader

PUBLIC_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "currencies_one": codec.CURRENCIES,
    "currencies_unknown": codec.CURRENCIES,
    "currency_pairs_all": codec.PAIRS,
    "currency_pairs_one": codec.PAIRS,
    "last_price": codec.LAST_PRICE,
    "ticker": codec.TICKER,
    "trades": codec.TRADES,
    "depth": codec.DEPTH,
}
PRIVATE_DECODERS: dict[str, msgspec.json.Decoder[Any]] = {
    "get_info": codec.INFO,
    "get_info2": codec.INFO,
    "active_orders": codec.ORDERS,
    "trade": codec.PLACED,
    "cancel_order": codec.CANCELLED,
    "trade_history": codec.FILLS,
}


def test_every_recorded_shape_has_a_decoder() -> None:
    recorded = {row["name"] for row in SAMPLES["rest"]}
    assert recorded == set(PUBLIC_DECODERS) | set(PRIVATE_DECODERS) | {"unknown_pair"}


@pytest.mark.parametrize("name", PUBLIC_DECODERS)
def test_public_shape_decodes_and_tolerates_unknown_members(name: str) -> None:
    decoder = PUBLIC_DECODERS[name]
    plain = codec.public_answer(decoder, rest_body(name), name)
    more = codec.public_answer(decoder, _with_unknown_members(rest_body(name)), name)
    assert msgspec.json.encode(more) == msgspec.json.encode(plain)


@pytest.mark.parametrize("name", PRIVATE_DECODERS)
def test_private_shape_decodes_and_tolerates_unknown_members(name: str) -> None:
    decoder = PRIVATE_DECODERS[name]
    plain = codec.private_answer(decoder, rest_body(name), name)
    body = json.loads(rest_body(name))
    body["new_member"] = {"deep": [1, {"er": None}]}
    assert codec.private_answer(decoder, json.dumps(body).encode(), name) == plain


def _with_unknown_members(body: bytes) -> bytes:
    value = json.loads(body)
    for row in value if isinstance(value, list) else [value]:
        row["new_member"] = {"deep": [1, {"er": None}]}
    return json.dumps(value).encode()


def test_numbers_never_pass_through_float() -> None:
    # 0.1 as a float is 0.1000000000000000055…; the last one has more digits than a float can hold.
    body = b'{"asks":[[0.1,1e-8],[13690000.0,9e-08]],"bids":[[12345678901234567.8901234567,1]]}'
    row = decoded(codec.DEPTH, body, "depth")
    asks = [tuple(codec.number(bytes(text), "depth") for text in level) for level in row.asks]
    assert asks == [(Decimal("0.1"), Decimal("0.00000001")), (Decimal(13690000), Decimal("0.00000009"))]
    assert str(codec.number(bytes(row.bids[0][0]), "depth")) == "12345678901234567.8901234567"
    body = b'[{"date":1,"price":12345678901234567.8901234567,"amount":1e-8,"tid":1,"trade_type":"bid"}]'
    [trade] = decoded(codec.TRADES, body, "trades")
    assert (str(trade.price), trade.amount) == ("12345678901234567.8901234567", Decimal("0.00000001"))


def test_pair_becomes_an_instrument() -> None:
    [row] = codec.public_answer(codec.PAIRS, rest_body("currency_pairs_one"), "pairs")
    instrument = codec.instrument_of(row)
    assert instrument == BTC_JPY
    assert instrument.prices.text(2_738_000) == "13690000"
    assert instrument.sizes.text(15) == "0.0015"
    # One lot of 0.0001 BTC gains 0.0005 JPY per tick of 5 JPY: five units of 0.0001 JPY.
    assert instrument.money_per_tick_lot == 5


def test_minimum_above_one_step_is_kept_in_lots() -> None:
    row = codec.PairRow("xem_jpy", Decimal("0.25"), Decimal("0.1"), Decimal("0.0001"), False)
    instrument = codec.instrument_of(row)
    assert instrument.lots_min == 3
    assert instrument.taker_fee_ppm == 3000
    assert instrument.money_scale == 5


@pytest.mark.parametrize(
    "row",
    [
        codec.PairRow("btc_jpy", Decimal(1), Decimal(0), Decimal(5), False),
        codec.PairRow("btc_jpy", Decimal(1), Decimal("NaN"), Decimal(5), False),
        codec.PairRow("btc_jpy", Decimal(1), Decimal(1), Decimal(-5), False),
        codec.PairRow("btc_jpy", Decimal(1), Decimal(1), Decimal("1e999999999"), False),
        codec.PairRow("btcjpy", Decimal(1), Decimal(1), Decimal(5), False),
    ],
)
def test_nonsense_pair_is_refused(row: codec.PairRow) -> None:
    with pytest.raises(VenueError) as caught:
        codec.instrument_of(row)
    assert caught.value.code == "undecodable"


def test_open_orders() -> None:
    rows = codec.private_answer(codec.ORDERS, rest_body("active_orders"), "active_orders")
    assert codec.open_orders_of(rows, BTC_JPY) == [
        OpenOrder("39679085", "ztb-0001", "btc_jpy", BUY, 2_738_000, 15, 1_700_000_000_000_000_000)
    ]
    empty = codec.private_answer(codec.ORDERS, variant("active_orders_empty"), "active_orders")
    assert codec.open_orders_of(empty, BTC_JPY) == []


def test_open_orders_come_by_number_not_by_text() -> None:
    rows = codec.private_answer(codec.ORDERS, rest_body("active_orders"), "active_orders")
    row = rows["39679085"]
    shuffled = {"100": row, "9": row, "20": row}
    assert [order.venue_id for order in codec.open_orders_of(shuffled, BTC_JPY)] == ["9", "20", "100"]


def test_fill() -> None:
    rows = codec.private_answer(codec.FILLS, rest_body("trade_history"), "trade_history")
    assert codec.fills_of(rows, BTC_JPY) == [
        VenueFill(
            trade_id="250000003",
            tag="ztb-0001",
            venue_order_id="",
            instrument="btc_jpy",
            side=BUY,
            price=2_738_000,
            lots=15,
            fee=Decimal(0),
            maker=True,
            venue_ns=1_700_000_020_000_000_000,
        )
    ]


@pytest.mark.parametrize(
    ("action", "your_action", "side", "is_maker"),
    [
        ("bid", "bid", BUY, False),
        ("ask", "bid", BUY, True),
        ("ask", "ask", SELL, False),
        ("bid", "ask", SELL, True),
        ("bid", "both", 0, False),
    ],
)
def test_side_of_a_fill_is_ours_and_the_maker_is_the_other_one(
    action: str, your_action: str, side: int, is_maker: bool
) -> None:
    [fill] = codec.fills_of(_fill_rows(action=action, your_action=your_action), BTC_JPY)
    assert (fill.side, fill.maker) == (side, is_maker)


def test_fee_may_be_counted_in_the_base_currency() -> None:
    rows = _fill_rows(fee_amount=0.0000015)
    [fill] = codec.fills_of(rows, BTC_JPY, fee_in_base=True)
    assert fill.fee == Decimal("20.535")  # 0.0000015 BTC at 13,690,000 JPY
    [fill] = codec.fills_of(rows, BTC_JPY)
    assert fill.fee == Decimal("0.0000015")


def test_old_rows_have_no_comment_and_numbers_for_times() -> None:
    body = json.loads(rest_body("trade_history"))
    row = body["return"]["250000003"]
    del row["comment"]
    row["timestamp"] = 1700000020
    [fill] = codec.fills_of(codec.private_answer(codec.FILLS, json.dumps(body).encode(), "h"), BTC_JPY)
    assert fill.tag == ""
    assert fill.venue_ns == 1_700_000_020_000_000_000


def test_balances() -> None:
    row = codec.private_answer(codec.INFO, rest_body("get_info2"), "get_info2")
    balances = codec.balances_of(row)
    assert balances["jpy"] == Balance("jpy", Decimal("152300.5"), Decimal("172835.5"))
    assert set(balances) == {"jpy", "btc", "eth", "xem", "mona"}


def test_dead_ticker_has_nulls() -> None:
    body = json.dumps(dict.fromkeys(("last", "high", "low", "vwap", "volume", "bid", "ask"))).encode()
    assert codec.public_answer(codec.TICKER, body, "ticker").last is None


def test_japan_time() -> None:
    # 07:13:31 in Japan is 22:13:31 UTC of the day before: 1700000011 s.
    assert codec.japan_time_ns("2023-11-15 07:13:31.123456", "t") == 1_700_000_011_123_456_000


@pytest.mark.parametrize("text", ["", "now", "2023-11-15 07:13:31+09:00", "2023-13-01 00:00:00", "9" * 50])
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(VenueError, match="undecodable"):
        codec.japan_time_ns(text, "t")


def test_error_texts_are_found_where_the_documents_and_where_the_clients_say() -> None:
    for body in (b'{"success":0,"error":"order not found"}', b'{"success":0,"return":"order not found"}'):
        with pytest.raises(Rejected) as caught:
            codec.private_answer(codec.CANCELLED, body, "cancel_order")
        assert caught.value.code == "order not found"
    with pytest.raises(Rejected) as caught:
        codec.public_answer(codec.TICKER, rest_body("unknown_pair"), "ticker")
    assert caught.value.code == "unsupported currency_pair"


def _mutations(value: object) -> list[object]:
    """Every way to take one member out, or to give it a wrong type, at any depth."""
    found: list[object] = []
    if isinstance(value, dict):
        for name in value:
            found.append({key: item for key, item in value.items() if key != name})
            found += [value | {name: bad} for bad in _wrong_types(value[name])]
            found += [value | {name: changed} for changed in _mutations(value[name])]
    if isinstance(value, list) and value:
        found += [[changed, *value[1:]] for changed in _mutations(value[0])]
    return found


def _wrong_types(value: object) -> list[object]:
    if isinstance(value, str):
        return [[], {}]
    return ["nonsense", {"a": "b"} if not isinstance(value, dict) else []]


REQUIRED_FILL = ("currency_pair", "action", "amount", "price", "fee_amount", "your_action", "timestamp")
REQUIRED_ORDER = ("currency_pair", "action", "amount", "price", "timestamp")


@pytest.mark.parametrize("name", REQUIRED_FILL)
def test_fill_without_a_member_is_refused(name: str) -> None:
    body = json.loads(rest_body("trade_history"))
    del body["return"]["250000003"][name]
    with pytest.raises(VenueError, match="undecodable"):
        codec.private_answer(codec.FILLS, json.dumps(body).encode(), "trade_history")


@pytest.mark.parametrize("name", REQUIRED_ORDER)
def test_order_without_a_member_is_refused(name: str) -> None:
    body = json.loads(rest_body("active_orders"))
    del body["return"]["39679085"][name]
    with pytest.raises(VenueError, match="undecodable"):
        codec.private_answer(codec.ORDERS, json.dumps(body).encode(), "active_orders")


@pytest.mark.parametrize(
    "changes",
    [
        {"action": "buy"},
        {"your_action": "none"},
        {"amount": 0},
        {"amount": 0.00015},
        {"amount": -0.0015},
        {"amount": "NaN"},
        {"amount": "1e999999999"},
        {"amount": "1" * 31},
        {"price": 13690003.0},
        {"price": 0},
        {"price": "sNaN"},
        {"fee_amount": "Infinity"},
        {"timestamp": "12 "},
        {"timestamp": "²"},
        {"timestamp": -1},
        {"timestamp": "9" * 29},
        {"currency_pair": "eth_jpy"},
    ],
    ids=str,
)
def test_fill_with_a_value_that_cannot_be_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(VenueError) as caught:
        codec.fills_of(_fill_rows(**changes), BTC_JPY)
    assert caught.value.code == "undecodable"
    assert type(caught.value) is VenueError


@pytest.mark.parametrize("order_id", ["", "-1", "1.5", "x", "1" * 31, "²"])
def test_order_with_an_id_that_is_no_number_is_refused(order_id: str) -> None:
    rows = codec.private_answer(codec.ORDERS, rest_body("active_orders"), "active_orders")
    with pytest.raises(VenueError, match="id that is no number"):
        codec.open_orders_of({order_id: rows["39679085"]}, BTC_JPY)


def _fill_rows(**changes: object) -> dict[str, codec.FillRow]:
    body = json.loads(rest_body("trade_history"))
    body["return"]["250000003"] |= changes
    return codec.private_answer(codec.FILLS, json.dumps(body).encode(), "trade_history")


READERS: dict[str, Callable[[bytes], object]] = {
    "pairs": lambda body: [codec.instrument_of(row) for row in codec.public_answer(codec.PAIRS, body, "pairs")],
    "ticker": lambda body: codec.public_answer(codec.TICKER, body, "ticker"),
    "trades": lambda body: codec.public_answer(codec.TRADES, body, "trades"),
    "depth": lambda body: FrameReader(BTC_JPY).read_depth(codec.public_answer(codec.DEPTH, body, "depth"), 0),
    "frame": lambda body: FrameReader(BTC_JPY).read(body, 0),
    "info": lambda body: codec.balances_of(codec.private_answer(codec.INFO, body, "info")),
    "orders": lambda body: codec.open_orders_of(codec.private_answer(codec.ORDERS, body, "orders"), BTC_JPY),
    "placed": lambda body: codec.private_answer(codec.PLACED, body, "trade"),
    "cancelled": lambda body: codec.private_answer(codec.CANCELLED, body, "cancel"),
    "fills": lambda body: codec.fills_of(codec.private_answer(codec.FILLS, body, "fills"), BTC_JPY),
}

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=8), inner, max_size=4),
    max_leaves=12,
)
_RECORDED = [rest_body(row["name"]) for row in SAMPLES["rest"]] + [variant(name) for name in SAMPLES["variants"]]
_RECORDED.append(frame())
_CHANGED = [json.dumps(changed).encode() for body in _RECORDED for changed in _mutations(json.loads(body))]


@pytest.mark.parametrize("reader", READERS)
def test_any_single_change_of_a_recorded_answer_is_a_value_or_a_typed_error(reader: str) -> None:
    refused = 0
    for body in _CHANGED:
        try:
            READERS[reader](body)
        except VenueError:
            refused += 1
    assert refused > len(_CHANGED) // 2


@pytest.mark.parametrize("reader", READERS)
@settings(max_examples=examples(150), deadline=None)
@given(body=st.binary(max_size=200) | _JSON.map(lambda value: json.dumps(value).encode()))
@example(body=b"")
@example(body=b"<html><body>502 Bad Gateway</body></html>")
@example(body=b'{"success":1,"return":{"a":' + b"[" * 100_000)
@example(body=b'{"success":1}')
@example(body=b'{"success":2,"return":{}}')
@example(body=b'{"success":0}')
@example(body=b'{"success":0,"error":null}')
@example(body=b'{"success":true,"return":{}}')
@example(body=b'{"error":"\xff\xfe"}')
@example(body=b"[" * 100_000)
@example(body=b'[["sNaN"]]')
def test_any_bytes_are_a_value_or_a_typed_error(reader: str, body: bytes) -> None:
    with suppress(VenueError):
        READERS[reader](body)


@settings(max_examples=examples(200), deadline=None)
@given(data=st.data())
def test_any_truncated_or_flipped_recorded_answer_is_a_value_or_a_typed_error(data: st.DataObject) -> None:
    body = bytearray(data.draw(st.sampled_from(_RECORDED)))
    for _ in range(data.draw(st.integers(1, 3))):
        body[data.draw(st.integers(0, len(body) - 1))] ^= data.draw(st.integers(1, 255))
    cut = bytes(body[: data.draw(st.integers(0, len(body)))])
    for read in READERS.values():
        for candidate in (bytes(body), cut):
            with suppress(VenueError):
                read(candidate)
