"""Price, equity and fills of a trader's state directory, all its sessions together, as a picture.

The rule: nothing is taken from the trader's own sums. The market comes from the tapes of the sessions, the fills from
the journal, and the equity is computed from both.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Final

import msgspec

from ztb.core.command import Place
from ztb.core.error import StoreCorrupt, UsageError
from ztb.core.event import OrderFilled, Trade
from ztb.core.position import Position
from ztb.reports.amounts import time_text
from ztb.reports.chart import price_equity_chart
from ztb.reports.curve import Curve, FillMark, Marks
from ztb.store.chain import Record
from ztb.store.codec import decode
from ztb.store.database import JOURNAL_NAME
from ztb.store.reader import JournalReader
from ztb.store.tape import TapeReader

TAPES: Final = "tapes"
KINDS: Final = frozenset({"session", "place", "order_filled"})


class _Engine(msgspec.Struct):
    capital: int


class _Session(msgspec.Struct):
    tape: str
    engine: _Engine


def session_chart(state_dir: Path, title: str) -> str:
    """SVG text. A fill that was told twice counts once; UsageError when nobody ever traded there."""
    sessions: list[_Session] = []
    sides: dict[str, int] = {}
    fills: dict[str, OrderFilled] = {}
    with closing(JournalReader(state_dir / JOURNAL_NAME)) as reader:
        for record in reader.read(kinds=KINDS):
            if record.kind == "session":
                sessions.append(_session(record))
                continue
            item = decode(record.kind, record.body)
            if isinstance(item, Place):
                sides[item.client_id] = item.side
            elif isinstance(item, OrderFilled):
                fills.setdefault(item.trade_id, item)
    if not sessions:
        raise UsageError(f"{state_dir}: no session of a trader stands in the journal", remedy="name another directory")
    tapes = [TapeReader(state_dir / TAPES / Path(session.tape).name, allow_cut=True) for session in sessions]
    known = [fill for fill in fills.values() if fill.client_id in sides]
    return _draw(title, tapes, sorted(known, key=lambda fill: fill.ts_ns), sides, sessions[0].engine.capital)


def _session(record: Record) -> _Session:
    try:
        return msgspec.json.decode(record.body, type=_Session)
    except msgspec.MsgspecError as error:
        raise StoreCorrupt(f"record {record.seq}: {error}", remedy="was it written by another ztb?") from None


def _draw(
    title: str, tapes: list[TapeReader], fills: list[OrderFilled], sides: dict[str, int], capital: int
) -> str:  # fmt: skip
    instrument = tapes[0].meta.instrument
    position, curve, marks = Position(instrument.money_per_tick_lot), Curve(), Marks()
    waiting = deque(fills)
    price = 0

    def book(until_ns: int) -> None:
        while waiting and waiting[0].ts_ns <= until_ns:
            fill = waiting.popleft()
            side = sides[fill.client_id]
            position.fill(side=side, lots=fill.lots, price=fill.price, fee=fill.fee)
            marks.push(FillMark(fill.ts_ns, fill.price, side, fill.lots))

    def sample(ts_ns: int) -> None:
        book(ts_ns)
        unrealised = instrument.notional(price, position.lots) - position.cost
        curve.push(ts_ns, price, capital + position.realised - position.fees + unrealised)

    for trade in _trades(tapes):
        price = trade.price
        sample(trade.ts_ns)
    if waiting and price:  # what was filled after the last trade that was seen
        sample(waiting[-1].ts_ns)
    points = curve.points()
    span = f"{time_text(points[0].ts_ns)} to {time_text(points[-1].ts_ns)}" if points else "no trades"
    sessions = "1 session" if len(tapes) == 1 else f"{len(tapes)} sessions (straight lines: none ran)"
    subtitle = f"{sessions}, {marks.count} fills, {span}"
    return price_equity_chart(
        title=title, subtitle=subtitle, instrument=instrument, points=points, fills=marks.marks()
    )  # fmt: skip


def _trades(tapes: list[TapeReader]) -> Iterator[Trade]:
    """In the order of time; where a new session's market begins before the old one ended, nothing goes back."""
    last_ns = 0
    for tape in tapes:
        for event in tape.events():
            if isinstance(event, Trade) and event.ts_ns >= last_ns:
                last_ns = event.ts_ns
                yield event
