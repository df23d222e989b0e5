"""The arithmetic of a probe: doubts about the clock, percentiles, verdicts."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest

from ztb.cli.venue_probe import Failure, Findings, answered, beyond_doubt_ms, liquid
from ztb.core.error import VenueError
from ztb.core.instrument import Instrument
from ztb.venues.offset import ClockOffset
from ztb.venues.port import HeadRoom

SECOND = 1_000_000_000
FINE = ClockOffset(0, SECOND // 100)
ROOM = HeadRoom("public", "public", 10, 1.0, 5, 5)


def findings(**changes: object) -> Findings:
    found = Findings(latencies_ms=[1.0] * 10, offset=FINE, rooms=(ROOM,), instruments=3, stream_of="btc_jpy")
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_clocks_are_apart_beyond_doubt_only_outside_the_uncertainty() -> None:
    assert beyond_doubt_ms(ClockOffset(2 * SECOND, SECOND // 2)) == 1_500
    assert beyond_doubt_ms(ClockOffset(-2 * SECOND, SECOND // 2)) == 1_500
    assert beyond_doubt_ms(ClockOffset(SECOND // 2, SECOND)) == 0


def test_percentiles_by_nearest_rank() -> None:
    found = findings(latencies_ms=[float(value) for value in range(100, 0, -1)])
    assert found.latency_ms() == {"p50": 50.0, "p95": 95.0, "p99": 99.0, "max": 100.0}
    assert findings(latencies_ms=[7.0]).latency_ms() == dict.fromkeys(("p50", "p95", "p99", "max"), 7.0)


@pytest.mark.parametrize(
    ("changes", "verdict", "words"),
    [
        ({}, "healthy", []),
        ({"latencies_ms": [1.0] * 19 + [5_000.0]}, "healthy", []),
        ({"latencies_ms": [1.0] * 18 + [1_001.0] * 2}, "degraded", ["slow"]),
        ({"offset": ClockOffset(500_000_000, 0)}, "healthy", []),
        ({"offset": ClockOffset(900_000_000, 400_000_000)}, "healthy", []),
        ({"offset": ClockOffset(501_000_000, 500_000)}, "degraded", ["clock"]),
        ({"offset": ClockOffset(-2 * SECOND, SECOND)}, "degraded", ["clock"]),
        ({"offset": None}, "healthy", []),
        ({"rooms": (HeadRoom("public", "public", 10, 1.0, 0, 2),)}, "degraded", ["rate limit public"]),
        ({"stream_fault": "silent for 5 s"}, "degraded", ["stream of btc_jpy"]),
        ({"failures": [Failure("network", "", "HTTP 502", "")]}, "degraded", ["1 of 11 calls failed"]),
        ({"instruments": 0}, "down", ["nothing was asked"]),
        ({"latencies_ms": [], "failures": [Failure("network", "", "HTTP 502", "")]}, "down", ["HTTP 502"]),
    ],
)
def test_verdicts(changes: dict[str, object], verdict: str, words: list[str]) -> None:
    told, reasons = findings(**changes).verdict()
    assert told == verdict
    assert [reason[: len(word)] for reason, word in zip(reasons, words, strict=True)] == words


def test_the_stream_asked_for_is_bitcoin_for_money_on_the_spot_market() -> None:
    def made(symbol: str, base: str, quote: str, *, leveraged: bool = False) -> Instrument:
        return Instrument(symbol, base, quote, Decimal(1), Decimal("0.001"), 4, leveraged=leveraged)

    monero, margin = made("XMR", "XMR", "JPY"), made("BTC_JPY", "BTC", "JPY", leveraged=True)
    assert liquid({"XMR": monero, "BTC_JPY": margin, "BTC": made("BTC", "BTC", "JPY")}).symbol == "BTC"
    assert liquid({"XMR": monero, "BTC_JPY": margin}).symbol == "BTC_JPY"
    assert liquid({"XMR": monero}).symbol == "XMR"


def test_an_answer_that_does_not_come_is_a_typed_error() -> None:
    async def never() -> int:
        await asyncio.sleep(3600)
        return 1

    async def at_once() -> int:
        return 1

    with pytest.raises(VenueError, match=r"no answer within 0.01 s"):
        asyncio.run(answered(never(), 0.01))
    assert asyncio.run(answered(at_once(), 60)) == 1
