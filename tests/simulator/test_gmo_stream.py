"""GMO Coin's streams over real sockets: subscribing, what is told, and how they end."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import ConnectionClosed, InvalidStatus

from tests.simulator.gmo_world import GmoWorld, running
from tests.simulator.world import ALICE, BOB, QUIET, depth, trade
from ztb.core.instrument import BUY, SELL
from ztb.simulator.gmo.rules import GmoRules
from ztb.simulator.moods import Mood

Scenario = Callable[[GmoWorld], Awaitable[None]]
UNLIMITED = GmoRules(public_per_second=0, subscribe_interval_ns=0)


def play(scenario: Scenario, **options: Any) -> None:  # noqa: ANN401 - whatever ``running`` takes
    async def run() -> None:
        async with running(**options) as world:
            await scenario(world)

    asyncio.run(run())


async def told(socket: ClientConnection, count: int) -> list[Any]:
    return [json.loads(await socket.recv()) for _ in range(count)]


async def silent(socket: ClientConnection) -> bool:
    """Nothing more comes within several ticks of the exchange."""
    try:
        async with asyncio.timeout(0.1):
            await socket.recv()
    except TimeoutError:
        return True
    return False


def command(channel: str, symbol: str = "BTC", **more: str) -> dict[str, str]:
    return {"command": "subscribe", "channel": channel, "symbol": symbol, **more}


def test_the_book_comes_whole_and_at_most_twice_a_second() -> None:
    events = [*QUIET, *[depth(10 + n / 10, [(13_689_000 - 5 * n, 100)], [(13_690_000, 50)]) for n in range(10)]]

    async def scenario(world: GmoWorld) -> None:
        async with world.market_stream(command("orderbooks")) as socket:
            (first,) = await told(socket, 1)
            assert first["bids"][0] == {"price": "13689995", "size": "0.3"}
            world.clock.pass_seconds(9.05)
            (second,) = await told(socket, 1)
            assert second["bids"] == [{"price": "13689000", "size": "0.01"}]
            world.clock.pass_seconds(0.3)
            assert await silent(socket)
            world.clock.pass_seconds(0.3)
            (third,) = await told(socket, 1)
            assert third["bids"] == [{"price": "13688970", "size": "0.01"}]
            assert third["timestamp"] == "2023-11-14T22:13:30.650Z"

    play(scenario, events=events)


@pytest.mark.parametrize(("option", "sides"), [({"option": "TAKER_ONLY"}, ["SELL"]), ({}, ["BUY", "SELL"])])
def test_a_trade_is_told_by_its_taker_alone_or_by_both(option: dict[str, str], sides: list[str]) -> None:
    async def scenario(world: GmoWorld) -> None:
        async with world.market_stream(command("trades", "BTC_JPY", **option)) as socket:
            world.clock.pass_seconds(10)
            rows = await told(socket, len(sides))
            assert [row["side"] for row in rows] == sides
            assert {row["symbol"] for row in rows} == {"BTC_JPY"}
            assert await silent(socket)

    play(scenario, events=[QUIET[0], trade(10, 13_689_995, 7, SELL)])


def test_wrong_commands_are_told_so_and_the_socket_stays() -> None:
    async def scenario(world: GmoWorld) -> None:
        async with world.market_stream() as socket:
            for bad, member in (
                (command("nothing"), "channel"),
                (command("ticker", "ETH"), "symbol"),
                ({"command": "subscribe", "channel": "ticker"}, "symbol"),
                (command("ticker", option="TAKER_ONLY"), "option"),
                ({"command": "shout"}, "command"),
            ):
                await world.say(socket, bad)
                assert await told(socket, 1) == [{"error": f"ERR-5106 Invalid request parameter. {member}"}]
            for nonsense in ("", "{", "[]", "7"):
                await socket.send(nonsense)
                assert await told(socket, 1) == [{"error": "ERR-5106 Invalid request parameter. command"}]
            await world.say(socket, command("ticker"))
            assert (await told(socket, 1))[0]["channel"] == "ticker"

    play(scenario, rules=UNLIMITED)


def test_one_command_a_second_from_one_address() -> None:
    async def scenario(world: GmoWorld) -> None:
        async with world.market_stream(command("ticker")) as first, world.market_stream() as second:
            await told(first, 1)
            await second.send(json.dumps(command("ticker")))
            assert await told(second, 1) == [{"error": "ERR-5003 Request too many."}]
            world.clock.pass_seconds(0.999)
            await second.send(json.dumps(command("ticker")))
            assert await told(second, 1) == [{"error": "ERR-5003 Request too many."}]
            world.clock.pass_seconds(0.001)
            await second.send(json.dumps(command("ticker")))
            assert (await told(second, 1))[0]["channel"] == "ticker"

    play(scenario)


def test_unsubscribed_is_silent() -> None:
    async def scenario(world: GmoWorld) -> None:
        async with world.market_stream(command("ticker")) as socket:
            await told(socket, 1)
            await world.say(socket, {"command": "unsubscribe", "channel": "ticker", "symbol": "BTC"})
            await world.client().order("BUY", 13_689_000, "0.01")
            world.clock.pass_seconds(5)
            assert await silent(socket)

    play(scenario)


@pytest.mark.parametrize("private", [False, True])
def test_who_never_subscribes_is_cut_off_and_who_did_is_not(private: bool) -> None:
    now_s = [0.0]

    async def scenario(world: GmoWorld) -> None:
        idle = world.account_stream() if private else world.market_stream()
        busy = world.account_stream("orderEvents") if private else world.market_stream(command("trades"))
        async with idle as socket, busy as kept:
            now_s[0] = 61.0
            with pytest.raises(ConnectionClosed) as caught:
                await socket.recv()
            assert caught.value.rcvd is None, "without a close frame: 1006"
            assert await silent(kept)

    play(scenario, events=QUIET[:1], wall_s=lambda: now_s[0])


def test_the_server_pings_and_leaves_who_does_not_answer() -> None:
    async def scenario(world: GmoWorld) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
        writer.write(
            b"GET /ws/public/v1 HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
        )
        await reader.readuntil(b"\r\n\r\n")
        assert await reader.read() == b"\x89\x00" * 3
        writer.close()
        async with world.market_stream(command("ticker")) as socket:
            await told(socket, 1)
            await asyncio.sleep(0.3)
            await (await socket.ping())

    play(scenario, rules=GmoRules(public_per_second=0, ping_s=0.03))


def test_an_order_from_its_placing_to_its_end() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        async with world.account_stream("orderEvents", "executionEvents") as socket:
            order_id = await client.order("BUY", 13_689_000, "0.05")
            await client.call("POST", "changeOrder", {"orderId": order_id, "price": "13689500"})
            placed, changed = await told(socket, 2)
            assert (placed["orderStatus"], placed["msgType"], placed["orderPrice"]) == ("ORDERED", "NOR", "13689000")
            assert (changed["orderStatus"], changed["msgType"], changed["orderPrice"]) == ("ORDERED", "ROR", "13689500")
            world.clock.pass_seconds(60)
            (filled,) = await told(socket, 1)
            assert (filled["channel"], filled["executionSize"], filled["orderExecutedSize"]) == (
                "executionEvents", "0.02", "0.02",
            )  # fmt: skip
            await client.call("POST", "cancelOrder", {"orderId": order_id})
            (ended,) = await told(socket, 1)
            assert (ended["orderStatus"], ended["cancelType"], ended["msgType"]) == ("CANCELED", "USER", "COR")
            assert (ended["orderExecutedSize"], ended["orderSize"]) == ("0.02", "0.05")

    play(scenario, events=[*QUIET, trade(40, 13_689_000, 200, SELL)])


def test_a_full_fill_has_no_order_event_of_its_own() -> None:
    async def scenario(world: GmoWorld) -> None:
        async with world.account_stream("orderEvents", "executionEvents") as socket:
            await world.client().order("BUY", None, "0.01")
            first, second = await told(socket, 2)
            assert [first["channel"], second["channel"]] == ["orderEvents", "executionEvents"]
            assert second["orderExecutedSize"] == second["orderSize"]
            assert await silent(socket)

    play(scenario)


def test_a_post_only_order_that_would_take_ends_on_the_stream() -> None:
    async def scenario(world: GmoWorld) -> None:
        async with world.account_stream("orderEvents") as socket:
            await world.client().order("BUY", 13_690_000, "0.01", tif="SOK")
            new, ended = await told(socket, 2)
            assert (new["orderStatus"], "cancelType" in new) == ("ORDERED", False)
            assert (ended["orderStatus"], ended["cancelType"], ended["msgType"]) == ("EXPIRED", "EXPIRED_SOK", "ER")

    play(scenario)


def test_only_what_was_subscribed_and_only_ones_own() -> None:
    async def scenario(world: GmoWorld) -> None:
        async with world.account_stream("executionEvents") as socket:
            await world.client(BOB).order("BUY", None, "0.01")
            await world.client().order("BUY", 13_689_000, "0.01")
            assert await silent(socket)
            await world.say(socket, {"command": "subscribe", "channel": "orderEvents"})
            assert await silent(socket), "what was before is not told later"

    play(scenario)


def test_positions_open_shrink_and_close() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        async with world.account_stream("positionEvents") as socket:
            await client.order("SELL", None, "0.02", symbol="BTC_JPY")
            for size in ("0.005", "0.015"):
                body = {"symbol": "BTC_JPY", "side": "BUY", "executionType": "MARKET", "size": size}
                await client.call("POST", "closeBulkOrder", body)
            rows = await told(socket, 3)
            assert [(row["msgType"], row["size"], row["side"]) for row in rows] == [
                ("OPR", "0.02", "SELL"), ("UPR", "0.015", "SELL"), ("CPR", "0", "SELL"),
            ]  # fmt: skip
            assert len({row["positionId"] for row in rows}) == 1

    play(scenario)


def test_the_summary_comes_every_five_seconds_on_demand() -> None:
    async def scenario(world: GmoWorld) -> None:
        await world.client().order("BUY", None, "0.02", symbol="BTC_JPY")
        async with world.account_stream() as socket:
            await world.say(socket, {"command": "subscribe", "channel": "positionSummaryEvents", "option": "PERIODIC"})
            (first,) = await told(socket, 1)
            for _ in range(2):
                world.clock.pass_seconds(5)
                (row,) = await told(socket, 1)
                assert row == {**first, "timestamp": row["timestamp"], "msgType": "PERIODIC"}

    play(scenario)


def test_a_token_that_ended_ends_its_socket() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        token = await client.call("POST", "ws-auth", {})
        async with world.account_stream("orderEvents", token=token) as socket:
            world.clock.pass_seconds(3_500)
            await client.call("PUT", "ws-auth", {"token": token})
            world.clock.pass_seconds(3_500)
            assert await silent(socket)
            world.clock.pass_seconds(101)
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        async with world.account_stream(token="made-up") as socket:
            with pytest.raises(ConnectionClosed):
                await socket.recv()
        token = await client.call("POST", "ws-auth", {})
        async with world.account_stream("orderEvents", token=token) as socket:
            await client.call("DELETE", "ws-auth", {"token": token})
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    play(scenario)


def test_the_expired_token_mood() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        token = await client.call("POST", "ws-auth", {})
        world.moods.switch_on(Mood("expired_token", count=1, methods=frozenset({"ws-auth"})))
        assert await client.refused("PUT", "ws-auth", {"token": token}) == "ERR-5106"
        world.moods.switch_on(Mood("expired_token", count=1, methods=frozenset({"stream"})))
        async with world.account_stream() as socket:
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    play(scenario)


def test_no_handshake_during_maintenance_nor_elsewhere() -> None:
    async def scenario(world: GmoWorld) -> None:
        for path, status in (("/ws/public/v2", 404), ("/ws/public/v1", 503), ("/ws/private/v1/x", 503)):
            if status == 503:
                world.moods.switch_on(Mood("maintenance"))
            with pytest.raises(InvalidStatus) as caught:
                async with connect(f"ws://127.0.0.1:{world.port}{path}", proxy=None):
                    pass
            assert caught.value.response.status_code == status

    play(scenario)


def test_events_that_come_twice_or_late_or_among_garbage_are_all_there() -> None:
    async def scenario(world: GmoWorld) -> None:
        client = world.client()
        async with world.account_stream("orderEvents") as socket:
            world.moods.switch_on(Mood("duplicate_events", count=1))
            world.moods.switch_on(Mood("reordered_events", count=1))
            first = await client.order("BUY", 13_000_000, "0.01")
            second = await client.order("BUY", 13_000_005, "0.01")
            rows = await told(socket, 3)
            ids = [row["orderId"] for row in rows]
            assert sorted(ids, key=ids.index) == ids
            assert set(ids) == {first, second}
            world.moods.switch_on(Mood("garbage_frames", count=1))
            third = await client.order("BUY", 13_000_010, "0.01")
            frames = [await socket.recv(decode=False) for _ in range(2)]
            assert json.loads(frames[1])["orderId"] == third
            with pytest.raises(ValueError, match=r"."):
                json.loads(frames[0])
            world.moods.switch_on(Mood("stream_silence", count=1))
            await client.order("BUY", 13_000_015, "0.01")
            assert await silent(socket)
            world.moods.switch_on(Mood("stream_drop", count=1))
            await client.order("BUY", 13_000_020, "0.01")
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    play(scenario)


def test_who_falls_too_far_behind_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.simulator.news.ACCOUNT_EVENTS_MAX", 3)

    async def scenario(world: GmoWorld) -> None:
        async with world.account_stream("orderEvents") as socket:
            owner = world.exchange.purse.accounts[ALICE]
            # All within one tick: the stream had no chance to read them one by one.
            for number in range(4):
                world.exchange.place(owner, side=BUY, price=2_600_000 + number, lots=1, symbol="BTC")
            with pytest.raises(ConnectionClosed):
                await socket.recv()

    play(scenario)
