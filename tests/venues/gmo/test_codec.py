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
from tests.venues.gmo.samples import (
    BOTH,
    JSON,
    LEVERAGE,
    SAMPLES,
    SPOT,
    answer_body,
    refusal_body,
    rest_body,
    rest_data,
    variant,
)
from ztb.core.error import Rejected, VenueError
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.venues.gmo import codec, rows
from ztb.venues.gmo.frames import FrameReader
from ztb.venues.port import Balance, OpenOrder, OrderReport, OrderStatus, VenueFill, VenuePosition

TS_NS = 1_700_000_000_200_000_000
"""22:13:20 on 2023-11-14, UTC, and a bit."""

Read = Callable[[bytes], object]


def _orders(body: bytes) -> list[OrderReport]:
    page = codec.answer(rows.ORDERS, body, "orders")
    return [codec.report_of(row, BOTH[row.symbol], "orders") for row in codec.rows_of(page, "orders")]


def _open_orders(body: bytes) -> list[OpenOrder]:
    page = codec.answer(rows.ORDERS, body, "activeOrders")
    return [codec.open_order_of(row, LEVERAGE) for row in codec.rows_of(page, "activeOrders")]


def _fills(body: bytes, instrument: Instrument = LEVERAGE) -> list[VenueFill]:
    page = codec.answer(rows.FILLS, body, "latestExecutions")
    return [codec.fill_of(row, instrument) for row in codec.rows_of(page, "latestExecutions")]


def _trades(body: bytes) -> object:
    page = codec.answer(rows.TRADES, body, "trades")
    return FrameReader(LEVERAGE).read_trades(codec.rows_of(page, "trades"), TS_NS)


def _positions(body: bytes) -> list[VenuePosition]:
    page = codec.answer(rows.POSITIONS, body, "positionSummary")
    return codec.positions_of(codec.rows_of(page, "positionSummary"), LEVERAGE)


def _assets(body: bytes) -> dict[str, Balance]:
    return codec.balances_of(codec.answer(rows.ASSETS, body, "assets"), None, leveraged_only=False)


def _margin(body: bytes) -> dict[str, Balance]:
    return codec.balances_of([], codec.answer(rows.MARGIN, body, "margin"), leveraged_only=True)


def _placed(body: bytes) -> str:
    return codec.placed_id(codec.answer(rows.TEXT, body, "order"), "order")


READ: dict[str, tuple[Read, frozenset[str]]] = {
    "status": (lambda body: codec.answer(rows.STATE, body, "status").status, frozenset({"status"})),
    "ticker": (
        lambda body: msgspec.to_builtins(codec.answer(rows.TICKERS, body, "ticker")),
        frozenset({"ask", "bid", "high", "last", "low", "symbol", "timestamp", "volume"}),
    ),
    "orderbooks": (
        lambda body: FrameReader(LEVERAGE).read_depth(codec.answer(rows.BOOK, body, "orderbooks"), TS_NS),
        frozenset({"asks", "bids", "symbol", "price", "size"}),
    ),
    "trades": (_trades, frozenset({"list", "price", "side", "size", "timestamp"})),
    "symbols": (
        lambda body: [codec.instrument_of(row) for row in codec.answer(rows.SYMBOLS, body, "symbols")],
        frozenset({"symbol", "minOrderSize", "maxOrderSize", "sizeStep", "tickSize", "takerFee", "makerFee"}),
    ),
    "margin": (_margin, frozenset({"availableAmount"})),
    "assets": (_assets, frozenset({"amount", "available", "symbol"})),
    "orders": (
        _orders,
        frozenset(
            {
                "list",
                "orderId",
                "symbol",
                "side",
                "executionType",
                "size",
                "executedSize",
                "price",
                "status",
                "timestamp",
            }
        )
        - {"list"},
    ),
    "activeOrders": (
        _open_orders,
        frozenset(
            {
                "list",
                "orderId",
                "symbol",
                "side",
                "executionType",
                "size",
                "executedSize",
                "price",
                "status",
                "timestamp",
            }
        ),
    ),
    "executions": (
        _fills,
        frozenset({"executionId", "orderId", "symbol", "side", "size", "price", "fee", "timestamp"}),
    ),
    "latestExecutions": (
        _fills,
        frozenset({"list", "executionId", "orderId", "symbol", "side", "size", "price", "fee", "timestamp"}),
    ),
    "positionSummary": (
        _positions,
        frozenset({"averagePositionRate", "side", "sumPositionQuantity", "symbol"}),
    ),
    "order": (_placed, frozenset()),
    "closeOrder": (_placed, frozenset()),
    "closeBulkOrder": (_placed, frozenset()),
    "cancelOrder": (lambda body: codec.data_of(body, "cancelOrder"), frozenset()),
    "cancelOrders": (
        lambda body: codec.answer(rows.CANCELLED_MANY, body, "cancelOrders").success,
        frozenset({"success"}),
    ),
    "ws_auth_create": (lambda body: codec.token_of(codec.data_of(body, "ws-auth")), frozenset()),
    "ws_auth_extend": (lambda body: codec.data_of(body, "ws-auth"), frozenset()),
    "ws_auth_delete": (lambda body: codec.data_of(body, "ws-auth"), frozenset()),
}
"""How each call is read, and the members without which it cannot be; ``list`` where the page says which it is."""
NOT_CALLED = {"klines", "tradingVolume", "openPositions", "changeOrder", "cancelBulkOrder", "changeLosscutPrice"}


