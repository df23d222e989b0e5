"""The WebSocket with a real client: numbered frames, every channel, and sockets that end for their reasons."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from decimal import Decimal

import pytest
from websockets.asyncio.client import connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.simulator.coinbase_world import (
    ALICE,
    BOB,
    QUIET,
    Json,
    Socket,
    World,
    account,
    depth,
    quote,
    running,
    token,
    trade,
)
from tests.simulator.world import ManualClock
from ztb.core.instrument import BUY, SELL
from ztb.simulator.coinbase.rules import CoinbaseRules
from ztb.simulator.moods import Mood
from ztb.simulator.news import News
from ztb.simulator.tape_player import MarketEvent

Scenario = Callable[[World, ManualClock], Awaitable[None]]
PRODUCT = "BTC-USD"


class Wall:
    """The sockets' own time, set by hand."""

    def __init__(self) -> None:
        self.now_s = 100.0

    def __call__(self) -> float:
        return self.now_s


def play(
    scenario: Scenario,
    events: list[MarketEvent] | None = None,
    *,
    rules: CoinbaseRules | None = None,
    wall: Wall | None = None,
) -> None:
    async def run() -> None:
        clock = ManualClock()
        async with running(events or QUIET, clock=clock, rules=rules, wall_s=wall or Wall()) as world:
            await scenario(world, clock)

    asyncio.run(run())


async def silent(socket: Socket) -> bool:
    """Whether nothing comes, over many wake-ups of the server."""
    try:
        async with asyncio.timeout(0.1):
            await socket.connection.recv()
    except TimeoutError:
        return True
    return False


async def code_of_close(socket: Socket) -> int:
    with pytest.raises(ConnectionClosed):
        async with asyncio.timeout(20):
            while True:
                await socket.connection.recv()
    assert socket.connection.close_code is not None
    return socket.connection.close_code


async def error(socket: Socket) -> str:
    frame = await socket.frame()
    assert set(frame) == {"type", "message"}
    assert frame["type"] == "error"
    text = frame["message"]
    assert isinstance(text, str)
    return text


def test_every_frame_of_a_socket_has_the_next_number() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket, world.socket() as other:
            numbers = []
            for channel in ("level2", "market_trades", "ticker", "candles"):
                await socket.say("subscribe", channel, PRODUCT)
                for _ in range(2):
                    numbers.append((await socket.frame())["sequence_num"])
            assert numbers == list(range(8))
            assert (await other.subscribe("level2", PRODUCT))["sequence_num"] == 1

    play(scenario)


def test_the_acknowledgement_lists_the_whole_state() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:

            async def state() -> Json:
                while True:
                    frame = await socket.frame()
                    if frame["channel"] == "subscriptions":
                        return frame["events"][0]["subscriptions"]

            await socket.say("subscribe", "level2", PRODUCT)
            assert await state() == {"level2": [PRODUCT]}
            await socket.say("subscribe", "heartbeats")
            assert await state() == {"level2": [PRODUCT], "heartbeats": ["heartbeats"]}
            await socket.say("subscribe", "level2", PRODUCT)
            assert await state() == {"level2": [PRODUCT], "heartbeats": ["heartbeats"]}
            await socket.say("unsubscribe", "level2", PRODUCT)
            assert await state() == {"heartbeats": ["heartbeats"]}
            await socket.say("unsubscribe", "heartbeats")
            assert await state() == {}
            await socket.say("unsubscribe", "heartbeats")
            while (frame := await socket.frame()).get("type") != "error":
                assert frame["channel"] == "heartbeats"

    play(scenario)


def test_heartbeats_come_once_a_second_of_the_exchanges_time() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            await socket.say("subscribe", "heartbeats")
            counters = []
            await socket.frame()
            for _ in range(3):
                frame = await socket.frame()
                counters.append(frame["events"][0]["heartbeat_counter"])
                assert await silent(socket)
                clock.pass_seconds(1)
            assert counters == [0, 1, 2]
            text = (await socket.frame())["events"][0]["current_time"]
            assert text == "2023-11-14 22:13:23.000000000 +0000 UTC m=+3.000000000"

    play(scenario)


def level2(book: dict[tuple[str, str], Decimal], frame: Json) -> None:
    """A book as any client keeps it."""
    for event in frame["events"]:
        if event["type"] == "snapshot":
            book.clear()
        for update in event["updates"]:
            key, quantity = (update["side"], update["price_level"]), Decimal(update["new_quantity"])
            if quantity:
                book[key] = quantity
            else:
                del book[key]


