"""Requests of other people's Coinbase clients, byte for byte as they sent them, on the book of ``QUIET``.

Recorded from coinbase-advanced-py 1.8.4, the exchange's own client, and from ccxt 4.5.90, both unchanged but for URL
and TLS. The bytes keep what is theirs: a body ``{}`` on a GET, tokens of either form with their times, repeated keys,
names of parameters that are no longer documented. The clients' own reading of the answers was looked at when they were
recorded; what is expected here follows from the calls that their scripts made.
"""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any, Final

import pytest

from tests.simulator.coinbase_world import ALICE, Json, World, running
from tests.simulator.test_other_clients import exchange_bytes
from tests.simulator.world import SECOND_NS, ManualClock

RECORDED: Final[dict[str, Any]] = json.loads(
    (Path(__file__).parent / "recorded_coinbase_clients.json").read_text("utf-8")
)
SDK, CCXT = "coinbase-advanced-py 1.8.4", "ccxt 4.5.90"

FINE = ""
EXPECTED: Final = {
    SDK: [
        *[FINE] * 17,  # the market, the account, the market again with a token
        *[FINE] * 4,  # an order, looked up, listed and edited
        FINE,
        "DUPLICATE_CANCEL_REQUEST, UNKNOWN_CANCEL_ORDER",
        *[FINE] * 5,  # market by money and by size, IOC, FOK, GTD
        "INSUFFICIENT_FUND",
        "UNSUPPORTED_ORDER_CONFIGURATION",
        FINE,
        FINE,
        "404 NOT_FOUND",
    ],
    CCXT: [
        *[FINE] * 10,
        *[FINE] * 4,
        FINE,
        "DUPLICATE_CANCEL_REQUEST",
        *[FINE] * 3,
        *[FINE] * 3,
        "INSUFFICIENT_FUND",
        "INVALID_LIMIT_PRICE_POST_ONLY",
        "404 NOT_FOUND",
        "401 unauthorized",  # the script had changed its key
    ],
}
"""What each recorded request is answered: why it was refused, or nothing."""


def outcome(status: int, answer: Json) -> str:
    if status != 200:
        return f"{status} {answer['error']}"
    if answer.get("success") is False:
        reason = answer["error_response"]["error"]
        assert isinstance(reason, str)
        return reason
    return ", ".join(row["failure_reason"] for row in answer.get("results", []) if not row["success"])


async def replay(world: World, clock: ManualClock, requests: list[str], expected: list[str]) -> list[Json]:
    answers = []
    for request, wanted in zip(requests, expected, strict=True):
        clock.pass_seconds(0.2)
        status, answer = await exchange_bytes(world.port, request)
        assert outcome(status, answer) == wanted, request
        answers.append(answer)
    return answers


@pytest.mark.parametrize("client", EXPECTED)
def test_what_they_send_is_understood(client: str) -> None:
    recorded = RECORDED[client]

    async def scenario() -> None:
        clock = ManualClock(recorded["now_s"] * SECOND_NS)
        async with running(clock=clock) as world:
            answers = await replay(world, clock, recorded["requests"], EXPECTED[client])
            owner = world.exchange.purse.accounts[ALICE]
            fills = [(fill.side, fill.lots) for fill in owner.fills]
            # Ten dollars with the fee of 1.2 % in them, at 68,901.
            money = 10 * 10**8 * 1000 // 1012 // 68_901
            assert fills[:2] == [(1, money), (-1, 100_000)]
            assert fills[2:] == [(1, 100_000)] * (2 if client == SDK else 1)
            listed = answers[19 if client == SDK else 12]["orders"]
            assert [order["status"] for order in listed] == ["OPEN"]
            assert {call.answer for call in world.record.calls} == {"sent"}

    asyncio.run(scenario())


def test_a_minute_later_than_its_life_nothing_of_it_counts() -> None:
    recorded = RECORDED[SDK]

    async def scenario() -> None:
        clock = ManualClock((recorded["now_s"] + 121) * SECOND_NS)
        async with running(clock=clock) as world:
            for request in recorded["requests"]:
                clock.pass_seconds(0.2)
                status, _ = await exchange_bytes(world.port, request)
                target = request.split(" ")[1]
                # The official client sends its token to everybody; where nobody asks for it, it may be an old one.
                assert status == (200 if "/market/" in target or target.endswith("/time") else 401), target
            assert not world.record.calls

    asyncio.run(scenario())


@pytest.mark.parametrize("number", [0, 1])
def test_their_stream_clients_get_their_channels(number: int) -> None:
    """Every message of the official client, on a socket opened with its own handshake's headers."""
    streams = RECORDED[SDK]["streams"]
    messages = streams["sockets"][number]["messages"]
    subscribed = [json.loads(message)["channel"] for message in messages if '"subscribe"' in message]
    left = {json.loads(message)["channel"] for message in messages if '"unsubscribe"' in message}

    async def scenario() -> None:
        async with running(clock=ManualClock(streams["now_s"] * SECOND_NS)) as world, world.socket() as socket:
            for message in messages:
                await socket.connection.send(message)
            told: set[str] = set()
            acknowledged = 0
            numbers: list[int] = []
            while acknowledged < len(messages) or "heartbeats" not in told:
                frame = await socket.frame()
                assert frame.get("type") != "error", frame
                numbers.append(frame["sequence_num"])
                if frame["channel"] == "subscriptions":
                    acknowledged += 1
                    state = set(frame["events"][0]["subscriptions"])
                else:
                    told.add(frame["channel"])
            assert state == set(subscribed) - left
            assert told == {"l2_data" if channel == "level2" else channel for channel in subscribed}
            assert numbers == list(range(len(numbers)))

    asyncio.run(scenario())


def test_their_handshake_is_answered() -> None:
    (handshake, *_) = [stream["handshake"] for stream in RECORDED[SDK]["streams"]["sockets"]]

    async def scenario() -> None:
        async with running() as world:
            reader, writer = await asyncio.open_connection("127.0.0.1", world.port)
            writer.write(handshake.encode("latin-1"))
            assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 101 ")
            writer.close()

    asyncio.run(scenario())