def test_every_recorded_shape_has_a_decoder_or_a_reason() -> None:
    assert {row["name"] for row in SAMPLES["rest"]} == set(READ) | NOT_CALLED
    for name in NOT_CALLED:
        codec.data_of(rest_body(name), name)


@pytest.mark.parametrize("name", READ)
def test_unknown_members_change_nothing(name: str) -> None:
    read = READ[name][0]
    plain = read(rest_body(name))
    more = read(json.dumps(_with_unknown_members(json.loads(rest_body(name)))).encode())
    assert more == plain


def _with_unknown_members(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {name: _with_unknown_members(item) for name, item in value.items()} | {"newMember": {"deep": [1, None]}}
    if isinstance(value, list):
        return [_with_unknown_members(item) for item in value]
    return value


def _without(value: Any, name: str) -> Any:  # noqa: ANN401
    """The value with every member of that name taken out, however deep it lies."""
    if isinstance(value, dict):
        return {key: _without(item, name) for key, item in value.items() if key != name}
    if isinstance(value, list):
        return [_without(item, name) for item in value]
    return value


def _member_names(value: Any) -> set[str]:  # noqa: ANN401
    if isinstance(value, dict):
        return set(value).union(*map(_member_names, value.values()))
    if isinstance(value, list):
        return set().union(*map(_member_names, value))
    return set()


@pytest.mark.parametrize(
    ("name", "member"),
    [(name, member) for name in READ for member in sorted(_member_names(json.loads(rest_body(name)).get("data")))],
)
def test_member_that_is_needed_is_missed_and_another_is_not(name: str, member: str) -> None:
    read, required = READ[name]
    whole = json.loads(rest_body(name))
    body = json.dumps(whole | {"data": _without(whole["data"], member)}).encode()
    if member in required:
        with pytest.raises(VenueError) as caught:
            read(body)
        assert caught.value.code == "undecodable"
    else:
        read(body)


@pytest.mark.parametrize("name", [name for name in READ if READ[name][1]] + ["order", "ws_auth_create"])
def test_answer_without_data_is_refused(name: str) -> None:
    with pytest.raises(VenueError, match="undecodable"):
        READ[name][0](b'{"status":0,"responsetime":"2023-11-14T22:13:20.123Z"}')


@pytest.mark.parametrize(
    ("name", "member", "value"),
    [
        ("status", "status", "CLOSED"),
        ("trades", "side", "BOTH"),
        ("orders", "side", "buy"),
        ("orders", "status", "DONE"),
        ("orders", "executionType", "STOP_LIMIT"),
        ("activeOrders", "status", "EXECUTED"),
        ("activeOrders", "status", "CANCELED"),
        ("latestExecutions", "side", ""),
        ("positionSummary", "side", "LONG"),
    ],
)
def test_value_that_the_venue_does_not_document_is_refused(name: str, member: str, value: str) -> None:
    whole = json.loads(rest_body(name))
    with pytest.raises(VenueError, match="undecodable"):
        READ[name][0](json.dumps(whole | {"data": _replaced(whole["data"], member, value)}).encode())


def _replaced(value: Any, name: str, new: object) -> Any:  # noqa: ANN401
    if isinstance(value, dict):
        return {key: new if key == name else _replaced(item, name, new) for key, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, name, new) for item in value]
    return value