def test_level2_kept_by_its_updates_is_the_book() -> None:
    events: list[MarketEvent] = [
        *QUIET,
        depth(2, [("68900.00", "0.7"), ("68880.00", "4")], [("68901.00", "0")], is_snapshot=False),
        quote(3, "68899.00", "68902.00", bid_size="0.00000001"),
        depth(4, [("100.00", "1")], [("100.01", "2"), ("100.02", "3")]),
    ]

    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            snapshot = await socket.subscribe("level2", PRODUCT)
            (event,) = snapshot["events"]
            assert (event["type"], event["product_id"]) == ("snapshot", PRODUCT)
            assert event["updates"][0] == {
                "side": "bid", "event_time": "1970-01-01T00:00:00Z", "price_level": "68900.00",
                "new_quantity": "1.50000000",
            }  # fmt: skip
            book: dict[tuple[str, str], Decimal] = {}
            level2(book, snapshot)
            for _ in range(5):
                clock.pass_seconds(1)
                shown = await world.client().public("/market/product_book", product_id=PRODUCT)
                expected = {
                    (name, row["price"]): Decimal(row["size"])
                    for side, name in (("bids", "bid"), ("asks", "offer"))
                    for row in shown["pricebook"][side]
                }
                while book != expected:
                    frame = await socket.frame()
                    assert frame["events"][0]["type"] == "update"
                    level2(book, frame)
            assert await silent(socket)
            assert set(book) == {("bid", "100.00"), ("offer", "100.01"), ("offer", "100.02")}

    play(scenario, events)


def test_an_own_order_is_seen_in_the_book_and_its_end_deletes_it() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            await socket.subscribe("level2", PRODUCT)
            order_id = await world.client().limit("BUY", "0.1", "68895.00")
            (update,) = (await socket.frame())["events"][0]["updates"]
            assert (update["side"], update["price_level"], update["new_quantity"]) == ("bid", "68895.00", "0.10000000")
            await world.client().post("/orders/batch_cancel", {"order_ids": [order_id]})
            (update,) = (await socket.frame())["events"][0]["updates"]
            assert (update["price_level"], update["new_quantity"]) == ("68895.00", "0")

    play(scenario)


def test_trades_come_in_batches_and_none_is_missing() -> None:
    events = [*QUIET, *(trade(2 + number / 10, f"6890{number % 2}.00", "0.001", BUY) for number in range(40))]

    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            snapshot = await socket.subscribe("market_trades", PRODUCT)
            (event,) = snapshot["events"]
            assert (event["type"], event["trades"]) == ("snapshot", [])
            seen: list[int] = []
            batches = 0
            for _ in range(30):
                clock.pass_seconds(0.2)
                await asyncio.sleep(0.01)
            while len(seen) < 41:
                frame = await socket.frame()
                (event,) = frame["events"]
                assert event["type"] == "update"
                ids = [int(row["trade_id"]) for row in event["trades"]]
                assert ids == sorted(ids, reverse=True)
                seen += ids[::-1]
                batches += 1
            assert seen == list(range(seen[0], seen[0] + 41))
            assert batches < 41
            again = await socket.subscribe("market_trades", PRODUCT)
            assert [int(row["trade_id"]) for row in again["events"][0]["trades"]] == seen[::-1]
            assert again["events"][0]["trades"][0] == {
                "trade_id": str(seen[-1]), "product_id": PRODUCT, "price": "68901.00", "size": "0.00100000",
                "side": "BUY", "time": "2023-11-14T22:13:25.900000Z",
            }  # fmt: skip

    play(scenario, events)


def test_tickers_follow_trades_or_five_seconds() -> None:
    events = [
        *QUIET, trade(2, "68905.00", "0.1", BUY), quote(3, "68900.00", "68903.00"), trade(4, "68890.00", "1", SELL),
    ]  # fmt: skip

    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket, world.socket() as batch:
            first = (await socket.subscribe("ticker", PRODUCT))["events"][0]
            assert first["type"] == "snapshot"
            told = (await batch.subscribe("ticker_batch", PRODUCT))["events"][0]["tickers"][0]
            assert "best_bid" not in told
            clock.pass_seconds(2)
            (ticker,) = (await socket.frame())["events"][0]["tickers"]
            assert ticker["price"] == "68905.00"
            assert (ticker["best_bid"], ticker["best_ask_quantity"]) == ("68900.00", "0.50000000")
            clock.pass_seconds(1)
            # Nobody traded: only the touch moved.
            assert await silent(socket)
            assert await silent(batch)
            clock.pass_seconds(1)
            (ticker,) = (await socket.frame())["events"][0]["tickers"]
            assert (ticker["price"], ticker["best_ask"]) == ("68890.00", "68903.00")
            assert (ticker["low_24_h"], ticker["high_24_h"]) == ("68890.00", "68905.00")
            # 0.0015 + 0.1 + 1 coins.
            assert ticker["volume_24_h"] == "1.10150000"
            clock.pass_seconds(1.1)
            update = (await batch.frame())["events"][0]
            assert (update["type"], update["tickers"][0]["price"]) == ("update", "68890.00")

    play(scenario, events)


