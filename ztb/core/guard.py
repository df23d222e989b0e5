"""The pre-trade limits: one path, one order of checks, one fixed reason code for each refusal.

A limit is exceeded when a value is strictly greater than it. Working orders count at their worst case, orders of
unknown fate included: the sum of what is held and of all that may still fill must stay within the limit.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, fields
from typing import Final, final

from msgspec import Struct

from ztb.core.error import ConfigError
from ztb.core.instrument import BUY, Instrument
from ztb.core.money import PPM
from ztb.core.order import Order, OrderState

MINUTE_NS: Final = 60_000_000_000

OWN_ORDER: Final = "own_order"

REASONS: Final[dict[str, str]] = {
    "order_unknown": "an order of unknown fate blocks new exposure in its instrument until the venue tells",
    "open_orders": "as many orders as allowed are working",
    "no_market_data": "no price was seen yet",
    "stale_market_data": "the last price is older than allowed",
    "below_minimum": "smaller, or worth less, than the venue's smallest order",
    "above_maximum": "larger than the venue's largest order",
    "order_size": "larger than the order size limit",
    "order_notional": "worth more than the notional limit of one order",
    "position_size": "position, with everything that may still fill, above its limit",
    "position_notional": "position value, with everything that may still fill, above its limit",
    "orders_per_minute": "as many orders as allowed were made in the last 60 seconds",
    "price_collar": "the limit price is too far from the last price",
    "nothing_to_sell": "spot: this bot holds nothing of it",
    "nothing_to_close": "leverage: nothing of the position is left that no working order closes",
    "other_side_works": "leverage that does not net: an order that opens the other side may still fill",
    "dust": "what is left is less than the venue's smallest order; it stays parked",
    OWN_ORDER: "it would trade with an order of our own; that one is cancelled first",
    "rejected_before": "the venue refused an order of this kind so recently that it is not asked again yet",
}
"""Every refusal of this file; those of the emergency controls stand in ``control.REFUSALS``."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Account-wide limits; sizes in lots, money in the account's smallest unit, ratios in ppm, times in ns."""

    order_lots_max: int
    position_lots_max: int
    order_notional_max: int
    position_notional_max: int
    daily_loss_max: int
    drawdown_ppm_max: int
    orders_per_minute_max: int
    open_orders_max: int
    price_collar_ppm: int
    stale_ns_max: int
    order_ttl_ns: int
    """A resting order is cancelled when it is older than this."""
    # None, everywhere below: this is not limited.
    exposure_max: int | None = None
    """Value of all positions of the account together, with everything that may still fill."""
    leverage_ppm_max: int | None = None
    """The same in parts of the equity: 1,000,000 is once."""
    orders_per_day_max: int | None = None
    day_notional_max: int | None = None
    """Value of all orders of a trading day."""
    orders_per_hour_max: int | None = None
    """Of those that open, as all below but slippage."""
    order_gap_ns: int | None = None
    """Between one order that opens and the next."""
    volatility_ppm_max: int | None = None
    """Standard deviation of a day's return."""
    sharpe_milli_min: int | None = None
    """Of the daily returns, annualised, in thousandths; may be negative."""
    slippage_ppm_max: int | None = None
    """Of the price that the book promises to an order, beyond the best price."""
    daily_loss_ppm_max: int | None = None
    """Of the equity at the beginning of the day."""
    trade_loss_max: int | None = None
    """Of one trade, from flat to flat."""
    losses_in_row_max: int | None = None
    """The trade that makes so many is the last."""
    price_move_ppm_max: int | None = None
    """Within 60 seconds."""
    fill_slippage_ppm_max: int | None = None
    """Between the last price at the decision and the price of the fill."""
    wallet_drift_lots_max: int = 0
    """So much less than the ledger says the venue may hold."""

    def __post_init__(self) -> None:
        for name in (entry.name for entry in fields(self)):
            value = getattr(self, name)
            least = _LEAST.get(name, 1)
            if value is not None and least is not None and value < least:
                raise ConfigError(f"limit {name} must be {'positive' if least else '0 or more'}", remedy="correct it")