def test_symbols_become_instruments() -> None:
    listed = codec.answer(rows.SYMBOLS, rest_body("symbols"), "symbols")
    assert [codec.instrument_of(row) for row in listed] == [SPOT, LEVERAGE]
    assert LEVERAGE.prices.text(13_690_000) == "13690000"
    assert LEVERAGE.sizes.text(10) == "0.010"
    # 0.001 BTC gains 0.001 JPY for each yen: 100,000 units of 10^-8 JPY.
    assert LEVERAGE.money_per_tick_lot == 100_000


def _symbol(**changes: str) -> rows.SymbolRow:
    members = {
        "symbol": "XRP_JPY", "min_order_size": "10", "max_order_size": "100000", "size_step": "10",
        "tick_size": "0.001", "taker_fee": "0", "maker_fee": "0",
    }  # fmt: skip
    return rows.SymbolRow(**(members | changes))


def test_coarse_lots_and_fine_ticks() -> None:
    instrument = codec.instrument_of(_symbol(taker_fee="0.0003", maker_fee="-0.00015", tick_size="0.00100"))
    assert (instrument.lots_min, instrument.lots_max) == (1, 10_000)
    assert (instrument.taker_fee_ppm, instrument.maker_fee_ppm) == (300, -150)
    assert instrument.prices.text(80_125) == "80.125"
    assert instrument.sizes.text(3) == "30"
    # Ten coins gain 0.01 JPY for a tick of 0.001 JPY.
    assert instrument.money_per_tick_lot == 1_000_000


def test_fee_finer_than_a_millionth_is_rounded_against_us() -> None:
    instrument = codec.instrument_of(_symbol(taker_fee="0.00000015", maker_fee="-0.00000015"))
    assert (instrument.taker_fee_ppm, instrument.maker_fee_ppm) == (1, 0)


@pytest.mark.parametrize(
    "changes",
    [
        {"symbol": "BTC_USD"},
        {"symbol": "_JPY"},
        {"symbol": ""},
        {"size_step": "0"},
        {"tick_size": "-1"},
        {"tick_size": "NaN"},
        {"tick_size": "1e999999"},
        {"max_order_size": "5"},
        {"min_order_size": "ten"},
        {"taker_fee": "free"},
    ],
)
def test_nonsense_symbol_is_refused(changes: dict[str, str]) -> None:
    with pytest.raises(VenueError) as caught:
        codec.instrument_of(_symbol(**changes))
    assert caught.value.code == "undecodable"


CREATED_NS = 1_699_999_990_123_000_000
"""22:13:10.123."""


def test_orders() -> None:
    assert _orders(rest_body("orders")) == [
        OrderReport("223456789", "", "BTC_JPY", BUY, 13_690_000, 20, 10, OrderStatus.WORKING, CREATED_NS),
        # A market order has no price; 0.01 BTC at spot are a thousand lots.
        OrderReport("123456789", "", "BTC", BUY, 0, 1000, 0, OrderStatus.CANCELLED, CREATED_NS, "USER"),
    ]


