"""The admin desk: the book of record, the state, and what it says to nonsense."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.simulator.world import (
    ALICE,
    BOB,
    BTC_JPY,
    QUIET,
    SECRETS,
    START_NS,
    ManualClock,
    World,
    account,
    exchange,
    running,
)
from ztb.simulator.moods import KINDS, Moods
from ztb.simulator.record import Record
from ztb.simulator.server import SimulatorServer
from ztb.simulator.zaif.venue import ZaifVenue


async def read(world: World, path: str) -> Any:  # noqa: ANN401 - JSON
    response = await world.http.get(f"{world.url}/_sim/{path}")
    assert response.status_code == 200, response.text
    for secret in SECRETS.values():
        assert secret not in response.text
    return response.json()


async def trade(world: World, key: str, **changes: str | int) -> None:
    params: dict[str, str | int] = {
        "currency_pair": "btc_jpy",
        "action": "bid",
        "price": 13_690_000,
        "amount": "0.0001",
        **changes,
    }
    await world.client(key, nonce=world.record.requests.total() + 1).raw("trade", **params)


def test_the_book_tells_every_order_as_it_was_received() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock) as world:
            await trade(world, ALICE, comment="first")
            clock.pass_seconds(2)
            await trade(world, ALICE, price=13_000_000, comment="second")
            await trade(world, BOB, price=13_000_001, comment="bad")
            await world.client(ALICE, nonce=50).call("cancel_order", order_id=39_679_086)
            await world.client(ALICE, nonce=60).call("get_info2")
            book = await read(world, "book")
            assert [(call["key"], call["nonce"], call["method"], call["result"]) for call in book["calls"]] == [
                (ALICE, "1", "trade", "ok"),
                (ALICE, "2", "trade", "ok"),
                (BOB, "3", "trade", "invalid price parameter"),
                (ALICE, "50", "cancel_order", "ok"),
            ]
            first = book["calls"][0]
            assert first["params"] == {
                "currency_pair": "btc_jpy",
                "action": "bid",
                "price": "13690000",
                "amount": "0.0001",
                "comment": "first",
            }
            assert (first["received_ns"], first["answer"], first["filled_lots"]) == (START_NS, "sent", 1)
            # The wire said 0, the exchange knows better.
            assert first["order_id"] == 39_679_085
            alice = book["accounts"][ALICE]
            assert alice["balances"] == {"jpy": "998629.6310", "btc": "1.00010000"}
            assert alice["held"]["jpy"] == "0.0000"
            (fill,) = alice["fills"]
            assert fill["trade_id"] > 250_000_000
            del fill["trade_id"]
            assert fill == {
                "order_id": 39_679_085,
                "ts_ns": START_NS,
                "side": "buy",
                "maker": False,
                "price": "13690000",
                "amount": "0.0001",
                "fee": "1.3690",
                "comment": "first",
            }
            assert book["fees"] == "1.3690"

    asyncio.run(scenario())


def test_pages_and_one_account() -> None:
    async def scenario() -> None:
        async with running() as world:
            for number in range(3):
                await trade(world, ALICE, comment=f"a{number}")
            await trade(world, BOB, price=13_000_000)
            book = await read(world, "book?after=2")
            assert [call["sequence"] for call in book["calls"]] == [3, 4]
            assert (book["calls_dropped"], book["calls_more"]) == (0, False)
            book = await read(world, f"book?key={BOB}")
            assert [call["sequence"] for call in book["calls"]] == [4]
            assert list(book["accounts"]) == [BOB]
            (resting,) = book["accounts"][BOB]["orders"]
            assert (resting["side"], resting["amount"], resting["remaining"]) == ("buy", "0.0001", "0.0001")
            for nonsense in ("x", "-1", "%C2%B2", "9" * 5_000):
                response = await world.http.get(f"{world.url}/_sim/book?after={nonsense}")
                assert response.status_code == 400

    asyncio.run(scenario())


def test_the_status() -> None:
    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock) as world:
            clock.pass_seconds(2)
            await trade(world, ALICE)
            await world.http.post(f"{world.url}/tapi", content=b"x")
            status = await read(world, "status")
            assert (status["pair"], status["now_ns"]) == ("btc_jpy", START_NS + 2 * 10**9)
            assert (status["bid"], status["ask"]) == ("13689995", "13690000")
            assert (status["tape"]["events"], status["tape"]["passes"], status["tape"]["exhausted"]) == (2, 1, True)
            assert status["requests"] == {"trade": 1, "no data found for the key": 1}
            assert (status["streams"], status["accounts"]) == (0, 2)

    asyncio.run(scenario())


def test_what_falls_out_of_the_record_is_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ztb.simulator.record.RECORD_CALLS_MAX", 2)
    record = Record()
    for number in range(5):
        record.add(received_ns=0, key="k", method="trade", nonce=str(number), params={})
    assert [call.nonce for call in record.calls] == ["3", "4"]
    assert [call.sequence for call in record.calls] == [4, 5]
    assert record.dropped == 3


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"\xff", b'{"name": 5}', b'{"name": "slow", "unknown": 1}', b'{"name": "unheard_of"}',
     b'{"name": "slow", "probability": 2}', b'{"name": "slow", "count": 0}',
     b'{"name":"slow","methods":' + b"[" * 9_000],
)  # fmt: skip
def test_a_mood_that_is_none_is_refused_with_a_remedy(body: bytes) -> None:
    async def scenario() -> None:
        async with running() as world:
            response = await world.http.post(f"{world.url}/_sim/mood", content=body)
            assert response.status_code == 400
            assert set(response.json()) == {"error", "remedy"}
            moods = await read(world, "mood")
            assert moods["active"] == {}
            assert set(moods["known"]) == set(KINDS)

    asyncio.run(scenario())


def test_other_paths_are_told_what_there_is() -> None:
    async def scenario() -> None:
        async with running() as world:
            for method, path in (("GET", "nothing"), ("POST", "book"), ("DELETE", "mood"), ("GET", "")):
                response = await world.http.request(method, f"{world.url}/_sim/{path}")
                assert response.status_code == 404
                assert "/_sim/book" in response.json()["known"]

    asyncio.run(scenario())


def test_it_is_off_unless_asked_for() -> None:
    async def scenario() -> None:
        made, moods, record = exchange(), Moods(), Record()
        venue = ZaifVenue(made, moods=moods, record=record)
        server = SimulatorServer(made, venue, clock=ManualClock(), moods=moods, record=record)
        address = await server.start()
        try:
            async with running(QUIET, accounts=[account()]) as world:
                response = await world.http.get(f"http://{address.text}/_sim/book")
                assert response.status_code == 404
                assert "nginx" in response.text
        finally:
            await server.stop()
        assert made.instrument is BTC_JPY

    asyncio.run(scenario())
