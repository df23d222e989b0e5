"""The private stream: states of our orders, a fresh token for each message, and what it passes over."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.venues.coinbase.changed import paths_of, replaced, with_unknown_members, without
from tests.venues.coinbase.desk import ORDER_ID, TAG, WIRE, Desk, desk, order
from tests.venues.coinbase.samples import BTC_USD, frame, rest_answer, verified
from tests.venues.coinbase.sockets import sends, take, venue
from tests.venues.loopback import hang, reply
from tests.venues.scripted_clock import START_NS, ScriptedClock
from ztb.core.error import VenueError
from ztb.core.instrument import BUY
from ztb.venues.coinbase.account_stream import CoinbaseAccountFeed, CoinbaseAccountWire
from ztb.venues.port import AccountFeed, OrderReport, OrderStatus, StreamState
from ztb.venues.stream_loop import StreamBroken

CREATED_NS = 1_775_572_195_123_456_000
"""2026-04-07T14:29:55.123456Z, by a calendar."""
ACK = frame("subscriptions", sequence_num=0, events=[{"subscriptions": {"user": ["BTC-USD"]}}])


def user(number: int, *rows: dict[str, Any], kind: str = "update") -> Any:  # noqa: ANN401 - JSON
    event = {"type": kind, "orders": list(rows), "positions": {"perpetual_futures_positions": []}}
    return frame("user", sequence_num=number, events=[event])


def row(**changes: object) -> dict[str, Any]:
    one: dict[str, Any] = frame("user")["events"][0]["orders"][0]
    return one | {"client_order_id": WIRE} | changes


def a_wire(made: Desk, lots_of: dict[str, int] | None = None) -> CoinbaseAccountWire:
    wire = CoinbaseAccountWire("ws://127.0.0.1:9/", {"BTC-USD": BTC_USD}, made.calls, lots_of or {})
    wire.connected()
    return wire


def reports(*frames: object, lots_of: dict[str, int] | None = None) -> list[OrderReport]:
    """What a stream of these frames tells."""
    told: list[OrderReport] = []

    async def run() -> None:
        async with desk(hang) as made:
            wire = a_wire(made, lots_of)
            for one in frames:
                news = wire.read(json.dumps(one).encode(), 7)
                told.extend(report for report in news or () if isinstance(report, OrderReport))

    asyncio.run(run())
    return told


def test_feed_has_the_shape_of_the_port() -> None:
    def _feed(value: CoinbaseAccountFeed) -> AccountFeed:
        return value


def test_recorded_order_is_told_whole() -> None:
    assert reports(user(0, row())) == [
        OrderReport(ORDER_ID, TAG, "BTC-USD", BUY, 1_000_000, 100_000, 50_000, OrderStatus.WORKING, CREATED_NS)
    ]


def test_order_of_somebody_else_is_passed_over_whatever_it_says() -> None:
    odd = row(client_order_id="ztb-0001", status="A_STATE_OF_TOMORROW", cumulative_quantity="0.000000001")
    assert reports(frame("user"), user(2, odd), user(3, row(product_id="ETH-USD"))) == []


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


@pytest.mark.parametrize("state", STATES)
def test_every_state(state: str) -> None:
    is_ended = STATES[state] is not OrderStatus.WORKING
    filled = "0.001" if state == "FILLED" else "0.0004"
    leaves = "0" if is_ended else "0.0006"
    [report] = reports(
        user(0, row(status=state, cumulative_quantity=filled, leaves_quantity=leaves)), lots_of={TAG: 100_000}
    )
    assert (report.status, report.lots) == (STATES[state], 100_000)
    assert report.filled_lots == (100_000 if state == "FILLED" else 40_000)


def test_size_of_an_ended_order_is_the_one_it_had_when_it_worked() -> None:
    ended = row(status="CANCELLED", leaves_quantity="0")
    assert [(one.status, one.lots) for one in reports(user(0, row()), user(1, ended))] == [
        (OrderStatus.WORKING, 100_000),
        (OrderStatus.CANCELLED, 100_000),
    ]
    # Nobody remembers: REST will say it, nothing is made up.
    assert reports(user(0, ended)) == []
    assert [one.lots for one in reports(user(0, row(status="FILLED", leaves_quantity="0")))] == [50_000]


def test_size_of_an_order_that_ended_at_once_is_the_one_that_was_sent() -> None:
    async def run() -> None:
        answer = rest_answer("create_order")
        answer["success_response"] |= {"client_order_id": WIRE}
        async with desk(reply(json.dumps(answer))) as made:
            await made.account.place(order("ioc", lots=123_456))
            wire = CoinbaseAccountWire("ws://x/", {"BTC-USD": BTC_USD}, made.calls, made.account.lots_of)
            ended = row(status="CANCELLED", leaves_quantity="0", cumulative_quantity="0.0005")
            [report] = wire.read(json.dumps(user(0, ended)).encode(), 7) or ()
            assert isinstance(report, OrderReport)
            assert (report.lots, report.filled_lots) == (123_456, 50_000)

    asyncio.run(run())


def test_price_may_be_missing() -> None:
    told = row()
    del told["limit_price"]
    assert [one.price for one in reports(user(0, told))] == [0]


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"reject_reason": "INSUFFICIENT_FUND"}, "INSUFFICIENT_FUND"),
        ({"reject_Reason": "INSUFFICIENT_FUND"}, "INSUFFICIENT_FUND"),
        ({"cancel_reason": "User requested cancel"}, "User requested cancel"),
        ({"reject_reason": "REJECT_REASON_UNSPECIFIED"}, ""),
        ({}, ""),
    ],
)
def test_why_an_order_ended(told: dict[str, object], reason: str) -> None:
    [report] = reports(user(0, row(status="FAILED", leaves_quantity="0", **told)), lots_of={TAG: 100_000})
    assert (report.status, report.reason) == (OrderStatus.REJECTED, reason)


def test_unknown_members_are_passed_over() -> None:
    assert reports(with_unknown_members(user(0, row()))) == reports(user(0, row()))


REQUIRED = [
    "channel", "sequence_num", "events", "type", "orders", "order_id", "client_order_id", "cumulative_quantity",
    "leaves_quantity", "status", "product_id", "order_side", "creation_time",
]  # fmt: skip


@pytest.mark.parametrize("member", REQUIRED)
@pytest.mark.parametrize("change", ["missing", "null", "of another type"])
def test_frame_with_less_in_it_is_refused(member: str, change: str) -> None:
    value = user(0, row())
    path = next(paths_of(value, member))
    other = without(value, path) if change == "missing" else replaced(value, path, None if change == "null" else 7.5)
    with pytest.raises(VenueError) as caught:
        reports(other)
    assert caught.value.code == "undecodable"


@pytest.mark.parametrize(
    "changes",
    [
        {"status": "UNKNOWN_ORDER_STATUS"},
        {"status": "PARTIALLY_FILLED"},
        {"order_side": "bid"},
        {"cumulative_quantity": "0.000000001"},
        {"leaves_quantity": "-1"},
        {"limit_price": "10000.005"},
        {"creation_time": "now"},
    ],
)
def test_nonsense_about_an_order_of_ours_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(VenueError) as caught:
        reports(user(0, row(**changes)))
    assert caught.value.code == "undecodable"


def test_missing_number_ends_the_connection_and_a_repeated_one_is_passed_over() -> None:
    assert len(reports(user(0, row()), user(0, row()), user(1, row()))) == 2
    with pytest.raises(StreamBroken):
        reports(user(0, row()), user(2, row()))


def test_heartbeats_count_only_when_the_venue_tells_of_orders() -> None:
    async def run() -> None:
        async with desk(hang) as made:
            wire = a_wire(made)
            other = frame("subscriptions", sequence_num=1, events=[{"subscriptions": {"heartbeats": ["BTC-USD"]}}])
            assert wire.read(json.dumps(frame("heartbeats", sequence_num=0)).encode(), 1) is None
            assert wire.read(json.dumps(other).encode(), 1) is None
            assert wire.read(json.dumps(ACK | {"sequence_num": 2}).encode(), 1) == []
            assert wire.read(json.dumps(frame("heartbeats", sequence_num=3)).encode(), 1) == []
            wire.connected()
            assert wire.read(json.dumps(frame("heartbeats", sequence_num=0)).encode(), 1) is None
            assert wire.read(json.dumps(user(1, kind="snapshot")).encode(), 1) == []

    asyncio.run(run())


def a_feed(url: str, made: Desk) -> CoinbaseAccountFeed:
    return CoinbaseAccountFeed(
        url,
        {"BTC-USD": BTC_USD},
        calls=made.calls,
        lots_of=made.account.lots_of,
        clock=ScriptedClock(),
        jitter=lambda: 0.5,
    )


def test_every_subscription_of_every_connection_carries_a_token_of_its_own() -> None:
    async def run() -> None:
        first = sends(ACK, frame("error"))
        async with venue(first, sends(ACK, user(1, row())), greetings=2) as heard, desk(hang) as made:
            taken = await take(a_feed(heard.url, made).events(), 4)
            assert [one.connected for one in taken if isinstance(one, StreamState)] == [True, False, True]
            assert isinstance(taken[1], StreamState)
            assert "authentication failure" in taken[1].text
            assert isinstance(taken[3], OrderReport)
            messages = heard.messages[0] + heard.messages[1]
            assert [message["channel"] for message in messages] == ["heartbeats", "user"] * 2
            assert all(message["product_ids"] == ["BTC-USD"] for message in messages)
            tokens = [message["jwt"] for message in messages]
            assert len(set(tokens)) == 4
            for token in tokens:
                _, claims = verified(token)
                assert "uri" not in claims
                assert claims["nbf"] <= START_NS // 1_000_000_000 < claims["exp"]

    asyncio.run(run())


def test_working_orders_come_first_fifty_at_a_time() -> None:
    many = [row(order_id=f"id-{number}") for number in range(60)]
    told = reports(user(0, *many[:50], kind="snapshot"), user(1, *many[50:], kind="snapshot"))
    assert [one.venue_id for one in told] == [f"id-{number}" for number in range(60)]