def test_open_orders() -> None:
    assert _open_orders(rest_body("activeOrders")) == [
        OpenOrder("223456789", "", "BTC_JPY", BUY, 13_690_000, 10, CREATED_NS, lots=20)
    ]


@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("WAITING", OrderStatus.WORKING),
        ("ORDERED", OrderStatus.WORKING),
        ("MODIFYING", OrderStatus.WORKING),
        ("CANCELLING", OrderStatus.WORKING),
        ("CANCELED", OrderStatus.CANCELLED),
        ("EXPIRED", OrderStatus.EXPIRED),
    ],
)
def test_status_of_an_order(told: str, meant: OrderStatus) -> None:
    [report] = _orders(_one("orders", status=told, cancelType="EXPIRED_SOK"))
    assert (report.status, report.reason) == (meant, "EXPIRED_SOK")


def _one(name: str, **changes: object) -> bytes:
    """The recorded list with only its first row, members replaced."""
    return answer_body({"list": [rest_data(name)["list"][0] | changes]})


def test_executed_order_is_whole() -> None:
    [report] = _orders(_one("orders", status="EXECUTED", executedSize="0.02"))
    assert (report.status, report.filled_lots, report.lots) == (OrderStatus.FILLED, 20, 20)
    with pytest.raises(VenueError, match="undecodable"):
        _orders(_one("orders", status="EXECUTED"))
    with pytest.raises(VenueError, match="undecodable"):
        _orders(_one("orders", executedSize="0.021"))


def test_stop_order_of_somebody_else_is_an_order_with_its_trigger() -> None:
    [order] = _open_orders(_one("activeOrders", executionType="STOP", status="WAITING", executedSize="0"))
    assert (order.price, order.remaining_lots) == (13_690_000, 20)


def test_fill() -> None:
    assert _fills(rest_body("latestExecutions")) == [
        VenueFill(
            trade_id="92123912",
            tag="",
            venue_order_id="223456789",
            instrument="BTC_JPY",
            side=BUY,
            price=13_690_000,
            lots=10,
            fee=Decimal(-13),
            maker=False,
            venue_ns=1_699_999_995_081_000_000,
        )
    ]
    assert _fills(rest_body("executions")) == _fills(rest_body("latestExecutions"))


@pytest.mark.parametrize(("fee", "is_maker"), [("-1.5", True), ("0", False), ("7", False)])
def test_maker_is_known_by_a_fee_that_is_received(fee: str, is_maker: bool) -> None:
    [fill] = _fills(_one("latestExecutions", symbol="BTC", fee=fee, side="SELL"), SPOT)
    assert (fill.maker, fill.fee, fill.side) == (is_maker, Decimal(fee), SELL)


def test_received_fee_proves_nothing_where_makers_receive_none() -> None:
    [fill] = _fills(_one("latestExecutions", fee="-1"))
    assert not fill.maker


def test_spot_execution_may_have_no_position() -> None:
    row = rest_data("latestExecutions")["list"][0]
    del row["positionId"]
    assert len(_fills(answer_body({"list": [row]}))) == 1


@pytest.mark.parametrize("read", [_orders, _open_orders, _fills, _positions])
def test_empty_list_is_an_empty_object(read: Callable[[bytes], list[object]]) -> None:
    assert read(variant("empty_list")) == []
    assert read(answer_body({"pagination": {"currentPage": 2, "count": 30}, "list": []})) == []


@pytest.mark.parametrize(
    "data", [{"pagination": {"currentPage": 1, "count": 30}}, [], None, "", {"list": {}}, {"list": [{}]}]
)
def test_other_empty_things_are_no_empty_list(data: object) -> None:
    for read in (_orders, _fills):
        with pytest.raises(VenueError, match="undecodable"):
            read(answer_body(data))


def test_balances_of_spot() -> None:
    assert _assets(rest_body("assets")) == {
        "jpy": Balance("jpy", Decimal(993_982_448), Decimal(993_982_448)),
        "btc": Balance("btc", Decimal("4.0002"), Decimal("4.0002")),
    }


