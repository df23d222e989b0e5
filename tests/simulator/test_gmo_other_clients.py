"""Requests of other people's GMO Coin clients, byte for byte as they sent them, on the book of ``QUIET``.

Recorded from gmocoin-client 0.2.1 and pybotters 1.11.2, both unchanged but for the URL; the clock is set to the time
that they signed. Their own models and data stores read every answer when they were recorded; what is expected here
follows from the calls that their scripts made.
"""

from __future__ import annotations

import asyncio
import json
import re
from pathlib import Path
from typing import Any, Final

import pytest

from tests.simulator.gmo_world import GmoWorld, running
from tests.simulator.test_other_clients import exchange_bytes
from tests.simulator.world import ALICE

RECORDED: Final[dict[str, list[str]]] = json.loads((Path(__file__).parent / "recorded_gmo_clients.json").read_text())
OK = ""
EXPECTED: Final = {
    "gmocoin-client 0.2.1": [
        *[OK] * 7,
        "ERR-5207",  # the book of a coin that is not traded here
        *[OK] * 8,
        "ERR-5122",  # cancelled twice
        *[OK] * 11,
        "ERR-5118",  # a loss-cut price
        "ERR-5114",  # a price between two ticks
        "ERR-208",  # a hundred coins
        "ERR-5114",  # a size below the step
        *[OK] * 3,
        "ERR-5106",  # a token that was deleted
    ],
    "pybotters 1.11.2": [OK] * 11,
}
"""The code that each recorded request is answered with, or nothing."""


def set_clock(world: GmoWorld, request: str) -> None:
    signed = re.search(r"API-TIMESTAMP: ([0-9]+)", request)
    if signed is not None:
        world.clock.time_ns = int(signed.group(1)) * 1_000_000


async def answers(world: GmoWorld, client: str) -> list[tuple[str, Any]]:
    """Code and data of every answer."""
    found = []
    for request in RECORDED[client]:
        set_clock(world, request)
        if "Upgrade: websocket" in request:
            continue
        _, answer = await exchange_bytes(world.port, request)
        assert (answer["status"] == 0) is ("messages" not in answer)
        found.append((answer["messages"][0]["message_code"] if "messages" in answer else OK, answer.get("data")))
    return found


@pytest.mark.parametrize("client", EXPECTED)
def test_what_they_send_is_understood(client: str) -> None:
    async def scenario() -> None:
        async with running() as world:
            assert [code for code, _ in await answers(world, client)] == EXPECTED[client]
            owner = world.exchange.purse.accounts[ALICE]
            assert not owner.orders
            # gmocoin-client closed half of what it opened.
            left = [100] if client.startswith("gmocoin-client") else []
            assert [position.lots for position in owner.positions.values()] == left
            assert all(call.answer == "sent" for call in world.record.calls)

    asyncio.run(scenario())


def test_a_position_that_gmocoin_client_opened_is_closed_by_its_two_orders() -> None:
    async def scenario() -> None:
        async with running() as world:
            told = [data for _, data in await answers(world, "gmocoin-client 0.2.1")]
            first, second = (data["list"][0] for data in (told[21], told[24]))
            assert (first["side"], first["size"], first["orderdSize"]) == ("SELL", "0.02", "0")
            assert (second["positionId"], second["size"], second["orderdSize"]) == (first["positionId"], "0.02", "0.01")
            # 0.01 resting against it was cancelled by cancelBulkOrder; closeBulkOrder took the other 0.01.
            assert told[26] == [39_679_088]
            fills = world.exchange.purse.accounts[ALICE].fills
            # Bought at 13,690,000 what was sold at 13,689,995: 0.01 x 5 yen lost, in 0.0001 yen.
            assert [(fill.lots, fill.gain) for fill in fills] == [(20, 0), (200, 0), (100, -500)]

    asyncio.run(scenario())


def test_pybotters_gets_its_streams() -> None:
    """aiohttp's handshake; the private one carries the token that its ``ws-auth`` call was answered."""

    async def scenario() -> None:
        async with running() as world:
            for request in RECORDED["pybotters 1.11.2"]:
                set_clock(world, request)
                if "Upgrade: websocket" not in request:
                    await exchange_bytes(world.port, request)
                    continue
                reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
                writer.write(request.encode("latin-1"))
                assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
                # ping, unmasked as a server sends it, is answered: the stream was not dropped at once
                writer.write(b"\x89\x80\x00\x00\x00\x00")
                assert await reader.readexactly(2) == b"\x8a\x00"
                writer.close()

    asyncio.run(scenario())
