"""Orders and fills beyond the recorded ones: every state, every kind of order, what is not ours, what is odd."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.venues.coinbase.samples import BTC_USD, rest_answer, variant
from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY, Place
from ztb.core.error import Rejected, UnknownFate, VenueError
from ztb.core.instrument import BUY, SELL
from ztb.venues.coinbase import orders
from ztb.venues.coinbase.client_id import wire_id
from ztb.venues.decoding import decoded
from ztb.venues.port import OpenOrder, OrderReport, OrderStatus, VenueFill

TAG = "ztb-0123456789abcdef0123"
WIRE = "7a746201-2345-8678-89ab-cdef01230000"


def place(time_in_force: str = GTC, *, side: int = BUY, lots: int = 100_000, price: int = 1_000_000) -> Place:
    return Place(0, TAG, "BTC-USD", side, lots, price, False, 1, "test", time_in_force)


def order_row(**changes: object) -> Any:  # noqa: ANN401 - JSON
    return rest_answer("get_order")["order"] | {"client_order_id": WIRE} | changes


def listed(*rows: object) -> list[OpenOrder]:
    body = json.dumps({"orders": rows, "has_next": False}).encode()
    return orders.open_orders_of(decoded(orders.ORDERS, body, "batch").orders, BTC_USD)


def reported(*rows: object) -> list[OrderReport]:
    body = json.dumps({"orders": rows, "has_next": False}).encode()
    return orders.reports_of(decoded(orders.ORDERS, body, "batch").orders, BTC_USD)


def fill_row(**changes: object) -> Any:  # noqa: ANN401 - JSON
    return rest_answer("fills")["fills"][0] | changes


def filled(*rows: object) -> list[VenueFill]:
    body = json.dumps({"fills": rows, "cursor": ""}).encode()
    return orders.fills_of(decoded(orders.FILLS, body, "fills").fills, BTC_USD)


CONFIGURATIONS = {
    GTC: {"limit_limit_gtc": {"base_size": "0.00100000", "limit_price": "10000.00", "post_only": False}},
    POST_ONLY: {"limit_limit_gtc": {"base_size": "0.00100000", "limit_price": "10000.00", "post_only": True}},
    IOC: {"sor_limit_ioc": {"base_size": "0.00100000", "limit_price": "10000.00"}},
    FOK: {"limit_limit_fok": {"base_size": "0.00100000", "limit_price": "10000.00"}},
    MARKET: {"market_market_ioc": {"base_size": "0.00100000"}},
}
"""From the venue's table of order configurations."""


@pytest.mark.parametrize("time_in_force", CONFIGURATIONS)
@pytest.mark.parametrize(("side", "text"), [(BUY, "BUY"), (SELL, "SELL")])
def test_order_on_the_wire(time_in_force: str, side: int, text: str) -> None:
    body = json.loads(orders.order_body(place(time_in_force, side=side), BTC_USD, WIRE))
    assert body == {
        "client_order_id": WIRE,
        "product_id": "BTC-USD",
        "side": text,
        "order_configuration": CONFIGURATIONS[time_in_force],
    }


@given(st.integers(1, 10**15), st.integers(1, 10**12))
def test_amounts_are_written_plainly_and_exactly(lots: int, price: int) -> None:
    body = json.loads(orders.order_body(place(lots=lots, price=price), BTC_USD, WIRE))
    told = body["order_configuration"]["limit_limit_gtc"]
    assert Decimal(told["base_size"]) * 10**8 == lots
    assert Decimal(told["limit_price"]) * 100 == price
    assert "E" not in told["base_size"] + told["limit_price"]


def accepted(**changes: object) -> orders.PlacedRow:
    answer = rest_answer("create_order")
    answer["success_response"] |= {"client_order_id": WIRE} | changes
    return decoded(orders.PLACED, json.dumps(answer).encode(), "orders")


