"""Watches a run and keeps what its report needs: sums, extremes and a thinned curve, never the run itself.

The rule: the report is made from what happened (orders, fills, decisions, equity), not from the engine's own sums.
Whether the engine's equity agrees with the money that the fills moved is therefore a finding, not an assumption.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from operator import itemgetter
from typing import Final

from ztb.core.command import Place
from ztb.core.error import InvariantBroken
from ztb.core.event import OrderFilled
from ztb.core.instrument import Instrument
from ztb.core.position import Position
from ztb.core.step import DecisionRow
from ztb.reports.amounts import ratio
from ztb.reports.curve import Curve, FillMark, Marks
from ztb.reports.replay_report import Latency, ReplayReport, RoundTrips, Slippage

_ACTION: Final = itemgetter(2)
_REASON: Final = itemgetter(3)
_OUTCOME: Final = itemgetter(5)


class RunRecorder:
    """Of one run of one instrument that began flat with ``capital`` money units."""

    def __init__(self, instrument: Instrument, capital: int) -> None:
        self._instrument = instrument
        self._capital = capital
        self._orders: dict[str, tuple[int, int]] = {}
        """Side and decision mark of every order, by client id."""
        self._filled: set[str] = set()
        self._trade_ids: set[str] = set()
        self._reasons: Counter[str] = Counter()
        self._outcomes: Counter[str] = Counter()
        self._position = Position(instrument.money_per_tick_lot)
        self._trips = _TripCounter()
        self._slip = _SlippageCounter()
        self._marks = Marks()
        self._curve = Curve()
        self._drawdown = _DrawdownCounter(capital)
        self._last: tuple[int, int] | None = None

    def on_place(self, place: Place, mark_price: int) -> None:
        """An order was made while the market stood at ``mark_price`` ticks: slippage is measured against that."""
        self._orders[place.client_id] = (place.side, mark_price)

    def on_fill(self, fill: OrderFilled) -> None:
        """A fill arrived; a repeated ``trade_id`` is ignored. InvariantBroken when its order was never placed."""
        order = self._orders.get(fill.client_id)
        if order is None:
            raise InvariantBroken(f"fill {fill.trade_id} belongs to order {fill.client_id}, which was never placed")
        if fill.trade_id in self._trade_ids:
            return
        self._trade_ids.add(fill.trade_id)
        self._filled.add(fill.client_id)
        side, mark_price = order
        before = self._position.lots
        realised = self._position.fill(side=side, lots=fill.lots, price=fill.price, fee=fill.fee)
        self._trips.on_fill(before=before, after=self._position.lots, fill=fill, realised=realised)
        self._slip.on_fill(side=side, mark_price=mark_price, fill=fill)
        self._marks.push(FillMark(fill.ts_ns, fill.price, side, fill.lots))

    def on_decision_rows(self, rows: Sequence[DecisionRow]) -> None:
        """Decisions as the engine gives them, in any portions; before or after the orders that they led to."""
        self._reasons.update(map(_REASON, rows))
        self._outcomes.update(map(_OUTCOME, filter(_ACTION, rows)))

    def on_equity(self, ts_ns: int, price: int, equity: int) -> None:
        """The mark price (ticks) and the equity (money units) after an event; at least after each fill, and last."""
        self._last = (price, equity)
        self._curve.push(ts_ns, price, equity)
        drawdown = self._drawdown
        if equity > drawdown.peak:
            drawdown.rise(equity)
        elif equity < drawdown.low:
            drawdown.low = equity

    def finish(
        self,
        *,
        tape: str,
        tape_sha256: str,
        policy: str,
        parameters: Mapping[str, object],
        events: int,
        begin_ns: int | None,
        end_ns: int | None,
        latency: Latency | None = None,
        run_seconds: float | None = None,
    ) -> ReplayReport:
        """The report. Times are those of the first and last event; ``run_seconds`` is what the run took."""
        position = self._position
        unrealised = equity_end = unexplained = drawdown = drawdown_ppm = None
        if self._last is not None:
            price, equity_end = self._last
            unrealised = self._instrument.notional(price, position.lots) - position.cost
            unexplained = equity_end - (self._capital + position.realised + unrealised - position.fees)
            drawdown, drawdown_ppm = self._drawdown.worst()
        return ReplayReport(
            instrument=self._instrument,
            tape=tape,
            tape_sha256=tape_sha256,
            policy=policy,
            parameters=dict(parameters),
            begin_ns=begin_ns,
            end_ns=end_ns,
            events=events,
            decisions=self._reasons.total(),
            decision_reasons=_by_count(self._reasons.items()),
            refusals=_by_count((code, count) for code, count in self._outcomes.items() if code not in self._orders),
            orders=len(self._orders),
            orders_filled=len(self._filled),
            fills=self._marks.count,
            round_trips=self._trips.counted(),
            held_lots=position.lots,
            realised=position.realised if self._marks.count else None,
            unrealised=unrealised if self._marks.count else None,
            fees=position.fees if self._marks.count else None,
            equity_begin=self._capital,
            equity_end=equity_end,
            unexplained=unexplained,
            drawdown=drawdown,
            drawdown_ppm=drawdown_ppm,
            slippage=self._slip.measured(),
            latency=latency,
            run_seconds=run_seconds,
            curve=self._curve.points(),
            marks=self._marks.marks(),
        )


class _DrawdownCounter:
    """Under one peak the deepest fall is the worst in money and in ratio alike, so only new peaks need a comparison."""

    __slots__ = ("_worst", "_worst_ppm", "low", "peak")

    def __init__(self, capital: int) -> None:
        self.peak = capital
        self.low = capital
        self._worst = 0
        self._worst_ppm = 0

    def rise(self, equity: int) -> None:
        """A new peak: weigh the fall under the old one."""
        self._worst, self._worst_ppm = self.worst()
        self.peak = self.low = equity

    def worst(self) -> tuple[int, int]:
        """The deepest fall in money units, and in ppm of the peak before it (rounded up), up to now."""
        fall = self.peak - self.low
        fall_ppm = -(-fall * 1_000_000 // self.peak) if self.peak > 0 else 1_000_000
        return max(self._worst, fall), max(self._worst_ppm, fall_ppm)


class _TripCounter:
    """Round trips: from flat until flat again, or through zero; net of the fees of both ends."""

    def __init__(self) -> None:
        self._profit = 0
        self._opened_ns = 0
        self._held_ns = 0
        self._profits: list[int] = []

    def on_fill(self, *, before: int, after: int, fill: OrderFilled, realised: int) -> None:
        """Book a fill that moved the position from ``before`` to ``after`` lots and realised so much profit."""
        if before == 0:
            self._opened_ns = fill.ts_ns
        flips = before * after < 0
        # The fee of a fill that closes one trip and opens the next is shared out by size; the rest goes to the new one.
        fee_closing = fill.fee * abs(before) // fill.lots if flips else fill.fee
        self._profit += realised - fee_closing
        if after == 0 or flips:
            self._profits.append(self._profit)
            self._held_ns += fill.ts_ns - self._opened_ns
            self._profit = fee_closing - fill.fee
            self._opened_ns = fill.ts_ns

    def counted(self) -> RoundTrips | None:
        """None while no trip has ended."""
        profits = self._profits
        if not profits:
            return None
        return RoundTrips(
            count=len(profits),
            wins=sum(profit > 0 for profit in profits),
            losses=sum(profit < 0 for profit in profits),
            won=sum(profit for profit in profits if profit > 0),
            lost=-sum(profit for profit in profits if profit < 0),
            best=max(profits),
            worst=min(profits),
            held_ns_mean=self._held_ns // len(profits),
        )


class _SlippageCounter:
    """What fills cost against the market at the decision; positive is against us."""

    def __init__(self) -> None:
        self._paid = 0
        self._value = 0
        self._worst: tuple[int, int] | None = None

    def on_fill(self, *, side: int, mark_price: int, fill: OrderFilled) -> None:
        """Book a fill of an order that was decided at ``mark_price``."""
        paid = side * (fill.price - mark_price)
        self._paid += paid * fill.lots
        self._value += mark_price * fill.lots
        # Compared crosswise: exact, and no division for each fill.
        if self._worst is None or paid * self._worst[1] > self._worst[0] * mark_price:
            self._worst = (paid, mark_price)

    def measured(self) -> Slippage | None:
        """None without fills."""
        if self._worst is None:
            return None
        mean_bps = ratio(self._paid, self._value, scale=10_000, places=3)
        max_bps = ratio(*self._worst, scale=10_000, places=3)
        return Slippage(mean_bps, max_bps) if mean_bps is not None and max_bps is not None else None


def _by_count(counts: Iterable[tuple[str, int]]) -> dict[str, int]:
    """Most frequent first, equal counts by name: the same run gives the same text."""
    return dict(sorted(counts, key=lambda item: (-item[1], item[0])))