_LEAST: Final[dict[str, int | None]] = {"wallet_drift_lots_max": 0, "sharpe_milli_min": None}


class RateWindow:
    """How many orders were made within the last true 60 seconds."""

    __slots__ = ("made_ns",)

    def __init__(self) -> None:
        self.made_ns: deque[int] = deque()

    def count(self, now_ns: int) -> int:
        """Orders made after ``now_ns`` minus one minute."""
        made_ns = self.made_ns
        while made_ns and made_ns[0] <= now_ns - MINUTE_NS:
            made_ns.popleft()
        return len(made_ns)

    def add(self, now_ns: int) -> None:
        """Count one order; the window is bounded by the limit that is checked before."""
        self.made_ns.append(now_ns)


@final
class Proposal(Struct, gc=False):
    """An order as it would be sent, and the market that it was made for."""

    instrument: Instrument
    side: int
    lots: int
    price: int
    last_price: int
    last_ns: int
    reduce_only: bool


def refusal(
    proposal: Proposal,
    *,
    limits: Limits,
    held_lots: int,
    working: list[Order],
    near: list[Order],
    rate: RateWindow,
    now_ns: int,
) -> str:
    """The reason code of the first limit that ``proposal`` would break, or "" when it may go.

    ``working`` are all orders of the account that are not terminal, unknown ones included; ``near`` those of the
    instrument that may still fill, also those that ended and have not settled.
    """
    p = proposal
    if p.last_price <= 0:
        return "no_market_data"
    if now_ns - p.last_ns > limits.stale_ns_max:
        return "stale_market_data"
    same = [order for order in working if order.instrument == p.instrument.symbol] if working else working
    if same and not p.reduce_only and OrderState.UNKNOWN in [order.state for order in same]:
        return "order_unknown"
    if same and in_the_way(p, same):
        return OWN_ORDER
    if len(working) + 1 > limits.open_orders_max:
        return "open_orders"
    notional = p.instrument.notional(p.price, p.lots)
    if p.lots < p.instrument.lots_min or notional < p.instrument.notional_min:
        return "below_minimum"
    if p.lots > p.instrument.lots_max:
        return "above_maximum"
    if p.lots > limits.order_lots_max:
        return "order_size"
    if notional > limits.order_notional_max:
        return "order_notional"
    worst_lots = worst_case_lots(p.side, held_lots, near) + p.side * p.lots
    if worst_lots * p.side > 0:  # else the order can only shrink what is held, and that is never refused here
        if abs(worst_lots) > limits.position_lots_max:
            return "position_size"
        if p.instrument.notional(max(p.price, p.last_price), abs(worst_lots)) > limits.position_notional_max:
            return "position_notional"
    if rate.count(now_ns) + 1 > limits.orders_per_minute_max:
        return "orders_per_minute"
    if abs(p.price - p.last_price) * PPM > limits.price_collar_ppm * p.last_price:
        return "price_collar"
    return ""


def in_the_way(p: Proposal, working: list[Order]) -> list[Order]:
    """Orders of ours in the same instrument that ``p`` could trade with.

    One of unknown fate is none for what shrinks a position: getting out does not wait for the venue's memory.
    """
    return [
        order
        for order in working
        if order.side != p.side
        and (p.price - order.price) * p.side >= 0
        and order.instrument == p.instrument.symbol
        and not (p.reduce_only and order.state is OrderState.UNKNOWN)
    ]


def worst_case_lots(side: int, held_lots: int, at_stake: list[Order]) -> int:
    """The position when everything at stake on ``side`` fills and nothing on the other side does."""
    if not at_stake:
        return held_lots
    return held_lots + side * sum([order.unfilled_lots for order in at_stake if order.side == side])


def reducible_lots(side: int, held_lots: int, at_stake: list[Order]) -> int:
    """How much an order on ``side`` may be at most to shrink the position, never flip it, whatever else fills."""
    open_lots = -held_lots if side == BUY else held_lots
    if not at_stake:
        return max(0, open_lots)
    pending = sum(order.unfilled_lots for order in at_stake if order.side == side)
    return max(0, open_lots - pending)
