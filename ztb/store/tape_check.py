"""Looks for what is wrong with recorded data: counted, shown with its first places, never repaired.

The rule: one pass in bounded memory over events in the order in which they were recorded. A finding is something
that an operator should know before a policy is judged by these data; how common it is decides nothing here.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from ztb.core.event import Depth, Market, Quote, Trade
from ztb.core.money import PPM
from ztb.store.tape_import import Recent, Tally

PRICE_MEMORY: Final = 9
"""A price is compared with the median of so many before it: one wrong price does not make its neighbours wrong."""
NEWEST_FIRST_RUN: Final = 3
"""So many times in a row that go back look like the answer to a poll, newest first."""
BUCKETS_MAX: Final = 100_000
BUCKET_NS: Final = 100_000


@dataclass(frozen=True)
class CheckLimits:
    """From where on something is a finding."""

    gap_ns: int = 60_000_000_000
    offset_ns: int = 500_000_000
    price_jump_ppm: int = 200_000


@dataclass
class CheckReport:
    """``findings``: name to count, in order of first occurrence; ``places``: where each was seen first."""

    events: int = 0
    findings: dict[str, int] = field(default_factory=dict)
    places: dict[str, list[str]] = field(default_factory=dict)
    gap_longest_ns: int = 0
    backwards_longest_ns: int = 0
    offset_samples: int = 0
    offsets_ns: dict[str, int] = field(default_factory=dict)
    """p1, p50 and p99 of receive time minus the venue's time, to 0.1 ms; empty without venue times."""


