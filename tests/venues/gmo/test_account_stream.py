"""The private stream: what its frames mean, and the life of its token, against real sockets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.venues.gmo.desk import KEY, SECRET, answer, refusal
from tests.venues.gmo.samples import BOTH, JSON, LEVERAGE, SAMPLES, frame
from tests.venues.gmo.sockets import Handler, Sockets, greeted, sockets
from tests.venues.loopback import Answer, Request, hang, loopback, reply
from ztb.core.error import Rejected, VenueError
from ztb.core.instrument import BUY, SELL
from ztb.host.clock import HostClock
from ztb.venues.gmo import rules
from ztb.venues.gmo.account_stream import GmoAccountFeed, news_of
from ztb.venues.gmo.calls import SignedCalls
from ztb.venues.gmo.rest import GmoPublic
from ztb.venues.gmo.stream import Turns
from ztb.venues.limiter import Limiter
from ztb.venues.port import AccountFeed, AccountNews, OrderReport, OrderStatus, StreamState, VenueFill
from ztb.venues.transport import Transport

ORDERED_NS = 1_699_999_990_123_000_000
FILL = VenueFill(
    trade_id="92123912",
    tag="",
    venue_order_id="223456789",
    instrument="BTC_JPY",
    side=BUY,
    price=13_690_000,
    lots=10,
    fee=Decimal(0),
    maker=False,
    venue_ns=1_699_999_995_081_000_000,
)


def test_fill_of_a_part() -> None:
    assert news_of(frame("executionEvents"), BOTH) == [FILL]


def test_last_fill_of_an_order_also_tells_that_it_is_whole() -> None:
    # No orderEvents frame will say so.
    for total in ("0.02", "0.020"):
        assert news_of(frame("executionEvents", orderExecutedSize=total), BOTH) == [
            FILL,
            OrderReport("223456789", "", "BTC_JPY", BUY, 13_690_000, 20, 20, OrderStatus.FILLED, ORDERED_NS),
        ]


def test_fill_of_a_market_order_at_spot() -> None:
    body = frame(
        "executionEvents",
        symbol="BTC", executionType="MARKET", orderPrice="0", orderSize="0.00012", orderExecutedSize="0.00012",
        executionSize="0.00012", side="SELL", fee="-1.5",
    )  # fmt: skip
    fill, report = news_of(body, BOTH)
    assert isinstance(fill, VenueFill)
    assert isinstance(report, OrderReport)
    assert (fill.side, fill.lots, fill.fee, fill.maker) == (SELL, 12, Decimal("-1.5"), True)
    assert (report.price, report.lots, report.status) == (0, 12, OrderStatus.FILLED)


@pytest.mark.parametrize("msg_type", ["NOR", "ROR", "COR", "ER", "new"])
@pytest.mark.parametrize(
    ("told", "meant"),
    [
        ("WAITING", OrderStatus.WORKING),
        ("ORDERED", OrderStatus.WORKING),
        ("CANCELED", OrderStatus.CANCELLED),
        ("EXPIRED", OrderStatus.EXPIRED),
    ],
)
def test_state_of_an_order_is_read_from_its_status_alone(told: str, meant: OrderStatus, msg_type: str) -> None:
    body = frame("orderEvents", orderStatus=told, cancelType="EXPIRED_SOK", msgType=msg_type, orderExecutedSize="0.005")
    assert news_of(body, BOTH) == [
        OrderReport("223456789", "", "BTC_JPY", BUY, 13_690_000, 20, 5, meant, ORDERED_NS, "EXPIRED_SOK")
    ]


def test_order_without_a_reason_for_its_end() -> None:
    [report] = news_of(frame("orderEvents"), BOTH)
    assert isinstance(report, OrderReport)
    assert (report.status, report.reason) == (OrderStatus.WORKING, "")


@pytest.mark.parametrize("name", ["executionEvents", "orderEvents"])
def test_symbol_that_we_do_not_trade_is_no_news(name: str) -> None:
    assert news_of(frame(name, symbol="ETH_JPY", orderPrice="0.123456"), BOTH) == []


@pytest.mark.parametrize("name", ["positionEvents", "positionSummaryEvents"])
def test_frames_that_were_not_subscribed_are_signs_of_life(name: str) -> None:
    assert news_of(frame(name), BOTH) == []


ORDER_MEMBERS = {
    "channel", "orderId", "symbol", "executionType", "side", "orderTimestamp", "orderPrice", "orderSize",
    "orderExecutedSize",
}  # fmt: skip
REQUIRED = {
    "orderEvents": ORDER_MEMBERS | {"orderStatus"},
    "executionEvents": ORDER_MEMBERS | {"executionId", "executionPrice", "executionSize", "executionTimestamp", "fee"},
}


@pytest.mark.parametrize(("name", "member"), [(name, member) for name in REQUIRED for member in SAMPLES["ws"][name]])
def test_member_that_is_needed_is_missed_and_another_is_not(name: str, member: str) -> None:
    body = json.dumps({key: value for key, value in SAMPLES["ws"][name].items() if key != member}).encode()
    if member in REQUIRED[name]:
        with pytest.raises(VenueError) as caught:
            news_of(body, BOTH)
        assert caught.value.code == "undecodable"
    else:
        assert news_of(body, BOTH) == news_of(frame(name), BOTH)


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("orderEvents", {"orderStatus": "DONE"}),
        ("orderEvents", {"side": "LONG"}),
        ("orderEvents", {"executionType": "ICEBERG"}),
        ("orderEvents", {"orderExecutedSize": "0.021"}),
        ("orderEvents", {"orderPrice": "0"}),
        ("orderEvents", {"orderSize": "0.0005"}),
        ("orderEvents", {"orderId": "223456789"}),
        ("orderEvents", {"orderId": 0}),
        ("orderEvents", {"orderTimestamp": ""}),
        ("executionEvents", {"side": "BOTH"}),
        ("executionEvents", {"executionPrice": "13690000.5"}),
        ("executionEvents", {"executionSize": "0"}),
        ("executionEvents", {"fee": "NaN"}),
        ("executionEvents", {"fee": 0}),
        ("executionEvents", {"executionId": -1}),
        ("executionEvents", {"executionTimestamp": "2023-11-14T22:13:15.081"}),
        ("executionEvents", {"channel": "executionEvent"}),
    ],
)
def test_frame_that_cannot_be_is_refused(name: str, changes: dict[str, object]) -> None:
    with pytest.raises(VenueError) as caught:
        news_of(frame(name, **changes), BOTH)
    assert caught.value.code == "undecodable"


@given(price=st.integers(1, 10**9), lots=st.integers(1, 10**6), more=st.integers(0, 10**6), fee=st.integers())
def test_amounts_come_back_as_they_were_written(price: int, lots: int, more: int, fee: int) -> None:
    sizes = LEVERAGE.sizes
    body = frame(
        "executionEvents",
        executionPrice=LEVERAGE.prices.text(price), executionSize=sizes.text(lots), fee=str(fee % 10**12),
        orderSize=sizes.text(lots + more), orderExecutedSize=sizes.text(lots),
    )  # fmt: skip
    fill, *reports = news_of(body, BOTH)
    assert isinstance(fill, VenueFill)
    assert (fill.price, fill.lots, fill.fee) == (price, lots, Decimal(fee % 10**12))
    assert len(reports) == (more == 0)


@settings(max_examples=100)
@given(name=st.sampled_from(sorted(REQUIRED)), member=st.sampled_from(sorted(ORDER_MEMBERS)), value=JSON)
def test_no_value_raises_anything_but_a_venue_error(name: str, member: str, value: object) -> None:
    with suppress(VenueError):
        news_of(frame(name, **{member: value}), BOTH)


class Tokens:
    """``/private/v1/ws-auth`` as the venue's page has it: tokens in order, and what was asked."""

    def __init__(self, **answers: Answer) -> None:
        self.asked: list[tuple[str, str]] = []
        self.changed = asyncio.Event()
        self.made = 0
        self.answers = answers

    async def __call__(self, request: Request, writer: asyncio.StreamWriter) -> None:
        token = json.loads(request.body).get("token", "")
        self.asked.append((request.method, token))
        self.changed.set()
        special = self.answers.get(request.method.lower())
        if special is not None:
            await special(request, writer)
        elif request.method == "POST":
            self.made += 1
            await answer(f"tok-{self.made}")(request, writer)
        else:
            await reply('{"status":0,"responsetime":"2023-11-14T22:13:20.123Z"}')(request, writer)

    async def until(self, is_so: Callable[[Tokens], bool]) -> None:
        """Wait for something to have been asked."""
        while not is_so(self):
            self.changed.clear()
            await self.changed.wait()


