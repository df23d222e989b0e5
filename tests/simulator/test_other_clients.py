"""Requests of other people's Zaif clients, byte for byte as they sent them, on the book of ``QUIET``.

Recorded from ccxt 4.5.90 and from the exchange's own zaifapi 1.6.3, both unchanged but for the URL; the bytes keep
what is theirs: the order of parameters, the spelling of headers, a body without a content type, ``price=13689000.0``.
The clients' own reading of the answers was looked at when they were recorded; what is expected here follows from the
calls that their scripts made.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.simulator.world import ALICE, ManualClock, running

RECORDED: Final[dict[str, list[str]]] = json.loads((Path(__file__).parent / "recorded_clients.json").read_text())

MARKET = "public"
OK = ""
EXPECTED: Final = {
    "ccxt 4.5.90": [
        *[MARKET] * 4,
        *[OK] * 6,
        "invalid price parameter",
        "insufficient funds",
        "order not found",
    ],
    "zaifapi 1.6.3": [
        *[MARKET] * 6,
        *[OK] * 8,
        "order not found",
        "api key don’t have id_info permission",
        "invalid price parameter",
    ],
}
"""What each recorded request is answered: the error's text, or nothing."""


async def exchange_bytes(port: int, request: str) -> tuple[int, Any]:
    """Status and decoded body of one answer, on a connection of its own."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request.encode("latin-1"))
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = next(line.split(":")[1] for line in head.split("\r\n") if line.lower().startswith("content-length:"))
    body = await reader.readexactly(int(length))
    writer.close()
    return int(head.split()[1]), json.loads(body)


@pytest.mark.parametrize("client", EXPECTED)
def test_what_they_send_is_understood(client: str) -> None:
    requests = [request for request in RECORDED[client] if "Upgrade: websocket" not in request]
    assert len(requests) == len(EXPECTED[client])

    async def scenario() -> None:
        clock = ManualClock()
        async with running(clock=clock) as world:
            for request, expected in zip(requests, EXPECTED[client], strict=True):
                clock.pass_seconds(0.2)
                status, answer = await exchange_bytes(world.port, request)
                assert status == 200
                if expected == MARKET:
                    assert "error" not in answer
                elif expected == OK:
                    assert answer["success"] == 1, request
                else:
                    assert answer == {"success": 0, "error": expected}
            owner = world.exchange.purse.accounts[ALICE]
            assert not owner.orders
            (fill,) = owner.fills
            assert fill.lots == 15
            assert [call.answer for call in world.record.calls] == ["sent"] * len(world.record.calls)

    asyncio.run(scenario())


def test_the_comment_of_zaifapi_comes_back_unescaped() -> None:
    async def scenario() -> None:
        async with running() as world:
            order = next(request for request in RECORDED["zaifapi 1.6.3"] if "comment=" in request)
            await exchange_bytes(world.port, order)
            (resting,) = world.exchange.purse.accounts[ALICE].orders.values()
            assert resting.comment == "hello x+y&z"

    asyncio.run(scenario())


def test_their_stream_client_gets_its_frame() -> None:
    """websocket-client, which asks with an Origin and without extensions."""
    (handshake,) = [request for request in RECORDED["zaifapi 1.6.3"] if "Upgrade: websocket" in request]

    async def scenario() -> None:
        async with running() as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(handshake.encode("latin-1"))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            head = await reader.readexactly(4)
            assert head[:2] == b"\x81\x7e"
            frame = json.loads(await reader.readexactly(int.from_bytes(head[2:], "big")))
            assert frame["currency_pair"] == "btc_jpy"
            writer.close()

    asyncio.run(scenario())