class Histogram:
    """Percentiles of any number of values in bounded memory; the buckets grow coarser when there are too many."""

    def __init__(self) -> None:
        self._width_ns = BUCKET_NS
        self._buckets: dict[int, int] = {}
        self.count = 0

    def add(self, value_ns: int) -> None:
        """One more value."""
        bucket = value_ns // self._width_ns
        self._buckets[bucket] = self._buckets.get(bucket, 0) + 1
        self.count += 1
        while len(self._buckets) > BUCKETS_MAX:
            self._coarsen()

    def _coarsen(self) -> None:
        self._width_ns *= 10
        coarse: dict[int, int] = {}
        for bucket, count in self._buckets.items():
            coarse[bucket // 10] = coarse.get(bucket // 10, 0) + count
        self._buckets = coarse

    def percentile(self, percent: int) -> int:
        """Lower end of the bucket in which the value of that rank lies."""
        assert self.count > 0
        rank = self.count * percent // 100
        passed = 0
        for bucket in sorted(self._buckets):
            passed += self._buckets[bucket]
            if passed > rank:
                return bucket * self._width_ns
        raise AssertionError("the counts of the buckets add up to the count")


class PriceMemory:
    """Knows what a price was lately."""

    def __init__(self, jump_ppm: int) -> None:
        self._jump_ppm = jump_ppm
        self._prices: deque[int] = deque(maxlen=PRICE_MEMORY)

    def is_nonsense(self, price: int) -> bool:
        """True when ``price`` is not positive or far from the median of those before."""
        nonsense = price <= 0
        if len(self._prices) == PRICE_MEMORY:
            median = sorted(self._prices)[PRICE_MEMORY // 2]
            nonsense = nonsense or abs(price - median) * PPM > median * self._jump_ppm
        if price > 0:
            self._prices.append(price)
        return nonsense


class Checker:
    """Feed it every event with ``add``, then take the ``report``."""

    def __init__(self, limits: CheckLimits) -> None:
        self._limits = limits
        self._tally = Tally()
        self._report = CheckReport()
        self._number = 0
        self._latest_ns = 0
        self._before_ns = 0
        self._descending = 0
        self._ids = Recent()
        self._rows = Recent()
        self._offsets = Histogram()
        self._trade_prices = PriceMemory(limits.price_jump_ppm)
        self._bids = PriceMemory(limits.price_jump_ppm)
        self._asks = PriceMemory(limits.price_jump_ppm)
        self._venue_blank: dict[type, int] = {}
        self._venue_given: dict[type, int] = {}

    def add(self, event: Market) -> None:
        """The next event."""
        self._times(event)
        if type(event) is Trade:
            self._trade(event)
        elif type(event) is Quote:
            self._quote(event)
        else:
            assert type(event) is Depth
            if event.is_snapshot and event.bids and event.asks and event.bids[0][0] >= event.asks[0][0]:
                self._find("crossed_book", event)
        self._number += 1

    def report(self) -> CheckReport:
        """What was found until now."""
        report = self._report
        report.events = self._number
        findings = dict(self._tally.counts)
        for kind, blank in self._venue_blank.items():
            if self._venue_given.get(kind):
                # Where no event of the kind has it, the venue just does not say; a mixture is a fault.
                findings["blank_venue_time"] = findings.get("blank_venue_time", 0) + blank
        report.offset_samples = self._offsets.count
        if self._offsets.count:
            report.offsets_ns = {f"p{percent}": self._offsets.percentile(percent) for percent in (1, 50, 99)}
            if abs(report.offsets_ns["p50"]) > self._limits.offset_ns:
                findings["clock_offset"] = self._offsets.count
        report.findings = findings
        report.places = dict(self._tally.places)
        return report

    def _find(self, name: str, event: Market) -> None:
        self._tally.add(name, f"event {self._number} ({time_text(event.ts_ns)})")

    def _times(self, event: Market) -> None:
        now_ns, venue_ns = event.ts_ns, event.venue_ns
        if now_ns == 0:
            self._find("blank_time", event)
            return
        if self._latest_ns and now_ns - self._latest_ns > self._limits.gap_ns:
            self._find("gap", event)
            self._report.gap_longest_ns = max(self._report.gap_longest_ns, now_ns - self._latest_ns)
        if now_ns < self._latest_ns:
            self._find("disorder", event)
            self._report.backwards_longest_ns = max(self._report.backwards_longest_ns, self._latest_ns - now_ns)
        kind = type(event)
        if venue_ns:
            self._offsets.add(now_ns - venue_ns)
            self._venue_given[kind] = self._venue_given.get(kind, 0) + 1
        elif type(event) is not Depth or not event.is_snapshot:  # the answer to a REST request often has no time
            self._venue_blank[kind] = self._venue_blank.get(kind, 0) + 1
        self._latest_ns = max(self._latest_ns, now_ns)

    def _trade(self, trade: Trade) -> None:
        if trade.trade_id:
            if self._ids.seen(trade.trade_id):
                self._find("duplicate_trade", trade)
        elif self._rows.seen((trade.ts_ns, trade.price, trade.lots, trade.side, trade.venue_ns)):
            self._find("duplicate_row", trade)
        if self._trade_prices.is_nonsense(trade.price):
            self._find("nonsense_price", trade)
        moment_ns = trade.venue_ns or trade.ts_ns
        self._descending = self._descending + 1 if 0 < moment_ns < self._before_ns else 0
        if self._descending == NEWEST_FIRST_RUN - 1:
            self._find("newest_first", trade)
        self._before_ns = moment_ns

    def _quote(self, quote: Quote) -> None:
        row = (quote.ts_ns, quote.bid, quote.bid_lots, quote.ask, quote.ask_lots, quote.venue_ns)
        if self._rows.seen(row):
            self._find("duplicate_row", quote)
        if quote.bid and quote.ask and quote.bid >= quote.ask:
            self._find("crossed_quote", quote)
        wrong_bid = quote.bid > 0 and self._bids.is_nonsense(quote.bid)
        wrong_ask = quote.ask > 0 and self._asks.is_nonsense(quote.ask)
        if wrong_bid or wrong_ask:
            self._find("nonsense_price", quote)


def check_events(events: Iterable[Market], limits: CheckLimits) -> CheckReport:
    """The report over all of ``events``."""
    checker = Checker(limits)
    for event in events:
        checker.add(event)
    return checker.report()


def time_text(ts_ns: int) -> str:
    """UTC with milliseconds; ``no time`` for a blank one, the number for one beyond the calendar."""
    if ts_ns == 0:
        return "no time"
    seconds, rest_ns = divmod(ts_ns, 1_000_000_000)
    try:
        moment = datetime.fromtimestamp(seconds, UTC)
    except (ValueError, OverflowError, OSError):
        return f"{ts_ns} ns"
    return f"{moment:%Y-%m-%dT%H:%M:%S}.{rest_ns // 1_000_000:03d}Z"