@pytest.mark.parametrize(
    ("usable", "leveraged_only", "available"),
    [("5726250", True, 5_726_250), ("5726250", False, 400), ("300", False, 300), ("-5", True, 0), ("-5", False, 0)],
)
def test_yen_for_leverage_are_what_the_margin_leaves(usable: str, leveraged_only: bool, available: int) -> None:
    assets = [rows.AssetRow("1000", "400", "JPY"), rows.AssetRow("1", "1", "BTC")]
    balances = codec.balances_of(assets, rows.MarginRow(usable), leveraged_only=leveraged_only)
    assert balances["jpy"] == Balance("jpy", Decimal(available), Decimal(1000))
    assert balances["btc"] == Balance("btc", Decimal(1), Decimal(1))


def test_positions_are_not_netted() -> None:
    long = rest_data("positionSummary")["list"][0]
    short = long | {"side": "SELL", "sumPositionQuantity": "0.005", "averagePositionRate": "13690000.5"}
    gone = answer_body({"list": [long | {"sumPositionQuantity": "0"}]})
    assert _positions(answer_body({"list": [long, short]})) == [
        VenuePosition("BTC_JPY", BUY, 20, Decimal(13_690_000)),
        VenuePosition("BTC_JPY", SELL, 5, Decimal("13690000.5")),
    ]
    assert _positions(gone) == []
    with pytest.raises(VenueError, match="two rows"):
        _positions(answer_body({"list": [long, long]}))


@pytest.mark.parametrize("name", ["orders", "latestExecutions", "positionSummary"])
def test_row_of_another_symbol_is_refused(name: str) -> None:
    readers: dict[str, Read] = {"orders": _open_orders, "latestExecutions": _fills, "positionSummary": _positions}
    with pytest.raises(VenueError, match="undecodable"):
        readers[name](_one(name, symbol="ETH_JPY"))


@pytest.mark.parametrize(
    ("name", "code", "text"),
    [
        ("maintenance", "maintenance", "MAINTENANCE"),
        ("margin_short", "ERR-201", "Trading margin is insufficient."),
        ("bad_param", "ERR-5106", "Invalid request parameter."),
        ("already_done", "ERR-5122", "due to the status"),
    ],
)
def test_recorded_refusal(name: str, code: str, text: str) -> None:
    with pytest.raises(Rejected) as caught:
        codec.answer(rows.TEXT, variant(name), "order")
    assert caught.value.code == code
    assert text in str(caught.value)


def test_status_of_the_answer_comes_before_the_one_of_http() -> None:
    with pytest.raises(Rejected) as caught:
        codec.answer(rows.TICKERS, variant("not_found_http404"), "ticker", http_status=404)
    assert caught.value.code == "ERR-5207"
    with pytest.raises(VenueError, match="HTTP 404") as lost:
        codec.answer(rows.TICKERS, b"<html>404</html>", "ticker", http_status=404)
    assert type(lost.value) is VenueError
    assert lost.value.retryable
    with pytest.raises(VenueError, match="undecodable"):
        codec.answer(rows.TICKERS, rest_body("ticker"), "ticker", http_status=404)


def test_maintenance_may_forget_the_time() -> None:
    body = json.loads(variant("maintenance"))
    del body["responsetime"]
    with pytest.raises(Rejected) as caught:
        codec.answer(rows.TICKERS, json.dumps(body).encode(), "ticker")
    assert (caught.value.code, caught.value.retryable) == ("maintenance", True)