def venue_id(row: orders.PlacedRow) -> str:
    return orders.venue_id_of(row, instrument=BTC_USD, order=place(), wire_id=WIRE)


def test_taken_order_has_the_venues_id() -> None:
    assert venue_id(accepted()) == "11111111-aaaa-bbbb-cccc-000000000001"


@pytest.mark.parametrize(
    "changes",
    [
        {"order_id": ""},
        {"client_order_id": "another"},
        {"client_order_id": wire_id("ztb-0123456789abcdef0124")},
        {"product_id": "ETH-USD"},
        {"side": "SELL"},
    ],
)
def test_answer_about_another_order_is_not_believed(changes: dict[str, object]) -> None:
    with pytest.raises(VenueError) as caught:
        venue_id(accepted(**changes))
    assert (type(caught.value), caught.value.code) == (VenueError, "undecodable")


def test_success_alone_decides_whatever_the_reasons_say() -> None:
    answer = rest_answer("create_order") | {"failure_reason": "UNKNOWN_FAILURE_REASON", "order_id": "top"}
    answer["success_response"] |= {"client_order_id": WIRE}
    answer["error_response"] = {"error": "INSUFFICIENT_FUND"}
    assert venue_id(decoded(orders.PLACED, json.dumps(answer).encode(), "orders")).startswith("11111111")


def refused(**told: object) -> VenueError:
    answer = json.loads(variant("create_order_rejected"))
    top = {"failure_reason": told.pop("failure_reason")} if "failure_reason" in told else {}
    answer["error_response"] |= told
    with pytest.raises(VenueError) as caught:
        venue_id(decoded(orders.PLACED, json.dumps(answer | top).encode(), "orders"))
    return caught.value


NOTHING = {"preview_failure_reason": "UNKNOWN_PREVIEW_FAILURE_REASON", "error": ""}


@pytest.mark.parametrize(
    ("told", "code"),
    [
        ({}, "PREVIEW_INSUFFICIENT_FUND"),
        (NOTHING | {"new_order_failure_reason": "INVALID_SIDE"}, "INVALID_SIDE"),
        (NOTHING | {"error": "INVALID_LIMIT_PRICE_POST_ONLY"}, "INVALID_LIMIT_PRICE_POST_ONLY"),
        (NOTHING | {"error": "UNKNOWN_FAILURE_REASON", "failure_reason": "UNTRADABLE_PRODUCT"}, "UNTRADABLE_PRODUCT"),
        (NOTHING, "UNKNOWN_FAILURE_REASON"),
        (NOTHING | {"failure_reason": ""}, "UNKNOWN_FAILURE_REASON"),
        ({"preview_failure_reason": "A_REASON_OF_TOMORROW"}, "A_REASON_OF_TOMORROW"),
    ],
)
def test_reason_is_the_first_that_says_something_and_any_is_a_plain_no(told: dict[str, object], code: str) -> None:
    error = refused(**told)
    assert (type(error), error.kind, error.code, error.retryable) == (Rejected, "exchange", code, False)


def test_refusal_without_any_member_is_a_plain_no_too() -> None:
    with pytest.raises(Rejected):
        venue_id(decoded(orders.PLACED, b'{"success":false}', "orders"))


@pytest.mark.parametrize("member", ["preview_failure_reason", "new_order_failure_reason", "error", "failure_reason"])
def test_order_that_is_there_already_is_no_refusal(member: str) -> None:
    # We send each id once: who says that it exists may be speaking of that very order.
    error = refused(**{member: "DUPLICATE_CLIENT_ORDER_ID"})
    assert type(error) is UnknownFate


