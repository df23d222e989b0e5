"""The stop/degrade matrix (C-44 to C-50) and the breakers that count: when each of them trips.

A value trips when it is strictly above its limit; a count trips when it reaches the number that the table names. What
follows from a trip is not decided here but in ``reaction``. Everything is judged from the state alone.
"""

from __future__ import annotations

from typing import Final, NamedTuple

from ztb.core import reaction
from ztb.core.command import Command
from ztb.core.control import Level
from ztb.core.event import ApiHealth, BrokerRead, Feed, OrderFilled, WalletMeasured
from ztb.core.exits import is_trade_loss
from ztb.core.guard import Limits
from ztb.core.market import Desk
from ztb.core.money import PPM
from ztb.core.order import Order
from ztb.core.rules import Rules
from ztb.core.state import State
from ztb.core.trip import clear, trip

API_CALLS_MIN: Final = 10
"""With fewer calls an error ratio says nothing."""
API_ERRORS_PPM: Final = 200_000
API_RATE_USE_PPM: Final = 900_000
BAD_FILLS: Final = 3
REFUSED_IN_ROW: Final = 5
READ_FAILURES: Final = 3
FAILED_ATTEMPTS: Final = 10
_NOT_TRADING: Final = Level.OBSERVE
"""From this level on nothing can leave that a stale price could harm."""


class Figures(NamedTuple):
    """The numbers that the matrix judges, in money units and lots."""

    equity: int
    peak: int
    day_open: int
    exposure: int = 0
    """Value of all that is held, long and short added up."""
    position_lots: int = 0
    """Of the largest position."""
    trade_loss: int = 0
    """Of the worst trade; 0 or less: none."""
    missing_lots: int = 0
    """What the venue holds less than the ledger says."""


def broken(limits: Limits, figures: Figures) -> list[str]:
    """Codes of every limit of the matrix that is broken, aborts first."""
    f = figures
    found: list[str] = []
    if (f.peak - f.equity) * PPM > limits.drawdown_ppm_max * f.peak:
        found.append(reaction.MAX_DRAWDOWN)
    if limits.trade_loss_max is not None and f.trade_loss > limits.trade_loss_max:
        found.append(reaction.TRADE_LOSS)
    if is_daily_loss(limits, equity=f.equity, day_open=f.day_open):
        found.append(reaction.DAILY_LOSS)
    if f.position_lots > limits.position_lots_max:
        found.append(reaction.POSITION_SIZE)
    if limits.leverage_ppm_max is not None and f.exposure * PPM > limits.leverage_ppm_max * max(0, f.equity):
        found.append(reaction.LEVERAGE)
    if f.missing_lots > limits.wallet_drift_lots_max:
        found.append(reaction.WALLET_DRIFT)
    return reaction.strongest(found)


def is_daily_loss(limits: Limits, *, equity: int, day_open: int) -> bool:
    """By the sum or by the share of the day's opening balance, whichever is broken first (C-45, B-55)."""
    loss = day_open - equity
    if loss > limits.daily_loss_max:
        return True
    return limits.daily_loss_ppm_max is not None and loss * PPM > limits.daily_loss_ppm_max * max(0, day_open)


