"""Recorded public WebSocket messages of Binance: lines of ``<receive time, ns> <raw JSON>``.

Understood are trade, bookTicker, depthUpdate and the REST depth snapshot, bare or inside ``{"stream":…,"data":…}``,
of spot and of USD-M futures. ``venue_ns`` is the time at which the exchange sent the message (``E``).

The rule: a message becomes events, or it is counted by its reason. A book is shown only while it is known to be
whole, that is after a snapshot and until the update ids show a gap.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from operator import itemgetter
from pathlib import Path
from typing import Final

import msgspec

from ztb.core.event import Market, Quote, Trade
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.store.tape_binance_depth import DepthStream, Message, book_view, id_of, venue_ns_of
from ztb.store.tape_block import VALUE_MAX
from ztb.store.tape_import import Advance, Tally, UnusableRow, read_lines
from ztb.store.tape_scale import Scale

SYMBOL_LINES_MAX: Final = 1000
"""The first message that names its symbol stands within so many lines, or there is none."""

_decode = msgspec.json.Decoder().decode

Line = tuple[int, Message, str]
"""Receive time, message, and place (file:line)."""


@dataclass(frozen=True)
class Thinning:
    """What is left out on purpose. ``depth_levels`` 0: every level and every change, as recorded."""

    depth_levels: int = 0
    depth_interval_ns: int = 0
    quote_interval_ns: int = 0
    same_quotes: bool = False
    """True: a quote that equals the one before (after conversion) is left out."""


def read_messages(paths: Sequence[Path], tally: Tally, *, advance: Advance | None = None) -> Iterator[Line]:
    """Messages of all files in order of their receive time; each file keeps its own order."""
    return heapq.merge(*(_read_file(path, tally, advance) for path in paths), key=itemgetter(0))


def _read_file(path: Path, tally: Tally, advance: Advance | None) -> Iterator[Line]:
    for number, line in read_lines(path, advance):
        place = f"{path}:{number}"
        time_text, _, raw = line.partition(b" ")
        if not line:
            tally.add("unused.blank_line", place)
        elif time_text in (b"", b"0"):
            tally.add("unused.blank_time", place)
        elif not time_text.isdigit() or len(time_text) > 19 or int(time_text) >= VALUE_MAX:
            tally.add("unused.time_not_nanoseconds", place)
        else:
            try:
                message = _decode(raw)
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                tally.add("unused.not_json", place)
                continue
            if isinstance(message, dict) and isinstance(message.get("data"), dict):
                message = message["data"]
            if isinstance(message, dict):
                yield int(time_text), message, place
            else:
                tally.add("unused.unknown_message", place)


def symbol_of(path: Path) -> str:
    """The symbol that the first message of the file names; empty if none does."""
    for _index, (_ns, message, _place) in zip(range(SYMBOL_LINES_MAX), _read_file(path, Tally(), None), strict=False):
        if isinstance(message.get("s"), str):
            return str(message["s"])
    return ""


class BinanceImporter:
    """Messages of one ``source_symbol`` to events of one instrument."""

    def __init__(
        self, instrument: Instrument, source_symbol: str, tally: Tally, *, scale: Scale, thinning: Thinning
    ) -> None:
        assert scale.exact or thinning.depth_levels, "levels that fall on one tick can only be added up in a whole book"
        self._symbol = instrument.symbol
        self._source_symbol = source_symbol
        self._tally = tally
        self._scale = scale
        self._thinning = thinning
        self._quote = Quote(0, "", 0, 0, 0, 0)
        view = None
        if thinning.depth_levels:
            levels, interval_ns = thinning.depth_levels, thinning.depth_interval_ns
            view = book_view(self._symbol, scale, levels=levels, interval_ns=interval_ns)
        self._depth = DepthStream(self._symbol, scale, tally, view)

    def events(self, lines: Iterable[Line]) -> Iterator[Market]:
        """All that ``lines`` say; what is not used is in the tally (message., unused., thinned.)."""
        for ts_ns, message, place in lines:
            try:
                yield from self._events_of(ts_ns, message, place)
            except UnusableRow as error:
                self._tally.add(f"unused.{error.reason}", place)
            except (KeyError, TypeError, ValueError):
                self._tally.add("unused.malformed_message", place)

    def _events_of(self, ts_ns: int, message: Message, place: str) -> Iterable[Market]:
        if message.get("s", self._source_symbol) != self._source_symbol:
            raise UnusableRow("other_symbol", str(message["s"]))
        kind = _kind(message)
        self._tally.add(f"message.{kind}")
        if kind == "trade":
            return (self._trade(ts_ns, message),)
        if kind == "bookTicker":
            return self._quotes(ts_ns, message)
        if kind == "depthUpdate":
            return self._depth.change(ts_ns, message, place)
        return self._depth.snapshot(ts_ns, message, place)

    def _trade(self, ts_ns: int, message: Message) -> Trade:
        price, size = self._scale.units(message["p"]), self._scale.units(message["q"])
        if price == 0:
            raise UnusableRow("price_not_positive")
        if size == 0:
            raise UnusableRow("size_not_positive")
        buyer_is_maker = message["m"]
        if not isinstance(buyer_is_maker, bool):
            raise UnusableRow("malformed_message", "m")
        # Rounded as the book level that it took, so that prints and book stay together.
        ticks = self._scale.price_down(price) if buyer_is_maker else self._scale.price_up(price)
        lots = self._scale.lots(size) or 1
        side = SELL if buyer_is_maker else BUY
        return Trade(ts_ns, self._symbol, ticks, lots, side, venue_ns_of(message), str(id_of(message["t"])))

    def _quotes(self, ts_ns: int, message: Message) -> Iterable[Quote]:
        bid, bid_lots = self._best(message["b"], message["B"], self._scale.price_down)
        ask, ask_lots = self._best(message["a"], message["A"], self._scale.price_up)
        quote = Quote(ts_ns, self._symbol, bid, bid_lots, ask, ask_lots, venue_ns_of(message))
        before = self._quote
        if (bid, ask) == (before.bid, before.ask):
            if self._thinning.same_quotes and (bid_lots, ask_lots) == (before.bid_lots, before.ask_lots):
                self._tally.add("thinned.quote_without_change")
                return ()
            if ts_ns - before.ts_ns < self._thinning.quote_interval_ns:
                self._tally.add("thinned.quote_with_new_size_only")
                return ()
        self._quote = quote
        return (quote,)

    def _best(self, price_text: object, size_text: object, ticks_of: Callable[[int], int]) -> tuple[int, int]:
        price, size = self._scale.units(price_text), self._scale.units(size_text)
        if price == 0 or size == 0:
            return 0, 0
        return ticks_of(price), self._scale.lots(size) or 1


def _kind(message: Message) -> str:
    """Spot book tickers and REST answers do not name their kind."""
    kind = message.get("e")
    if kind in ("trade", "bookTicker", "depthUpdate"):
        return str(kind)
    if kind is None and "lastUpdateId" in message:
        return "snapshot"
    if kind is None and "B" in message:
        return "bookTicker"
    raise UnusableRow("unknown_message", repr(kind)[:40])
