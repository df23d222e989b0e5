"""The arithmetic of a probe: offsets that agree with every sample, percentiles, verdicts."""

from __future__ import annotations

import asyncio
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.cli.venue_probe import Failure, Findings, Offset, answered, liquid, offset_of
from ztb.core.error import VenueError
from ztb.core.instrument import Instrument
from ztb.venues.port import HeadRoom, ServerTime

SECOND = 1_000_000_000
FINE = Offset(-SECOND // 100, SECOND // 100)
ROOM = HeadRoom("public", "public", 10, 1.0, 5, 5)


def findings(**changes: object) -> Findings:
    found = Findings(latencies_ms=[1.0] * 10, offset=FINE, rooms=(ROOM,), instruments=3, stream_of="btc_jpy")
    for name, value in changes.items():
        setattr(found, name, value)
    return found


def test_offset_of_exact_answers() -> None:
    # Asked at 10.0 s, answered at 10.2 s, and it was 12.1 s there (told to the microsecond): 1.9 s to 2.1 s ahead.
    found = offset_of([(10 * SECOND, ServerTime(12_100_000_000, 1_000), 10_200_000_000)])
    assert found is not None
    assert found.offset_ms == pytest.approx(2_000, abs=0.01)
    assert found.uncertainty_ms == pytest.approx(100, abs=0.01)
    assert found.beyond_doubt_ms == pytest.approx(1_900, abs=0.02)


def test_whole_seconds_that_turn_between_answers_place_the_clock() -> None:
    # The venue is 0.3 s ahead and tells whole seconds; asked at 9.69 s and at 9.71 s, without any delay.
    told = [(9_690_000_000, ServerTime(9 * SECOND, SECOND), 9_690_000_000)]
    told += [(9_710_000_000, ServerTime(10 * SECOND, SECOND), 9_710_000_000)]
    found = offset_of(told)
    assert found == Offset(290_000_000, 310_000_000)
    assert offset_of([]) is None


@given(
    st.integers(-10 * SECOND, 10 * SECOND),
    st.sampled_from([1, 1_000, 1_000_000, SECOND]),
    st.lists(
        st.tuples(st.integers(0, 5 * SECOND), st.integers(0, SECOND), st.integers(0, SECOND)), min_size=1, max_size=20
    ),
)
def test_the_true_offset_lies_within_the_uncertainty(
    offset: int, resolution: int, samples: list[tuple[int, int, int]]
) -> None:
    now, told = 1_700_000_000 * SECOND, []
    for gap, out, back in samples:
        now += gap
        there = now + out + offset
        told.append((now, ServerTime(there - there % resolution, resolution), now + out + back))
        now += out + back
    found = offset_of(told)
    assert found is not None
    assert found.low_ns <= offset <= found.high_ns
    widest = max(out + back for _, out, back in samples) + resolution
    assert found.high_ns - found.low_ns <= widest


def test_answers_that_contradict_each_other_widen_the_uncertainty() -> None:
    told = [(0, ServerTime(5 * SECOND, 1), 0), (1, ServerTime(9 * SECOND, 1), 1)]
    found = offset_of(told)
    assert found is not None
    assert found.uncertainty_ms == pytest.approx(2_000, abs=0.001)


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
        ({"offset": Offset(499_000_000, 500_000_000)}, "healthy", []),
        ({"offset": Offset(0, SECOND)}, "healthy", []),
        ({"offset": Offset(501_000_000, 502_000_000)}, "degraded", ["clock"]),
        ({"offset": Offset(-2 * SECOND, -SECOND)}, "degraded", ["clock"]),
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
