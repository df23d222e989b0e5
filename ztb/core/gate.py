"""The pre-trade gate: one function, one order of checks, one fixed reason code for every refusal.

Emergency controls, arming, freshness, sizing, the venue's rules, limits of the order and of the account, reduce-only,
slippage. A value that is missing or stale is a refusal. The gate decides and changes nothing; every refusal there is
stands in ``REASONS`` with its words.
"""

from __future__ import annotations

from typing import Final, final

from msgspec import Struct

from ztb.core.control import PERMITS, REFUSALS, Level
from ztb.core.guard import OWN_ORDER, Limits, Proposal, in_the_way, reducible_lots, refusal
from ztb.core.guard import REASONS as LIMIT_REASONS
from ztb.core.instrument import BUY
from ztb.core.market import Desk
from ztb.core.money import PPM
from ztb.core.order import Order
from ztb.core.reaction import RISK_FAILED
from ztb.core.rejection import REJECTED_BEFORE, is_paused
from ztb.core.rules import Rules
from ztb.core.sizing import fit, sized
from ztb.core.state import EngineConfig, State

REASONS: Final[dict[str, str]] = {
    REFUSALS[Level.KILLED]: "the kill latch is set: nothing leaves until an operator resumes",
    REFUSALS[Level.FLATTENING]: "what is held is being closed, or was; nothing is opened until an operator resumes",
    REFUSALS[Level.STOPPING]: "the trader is stopping",
    REFUSALS[Level.OBSERVE]: "the profile only watches",
    REFUSALS[Level.STARTING]: "orders and fills are not reconciled with the venue",
    REFUSALS[Level.FROZEN]: "a pause during which not even positions are shrunk",
    REFUSALS[Level.PAUSED]: "a pause: nothing is opened",
    REFUSALS[Level.CLOCK]: "this host's clock is off: nothing is opened",
    REFUSALS[Level.REDUCE_ONLY]: "positions may only shrink",
    "not_armed": "the two keys of arming and the account's credentials are not all there",
    "no_equity": "nothing is left that an order could be measured against",
    "no_atr": "the average true range is not known yet, or known no more",
    "order_size_too_small": "what risk budget and cap leave is less than the venue's smallest order",
    **LIMIT_REASONS,
    "would_flip": "reduce-only: it could open the other side",
    "exposure": "the account's positions, with everything that may still fill, are worth more than allowed",
    "leverage": "the same in parts of the equity",
    "orders_per_day": "as many orders as allowed were made today",
    "day_notional": "the orders of the day are worth as much as allowed",
    "orders_per_hour": "as many orders as the risk profile allows were made within the hour",
    "order_gap": "the last order that opens is too young for the risk profile",
    "no_volatility": "the volatility is not known yet, or known no more",
    "volatility": "the market moves more than the risk profile allows",
    "sharpe": "the trading of the last weeks was worse than the risk profile asks for",
    "no_book": "no fresh book is known from which the slippage could be estimated",
    "book_too_thin": "the known levels of the book do not hold as much as the order wants",
    "slippage": "the book promises a price that is worse than allowed",
    RISK_FAILED: "risk could not be evaluated; that is a kill",
}
"""Every refusal of the engine."""

SIZING_INPUTS: Final = ("equity", "price", "atr", "risk_lots", "cap_lots", "multiplier_ppm", "lots")
"""What the numbers of a row with the reason ``sizing`` mean."""
SIZING: Final = "sizing"


_NOTHING_PENDING: Final = (0, 0, 0)


@final
class Verdict(Struct, gc=False):
    """What the gate says: a proposal that may be placed, or the code of the refusal."""

    code: str
    proposal: Proposal | None = None
    sizing: tuple[int, ...] = ()
    """The arithmetic of the size, where there was one; see ``SIZING_INPUTS``."""
    blocking: tuple[Order, ...] = ()
    """Orders of ours that are in the way, with ``own_order``."""


def judge(
    state: State, config: EngineConfig, rules: Rules, desk: Desk, side: int, now_ns: int, *, closing: bool = False
) -> Verdict:
    """Whether a wish may become an order; ``closing``: only to shrink the position, as far as one order can."""
    symbol = desk.instrument.symbol
    limits = rules.limits
    level = state.control.level(now_ns, symbol)
    permit = PERMITS[level]
    held_lots = desk.position.lots
    if not permit.opening and (not permit.reducing or held_lots * side >= 0):
        return Verdict(REFUSALS[level])
    if not config.armed:
        return Verdict("not_armed")
    if desk.last_price <= 0:
        return Verdict("no_market_data")
    if now_ns - desk.last_ns > limits.stale_ns_max:
        return Verdict("stale_market_data")
    working = list(state.working.values())
    at_stake = state.at_stake() if state.settling else working
    near = [order for order in at_stake if order.instrument == symbol] if at_stake else at_stake
    may_open = permit.opening and not closing
    price = desk.aggressive_price(side, cross_ppm=config.cross_ppm, now_ns=now_ns, stale_ns_max=limits.stale_ns_max)
    wanted = largest_lots(limits, desk, price) if closing else config.order_lots
    lots, reduce_only, code = fit(desk, side, wanted, near, may_open=may_open)
    if code:
        # What cannot be closed because nothing is there would be an order that opens, if that were allowed.
        return Verdict(code if may_open or code == "dust" or closing else REFUSALS[level])
    numbers: tuple[int, ...] = ()
    if rules.sizes and not reduce_only:
        lots, code, numbers = sized(desk, lots, rules.plan, state.ledger, state.tally, now_ns)
        if code:
            return Verdict(code, sizing=numbers)
    if state.rejections and is_paused(state.rejections, symbol, side, now_ns, reduce_only=reduce_only):
        return Verdict(REJECTED_BEFORE, sizing=numbers)
    proposal = Proposal(desk.instrument, side, lots, price, desk.last_price, desk.last_ns, reduce_only)
    code = refusal(
        proposal, limits=limits, held_lots=held_lots, working=working, near=near,
        rate=state.rate, now_ns=now_ns,
    )  # fmt: skip
    if code == OWN_ORDER:
        return Verdict(code, sizing=numbers, blocking=tuple(in_the_way(proposal, working)))
    if not code and rules.limits_account:
        code = _account_refusal(state, rules, proposal, at_stake, now_ns)
    if not code and rules.limits_pace and not reduce_only:
        code = _profile_refusal(state, rules, desk, now_ns)
    if not code and reduce_only and lots > reducible_lots(side, held_lots, near):
        code = "would_flip"
    if not code and limits.slippage_ppm_max is not None and not reduce_only:
        code = book_slippage(desk, side, lots, now_ns, limits=limits)
    return Verdict(code, None if code else proposal, numbers)