def test_candles_of_five_minutes_and_the_status() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            assert (await socket.subscribe("candles", PRODUCT))["events"] == [{"type": "snapshot", "candles": []}]
            clock.pass_seconds(1)
            (candle,) = (await socket.frame())["events"][0]["candles"]
            assert candle == {
                "start": "1699999800", "low": "68900.50", "high": "68900.50", "open": "68900.50", "close": "68900.50",
                "volume": "0.0015", "product_id": PRODUCT,
            }  # fmt: skip
            clock.pass_seconds(2)
            assert await silent(socket)
            (product,) = (await socket.subscribe("status"))["events"][0]["products"]
            assert (product["id"], product["status"], product["quote_increment"]) == (PRODUCT, "online", "0.01")

    play(scenario)


async def states(socket: Socket, count: int) -> list[Json]:
    """The next states of orders."""
    found: list[Json] = []
    while len(found) < count:
        frame = await socket.frame()
        assert frame["channel"] == "user"
        (event,) = frame["events"]
        assert event["type"] == "update"
        found += event["orders"]
    return found


def short(state: Json) -> tuple[str, str, str]:
    return state["status"], state["cumulative_quantity"], state["leaves_quantity"]


def test_the_user_channel_tells_states_not_fills() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        async with world.socket() as socket:
            await socket.subscribe("user", PRODUCT, key=ALICE)
            order_id = await client.limit("BUY", "0.6", "68901.00", client_id="mine")
            placed, partly = await states(socket, 2)
            assert (short(placed), short(partly)) == (("OPEN", "0", "0.6"), ("OPEN", "0.5", "0.1"))
            assert (placed["order_id"], placed["client_order_id"]) == (order_id, "mine")
            assert (partly["avg_price"], partly["number_of_fills"]) == ("68901", "1")
            # 1.2 % of 34,450.50.
            assert (partly["total_fees"], partly["filled_value"]) == ("413.406", "34450.5")
            assert partly["limit_price"] == "68901.00"
            clock.pass_seconds(5)
            (filled,) = await states(socket, 1)
            assert short(filled) == ("FILLED", "0.6", "0")
            assert (filled["number_of_fills"], filled["completion_percentage"]) == ("2", "100")
            killed = await client.create("BUY", "sor_limit_ioc", base_size="0.1", limit_price="60000.00")
            assert killed["success"] is True
            assert [short(state) for state in await states(socket, 2)] == [
                ("OPEN", "0", "0.1"), ("CANCELLED", "0", "0"),
            ]  # fmt: skip
            order_id = await client.limit("SELL", "0.1", "70000.00", post_only=True)
            await client.post("/orders/edit", {"order_id": order_id, "price": "71000.00", "size": "0.1"})
            await client.post("/orders/batch_cancel", {"order_ids": [order_id]})
            told = await states(socket, 3)
            assert [short(state) for state in told] == [
                ("OPEN", "0", "0.1"), ("OPEN", "0", "0.1"), ("CANCELLED", "0", "0"),
            ]  # fmt: skip
            assert [state["limit_price"] for state in told] == ["70000.00", "71000.00", "71000.00"]
            assert (told[0]["post_only"], told[2]["cancel_reason"]) == ("true", "User requested cancel")
            await world.client(BOB).limit("BUY", "0.1", "50000.00")
            assert await silent(socket)

    play(scenario, [*QUIET, trade(3, "68901.00", "0.2", SELL)])


@pytest.mark.parametrize(("orders", "batches"), [(0, [0]), (49, [49]), (50, [50, 0]), (101, [50, 50, 1])])
def test_the_snapshot_comes_in_batches_of_fifty(orders: int, batches: list[int]) -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        placed = [await world.client().limit("BUY", "0.0001", f"{20_000 + number}.00") for number in range(orders)]
        async with world.socket() as socket:
            frame = await socket.subscribe("user", key=ALICE)
            found: list[str] = []
            for size in batches:
                (event,) = frame["events"]
                assert (event["type"], len(event["orders"])) == ("snapshot", size)
                assert set(event["positions"]) == {"perpetual_futures_positions", "expiring_futures_positions"}
                found += [state["order_id"] for state in event["orders"]]
                if size != batches[-1]:
                    frame = await socket.frame()
            assert found == placed

    play(scenario, rules=CoinbaseRules(private_limits=False))


