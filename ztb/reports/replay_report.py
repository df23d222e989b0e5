"""What a replay did, as a value; as text for a terminal, as plain data for a program, and as a picture.

The rule: what was not measured is None and shown as "no data", never as a zero. Money is exact, in the account's
smallest unit; ratios are rounded for display only.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from ztb.core.instrument import Instrument
from ztb.reports.amounts import (
    NO_DATA,
    aligned,
    count_text,
    decimal_text,
    duration_text,
    money_text,
    ratio,
    time_text,
)
from ztb.reports.chart import price_equity_chart
from ztb.reports.curve import CurvePoint, FillMark


@dataclass(frozen=True, slots=True)
class Latency:
    """Event in to commands out, in microseconds, as measured by whoever drove the engine."""

    p50_us: float
    p99_us: float
    max_us: float


@dataclass(frozen=True, slots=True)
class RoundTrips:
    """Closed trips from flat to flat, net of fees; sums in money units. A trip of exactly zero is neither."""

    count: int
    wins: int
    losses: int
    won: int
    lost: int
    best: int
    worst: int
    held_ns_mean: int


@dataclass(frozen=True, slots=True)
class Slippage:
    """Fill price against the mark at the decision, in basis points; positive is against us; mean by value."""

    mean_bps: Decimal
    max_bps: Decimal


@dataclass(frozen=True, slots=True)
class ReplayReport:
    """Made by ``RunRecorder.finish``. Money in money units, prices in ticks, sizes in lots; None: no data."""

    instrument: Instrument
    tape: str
    tape_sha256: str
    policy: str
    parameters: dict[str, object]
    begin_ns: int | None
    end_ns: int | None
    events: int
    decisions: int
    decision_reasons: dict[str, int]
    refusals: dict[str, int]
    orders: int
    orders_filled: int
    fills: int
    round_trips: RoundTrips | None
    held_lots: int
    realised: int | None
    unrealised: int | None
    fees: int | None
    equity_begin: int
    equity_end: int | None
    unexplained: int | None
    """Equity as the engine tells it, less what the fills explain; anything but 0 is a defect."""
    drawdown: int | None
    drawdown_ppm: int | None
    slippage: Slippage | None
    latency: Latency | None
    run_seconds: float | None
    curve: tuple[CurvePoint, ...]
    marks: tuple[FillMark, ...]

    @property
    def span_ns(self) -> int | None:
        """From the first to the last event."""
        return None if self.begin_ns is None or self.end_ns is None else self.end_ns - self.begin_ns

    @property
    def profit(self) -> int | None:
        """Equity at the end less equity at the beginning."""
        return None if self.equity_end is None else self.equity_end - self.equity_begin

    @property
    def win_rate_percent(self) -> Decimal | None:
        """Winning trips of all closed ones."""
        trips = self.round_trips
        return None if trips is None else ratio(trips.wins, trips.count, scale=100, places=2)

    @property
    def profit_factor(self) -> Decimal | None:
        """What winning trips won, over what losing ones lost."""
        trips = self.round_trips
        return None if trips is None else ratio(trips.won, trips.lost, scale=1, places=3)

    @property
    def events_per_second(self) -> int | None:
        """How fast the run went."""
        return int(self.events / self.run_seconds) if self.events and self.run_seconds else None

    def to_svg(self) -> str:
        """Price and equity over time as one self-contained picture."""
        shown = f"; {len(self.marks)} of {self.fills:,} fills marked" if len(self.marks) < self.fills else ""
        return price_equity_chart(
            title=f"{self._policy_text()} on {self.instrument.symbol}",
            subtitle=f"{self.tape}: {time_text(self.begin_ns)} to {time_text(self.end_ns)}{shown}",
            instrument=self.instrument,
            points=self.curve,
            fills=self.marks,
        )

    def to_dict(self) -> dict[str, Any]:
        """For JSON: money and ratios as decimal text, counts as numbers, None for no data. Without the curve."""
        trips, slippage, latency = self.round_trips, self.slippage, self.latency
        return {
            "tape": {"file": self.tape, "sha256": self.tape_sha256},
            "instrument": self.instrument.symbol,
            "currency": self.instrument.quote,
            "policy": {"name": self.policy, "parameters": dict(self.parameters)},
            "span": {"begin": self._time(self.begin_ns), "end": self._time(self.end_ns), "ns": self.span_ns},
            "events": self.events,
            "throughput": {"run_seconds": self.run_seconds, "events_per_second": self.events_per_second},
            "decisions": {"count": self.decisions, "by_reason": dict(self.decision_reasons)},
            "refusals": {"count": sum(self.refusals.values()), "by_reason": dict(self.refusals)},
            "orders": {"placed": self.orders, "filled": self.orders_filled, "fills": self.fills},
            "trades": None
            if trips is None
            else {
                "count": trips.count,
                "wins": trips.wins,
                "losses": trips.losses,
                "win_rate_percent": self._plain(self.win_rate_percent),
                "won": self._money(trips.won),
                "lost": self._money(trips.lost),
                "best": self._money(trips.best),
                "worst": self._money(trips.worst),
                "profit_factor": self._plain(self.profit_factor),
                "held_seconds_mean": self._plain(ratio(trips.held_ns_mean, 1_000_000_000, scale=1, places=3)),
            },
            "held": self.instrument.sizes.text(self.held_lots),
            "pnl": {
                "realised": self._money(self.realised),
                "unrealised": self._money(self.unrealised),
                "fees": self._money(self.fees),
                "net": self._money(self.profit),
            },
            "equity": {
                "begin": self._money(self.equity_begin),
                "end": self._money(self.equity_end),
                "unexplained": self._money(self.unexplained),
            },
            "drawdown_max": {
                "money": self._money(self.drawdown),
                "percent": self._plain(self._percent(self.drawdown_ppm)),
            },
            "slippage_bps": None
            if slippage is None
            else {"mean": self._plain(slippage.mean_bps), "max": self._plain(slippage.max_bps)},
            "decision_latency_us": None
            if latency is None
            else {"p50": latency.p50_us, "p99": latency.p99_us, "max": latency.max_us},
        }

    def to_text(self) -> str:
        """For a terminal, aligned; ends with a line break."""
        sections = (
            ("Replay", self._run_rows()),
            (f"Result in {self.instrument.quote.upper()}", self._result_rows()),
            ("Trading", self._trading_rows()),
            ("Decisions by reason", self._count_rows(self.decision_reasons)),
            ("Refusals by reason", self._count_rows(self.refusals)),
        )
        lines: list[str] = []
        for heading, rows in sections:
            lines += [heading, *aligned(rows), ""]
        return "\n".join(lines[:-1]) + "\n"

    def _run_rows(self) -> list[tuple[str, str]]:
        speed = (
            f"{self.run_seconds:.3f} s, {count_text(self.events_per_second)} events/s" if self.run_seconds else NO_DATA
        )
        latency = self.latency
        return [
            ("tape", self.tape),
            ("sha256", self.tape_sha256),
            ("policy", self._policy_text()),
            ("span", f"{time_text(self.begin_ns)} to {time_text(self.end_ns)} ({duration_text(self.span_ns)})"),
            ("events", count_text(self.events)),
            ("run", speed),
            (
                "decision latency",
                NO_DATA
                if latency is None
                else f"p50 {latency.p50_us:.1f} us, p99 {latency.p99_us:.1f} us, max {latency.max_us:.1f} us",
            ),
        ]

    def _result_rows(self) -> list[tuple[str, str]]:
        def money(amount: int | None, *, signed: bool = False) -> str:
            return money_text(self.instrument, amount, signed=signed)

        change = None if self.profit is None else ratio(self.profit, self.equity_begin, scale=100, places=4)
        amounts = [
            ("equity at begin", money(self.equity_begin), ""),
            ("equity at end", money(self.equity_end), ""),
            ("net profit", money(self.profit, signed=True), decimal_text(change, "%", signed=True)),
            ("realised", money(self.realised, signed=True), "before fees"),
            ("unrealised", money(self.unrealised, signed=True), f"holding {self._held_text()}"),
            ("fees", money(self.fees), ""),
            ("max drawdown", money(self.drawdown), decimal_text(self._percent(self.drawdown_ppm), "%")),
        ]
        width = max(len(amount) for _, amount, _ in amounts)
        rows = [
            (label, f"{amount:>{width}}  {note}".rstrip() if amount != NO_DATA else f"{amount:>{width}}")
            for label, amount, note in amounts
        ]
        if self.unexplained:
            rows.append(("DEFECT", f"equity and fills differ by {money(self.unexplained, signed=True)}"))
        return rows

    def _trading_rows(self) -> list[tuple[str, str]]:
        trips, slippage = self.round_trips, self.slippage
        rows = [
            (
                "orders",
                f"{self.orders:,} placed, {self.orders_filled:,} filled, {sum(self.refusals.values()):,} refused",
            ),
            ("fills", count_text(self.fills)),
            (
                "round trips",
                NO_DATA if trips is None else f"{trips.count:,} ({trips.wins:,} won, {trips.losses:,} lost)",
            ),
            ("win rate", decimal_text(self.win_rate_percent, "%")),
            ("profit factor", NO_DATA if self.profit_factor is None else f"{self.profit_factor:f}"),
        ]
        if trips is not None:
            best, worst = (money_text(self.instrument, amount, signed=True) for amount in (trips.best, trips.worst))
            rows.append(("best, worst trip", f"{best}, {worst}"))
            rows.append(("mean holding time", duration_text(trips.held_ns_mean)))
        told = NO_DATA
        if slippage is not None:
            told = f"mean {slippage.mean_bps:+f} bps, max {slippage.max_bps:+f} bps"
        return [*rows, ("slippage", told)]

    def _count_rows(self, counts: dict[str, int]) -> list[tuple[str, str]]:
        if not self.decisions:
            return [(NO_DATA, "")]
        width = max((len(f"{count:,}") for count in counts.values()), default=0)
        return [(reason, f"{count:>{width},}") for reason, count in counts.items()] or [("none", "")]

    def _policy_text(self) -> str:
        return " ".join([self.policy, *(f"{key}={value}" for key, value in self.parameters.items())])

    def _held_text(self) -> str:
        return f"{self.instrument.sizes.text(self.held_lots)} {self.instrument.base.upper()}"

    def _money(self, amount: int | None) -> str | None:
        return None if amount is None else self.instrument.money.text(amount)

    @staticmethod
    def _percent(ppm: int | None) -> Decimal | None:
        return None if ppm is None else ratio(ppm, 10_000, scale=1, places=4)

    @staticmethod
    def _plain(value: Decimal | None) -> str | None:
        return None if value is None else f"{value:f}"

    @staticmethod
    def _time(ts_ns: int | None) -> str | None:
        return None if ts_ns is None else time_text(ts_ns).replace(" ", "T")