def loss_floor(limits: Limits, *, peak: int, day_open: int) -> int:
    """The lowest equity that breaks neither the drawdown nor the daily loss."""
    floor = max(peak - peak * limits.drawdown_ppm_max // PPM, day_open - limits.daily_loss_max)
    if limits.daily_loss_ppm_max is not None:
        floor = max(floor, day_open - max(0, day_open) * limits.daily_loss_ppm_max // PPM)
    return floor


def figures_of(state: State) -> Figures:
    """As things stand, at the last marks; what is flat counts for nothing."""
    ledger = state.ledger
    exposure = position_lots = 0
    for desk in state.desks.values():
        lots = abs(desk.position.lots)
        if lots:
            exposure += desk.instrument.notional(desk.last_price or desk.position.average_price(), lots)
            position_lots = max(position_lots, lots)
    return Figures(ledger.equity, ledger.peak, ledger.day_open, exposure, position_lots)


def judge_losses(state: State, limits: Limits, now_ns: int) -> list[Command]:
    """Drawdown and daily loss, after the equity fell; an abort comes alone."""
    figures = figures_of(state)
    for code in broken(limits, figures._replace(exposure=0, position_lots=0)):
        commands = trip(state, code, now_ns)
        if state.control.killed or commands:
            return commands
    return []


def judge_holdings(state: State, limits: Limits, now_ns: int) -> list[Command]:
    """Size and leverage of what is held: tripped, or over."""
    commands: list[Command] = []
    found = broken(limits, figures_of(state))
    for code in (reaction.POSITION_SIZE, reaction.LEVERAGE):
        commands += trip(state, code, now_ns) if code in found else clear(state, code, now_ns)
    return commands


def judge_fill(
    state: State, rules: Rules, desk: Desk, order: Order, fill: OrderFilled, closed_before: int, now_ns: int
) -> list[Command]:
    """Everything that a fill can trip besides the loss limits. ``closed_before``: trades of the desk closed before."""
    limits, symbol = rules.limits, desk.instrument.symbol
    commands: list[Command] = []
    if desk.closed_trades > closed_before and desk.closed_profit < 0:
        if limits.trade_loss_max is not None and -desk.closed_profit > limits.trade_loss_max:
            commands += trip(state, reaction.TRADE_LOSS, now_ns, text=f"{symbol}: a trade lost {-desk.closed_profit}")
        in_row = state.tally.losses_in_row
        if limits.losses_in_row_max is not None and in_row >= limits.losses_in_row_max:
            commands += trip(state, reaction.CONSECUTIVE_LOSSES, now_ns, text=f"{in_row} trades in a row lost")
        if rules.exits.cool_down:
            commands += trip(state, reaction.COOL_DOWN, now_ns, instrument=symbol)
    if is_trade_loss(desk, limits.trade_loss_max, desk.last_price or fill.price):
        commands += trip(state, reaction.TRADE_LOSS, now_ns, instrument=symbol)
    if limits.fill_slippage_ppm_max is not None and order.mark:
        worse = (fill.price - order.mark) * order.side
        desk.bad_fills = desk.bad_fills + 1 if worse * PPM > limits.fill_slippage_ppm_max * order.mark else 0
        if desk.bad_fills >= BAD_FILLS:
            desk.bad_fills = 0
            commands += trip(state, reaction.SLIPPAGE, now_ns, instrument=symbol)
    if (
        abs(desk.position.lots) > limits.position_lots_max
        or limits.leverage_ppm_max is not None
        or state.control.reduce_only_reasons
    ):
        commands += judge_holdings(state, limits, now_ns)
    return commands


def judge_refusals(state: State, now_ns: int) -> list[Command]:
    """After an order event: the venue refused so many in a row, or took one again."""
    if state.refused_in_row >= REFUSED_IN_ROW:
        return trip(state, reaction.VALIDATION, now_ns, text=f"{state.refused_in_row} orders in a row were refused")
    return clear(state, reaction.VALIDATION, now_ns) if state.refused_in_row == 0 else []


def judge_api(state: State, event: ApiHealth, now_ns: int) -> list[Command]:
    """The venue's interface, as it was measured."""
    if event.breaker_open:
        return trip(state, reaction.API_HEALTH, now_ns, text="the circuit breaker of the venue's interface is open")
    if event.calls >= API_CALLS_MIN and event.errors * PPM >= API_ERRORS_PPM * event.calls:
        return trip(state, reaction.API_HEALTH, now_ns, text=f"{event.errors} of {event.calls} calls failed")
    if event.rate_use_ppm >= API_RATE_USE_PPM:
        text = f"{event.rate_use_ppm // (PPM // 100)} % of the venue's rate limit are used"
        return trip(state, reaction.API_HEALTH, now_ns, text=text)
    return clear(state, reaction.API_HEALTH, now_ns)


def judge_read(state: State, event: BrokerRead, now_ns: int) -> list[Command]:
    """Orders and balances were read, or not."""
    state.read_failures = 0 if event.ok else state.read_failures + 1
    if state.read_failures < READ_FAILURES or not state.control.reconciled:
        return []  # what is not reconciled opens nothing anyway
    return trip(state, reaction.BROKER_READS, now_ns, text=event.text)


def judge_wallet(state: State, limits: Limits, event: WalletMeasured, now_ns: int) -> list[Command]:
    """What the venue holds of ours."""
    if event.missing_lots <= limits.wallet_drift_lots_max:
        return clear(state, reaction.WALLET_DRIFT, now_ns)
    text = f"{event.instrument}: the venue holds {event.missing_lots} lots less than the ledger says"
    return trip(state, reaction.WALLET_DRIFT, now_ns, instrument=event.instrument, text=text)


def judge_feed(state: State, event: Feed, now_ns: int) -> list[Command]:
    """The market stream went, came back, or could not be had again; call it before the state takes the event."""
    if not event.connected:
        state.failed_attempts += 1
        if state.failed_attempts < FAILED_ATTEMPTS:
            return []
        text = f"{state.failed_attempts} attempts in a row failed"
        return trip(state, reaction.STREAM_LOST, now_ns, text=text)
    state.failed_attempts = 0
    is_return = state.feed_was_up and not state.feed_up
    state.feed_was_up = True
    return trip(state, reaction.STREAM_RECONNECTED, now_ns) if is_return else []


def judge_marks(state: State, limits: Limits, now_ns: int) -> list[Command]:
    """At each timer: a position, or a working order, whose price is too old to value it by.

    A price from before this session is as old as the session: its stream has had no time to bring another one.
    """
    if state.control.level(now_ns) >= _NOT_TRADING:
        return []
    commands: list[Command] = []
    for symbol, desk in state.desks.items():
        age_ns = now_ns - max(desk.last_ns, state.started_ns)
        if not desk.last_ns or age_ns <= limits.stale_ns_max:
            continue
        if desk.position.lots or any(order.instrument == symbol for order in state.working.values()):
            text = f"the last price is {age_ns // 1_000_000} ms old"
            commands += trip(state, reaction.STALE_MARK, now_ns, instrument=symbol, text=text)
    return commands
