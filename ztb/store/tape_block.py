"""One block of a tape: a list of market events to columns of integers and back.

Events of one kind become columns (all times, then all prices, ...), because neighbours of one column are alike:
three times smaller than rows after zstd, and as fast to read. The rule: ``unpack_events(pack_events(x)) == x``, and
what does not obey the event's own rules gets neither in nor out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice, repeat
from typing import Final

from ztb.core.event import Depth, Market, Quote, Trade
from ztb.store.tape_column import TEXT_BYTES_MAX, Cursor, pack_integers, pack_texts
from ztb.store.tape_format import Counts, Span

BLOCK_RECORDS_MAX: Final = 4096
BLOCK_LEVELS_MAX: Final = 65536
"""A block ends when its events hold so many book levels, so that one block is at most about 1.5 MiB."""
LEVELS_MAX: Final = 16384
"""Of one side of one Depth."""

TRADE: Final = 0
QUOTE: Final = 1
DEPTH: Final = 2

VALUE_MAX: Final = 1 << 61
"""No time, price or size reaches this; differences of two therefore fit 64 bits."""

Level = tuple[int, int]


def pack_events(events: Sequence[Market]) -> tuple[bytes, Counts, Span]:
    """Columns of ``events`` (all of one instrument), how many of each kind, and their span."""
    trades = [event for event in events if type(event) is Trade]
    quotes = [event for event in events if type(event) is Quote]
    depths = [event for event in events if type(event) is Depth]
    counts = Counts(len(trades), len(quotes), len(depths))
    assert counts.total == len(events) > 0
    parts = []
    if counts.total not in (counts.trades, counts.quotes, counts.depths):
        kinds = {Trade: TRADE, Quote: QUOTE, Depth: DEPTH}
        parts.append(pack_integers([kinds[type(event)] for event in events]))
    if trades:
        parts += _pack_trades(trades)
    if quotes:
        parts += _pack_quotes(quotes)
    if depths:
        parts += _pack_depths(depths)
    times = [event.ts_ns for event in events]
    return b"".join(parts), counts, Span(min(filter(None, times), default=0), max(times))


def unpack_events(data: bytes, counts: Counts, instrument: str) -> list[Market]:
    """Pair of ``pack_events``; ValueError when ``data`` is none of its results."""
    cursor = Cursor(data)
    events: list[Market]
    if counts.total == 0:
        raise ValueError("a block without events")
    if counts.total in (counts.trades, counts.quotes, counts.depths):
        events = list(
            chain(
                _unpack_trades(cursor, counts.trades, instrument),
                _unpack_quotes(cursor, counts.quotes, instrument),
                _unpack_depths(cursor, counts.depths, instrument),
            )
        )
    else:
        kinds = cursor.integers(counts.total)
        if [kinds.count(kind) for kind in (TRADE, QUOTE, DEPTH)] != [counts.trades, counts.quotes, counts.depths]:
            raise ValueError("the kinds of the events do not match their counts")
        sources: list[Callable[[], Market]] = [
            _unpack_trades(cursor, counts.trades, instrument).__next__,
            _unpack_quotes(cursor, counts.quotes, instrument).__next__,
            _unpack_depths(cursor, counts.depths, instrument).__next__,
        ]
        events = [sources[kind]() for kind in kinds]
    cursor.expect_end()
    return events


def _pack_trades(trades: list[Trade]) -> list[bytes]:
    return [
        pack_integers([trade.ts_ns for trade in trades], delta=True),
        pack_integers([trade.venue_ns for trade in trades], delta=True),
        pack_integers([trade.price for trade in trades], delta=True),
        pack_integers([trade.lots for trade in trades]),
        pack_integers([trade.side for trade in trades]),
        pack_texts([trade.trade_id for trade in trades]),
    ]


def _unpack_trades(cursor: Cursor, count: int, instrument: str) -> Iterator[Trade]:
    if not count:
        return iter(())
    times, venue_times = _times(cursor, count)
    prices = _within(cursor.integers(count), 1)
    lots = _within(cursor.integers(count), 1)
    sides = cursor.integers(count)
    if sides.count(1) + sides.count(-1) != count:
        raise ValueError("a trade with a side that is neither buy nor sell")
    ids = cursor.texts(count)
    return map(Trade, times, repeat(instrument), prices, lots, sides, venue_times, ids)


def _pack_quotes(quotes: list[Quote]) -> list[bytes]:
    return [
        pack_integers([quote.ts_ns for quote in quotes], delta=True),
        pack_integers([quote.venue_ns for quote in quotes], delta=True),
        pack_integers([quote.bid for quote in quotes], delta=True),
        pack_integers([quote.bid_lots for quote in quotes]),
        pack_integers([quote.ask for quote in quotes], delta=True),
        pack_integers([quote.ask_lots for quote in quotes]),
    ]


def _unpack_quotes(cursor: Cursor, count: int, instrument: str) -> Iterator[Quote]:
    if not count:
        return iter(())
    times, venue_times = _times(cursor, count)
    columns = [_within(cursor.integers(count), 0) for _ in range(4)]
    return map(Quote, times, repeat(instrument), *columns, venue_times)


def _pack_depths(depths: list[Depth]) -> list[bytes]:
    parts = [
        pack_integers([depth.ts_ns for depth in depths], delta=True),
        pack_integers([depth.venue_ns for depth in depths], delta=True),
        pack_integers([int(depth.is_snapshot) for depth in depths]),
    ]
    for sides in ([depth.bids for depth in depths], [depth.asks for depth in depths]):
        levels = list(chain.from_iterable(sides))
        parts.append(pack_integers([len(side) for side in sides]))
        parts.append(pack_integers([price for price, _lots in levels], delta=True))
        parts.append(pack_integers([lots for _price, lots in levels]))
    return parts


def _unpack_depths(cursor: Cursor, count: int, instrument: str) -> Iterator[Depth]:
    if not count:
        return iter(())
    times, venue_times = _times(cursor, count)
    flags = cursor.integers(count)
    if flags.count(0) + flags.count(1) != count:
        raise ValueError("a depth that is neither snapshot nor change")
    bids = _unpack_levels(cursor, count)
    asks = _unpack_levels(cursor, count)
    return map(Depth, times, repeat(instrument), bids, asks, map(bool, flags), venue_times)


def _unpack_levels(cursor: Cursor, count: int) -> Iterable[tuple[Level, ...]]:
    sizes = _within(cursor.integers(count), 0)
    total = sum(sizes)
    if max(sizes) > LEVELS_MAX or total > BLOCK_LEVELS_MAX + LEVELS_MAX:
        raise ValueError("more levels than a block may hold")
    levels = zip(_within(cursor.integers(total), 1), _within(cursor.integers(total), 0), strict=True)
    return (tuple(islice(levels, size)) for size in sizes)


def _times(cursor: Cursor, count: int) -> tuple[Sequence[int], Sequence[int]]:
    return _within(cursor.integers(count), 0), _within(cursor.integers(count), 0)


def _within(values: Sequence[int], least: int) -> Sequence[int]:
    if values and (min(values) < least or max(values) >= VALUE_MAX):
        raise ValueError(f"an amount or time outside {least}..2^61")
    return values


def problem_of(event: Market, instrument: str) -> str:
    """Why ``event`` cannot stand on a tape of ``instrument``; empty when it can."""
    if event.instrument != instrument:
        return f"an event of {event.instrument} on a tape of {instrument}"
    if not (0 <= event.ts_ns < VALUE_MAX and 0 <= event.venue_ns < VALUE_MAX):
        return f"the times {event.ts_ns} and {event.venue_ns} are not in 0..2^61"
    if type(event) is Trade:
        fine = 0 < event.price < VALUE_MAX and 0 < event.lots < VALUE_MAX and event.side in (1, -1)
        if fine and not _fits_column(event.trade_id):
            return f"the trade id {event.trade_id[:40]!r} has no UTF-8 form of at most {TEXT_BYTES_MAX} bytes"
        return "" if fine else f"{event.lots} lots at {event.price} ticks, side {event.side}, is no trade"
    if type(event) is Quote:
        values = (event.bid, event.bid_lots, event.ask, event.ask_lots)
        return "" if all(0 <= value < VALUE_MAX for value in values) else f"{values} is no quote"
    assert type(event) is Depth
    for side in (event.bids, event.asks):
        if len(side) > LEVELS_MAX:
            return f"{len(side)} levels on one side; at most {LEVELS_MAX}"
        if not all(0 < price < VALUE_MAX and 0 <= lots < VALUE_MAX for price, lots in side):
            return "a book level whose price or size is not positive"
    return ""


def _fits_column(text: str) -> bool:
    try:
        return len(text.encode()) <= TEXT_BYTES_MAX
    except UnicodeEncodeError:  # half of a surrogate pair, as broken JSON can hold one
        return False