def test_the_user_channel_wants_a_token_without_uri() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            uri = f"GET 127.0.0.1:{world.port}/"
            for wrong in (
                {}, {"jwt": "x"}, {"jwt": token(world.now_s, uri=uri)}, {"jwt": token(world.now_s - 121)},
                {"jwt": token(world.now_s + 1)}, {"jwt": token(world.now_s, sub=BOB)},
            ):  # fmt: skip
                await socket.say("subscribe", "user", **wrong)
                assert await error(socket) == "authentication failure"
            assert (await socket.subscribe("user", key=ALICE))["events"][0]["type"] == "snapshot"

    play(scenario)


def test_a_key_that_may_not_look_gets_no_user_channel() -> None:
    async def run() -> None:
        async with (
            running(accounts=(account(rights=("trade",)),), wall_s=Wall()) as world,
            world.socket() as socket,
        ):
            await socket.say("subscribe", "user", key=ALICE)
            assert await error(socket) == "authentication failure"

    asyncio.run(run())


def test_what_is_not_understood_gets_an_error_and_the_socket_lives() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            for text in (
                "", "[]", "{", '{"type":"subscribe"}', '{"type":"hello","channel":"level2"}', "x",
                '{"type":"subscribe","channel":7}', '{"type":"subscribe","channel":"level2","product_ids":"BTC-USD"}',
                '{"type":"subscribe","channel":"level2","product_ids":["ETH-USD"]}', "[" * 30_000,
                '{"type":"subscribe","channel":"level2"}',
                json.dumps({"type": "subscribe", "channel": "level2", "product_ids": [PRODUCT] * 101}),
            ):  # fmt: skip
                await socket.connection.send(text)
                assert await error(socket)
                clock.pass_seconds(1)
            await socket.connection.send(b"\xff\xfe", text=True)
            assert await error(socket) == "the message is not understood"
            await socket.say("subscribe", "no_such_channel", PRODUCT)
            assert await error(socket) == "authentication failure"
            # A token on a public channel is nobody's business, right or wrong.
            await socket.say("subscribe", "level2", PRODUCT, jwt="nonsense")
            assert (await socket.frame())["sequence_num"] == 0

    play(scenario)


def test_the_other_name_of_a_product_answers_under_its_own() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            snapshot = await socket.subscribe("level2", "BTC-USDC")
            assert snapshot["events"][0]["product_id"] == PRODUCT
            await socket.subscribe("user", "BTC-USDC", key=ALICE)
            client = world.client()
            members = {"base_size": "0.1", "limit_price": "60000.00"}
            await client.create("BUY", "limit_limit_gtc", product=PRODUCT, **members)
            await client.create("BUY", "limit_limit_gtc", product="BTC-USDC", **members)
            # The two changes of the book may come as one frame or as two.
            user = await socket.frame()
            while user["channel"] != "user":
                user = await socket.frame()
            # The user channel keeps the name under which the order was placed.
            assert [state["product_id"] for state in user["events"][0]["orders"]] == ["BTC-USDC"]

    play(scenario, rules=CoinbaseRules(alias_quote="USDC"))


def test_a_socket_without_a_subscription_is_closed() -> None:
    """Five seconds in production; a client that only pings, or is not understood, has not subscribed."""

    async def run() -> None:
        async with running(rules=CoinbaseRules(subscribe_s_max=0.3)) as world:
            async with world.socket() as idle:
                assert await code_of_close(idle) == 1006
            async with world.socket() as chatty:
                with pytest.raises(ConnectionClosed):
                    async with asyncio.timeout(20):
                        while True:
                            await chatty.connection.send("{}")
                            await chatty.connection.recv()
            async with world.socket() as subscribed:
                await subscribed.subscribe("level2", PRODUCT)
                await asyncio.sleep(0.5)
                assert await silent(subscribed)

    asyncio.run(run())


def test_a_socket_on_which_nothing_happens_is_closed_and_heartbeats_prevent_it() -> None:
    wall = Wall()

    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as quiet, world.socket() as beating:
            await quiet.subscribe("level2", PRODUCT)
            await beating.say("subscribe", "heartbeats")
            await beating.frame()
            await beating.frame()
            for _ in range(2):
                wall.now_s += 40
                clock.pass_seconds(1)
                assert (await beating.frame())["channel"] == "heartbeats"
            assert await code_of_close(quiet) == 1006
            assert await silent(beating)

    play(scenario, wall=wall)


