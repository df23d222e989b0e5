"""Instruments, events and files that the tape tests share."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from pathlib import Path
from typing import Final

from hypothesis import strategies as st

from ztb.core.event import Depth, Market, Quote, Trade
from ztb.core.instrument import Instrument
from ztb.store.tape import TapeMeta, TapeWriter

BTC_JPY: Final = Instrument("btc_jpy", "btc", "jpy", Decimal(5), Decimal("0.0001"), 4, taker_fee_ppm=1000)
RECORDINGS: Final = Path("/work/shared/data/binance-btcusdt-2024")
"""The recordings that the demo tape is made of; they are not part of the sources."""

START_NS: Final = 1_723_161_254_000_000_000

times = st.one_of(st.just(0), st.integers(0, 2**61 - 1), st.integers(START_NS, START_NS + 10**12))
amounts = st.one_of(st.integers(1, 300), st.integers(1, 2**61 - 1))
amounts_or_none = st.one_of(st.just(0), amounts)
trade_ids = st.one_of(
    st.just(""),
    st.integers(0, 10**20).map(str),
    st.text(max_size=60),
    st.sampled_from(["00", "-1", "+1", "1 ", "٣", "9" * 18, "9" * 19, "é" * 127]),
)
levels = st.lists(st.tuples(amounts, amounts_or_none), max_size=8).map(tuple)

trades = st.builds(
    Trade, times, st.just("btc_jpy"), amounts, amounts, st.sampled_from([1, -1]), times, trade_ids
)  # fmt: skip
quotes = st.builds(
    Quote, times, st.just("btc_jpy"), amounts_or_none, amounts_or_none, amounts_or_none, amounts_or_none, times
)  # fmt: skip
depths = st.builds(Depth, times, st.just("btc_jpy"), levels, levels, st.booleans(), times)
markets = st.one_of(trades, quotes, depths)
recordings = st.one_of(
    st.lists(trades, max_size=40), st.lists(quotes, max_size=40), st.lists(depths, max_size=40),
    st.lists(markets, max_size=40),
)  # fmt: skip


def small_recording(count: int = 60) -> list[Market]:
    """A short quiet market with all three kinds."""
    events: list[Market] = []
    for step in range(count):
        ts_ns = START_NS + step * 100_000_000
        price = 1_800_000 + step % 7
        if step % 10 == 0:
            bids = tuple((price - level, 10 + level) for level in range(1, 6))
            asks = tuple((price + level, 10 + level) for level in range(1, 6))
            events.append(Depth(ts_ns, "btc_jpy", bids, asks, True, ts_ns - 1_000_000))
        elif step % 3 == 0:
            events.append(Quote(ts_ns, "btc_jpy", price - 1, 11, price + 1, 12, ts_ns - 1_000_000))
        else:
            side = 1 if step % 2 else -1
            events.append(Trade(ts_ns, "btc_jpy", price, 5 + step, side, ts_ns - 1_000_000, str(7000 + step)))
    return events


def write_tape(path: Path, events: Sequence[Market], *, flush_every: int = 0, close: bool = True) -> Path:
    """A tape of ``events``, with a block for each ``flush_every`` of them; without an end unless ``close``."""
    writer = TapeWriter(path, TapeMeta(BTC_JPY, source="test"), live=not close)
    for number, event in enumerate(events, 1):
        writer.add(event)
        if flush_every and number % flush_every == 0:
            writer.flush()
    writer.flush()
    if close:
        writer.close()
    else:
        writer.abandon()
    return path