@asynccontextmanager
async def streaming(
    tokens: Tokens,
    *connections: Handler,
    **options: Any,  # noqa: ANN401
) -> AsyncIterator[tuple[GmoAccountFeed, Sockets]]:
    clock = HostClock()
    async with loopback(tokens) as rest, sockets(*connections) as server:
        transport = Transport(rest.url, read_s_max=0.5, exchange_s_max=1.0)
        limiter = Limiter(rules.RATE_RULES, clock=clock)
        time = GmoPublic(transport, limiter=limiter, clock=clock).time
        feed = GmoAccountFeed(
            server.url + "/ws/private/v1",
            BOTH,
            calls=SignedCalls(transport, key=KEY, secret=SECRET, limiter=limiter, time=time),
            clock=HostClock(100),
            jitter=lambda: 0.5,
            turns=Turns(clock=clock, pause_s=0.01, slack_s=0.0),
            **options,
        )
        try:
            yield feed, server
        finally:
            await transport.close()


async def take(feed: GmoAccountFeed, count: int) -> list[AccountNews]:
    taken: list[AccountNews] = []
    async with asyncio.timeout(30), aclosing(feed.events()) as events:
        async for event in events:
            taken.append(event)
            if len(taken) == count:
                break
    return taken


def test_feed_has_the_shape_of_the_port() -> None:
    def _feed(value: GmoAccountFeed) -> AccountFeed:
        return value


