"""The market stream against a real WebSocket server that loses, repeats and falls silent."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.venues.coinbase.changed import replaced
from tests.venues.coinbase.desk import desk, says
from tests.venues.coinbase.samples import BTC_USD, SAMPLES, frame, rest_answer
from tests.venues.coinbase.sockets import sends, take, venue
from tests.venues.loopback import reply
from tests.venues.scripted_clock import START_NS, ScriptedClock
from ztb.core.error import ConfigError
from ztb.core.event import Depth, Feed, Quote, Trade
from ztb.venues.coinbase import rules
from ztb.venues.coinbase.public import CoinbasePublicSide
from ztb.venues.coinbase.stream import CoinbaseFeed
from ztb.venues.port import Addresses, MarketFeed


def numbered(name: str, number: int, **changes: object) -> Any:  # noqa: ANN401 - JSON
    return frame(name, sequence_num=number, **changes)


def trades(number: int, *ids: int, kind: str = "update") -> Any:  # noqa: ANN401 - JSON
    row = SAMPLES["ws"]["market_trades"]["events"][0]["trades"][0]
    rows = [row | {"trade_id": str(one)} for one in ids]
    return numbered("market_trades", number, events=[{"type": kind, "trades": rows}])


OPENING = [numbered("subscriptions", 0), numbered("heartbeats", 1), numbered("l2_snapshot", 2)]


def a_feed(url: str, clock: ScriptedClock | None = None, **options: Any) -> CoinbaseFeed:  # noqa: ANN401
    return CoinbaseFeed(url, BTC_USD, clock=clock or ScriptedClock(), jitter=lambda: 0.5, **options)


def test_feed_has_the_shape_of_the_port() -> None:
    def _feed(value: CoinbaseFeed) -> MarketFeed:
        return value

    with pytest.raises(ConfigError):
        a_feed("ws://advanced-trade-ws.coinbase.com")


def test_each_channel_is_asked_for_in_a_message_of_its_own() -> None:
    async def run() -> None:
        clock = ScriptedClock()
        async with venue(sends(*OPENING), greetings=3) as heard:
            await take(a_feed(heard.url, clock).events(), 1)
            assert heard.messages == [
                [
                    {"type": "subscribe", "product_ids": ["BTC-USD"], "channel": channel}
                    for channel in ("heartbeats", "level2", "market_trades")
                ]
            ]
            # At most eight messages a second, and all within the five seconds that the venue waits.
            pauses = [one for one in clock.slept if one < 1]
            assert len(pauses) == 2
            assert all(one >= 1 / 8 for one in pauses)
            assert sum(pauses) < 5

    asyncio.run(run())


def test_stream_is_back_with_its_book_and_tells_what_changes() -> None:
    async def run() -> None:
        async with venue(sends(*OPENING, numbered("l2_update", 3), trades(4, 995098700))) as heard:
            feed = a_feed(heard.url)
            taken = await take(feed.events(), 6)
            assert taken[0] == Feed(START_NS, True)
            assert [type(event) for event in taken[1:]] == [Depth, Quote, Depth, Quote, Trade]
            assert (feed.loop.frames, feed.loop.frames_refused) == (5, 0)

    asyncio.run(run())


def test_lost_message_ends_the_connection_and_the_next_one_brings_a_whole_book() -> None:
    async def run() -> None:
        gap = sends(*OPENING, numbered("l2_update", 4))
        async with venue(gap, sends(*OPENING)) as heard:
            feed = a_feed(heard.url)
            taken = await take(feed.events(), 7)
            assert isinstance(taken[3], Feed)
            assert (taken[3].connected, "message 3 is missing" in taken[3].text) == (False, True)
            assert isinstance(taken[4], Feed)
            assert taken[4].connected
            assert isinstance(taken[5], Depth)
            assert taken[5].is_snapshot
            assert isinstance(taken[6], Quote)
            assert feed.loop.reconnections == 1

    asyncio.run(run())


def test_error_frame_ends_the_connection() -> None:
    async def run() -> None:
        async with venue(sends(*OPENING, frame("error")), sends(*OPENING)) as heard:
            taken = await take(a_feed(heard.url).events(), 5)
            assert isinstance(taken[3], Feed)
            assert "authentication failure" in taken[3].text

    asyncio.run(run())


def test_heartbeats_without_a_book_are_no_sign_of_life() -> None:
    async def run() -> None:
        beats = [numbered("subscriptions", 0), *(numbered("heartbeats", number) for number in range(1, 6))]
        async with venue(sends(*beats), sends(*OPENING)) as heard:
            feed = a_feed(heard.url, silence_s_max=0.2)
            taken = await take(feed.events(), 2)
            assert isinstance(taken[0], Feed)
            assert not taken[0].connected
            assert "no data" in taken[0].text
            assert isinstance(taken[1], Feed)
            assert taken[1].connected

    asyncio.run(run())


def test_open_socket_that_falls_silent_is_lost() -> None:
    async def run() -> None:
        async with venue(sends(*OPENING)) as heard:
            taken = await take(a_feed(heard.url, silence_s_max=0.2).events(), 4)
            assert isinstance(taken[3], Feed)
            assert not taken[3].connected

    asyncio.run(run())


def test_garbage_is_passed_over_but_what_it_hid_is_missed() -> None:
    async def run() -> None:
        async with venue(sends(*OPENING, b"\xff garbage", numbered("heartbeats", 4)), sends(*OPENING)) as heard:
            feed = a_feed(heard.url)
            taken = await take(feed.events(), 4)
            assert isinstance(taken[3], Feed)
            assert "message 3 is missing" in taken[3].text
            assert feed.loop.frames_refused == 1

    asyncio.run(run())


def test_history_of_the_stream_fills_the_gap_after_a_return() -> None:
    async def run() -> None:
        first = sends(*OPENING, trades(3, 10, 9, kind="snapshot"), trades(4, 11), then_hang=False)
        later = sends(*OPENING, trades(3, 14, 13, 12, 11, kind="snapshot"), trades(4, 15))
        async with venue(first, later) as heard:
            taken = await take(a_feed(heard.url).events(), 12)
            told = [event.trade_id for event in taken if isinstance(event, Trade)]
            assert told == ["11", "12", "13", "14", "15"]

    asyncio.run(run())


def test_trades_that_the_history_does_not_reach_are_read_over_rest() -> None:
    async def run() -> None:
        row = rest_answer("public_ticker")["trades"][0]
        rows = [row | {"trade_id": str(one)} for one in range(15, 9, -1)]
        first = sends(*OPENING, trades(3, 10, kind="snapshot"), then_hang=False)
        later = sends(*OPENING, trades(3, 15, 14, kind="snapshot"))
        async with (
            venue(first, later) as heard,
            desk(says(rest_answer("public_product")), says({"trades": rows})) as made,
        ):
            feed = a_feed(heard.url, public=made.public)
            taken = await take(feed.events(), 13)
            told = [event.trade_id for event in taken if isinstance(event, Trade)]
            assert told == ["11", "12", "13", "14", "15"]
            notes = [event.text for event in taken if isinstance(event, Feed) and event.text.startswith("backfilled")]
            assert notes == ["backfilled 3 trades"]
            assert (feed.wire.trades_backfilled, feed.wire.gaps_left) == (3, 0)

    asyncio.run(run())


@pytest.mark.parametrize("whole", [True, False])
def test_gap_that_cannot_be_filled_is_said(whole: bool) -> None:
    async def run() -> None:
        row = rest_answer("public_ticker")["trades"][0]
        short = says({"trades": [row | {"trade_id": "13"}]})
        first = sends(*OPENING, trades(3, 10, kind="snapshot"), then_hang=False)
        later = sends(*OPENING, trades(3, 15, 14, kind="snapshot"))
        answer = reply("", status="502 Bad Gateway") if whole else short
        async with venue(first, later) as heard, desk(says(rest_answer("public_product")), answer) as made:
            feed = a_feed(heard.url, public=made.public)
            taken = await take(feed.events(), 10 if whole else 11)
            told = [event.trade_id for event in taken if isinstance(event, Trade)]
            assert told[-2:] == ["14", "15"]
            assert len(told) == (2 if whole else 3)
            assert feed.wire.gaps_left == 1

    asyncio.run(run())


def test_alias_is_followed_under_the_name_that_it_stands_for() -> None:
    async def run() -> None:
        row = rest_answer("public_product") | {"product_id": "BTC-USD", "alias": "BTC-USDX"}
        other = replaced(numbered("l2_snapshot", 0), ("events", 0, "product_id"), "BTC-USDX")
        async with venue(sends(other)) as heard, desk(says(row)) as made:
            taken = await take(a_feed(heard.url, public=made.public).events(), 2)
            assert isinstance(taken[1], Depth)
            assert taken[1].instrument == "BTC-USD"

    asyncio.run(run())


def test_first_frame_of_a_large_book_is_taken() -> None:
    async def run() -> None:
        levels = [
            {"side": "bid", "event_time": "1970-01-01T00:00:00Z", "price_level": f"{price}.00", "new_quantity": "1.5"}
            for price in range(1, 60_001)
        ]
        snapshot = numbered("l2_snapshot", 0, events=[{"type": "snapshot", "product_id": "BTC-USD", "updates": levels}])
        async with venue(sends(snapshot)) as heard:
            taken = await take(a_feed(heard.url).events(), 3)
            assert isinstance(taken[1], Depth)
            assert len(taken[1].bids) == rules.DEPTH_LEVELS
            assert taken[1].bids[0] == (6_000_000, 150_000_000)
            assert isinstance(taken[2], Quote)
            assert (taken[2].bid, taken[2].ask) == (6_000_000, 0)

    asyncio.run(run())


def test_frame_beyond_every_limit_is_a_lost_stream() -> None:
    async def run() -> None:
        async with venue(sends(b" " * (rules.FRAME_BYTES_MAX + 1)), sends(*OPENING)) as heard:
            taken = await take(a_feed(heard.url).events(), 2)
            assert [event.connected for event in taken if isinstance(event, Feed)] == [False, True]

    asyncio.run(run())


def test_public_side_alone_follows_the_market() -> None:
    async def run() -> None:
        async with venue(sends(*OPENING)) as heard, desk(says(rest_answer("public_product"))) as made:
            addresses = Addresses(rest=made.server.url, stream=heard.url)
            side = CoinbasePublicSide(addresses, clock=ScriptedClock(), jitter=lambda: 0.5)
            assert await side.market.instrument("BTC-USD") == BTC_USD
            taken = await take(side.market_feed(BTC_USD).events(), 2)
            assert isinstance(taken[1], Depth)
            assert [room.name for room in side.head_room()] == ["public"]
            await side.close()

    asyncio.run(run())