@pytest.mark.parametrize(
    ("reason", "outcome"),
    [
        ("UNKNOWN_CANCEL_ORDER", False),
        ("DUPLICATE_CANCEL_REQUEST", False),
        ("ORDER_IS_FULLY_FILLED", False),
        ("COMMANDER_REJECTED_CANCEL_ORDER", "again"),
        ("ORDER_IS_BEING_REPLACED", "again"),
        ("UNKNOWN_CANCEL_FAILURE_REASON", "again"),
        ("NOT_ALLOWED_TO_CANCEL", "no"),
        ("INVALID_CANCEL_REQUEST", "no"),
        ("A_REASON_OF_TOMORROW", "no"),
    ],
)
def test_outcome_of_a_cancel(reason: str, outcome: bool | str) -> None:
    row = orders.CancelRow(success=False, order_id="x", failure_reason=reason)
    if outcome is False:
        assert orders.is_cancelled(row) is False
        return
    with pytest.raises(Rejected) as caught:
        orders.is_cancelled(row)
    assert (caught.value.code, caught.value.retryable) == (reason, outcome == "again")


@pytest.mark.parametrize("reason", ["UNKNOWN_CANCEL_FAILURE_REASON", "UNKNOWN_CANCEL_ORDER", ""])
def test_cancel_that_was_taken_is_one_whatever_the_reason_says(reason: str) -> None:
    assert orders.is_cancelled(orders.CancelRow(success=True, order_id="x", failure_reason=reason)) is True


STATES = {
    "PENDING": OrderStatus.WORKING,
    "QUEUED": OrderStatus.WORKING,
    "OPEN": OrderStatus.WORKING,
    "CANCEL_QUEUED": OrderStatus.WORKING,
    "EDIT_QUEUED": OrderStatus.WORKING,
    "FILLED": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
    "FAILED": OrderStatus.REJECTED,
}
"""From the venue's list of states; the tenth, UNKNOWN_ORDER_STATUS, is refused."""


@pytest.mark.parametrize("state", STATES)
def test_state_of_an_order(state: str) -> None:
    [report] = reported(order_row(status=state, filled_size="0.0004"))
    assert (report.status, report.lots, report.filled_lots, report.tag) == (STATES[state], 100_000, 40_000, TAG)
    still = listed(order_row(status=state, filled_size="0.0004"))
    assert [(one.remaining_lots, one.lots) for one in still] == (
        [(60_000, 100_000)] if STATES[state] is OrderStatus.WORKING else []
    )


def test_working_orders_are_told_once_oldest_first_and_the_later_word_counts() -> None:
    first = order_row(order_id="a", created_time="2024-01-15T10:00:02Z")
    second = order_row(order_id="b", created_time="2024-01-15T10:00:01Z")
    assert [one.venue_id for one in listed(first, second, first)] == ["b", "a"]
    assert [one.venue_id for one in listed(first, second, first | {"status": "FILLED"})] == ["b"]


def test_order_that_has_nothing_left_to_fill_does_not_work() -> None:
    assert listed(order_row(filled_size="0.001")) == []


def test_foreign_order_has_no_tag() -> None:
    [order] = listed(order_row(client_order_id="7a746201-2345-4678-89ab-cdef01230000"))
    assert order.tag == ""


@pytest.mark.parametrize(
    ("configuration", "expected"),
    [
        ({"market_market_ioc": {"base_size": "0.001"}}, (0, 100_000)),
        ({"limit_limit_gtd": {"quote_size": "10", "limit_price": "10000.00", "end_time": "…"}}, (1_000_000, 100_000)),
        ({"limit_limit_gtc": {"quote_size": "10", "limit_price": "30000.00"}}, (3_000_000, 33_334)),
        ({"market_market_ioc": {"quote_size": "10"}}, None),
        ({"twap_limit_gtd": {}}, None),
        ({"stop_limit_stop_limit_gtc": {"base_size": "0.001", "limit_price": "9000.00"}}, (900_000, 100_000)),
        ({}, None),
        (None, None),
        ({"one": {"base_size": "1"}, "two": {"base_size": "2"}}, None),
    ],
)
def test_foreign_order_of_any_kind_is_told_as_well_as_can_be(
    configuration: object, expected: tuple[int, int] | None
) -> None:
    told = listed(order_row(client_order_id="somebody else's", order_configuration=configuration))
    assert [(one.price, one.lots) for one in told] == ([expected] if expected else [])