def test_token_is_made_and_given_back_and_frames_are_told() -> None:
    async def run() -> None:
        tokens = Tokens()
        async with streaming(tokens, greeted(frame("executionEvents"), frame("orderEvents"))) as (feed, server):
            state, fill, report = await take(feed, 3)
            assert state == StreamState(True)
            assert fill == FILL
            assert isinstance(report, OrderReport)
            assert server.paths == ["/ws/private/v1/tok-1"]
            assert [json.loads(message) for message in server.heard] == [
                {"command": "subscribe", "channel": "executionEvents"},
                {"command": "subscribe", "channel": "orderEvents"},
            ]
            assert tokens.asked == [("POST", ""), ("DELETE", "tok-1")]

    asyncio.run(run())


def test_stream_that_is_quiet_is_connected_all_the_same() -> None:
    async def run() -> None:
        tokens = Tokens()
        async with streaming(tokens, greeted()) as (feed, server):
            assert await take(feed, 1) == [StreamState(True)]
            assert len(server.heard) == 2

    asyncio.run(run())


def test_token_is_extended_while_the_connection_stands() -> None:
    async def run() -> None:
        tokens = Tokens()
        async with streaming(tokens, greeted(), extend_s=1.0) as (feed, server):
            async with asyncio.timeout(30), aclosing(feed.events()) as events:
                await anext(events)
                reading = asyncio.ensure_future(anext(events))
                await tokens.until(lambda seen: seen.asked.count(("PUT", "tok-1")) >= 3)
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            assert len(server.paths) == 1
            assert tokens.asked[-1] == ("DELETE", "tok-1")

    asyncio.run(run())


def test_token_that_the_venue_dropped_is_replaced() -> None:
    async def run() -> None:
        tokens = Tokens(put=refusal("ERR-5106", "Invalid request parameter."))
        fill = greeted(frame("executionEvents"))
        async with streaming(tokens, greeted(), fill, extend_s=1.0) as (feed, server):
            taken = await take(feed, 4)
            assert [event.connected for event in taken if isinstance(event, StreamState)] == [True, False, True]
            assert taken[3] == FILL
            assert server.paths == ["/ws/private/v1/tok-1", "/ws/private/v1/tok-2"]

    asyncio.run(run())