def largest_lots(limits: Limits, desk: Desk, price: int) -> int:
    """As much as one order may be; at least one lot, which the limits then refuse where it is too much."""
    by_value = limits.order_notional_max // max(1, desk.instrument.notional(price, 1))
    return max(1, min(limits.order_lots_max, desk.instrument.lots_max, by_value))


def _account_refusal(state: State, rules: Rules, p: Proposal, at_stake: list[Order], now_ns: int) -> str:
    """Limits of the whole account. What can only shrink a position is measured by the counts alone."""
    limits, tally = rules.limits, state.tally
    if limits.orders_per_day_max is not None and tally.day_orders + 1 > limits.orders_per_day_max:
        return "orders_per_day"
    if p.reduce_only:
        return ""
    notional = p.instrument.notional(p.price, p.lots)
    if limits.day_notional_max is not None and tally.day_notional + notional > limits.day_notional_max:
        return "day_notional"
    if limits.exposure_max is None and limits.leverage_ppm_max is None:
        return ""
    exposure = worst_exposure(state, at_stake, proposal=p)
    if exposure is None:
        return "no_market_data"
    if limits.exposure_max is not None and exposure > limits.exposure_max:
        return "exposure"
    if limits.leverage_ppm_max is not None and exposure * PPM > limits.leverage_ppm_max * max(0, state.ledger.equity):
        return "leverage"
    return ""


def worst_exposure(state: State, at_stake: list[Order], *, proposal: Proposal | None = None) -> int | None:
    """Value of all positions when the worse side of everything at stake fills; None: a price is not known."""
    pending: dict[str, list[int]] = {}
    for order in at_stake:
        entry = pending.get(order.instrument)
        if entry is None:
            entry = pending[order.instrument] = [0, 0, 0]
        entry[order.side == BUY] += order.unfilled_lots
        if order.price > entry[2]:
            entry[2] = order.price
    if proposal is not None:
        entry = pending.setdefault(proposal.instrument.symbol, [0, 0, 0])
        entry[proposal.side == BUY] += proposal.lots
        entry[2] = max(entry[2], proposal.price)
    total = 0
    for symbol, desk in state.desks.items():
        held_lots = desk.position.lots
        sells, buys, price = pending.get(symbol, _NOTHING_PENDING)
        worst = max(abs(held_lots + buys), abs(held_lots - sells))
        if worst:
            if desk.last_price <= 0:
                return None
            total += desk.instrument.notional(max(price, desk.last_price), worst)
    return total


def _profile_refusal(state: State, rules: Rules, desk: Desk, now_ns: int) -> str:
    """What a risk profile asks of an order that opens."""
    limits, tally = rules.limits, state.tally
    if limits.orders_per_hour_max is not None and tally.orders_last_hour(now_ns) + 1 > limits.orders_per_hour_max:
        return "orders_per_hour"
    if limits.order_gap_ns is not None and tally.opened_ns and now_ns - tally.opened_ns < limits.order_gap_ns:
        return "order_gap"
    if limits.volatility_ppm_max is not None:
        volatility = desk.bars.daily_volatility_ppm(now_ns)
        if volatility is None:
            return "no_volatility"
        if volatility > limits.volatility_ppm_max:
            return "volatility"
    if limits.sharpe_milli_min is not None:
        sharpe = tally.sharpe_milli
        if sharpe is not None and sharpe < limits.sharpe_milli_min:
            return "sharpe"
    return ""


def book_slippage(desk: Desk, side: int, lots: int, now_ns: int, *, limits: Limits) -> str:
    """The code of a refusal when filling ``lots`` by the known levels would cost too much, or cannot be told."""
    levels = desk.asks if side == BUY else desk.bids
    if not levels or now_ns - desk.book_ns > limits.stale_ns_max:
        return "no_book"
    left, cost = lots, 0
    for price, available in levels:
        taken = min(left, available)
        cost += taken * price
        left -= taken
        if not left:
            break
    if left:
        return "book_too_thin"
    best = levels[0][0] * lots
    return "slippage" if (cost - best) * side * PPM > (limits.slippage_ppm_max or 0) * best else ""