def test_first_of_several_messages_counts() -> None:
    messages = [{"message_code": "ERR-5122"}, {"message_code": "ERR-5003"}]
    with pytest.raises(Rejected) as caught:
        codec.data_of(json.dumps({"status": 1, "messages": messages}).encode(), "order")
    assert caught.value.code == "ERR-5122"


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"{",
        b"[]",
        b'"637000"',
        b"<html>",
        b"\xff\xfe",
        b'{"data":"637000"}',
        b'{"status":"0","data":"637000"}',
        b'{"status":1}',
        b'{"status":1,"messages":[]}',
        b'{"status":1,"messages":[{"message_string":"what"}]}',
        b'{"status":0,"data":"637000","messages":[{"message_code":"ERR-1"}]}',
        b'{"status":0,"data":637000}',
        b'{"status":0,"data":""}',
        b'{"status":0,"data":"0"}',
        b'{"status":0,"data":"-5"}',
        b'{"status":0,"data":"6_3"}',
        b'{"status":0,"data":"' + b"9" * 40 + b'"}',
        b'{"status":0,"data":null}',
        b"[" * 100_000,
    ],
)
def test_answer_that_is_none_is_undecodable(body: bytes) -> None:
    with pytest.raises(VenueError) as caught:
        _placed(body)
    assert type(caught.value) is VenueError
    assert caught.value.code == "undecodable"
    assert len(str(caught.value)) < 400


def test_code_that_nobody_knows_is_no_refusal() -> None:
    with pytest.raises(VenueError) as caught:
        codec.data_of(refusal_body("ERR-99999", "what now"), "order")
    assert type(caught.value) is VenueError
    assert caught.value.code == "ERR-99999"


@pytest.mark.parametrize(
    ("text", "expected_ns"),
    [
        ("2023-11-14T22:13:20.123Z", 1_700_000_000_123_000_000),
        ("2023-11-14T22:13:20Z", 1_700_000_000_000_000_000),
        ("2023-11-15T07:13:20.003+09:00", 1_700_000_000_003_000_000),
    ],
)
def test_time(text: str, expected_ns: int) -> None:
    assert codec.time_ns(text, "t") == expected_ns


@pytest.mark.parametrize(
    "text", ["", "now", "1700000000123", "2023-11-14T22:13:20.123", "2023-13-01T00:00:00Z", "9" * 99]
)
def test_other_times_are_refused(text: str) -> None:
    with pytest.raises(VenueError, match="undecodable"):
        codec.time_ns(text, "t")


@pytest.mark.parametrize(
    "text", ["", "NaN", "Infinity", "-1", "1_000", " 1", "٣", "1e99", "0x10", "1" * 41, "1.0000001"]
)
def test_text_that_is_no_amount_is_refused(text: str) -> None:
    with pytest.raises(VenueError, match="undecodable"):
        codec.steps(LEVERAGE.sizes, text, "t")


@pytest.mark.parametrize("number", [0, -1, 1 << 63])
def test_id_that_cannot_be_is_refused(number: int) -> None:
    with pytest.raises(VenueError, match="undecodable"):
        codec.identity(number, "t")


@given(steps=st.integers(0, 10**15))
def test_prices_and_sizes_come_back_as_they_went(steps: int) -> None:
    for grid in (SPOT.prices, SPOT.sizes, LEVERAGE.sizes, codec.instrument_of(_symbol()).prices):
        assert codec.steps(grid, grid.text(steps), "t") == steps


@given(st.decimals(allow_nan=False, allow_infinity=False, places=8, min_value=-(10**12), max_value=10**12))
def test_fee_keeps_every_digit(fee: Decimal) -> None:
    [fill] = _fills(_one("latestExecutions", symbol="BTC", fee=f"{fee:f}"), SPOT)
    assert fill.fee == fee


@settings(max_examples=examples(60))
@given(data=JSON)
@example(data={"list": [{"orderId": 10**400}]})
@example(data={"list": [{"orderId": 1.5}]})
def test_no_data_raises_anything_but_a_venue_error(data: object) -> None:
    body = answer_body(data)
    for read, _ in READ.values():
        with suppress(VenueError):
            read(body)


@settings(max_examples=examples(60))
@given(body=st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_venue_error(body: bytes) -> None:
    for read, _ in READ.values():
        with pytest.raises(VenueError):
            read(body)