def test_order_of_ours_without_a_size_in_lots_is_refused() -> None:
    with pytest.raises(VenueError) as caught:
        listed(order_row(order_configuration={"market_market_ioc": {"quote_size": "10"}}))
    assert caught.value.code == "undecodable"


def test_market_order_is_reported_without_a_price() -> None:
    [report] = reported(order_row(order_configuration={"market_market_ioc": {"base_size": "0.001"}}))
    assert (report.price, report.lots) == (0, 100_000)


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({}, ""),
        ({"reject_reason": "INSUFFICIENT_FUND", "reject_message": "x"}, "INSUFFICIENT_FUND"),
        ({"reject_message": "no funds"}, "no funds"),
        ({"cancel_message": "User requested cancel"}, "User requested cancel"),
        ({"cancel_message": "m" * 1000}, "m" * 200),
    ],
)
def test_why_an_order_ended(told: dict[str, object], reason: str) -> None:
    [report] = reported(order_row(status="CANCELLED", **told))
    assert report.reason == reason


def test_fills_are_told_oldest_first_each_once() -> None:
    rows = [
        fill_row(entry_id="c", sequence_timestamp="2024-01-15T10:30:02Z"),
        fill_row(entry_id="b", sequence_timestamp="2024-01-15T10:30:01.5Z"),
        fill_row(entry_id="a", sequence_timestamp="2024-01-15T10:30:01.5Z"),
        fill_row(entry_id="c", sequence_timestamp="2024-01-15T10:30:02Z"),
        fill_row(entry_id="d", sequence_timestamp="2024-01-15T10:30:01.50000001Z"),
    ]
    told = filled(*rows)
    assert [fill.trade_id for fill in told] == ["a", "b", "d", "c"]
    assert told[-1].reading_on == "2024-01-15T10:30:02Z"


@pytest.mark.parametrize(
    ("indicator", "maker"), [("MAKER", True), ("TAKER", False), ("UNKNOWN_LIQUIDITY_INDICATOR", False)]
)
def test_who_made_the_fill(indicator: str, maker: bool) -> None:
    [fill] = filled(fill_row(liquidity_indicator=indicator))
    assert fill.maker is maker


def test_rebate_is_a_negative_fee() -> None:
    [fill] = filled(fill_row(commission="-0.0000000001"))
    assert fill.fee == Decimal("-0.0000000001")


@given(st.integers(1, 10**9), st.integers(1, 10**9))
def test_fill_in_the_quote_currency_is_as_many_lots_as_it_bought(lots: int, price: int) -> None:
    value = Decimal(lots) * Decimal(price) / 10**10
    [fill] = filled(fill_row(size_in_quote=True, size=f"{value:f}", price=f"{Decimal(price) / 100:f}"))
    assert (fill.lots, fill.price) == (lots, price)


@pytest.mark.parametrize("size", ["5.00000001", "0.00000000001", "0"])
def test_fill_in_the_quote_currency_that_is_no_whole_lots_needs_people(size: str) -> None:
    with pytest.raises(VenueError) as caught:
        filled(fill_row(size_in_quote=True, size=size, price="30000.00"))
    assert (type(caught.value), caught.value.code, caught.value.retryable) == (VenueError, "needs_people", False)


@pytest.mark.parametrize("trade_type", ["REVERSAL", "CORRECTION", "SYNTHETIC", "fill", ""])
def test_what_is_no_plain_fill_needs_people(trade_type: str) -> None:
    with pytest.raises(VenueError) as caught:
        filled(fill_row(), fill_row(entry_id="other", trade_type=trade_type))
    assert (caught.value.code, caught.value.retryable) == ("needs_people", False)
    assert caught.value.remedy