def test_eight_sockets_and_eight_messages_a_second() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        sockets = [await connect(world.stream_url) for _ in range(8)]
        with pytest.raises(InvalidStatus) as refused:
            await connect(world.stream_url)
        assert refused.value.response.status_code == 429
        for socket in sockets[1:]:
            await socket.close()
        clock.pass_seconds(1)
        one = Socket(world, sockets[0])
        for _ in range(8):
            await one.say("subscribe", "level2", PRODUCT)
            assert (await one.frame())["channel"] == "subscriptions"
            assert (await one.frame())["channel"] == "l2_data"
        await one.say("subscribe", "level2", PRODUCT)
        assert await error(one) == "rate limit exceeded"
        # With a token nobody counts.
        await one.subscribe("level2", PRODUCT, key=ALICE)
        await sockets[0].close()

    play(scenario)


def test_other_paths_have_no_socket() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        with pytest.raises(InvalidStatus) as refused:
            await connect(f"{world.stream_url}stream")
        assert refused.value.response.status_code == 404

    play(scenario)


def test_a_client_that_is_too_far_behind_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            await socket.subscribe("user", key=ALICE)
            news = world.exchange.purse.accounts[ALICE].news
            monkeypatch.setattr(News, "after", lambda self, sequence: ((), self is news))
            await world.client().limit("BUY", "0.1", "50000.00")
            assert await code_of_close(socket) == 1006

    play(scenario)


def test_a_lost_frame_leaves_a_gap_in_the_numbers() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            assert (await socket.subscribe("level2", PRODUCT))["sequence_num"] == 1
            world.moods.switch_on(Mood("skip_sequence", count=1, methods=frozenset({"level2"})))
            for price in ("50000.00", "50001.00"):
                await world.client().limit("BUY", "0.1", price)
                await asyncio.sleep(0.05)
            frame = await socket.frame()
            assert frame["sequence_num"] == 3
            assert frame["events"][0]["updates"][0]["price_level"] == "50001.00"

    play(scenario)


def test_moods_of_a_socket() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        client = world.client()
        async with world.socket() as socket:
            await socket.subscribe("user", key=ALICE)
            world.moods.switch_on(Mood("duplicate_events", count=1))
            await client.limit("BUY", "0.1", "50000.00")
            first, second = await socket.frame(), await socket.frame()
            assert first["events"] == second["events"]
            assert second["sequence_num"] == first["sequence_num"] + 1
            world.moods.switch_on(Mood("missing_client_id", count=1))
            await client.limit("BUY", "0.1", "50001.00")
            assert "client_id" not in await socket.frame()
            world.moods.switch_on(Mood("garbage_frames", count=1))
            await client.limit("BUY", "0.1", "50002.00")
            with pytest.raises((UnicodeDecodeError, ValueError)):
                json.loads(await socket.connection.recv(decode=False))
            assert (await socket.frame())["channel"] == "user"
            world.moods.switch_on(Mood("stream_silence", count=1))
            await client.limit("BUY", "0.1", "50003.00")
            assert await silent(socket)
            await client.limit("BUY", "0.1", "50004.00")
            frame = await socket.frame()
            assert frame["events"][0]["orders"][0]["limit_price"] == "50004.00"
            world.moods.switch_on(Mood("stream_drop", count=1))
            await client.limit("BUY", "0.1", "50005.00")
            assert await code_of_close(socket) == 1006

    play(scenario)


def test_states_may_come_in_another_order() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            await socket.subscribe("user", key=ALICE)
            world.moods.switch_on(Mood("reordered_events"))
            world.moods.switch_on(Mood("tiny_fills"))
            await world.client().limit("BUY", "0.5", "68901.00")
            told = await states(socket, 13)
            filled = [Decimal(state["cumulative_quantity"]) for state in told]
            assert filled != sorted(filled)
            assert len(set(filled)) == 13
            assert max(filled) == Decimal("0.5")

    play(scenario)


def test_maintenance_closes_sockets_and_refuses_new_ones() -> None:
    async def scenario(world: World, clock: ManualClock) -> None:
        async with world.socket() as socket:
            await socket.subscribe("level2", PRODUCT)
            world.moods.switch_on(Mood("maintenance"))
            assert await code_of_close(socket) == 1006
            with pytest.raises(InvalidStatus) as refused:
                await connect(world.stream_url)
            assert refused.value.response.status_code == 503
            world.moods.switch_off("maintenance")
            clock.pass_seconds(1)
        async with world.socket() as socket:
            await socket.subscribe("level2", PRODUCT)

    play(scenario)
