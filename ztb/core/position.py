"""What this bot holds and what it earned: positions at average cost, profit, fees, equity, drawdown.

The ledger knows only what the bot traded, never what else the owner has. Every sum is an integer in the account's
smallest unit. Whatever is rounded, nothing is lost: realised plus unrealised profit always equals the money that
flowed plus the value of what is held.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ztb.core.instrument import Instrument
from ztb.core.money import PPM


@dataclass(slots=True)
class Position:
    """Of one instrument; ``lots`` is negative when short, ``cost`` is the signed entry value of the open lots."""

    money_per_tick_lot: int
    lots: int = 0
    cost: int = 0
    realised: int = 0
    fees: int = 0
    unrealised: int = 0
    """At the last mark; kept here so that one instrument's mark changes the equity by a difference."""

    def fill(self, *, side: int, lots: int, price: int, fee: int) -> int:
        """Book one fill at ``price`` ticks; returns the profit that it realised (before fees)."""
        assert lots > 0
        assert price > 0
        self.fees += fee
        realised = 0
        held = self.lots
        if held * side < 0:
            closing = min(lots, abs(held))
            # The open cost is shared out by size; the remainder of the division stays with what is still open.
            cost_closed = self.cost * closing // abs(held) if closing < abs(held) else self.cost
            realised = -side * closing * price * self.money_per_tick_lot - cost_closed
            self.lots += side * closing
            self.cost -= cost_closed
            self.realised += realised
            lots -= closing
        if lots:
            self.lots += side * lots
            self.cost += side * lots * price * self.money_per_tick_lot
        assert self.lots or not self.cost, "what is flat has no cost"
        return realised

    def average_price(self) -> int:
        """Average entry price in ticks, rounded down; 0 when flat."""
        return self.cost // (self.lots * self.money_per_tick_lot) if self.lots else 0


class Ledger:
    """All positions, the equity that they make, its peak, and where the day began."""

    __slots__ = ("capital", "day_end_ns", "day_offset_ns", "day_open", "equity", "peak", "positions")

    def __init__(self, instruments: tuple[Instrument, ...], *, capital: int, day_offset_ns: int) -> None:
        assert capital > 0
        self.capital = capital
        self.equity = capital
        self.peak = capital
        self.day_open = capital
        self.day_offset_ns = day_offset_ns
        """Local midnight is this much before UTC midnight (JST: nine hours)."""
        self.day_end_ns = 0
        self.positions = {i.symbol: Position(i.money_per_tick_lot) for i in instruments}

    def mark(self, position: Position, price: int) -> None:
        """Value what ``position`` holds at ``price`` ticks; keeps the peak."""
        unrealised = position.lots * price * position.money_per_tick_lot - position.cost
        self.equity += unrealised - position.unrealised
        position.unrealised = unrealised
        if self.equity > self.peak:
            self.peak = self.equity

    def fill(self, symbol: str, *, side: int, lots: int, price: int, fee: int, mark: int) -> int:
        """Book a fill and value the rest at ``mark``; returns the realised profit (before fees)."""
        position = self.positions[symbol]
        realised = position.fill(side=side, lots=lots, price=price, fee=fee)
        self.equity += realised - fee
        self.mark(position, mark)
        return realised

    def turn_day(self, now_ns: int) -> bool:
        """True when a new local day began; the equity at this moment is its opening balance."""
        if now_ns < self.day_end_ns:
            return False
        is_new_day = self.day_end_ns > 0
        day_ns = 86_400_000_000_000
        local_ns = now_ns + self.day_offset_ns
        self.day_end_ns = local_ns - local_ns % day_ns + day_ns - self.day_offset_ns
        assert self.day_end_ns > now_ns
        if is_new_day:
            self.day_open = self.equity
        return is_new_day

    def drawdown_ppm(self) -> int:
        """Loss since the peak, in parts per million of the peak, rounded down."""
        return (self.peak - self.equity) * PPM // self.peak if self.peak > 0 else PPM

    def day_loss(self) -> int:
        """Loss since the day's opening balance; negative when the day is in profit."""
        return self.day_open - self.equity

    def snapshot(self) -> dict[str, Any]:
        """Plain values, for a checkpoint."""
        return {
            "capital": self.capital,
            "equity": self.equity,
            "peak": self.peak,
            "day_open": self.day_open,
            "day_end_ns": self.day_end_ns,
            "positions": {
                s: [p.lots, p.cost, p.realised, p.fees, p.unrealised] for s, p in sorted(self.positions.items())
            },
        }

    def restore(self, plain: dict[str, Any]) -> None:
        """Take back what ``snapshot`` described. A changed capital shifts the equity, not the profit."""
        shift = self.capital - int(plain["capital"])
        self.equity = plain["equity"] + shift
        self.peak = plain["peak"] + shift
        self.day_open = plain["day_open"] + shift
        self.day_end_ns = plain["day_end_ns"]
        for symbol, (lots, cost, realised, fees, unrealised) in plain["positions"].items():
            per = self.positions[symbol].money_per_tick_lot
            self.positions[symbol] = Position(per, lots, cost, realised, fees, unrealised)