@pytest.mark.parametrize("bad", [reply("<html>", status="502 Bad Gateway"), hang, refusal("ERR-5201")])
def test_extension_that_got_lost_is_no_reason_to_leave(bad: Answer) -> None:
    async def run() -> None:
        tokens = Tokens(put=bad)
        async with streaming(tokens, greeted(), extend_s=1.0) as (feed, server):
            async with asyncio.timeout(30), aclosing(feed.events()) as events:
                await anext(events)
                reading = asyncio.ensure_future(anext(events))
                await tokens.until(lambda seen: seen.asked.count(("PUT", "tok-1")) >= 3)
                assert not reading.done()
                reading.cancel()
                await asyncio.gather(reading, return_exceptions=True)
            assert len(server.paths) == 1

    asyncio.run(run())


def test_new_connection_has_a_new_token_and_the_old_one_is_given_back() -> None:
    async def run() -> None:
        tokens = Tokens()
        gone = greeted(then_hang=False)
        async with streaming(tokens, gone, greeted(frame("executionEvents"))) as (feed, server):
            taken = await take(feed, 4)
            assert [event.connected for event in taken if isinstance(event, StreamState)] == [True, False, True]
            assert server.paths == ["/ws/private/v1/tok-1", "/ws/private/v1/tok-2"]
            assert tokens.asked == [("POST", ""), ("DELETE", "tok-1"), ("POST", ""), ("DELETE", "tok-2")]

    asyncio.run(run())


def test_token_that_cannot_be_given_back_does_not_hold_us_up() -> None:
    async def run() -> None:
        tokens = Tokens(delete=refusal("ERR-5106"))
        async with streaming(tokens, greeted(then_hang=False), greeted()) as (feed, _):
            assert len(await take(feed, 3)) == 3

    asyncio.run(run())


def test_key_that_is_refused_ends_the_stream() -> None:
    async def run() -> None:
        async with streaming(Tokens(post=refusal("ERR-5010", "Invalid API sign.")), greeted()) as (feed, server):
            with pytest.raises(Rejected) as caught:
                await take(feed, 1)
            assert caught.value.kind == "auth"
            assert server.paths == []

    asyncio.run(run())


@pytest.mark.parametrize("bad", [refusal("ERR-5201"), refusal("ERR-5008"), reply("<html>"), answer("")])
def test_token_that_is_not_to_be_had_is_asked_for_again(bad: Answer) -> None:
    async def run() -> None:
        tokens = Tokens(post=bad)
        async with (
            streaming(tokens, greeted()) as (feed, _),
            asyncio.timeout(30),
            aclosing(feed.events()) as events,
        ):
            lost = await anext(events)
            assert isinstance(lost, StreamState)
            assert not lost.connected
            waiting = asyncio.ensure_future(anext(events))
            await tokens.until(lambda seen: len(seen.asked) >= 2)
            tokens.answers.clear()
            assert await waiting == StreamState(True)

    asyncio.run(run())


def test_refused_subscription_is_a_lost_stream() -> None:
    async def run() -> None:
        async with streaming(Tokens(), greeted(frame("error_rate")), greeted()) as (feed, _):
            taken = await take(feed, 3)
            assert [event.connected for event in taken if isinstance(event, StreamState)] == [True, False, True]
            assert isinstance(taken[1], StreamState)
            assert "ERR-5003" in taken[1].text

    asyncio.run(run())


def test_frame_that_does_not_decode_is_left_out() -> None:
    async def run() -> None:
        bad = [b"{", frame("orderEvents", orderStatus="DONE"), b"\x00"]
        async with streaming(Tokens(), greeted(*bad, frame("executionEvents"))) as (feed, _):
            assert await take(feed, 2) == [StreamState(True), FILL]
            assert feed.loop.frames_refused == 3

    asyncio.run(run())


def test_fill_is_read_with_the_grid_of_its_own_symbol() -> None:
    [fill] = news_of(frame("executionEvents"), {"BTC_JPY": LEVERAGE})
    assert isinstance(fill, VenueFill)
    assert fill.lots == 10
