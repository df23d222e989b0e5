"""Every recorded answer decoded; each of them with more in it, with less in it, and with nonsense in it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.coinbase.changed import paths_of, replaced, with_unknown_members, without
from tests.venues.coinbase.samples import BTC_USD, SAMPLES, rest_answer, rest_body, variant
from ztb.core.error import Rejected, Throttled, VenueError
from ztb.core.instrument import BUY
from ztb.venues.coinbase import codec, orders
from ztb.venues.coinbase.frames import rest_depth, rest_trades
from ztb.venues.decoding import decoded
from ztb.venues.port import Balance, OpenOrder, OrderReport, OrderStatus, VenueFill

ORDER_ID = "11111111-aaaa-bbbb-cccc-000000000001"
OURS = "7a746201-2345-8678-89ab-cdef01230000"
TAG = "ztb-0123456789abcdef0123"
NAMES = frozenset({"BTC-USD"})
CREATED_NS = 1_705_312_800_123_456_000
"""2024-01-15T10:00:00.123456Z, by a calendar."""
FILLED_NS = 1_705_314_600_123_456_000


def _read(name: str, body: bytes) -> Any:  # noqa: ANN401 - one of many types
    """What the adapter makes of an answer, without a call."""
    match name:
        case "time":
            return decoded(codec.TIME, body, name).epochMillis
        case "products" | "public_products":
            rows = [decoded(codec.PRODUCT, raw, name) for raw in decoded(codec.PRODUCTS, body, name).products]
            return [codec.instrument_of(row) for row in rows if row.is_tradable]
        case "product" | "public_product":
            row = decoded(codec.PRODUCT, body, name)
            return codec.instrument_of(row) if row.is_tradable else None
        case "product_book" | "public_product_book":
            return rest_depth(decoded(codec.BOOK, body, name).pricebook, BTC_USD, NAMES, 7)
        case "ticker" | "public_ticker":
            return rest_trades(decoded(codec.TICKER, body, name).trades, BTC_USD, NAMES, 7)
        case "accounts":
            return codec.balances_of(decoded(codec.WALLETS, body, name).accounts)
        case "create_order":
            told = decoded(orders.PLACED, body, name)
            return told.success, told.success_response and told.success_response.order_id
        case "batch_cancel":
            return [orders.is_cancelled(row) for row in decoded(orders.CANCELS, body, name).results]
        case "get_order":
            return orders.reports_of([decoded(orders.ORDER, body, name).order], BTC_USD)
        case "list_orders":
            return orders.open_orders_of(decoded(orders.ORDERS, body, name).orders, BTC_USD)
        case "fills":
            return orders.fills_of(decoded(orders.FILLS, body, name).fills, BTC_USD)
        case _:
            assert name == "key_permissions"
            told_rights = decoded(codec.PERMISSIONS, body, name)
            return told_rights.can_view, told_rights.can_trade, told_rights.can_transfer


NOT_ASKED = {"best_bid_ask", "transaction_summary", "candles", "public_candles", "account", "edit", "preview"}
"""Calls that the adapter has no use for."""

REPORT = OrderReport(ORDER_ID, "", "BTC-USD", BUY, 1_000_000, 100_000, 0, OrderStatus.WORKING, CREATED_NS)
WANTED: dict[str, object] = {
    "time": "1705314600123",
    "products": [BTC_USD],
    "public_products": [BTC_USD],
    "product": BTC_USD,
    "public_product": BTC_USD,
    "accounts": {"btc": Balance("btc", Decimal("1.23456789"), Decimal("1.23956789"))},
    "create_order": (True, ORDER_ID),
    "batch_cancel": [True],
    "get_order": [REPORT],
    "list_orders": [OpenOrder(ORDER_ID, "", "BTC-USD", BUY, 1_000_000, 100_000, CREATED_NS, 100_000)],
    "fills": [
        VenueFill(
            trade_id="22222222-2222-2222-2222-000000000001",
            tag="",
            venue_order_id=ORDER_ID,
            instrument="BTC-USD",
            side=BUY,
            price=1_000_000,
            lots=50_000,
            fee=Decimal("0.03"),
            maker=True,
            venue_ns=FILLED_NS,
            cursor="2024-01-15T10:30:00.123456Z",
        )
    ],
    "key_permissions": (True, True, False),
}
"""Worked out by hand from the recorded answers."""
READ = sorted(WANTED.keys() | {"product_book", "public_product_book", "ticker", "public_ticker"})


def test_no_sample_is_left_out() -> None:
    assert {row["name"] for row in SAMPLES["rest"]} == set(READ) | NOT_ASKED


@pytest.mark.parametrize("name", sorted(WANTED))
def test_recorded_answer_means_what_stands_in_it(name: str) -> None:
    assert _read(name, rest_body(name)) == WANTED[name]


@pytest.mark.parametrize("name", ["product_book", "public_product_book"])
def test_recorded_book(name: str) -> None:
    book = _read(name, rest_body(name))
    assert book.bids == ((6_892_366, 17_189_468),)
    assert book.asks == ((6_892_367, 16_987_193),)
    assert (book.is_snapshot, book.ts_ns, book.venue_ns) == (True, 7, 1_775_521_739_662_782_000)


@pytest.mark.parametrize("name", ["ticker", "public_ticker"])
def test_recorded_trades(name: str) -> None:
    [trade] = _read(name, rest_body(name))
    assert (trade.trade_id, trade.price, trade.lots, trade.side) == ("995098663", 6_892_367, 64_000, -1)
    assert (trade.ts_ns, trade.venue_ns) == (7, 1_775_521_738_544_778_000)


@pytest.mark.parametrize("name", READ)
def test_members_that_nobody_knows_are_passed_over(name: str) -> None:
    answer = rest_answer(name)
    assert _read(name, json.dumps(with_unknown_members(answer)).encode()) == _read(name, rest_body(name))


REQUIRED = {
    "time": ["epochMillis"],
    "public_products": ["products"],
    "public_product": [
        "product_id",
        "base_currency_id",
        "quote_currency_id",
        "product_type",
        "status",
        "base_increment",
        "price_increment",
        "base_min_size",
        "base_max_size",
        "quote_min_size",
        "trading_disabled",
        "is_disabled",
        "cancel_only",
        "view_only",
        "auction_mode",
    ],
    "public_product_book": ["pricebook", "product_id", "bids", "asks", "price", "size", "time"],
    "public_ticker": ["trades", "trade_id", "product_id", "price", "size", "time", "side"],
    "accounts": ["accounts", "has_next", "currency", "available_balance", "hold", "value", "type"],
    "create_order": ["success", "order_id", "client_order_id", "product_id"],
    "batch_cancel": ["results", "success", "order_id", "failure_reason"],
    "get_order": [
        "order",
        "order_id",
        "client_order_id",
        "product_id",
        "side",
        "status",
        "created_time",
        "filled_size",
        "order_configuration",
        "base_size",
    ],
    "list_orders": ["orders", "has_next", "order_id", "client_order_id", "side", "status", "filled_size"],
    "fills": [
        "fills",
        "entry_id",
        "order_id",
        "trade_time",
        "trade_type",
        "price",
        "size",
        "commission",
        "product_id",
        "sequence_timestamp",
        "liquidity_indicator",
        "size_in_quote",
        "side",
    ],
    "key_permissions": ["can_view", "can_trade", "can_transfer"],
}
REQUIRED_CASES = [
    (name, path) for name, members in REQUIRED.items() for one in members for path in paths_of(rest_answer(name), one)
]


def test_every_required_member_is_in_its_sample() -> None:
    assert {name for name, _ in REQUIRED_CASES} == set(REQUIRED)
    for name, members in REQUIRED.items():
        for one in members:
            assert list(paths_of(rest_answer(name), one)), f"{name} has no {one}"


@pytest.mark.parametrize(("name", "path"), REQUIRED_CASES)
@pytest.mark.parametrize("change", ["missing", "null", "of another type"])
def test_answer_with_less_in_it_is_refused(name: str, path: tuple[str | int, ...], change: str) -> None:
    answer = rest_answer(name)
    changed = without(answer, path) if change == "missing" else replaced(answer, path, None if change == "null" else 7)
    if change == "null" and path[-1] == "order_configuration":
        # The venue may write null here, and then there is no size.
        assert changed["order"]["order_configuration"] is None
    with pytest.raises(VenueError) as caught:
        _read(name, json.dumps(changed).encode())
    assert (caught.value.code, type(caught.value)) == ("undecodable", VenueError)


NONSENSE: list[tuple[str, str, object]] = [
    ("public_product", "base_increment", "0"),
    ("public_product", "price_increment", "-0.01"),
    ("public_product", "price_increment", "NaN"),
    ("public_product", "base_min_size", "1e999999"),
    ("public_product", "base_max_size", "0"),
    ("public_product", "quote_min_size", "1_000"),
    ("public_product_book", "price", "68923.665"),
    ("public_product_book", "price", "0"),
    ("public_product_book", "size", "-1"),
    ("public_product_book", "size", "0x10"),
    ("public_product_book", "product_id", "ETH-USD"),
    ("public_product_book", "time", "yesterday"),
    ("public_product_book", "time", "2026-13-07T00:28:59Z"),
    ("public_ticker", "trade_id", "-5"),
    ("public_ticker", "trade_id", "٣"),
    ("public_ticker", "trade_id", "9" * 21),
    ("public_ticker", "side", "BOTH"),
    ("public_ticker", "price", "68923.671"),
    ("public_ticker", "product_id", "ETH-USD"),
    ("accounts", "type", "ACCOUNT_TYPE_NEW"),
    ("accounts", "value", "-1"),
    ("get_order", "status", "UNKNOWN_ORDER_STATUS"),
    ("get_order", "status", "PARTIALLY_FILLED"),
    ("get_order", "side", "buy"),
    ("get_order", "filled_size", "0.000000005"),
    ("get_order", "base_size", "0"),
    ("get_order", "limit_price", "10000.005"),
    ("get_order", "product_id", "BTC-USDC"),
    ("get_order", "created_time", ""),
    ("get_order", "created_time", "2024-01-15 10:00:00Z"),
    ("list_orders", "status", "NEW"),
    ("list_orders", "filled_size", "0.002"),
    ("list_orders", "product_id", "ETH-USD"),
    ("fills", "liquidity_indicator", "BOTH"),
    ("fills", "side", ""),
    ("fills", "price", "0"),
    ("fills", "size", "0"),
    ("fills", "size", "0.123456789"),
    ("fills", "commission", ""),
    ("fills", "commission", "inf"),
    ("fills", "product_id", "BTC-USDC"),
    ("fills", "sequence_timestamp", "2024-01-15T25:30:00Z"),
]


@pytest.mark.parametrize(("name", "member", "value"), NONSENSE)
def test_nonsense_is_refused(name: str, member: str, value: object) -> None:
    answer = rest_answer(name)
    path = next(paths_of(answer, member))
    with pytest.raises(VenueError) as caught:
        _read(name, json.dumps(replaced(answer, path, value)).encode())
    assert caught.value.code == "undecodable"


@pytest.mark.parametrize("name", READ)
@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"null",
        b"[]",
        b"17",
        b"<html>503</html>",
        b"\xff\xfe",
        b'{"a":',
        b"[" * 100_000,
        b'{"products":' * 50_000,
        b"\x1f\x8b\x08\x00 compressed",
    ],
)
def test_broken_bodies_are_refused(name: str, body: bytes) -> None:
    with pytest.raises(VenueError) as caught:
        _read(name, body)
    assert caught.value.code == "undecodable"
    assert len(str(caught.value)) < 400


@given(st.binary(max_size=200) | st.text(max_size=100).map(str.encode), st.sampled_from(READ))
def test_any_bytes_are_refused_or_read_and_nothing_else(body: bytes, name: str) -> None:
    with pytest.raises(VenueError):
        _read(name, body)


FLAGS = {
    "status": "delisted",
    "product_type": "FUTURE",
    "trading_disabled": True,
    "is_disabled": True,
    "cancel_only": True,
    "view_only": True,
    "auction_mode": True,
}


@pytest.mark.parametrize("flag", FLAGS)
def test_product_that_takes_no_orders_is_left_out(flag: str) -> None:
    answer = rest_answer("public_product") | {flag: FLAGS[flag]}
    assert _read("public_product", json.dumps(answer).encode()) is None


@pytest.mark.parametrize("flag", ["limit_only", "post_only"])
def test_product_that_takes_some_orders_stays(flag: str) -> None:
    answer = rest_answer("public_product") | {flag: True}
    assert _read("public_product", json.dumps(answer).encode()) == BTC_USD


@pytest.mark.parametrize(
    ("tick", "lot", "scale"),
    [("0.01", "0.00000001", 10), ("0.00000001", "1", 8), ("1", "0.1", 1), ("10", "0.1", 0), ("0.010", "0.10", 3)],
)
def test_money_is_counted_as_finely_as_tick_and_lot_need(tick: str, lot: str, scale: int) -> None:
    row = rest_answer("public_product") | {"price_increment": tick, "base_increment": lot}
    made = _read("public_product", json.dumps(row).encode())
    assert (made.tick_size, made.lot_size, made.money_scale) == (Decimal(tick), Decimal(lot), scale)
    assert made.notional_min == 10**scale
    assert "E" not in made.prices.text(15)


def test_product_that_would_need_finer_money_than_there_is_is_left_out() -> None:
    row = rest_answer("public_product") | {"price_increment": "0.00000000001", "base_increment": "0.00000001"}
    assert _read("public_product", json.dumps(row).encode()) is None


def test_smallest_order_is_in_lots_and_in_money() -> None:
    row = rest_answer("public_product") | {
        "base_min_size": "0.00016",
        "quote_min_size": "0.5",
        "base_increment": "0.001",
    }
    made = _read("public_product", json.dumps(row).encode())
    assert (made.lots_min, made.lots_max, made.notional_min) == (1, 3_400_000, 50_000)


def wallets(*changes: dict[str, Any]) -> list[Any]:
    answer = rest_answer("accounts")
    one = answer["accounts"][0]
    body = json.dumps(answer | {"accounts": [one | change for change in changes]}).encode()
    return decoded(codec.WALLETS, body, "accounts").accounts


def test_wallets_of_one_currency_count_together_and_vaults_do_not_count() -> None:
    rows = wallets({}, {"type": "CRYPTO"}, {"type": "ACCOUNT_TYPE_VAULT"}, {"deleted_at": "2024-01-15T10:30:00Z"})
    assert codec.balances_of(rows) == {"btc": Balance("btc", Decimal("2.46913578"), Decimal("2.47913578"))}


def test_wallet_with_another_currency_in_it_is_refused() -> None:
    with pytest.raises(VenueError) as caught:
        codec.balances_of(wallets({"hold": {"value": "0", "currency": "ETH"}}))
    assert caught.value.code == "undecodable"


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("1970-01-01T00:00:00Z", 0),
        ("2024-01-15T10:30:00Z", 1_705_314_600_000_000_000),
        ("2024-01-15T10:30:00.1Z", 1_705_314_600_100_000_000),
        ("2024-01-15T10:30:00.123456789Z", 1_705_314_600_123_456_789),
        ("2024-01-15T10:30:00.000000001+00:00", 1_705_314_600_000_000_001),
        ("2024-02-29T23:59:59Z", 1_709_251_199_000_000_000),
    ],
)
def test_times(text: str, ns: int) -> None:
    assert codec.time_ns(text, "test") == ns
    assert codec.time_ns(text, "test") == ns, "in a second that was read before"


@pytest.mark.parametrize(
    "text",
    [
        "",
        "2024-01-15",
        "2024-01-15T10:30:00",
        "2024-01-15T10:30:00+09:00",
        "2024-01-15T10:30:00.1234567890Z",
        "2024-01-15T10:30:00.Z",
        "2024-01-15T10:30:00.12_4Z",
        "2024-01-15T10:30:00.+12Z",
        "2024-01-15T10:30:00.١٢Z",
        "2024-01-15T10:30:00,12Z",
        "2024-01-15T10:30:00.12z",
        "2024-01-15T10:30:00.",
        "2023-02-29T00:00:00Z",
        "0000-01-01T00:00:00Z",
        "２024-01-15T10:30:00Z",
        "2024-01-15T10:30:00Z\n",
    ],
)
def test_what_is_no_time_is_refused(text: str) -> None:
    codec.time_ns("2024-01-15T10:30:00Z", "test")
    with pytest.raises(VenueError) as caught:
        codec.time_ns(text, "test")
    assert caught.value.code == "undecodable"


@given(st.integers(0, 4_000_000_000), st.text("0123456789", min_size=1, max_size=9))
def test_every_fraction_is_read_alike_in_a_second_that_is_known(second: int, part: str) -> None:
    text = codec.time_text(second * 1_000_000_000).partition(".")[0] + f".{part}Z"
    ns = second * 1_000_000_000 + int(Decimal(f"0.{part}") * 1_000_000_000)
    assert [codec.time_ns(text, "test") for _ in range(2)] == [ns, ns]


@given(st.integers(0, 4_000_000_000_000_000))
def test_time_comes_back_to_the_microsecond(microseconds: int) -> None:
    assert codec.time_ns(codec.time_text(microseconds * 1000 + 999), "test") == microseconds * 1000


REFUSALS: dict[str, tuple[int, bytes, type[VenueError], str, str]] = {
    "401": (401, variant("http_401"), Rejected, "auth", "unauthorized"),
    "401 in plain text": (401, b"Unauthorized\n", Rejected, "auth", "401"),
    "401 with nothing": (401, b"", Rejected, "auth", "401"),
    "403": (403, variant("http_403"), Rejected, "auth", "permission_denied"),
    "403 from the edge": (403, b"<html>blocked</html>", Throttled, "rate_limit", "403"),
    "404": (404, variant("http_404_order"), Rejected, "exchange", "not_found"),
    "400": (400, variant("http_400"), Rejected, "exchange", "invalid_argument"),
    "400 of an unknown word": (400, b'{"error":"NEW_WORD","message":"x"}', Rejected, "exchange", "new_word"),
    "400 that is about the key": (400, b'{"errors":[{"id":"expired_token"}]}', Rejected, "auth", "expired_token"),
    "400 that is about the rate": (
        400,
        b'{"error":"RESOURCE_EXHAUSTED"}',
        Throttled,
        "rate_limit",
        "resource_exhausted",
    ),
    "400 in trouble": (400, b'{"error":"INTERNAL"}', VenueError, "network", "internal"),
    "429": (429, variant("http_429"), Throttled, "rate_limit", "rate_limit_exceeded"),
    "429 with a page": (429, b"<html>slow down</html>", Throttled, "rate_limit", "429"),
    "200 with an error": (200, variant("http_401"), Rejected, "auth", "unauthorized"),
    "200 with an error of the gateway": (200, variant("http_429"), Throttled, "rate_limit", "rate_limit_exceeded"),
    "200 with an unknown error": (200, b'{"error":"NEW_WORD"}', VenueError, "exchange", "new_word"),
    "200 in trouble": (
        200,
        b'{"errors":[{"id":"internal_server_error"}]}',
        VenueError,
        "network",
        "internal_server_error",
    ),
    "200 with a page": (200, b"<html>maintenance</html>", VenueError, "network", "undecodable"),
    "400 with a page": (400, b"<html>bad</html>", VenueError, "network", "undecodable"),
    "404 with a page": (404, b"<html>gone</html>", VenueError, "network", "undecodable"),
    "400 with no errors": (400, b'{"errors":[]}', VenueError, "network", "undecodable"),
}


@pytest.mark.parametrize("name", REFUSALS)
def test_refusals_have_their_class(name: str) -> None:
    status, body, error_type, kind, code = REFUSALS[name]
    with pytest.raises(VenueError) as caught:
        codec.answer(codec.PERMISSIONS, status, body, "key_permissions")
    assert (type(caught.value), caught.value.kind, caught.value.code) == (error_type, kind, code)
    assert caught.value.retryable is (kind in ("network", "rate_limit"))
    assert bool(caught.value.remedy) is (kind == "auth" or (error_type is VenueError and kind == "exchange"))


def test_long_words_of_the_venue_are_cut() -> None:
    body = json.dumps({"error": "E" * 10_000, "message": "m" * 10_000}).encode()
    with pytest.raises(Rejected) as caught:
        codec.answer(codec.TIME, 400, body, "time")
    assert len(str(caught.value)) < 400
    assert len(caught.value.code) <= 200


def test_recorded_refusal_of_an_order() -> None:
    row = decoded(orders.PLACED, variant("create_order_rejected"), "orders")
    assert row.success is False
    told = row.error_response
    assert told is not None
    assert told.preview_failure_reason == "PREVIEW_INSUFFICIENT_FUND"


def test_recorded_refusal_of_a_cancel() -> None:
    [row] = decoded(orders.CANCELS, variant("cancel_unknown"), "batch_cancel").results
    assert orders.is_cancelled(row) is False


def test_every_variant_is_used() -> None:
    used = {"create_order_rejected", "cancel_unknown", "http_401", "http_403", "http_404_order", "http_400", "http_429"}
    assert set(SAMPLES["variants"]) == used
