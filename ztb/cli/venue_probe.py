"""How a venue answers just now: latency, clock, rate limits, stream. No key is used, and nothing is changed there.

The rule: what was not measured is not shown, and a verdict names its reasons. A venue is *down* when no public call
brought an answer that makes sense, *degraded* when something is slow, off or silent, else *healthy*.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Final, TypeVar, cast

from ztb.cli.progress import Advance
from ztb.core.error import VenueError
from ztb.core.event import Feed
from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.offset import ClockOffset, OffsetEstimate
from ztb.venues.port import HeadRoom, MarketNews, Venue

T = TypeVar("T")

LATENCY_P95_MS_MAX: Final = 1_000.0
OFFSET_MS_MAX: Final = 500.0
"""Beyond this the trader warns (F-24); beyond twice of it, it opens nothing."""
FAILURES_FIRST_MAX: Final = 2
"""So many calls in a row without one answer, and the venue is down: nobody waits for all the samples."""
CALL_GAP_S_MIN: Final = 0.05
SHARE_OF_LIMIT: Final = 2
"""A probe takes at most one part in so many of the public rate limit: a trader may be using the rest of it."""
NS_PER_MS: Final = 1_000_000
UNLISTED: Final = "the venue lists no instrument of this name (`ztb venue instruments` shows all)"
HEALTHY, DEGRADED, DOWN = "healthy", "degraded", "down"


@dataclass(slots=True)
class Failure:
    """A call without an answer; ``remedy`` says what to do about it."""

    kind: str
    code: str
    message: str
    remedy: str


@dataclass(slots=True)
class Findings:
    """What a probe saw."""

    latencies_ms: list[float] = field(default_factory=list)
    failures: list[Failure] = field(default_factory=list)
    offset: ClockOffset | None = None
    rooms: tuple[HeadRoom, ...] = ()
    instruments: int = 0
    stream_of: str = ""
    first_data_ms: float | None = None
    stream_fault: str = ""

    def latency_ms(self) -> dict[str, float]:
        """Percentiles by nearest rank; empty when nothing was answered."""
        ordered = sorted(self.latencies_ms)
        if not ordered:
            return {}
        ranks = {"p50": 50, "p95": 95, "p99": 99, "max": 100}
        return {name: round(ordered[-(-len(ordered) * rank // 100) - 1], 3) for name, rank in ranks.items()}

    def verdict(self) -> tuple[str, list[str]]:
        """``healthy``, ``degraded`` or ``down``, and why it is not the first."""
        told = [failure.message for failure in self.failures]
        if not self.instruments or not self.latencies_ms:
            return DOWN, told[-1:] or ["nothing was asked"]
        reasons = []
        if told:
            reasons.append(f"{len(told)} of {len(told) + len(self.latencies_ms)} calls failed; the last: {told[-1]}")
        if (p95 := self.latency_ms()["p95"]) > LATENCY_P95_MS_MAX:
            reasons.append(f"slow: p95 is {p95:.0f} ms, more than {LATENCY_P95_MS_MAX:.0f} ms")
        if self.offset is not None and beyond_doubt_ms(self.offset) > OFFSET_MS_MAX:
            reasons.append(
                f"clock: this host is {abs(self.offset.offset_ns) / NS_PER_MS:.0f} ms {beside_ours(self.offset)} the "
                f"venue, more than {OFFSET_MS_MAX:.0f} ms: set its clock (timedatectl, chronyc tracking)"
            )
        reasons += [f"rate limit {room.name}: no call is free" for room in self.rooms if room.free == 0]
        if self.stream_fault:
            reasons.append(f"stream of {self.stream_of}: {self.stream_fault}")
        return (DEGRADED if reasons else HEALTHY), reasons


def beside_ours(offset: ClockOffset) -> str:
    """Where this host's clock stands, seen from the venue's."""
    return "behind" if offset.offset_ns >= 0 else "ahead of"


def beyond_doubt_ms(offset: ClockOffset) -> float:
    """How far the clocks are apart at least; 0 when they may agree."""
    return max(0, abs(offset.offset_ns) - offset.uncertainty_ns) / NS_PER_MS


def liquid(instruments: Mapping[str, Instrument]) -> Instrument:
    """The one whose stream is likeliest to speak: bitcoin for money, spot, else the first by name."""
    ordered = [instruments[symbol] for symbol in sorted(instruments)]
    wanted = [one for one in ordered if one.base.lower() == "btc" and one.quote.lower() in ("jpy", "usd", "usdc")]
    spot = [one for one in wanted if not one.leveraged]
    return (spot or wanted or ordered)[0]


async def answered(call: Awaitable[T], timeout_s: float) -> T:
    """The answer of ``call``; VenueError when it takes longer than ``timeout_s``."""
    try:
        async with asyncio.timeout(timeout_s):
            return await call
    except TimeoutError:
        raise VenueError(
            f"no answer within {timeout_s:g} s",
            kind="network",
            retryable=True,
            remedy="check the network and the venue's status page, or give it more time with --timeout",
        ) from None


class Probe:
    """One look at one venue; ``advance`` is told of each step of it."""

    def __init__(self, venue: Venue, *, clock: Clock, timeout_s: float, advance: Advance) -> None:
        self._venue = venue
        self._clock = clock
        self._timeout_s = timeout_s
        self._advance = advance
        self._found = Findings()

    async def run(self, *, samples: int, symbol: str) -> Findings:
        """``symbol`` "": the stream of the most traded instrument. Never raises for what the venue does."""
        found = self._found
        listed = await self._tried(self._venue.market.instruments)
        if listed is None and found.failures[-1].kind == "network":
            listed = await self._tried(self._venue.market.instruments)
        if listed:
            found.instruments = len(listed)
            await self._time_samples(samples)
            chosen = listed.get(symbol) if symbol else liquid(listed)
            if chosen is None:
                found.stream_of, found.stream_fault = symbol, UNLISTED
            else:
                await self._listen(chosen)
        elif listed is not None:
            found.failures.append(Failure("exchange", "", "the venue lists no instrument", "see its status page"))
        found.rooms = self._venue.head_room()
        return found

    async def _tried(self, call: Callable[[], Awaitable[T]]) -> T | None:
        """The answer, or None and the failure written down."""
        try:
            return await answered(call(), self._timeout_s)
        except VenueError as error:
            self._found.failures.append(Failure(error.kind, error.code, error.message, error.remedy))
            return None
        finally:
            self._advance(1)

    async def _time_samples(self, count: int) -> None:
        estimate = OffsetEstimate()
        in_row = 0
        gap_s = self._gap_s()
        for _ in range(count):
            await self._clock.sleep(gap_s)
            asked_ns, began = self._clock.now_ns(), time.perf_counter()
            server = await self._tried(self._venue.market.server_time)
            took_ms = (time.perf_counter() - began) * 1000
            in_row = 0 if server is not None else in_row + 1
            if server is not None:
                self._found.latencies_ms.append(took_ms)
                heard_ns = self._clock.now_ns()
                if heard_ns >= asked_ns:  # else our own clock was set meanwhile, and the answer says nothing
                    estimate.add(asked_ns=asked_ns, told=server, heard_ns=heard_ns)
            elif in_row >= FAILURES_FIRST_MAX and not self._found.latencies_ms:
                return
        self._found.offset = estimate.offset() if estimate.samples else None

    def _gap_s(self) -> float:
        """Between two calls, so that our own limiter never makes one wait: that is no latency of the venue's."""
        gaps = [room.period_s / room.calls for room in self._venue.head_room() if room.limit_class == "public"]
        return max([CALL_GAP_S_MIN, *(SHARE_OF_LIMIT * gap for gap in gaps)])

    async def _listen(self, instrument: Instrument) -> None:
        """Time to the first data of the stream, or what is wrong with it."""
        found = self._found
        found.stream_of = instrument.symbol
        began = time.perf_counter()
        # The port promises no more than an iterator; every feed is a generator, which has to be closed.
        events = cast(AsyncGenerator[MarketNews, None], self._venue.market_feed(instrument).events())
        try:
            async with asyncio.timeout(self._timeout_s), aclosing(events):
                async for news in events:
                    if not isinstance(news, Feed):
                        found.first_data_ms = round((time.perf_counter() - began) * 1000, 3)
                        return
                    if not news.connected:
                        found.stream_fault = f"lost: {news.text}"
                        return
        except TimeoutError:
            found.stream_fault = f"silent for {self._timeout_s:g} s"
        except VenueError as error:
            found.stream_fault = error.message
        finally:
            self._advance(1)
