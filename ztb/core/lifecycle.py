"""What order events do to the state: the table moves the order, the ledger books the money.

An event never makes an order; only the engine's own intent (or its record in the journal) does.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ztb.core.command import Cancel, Command, LookUp, Notify
from ztb.core.error import InvariantBroken
from ztb.core.event import (
    CancelFailed,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderEvent,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRecovered,
    OrderRejected,
    OrderSent,
    OrderSettled,
    OrderUnknown,
)
from ztb.core.market import AMOUNT_MAX, Desk
from ztb.core.order import TERMINAL, Order, OrderState, Trigger
from ztb.core.rejection import count_rejection
from ztb.core.state import State

SIMPLE_TRIGGERS: Final[dict[type[OrderEvent], Trigger]] = {
    OrderDurable: Trigger.DURABLE,
    OrderSent: Trigger.SENT,
    OrderCancelled: Trigger.CANCEL,
    OrderExpired: Trigger.EXPIRE,
    OrderRejected: Trigger.REJECT,
    OrderUnknown: Trigger.LOSE,
}
"""Order events that are one trigger and nothing more."""

CANCEL_AGAIN_NS: Final = 1_000_000_000
"""A venue that refused a cancel (``order is too new``), or has not named the order yet, is given this long."""

LOOK_UP_EVERY_NS: Final = 5_000_000_000
"""An order of unknown fate is not looked up more often, however often it is said to be unknown."""

_NOTHING: Final[tuple[Command, ...]] = ()
_REJECT: Final = Trigger.REJECT


def apply_order_event(state: State, event: OrderEvent, now_ns: int) -> Sequence[Command]:
    """Move the order that ``event`` names; returns what the outside has to be asked or told."""
    order = state.orders.get(event.client_id)
    if order is None:
        return _without_order(state, event, now_ns)
    commands: Sequence[Command] = _NOTHING
    trigger = SIMPLE_TRIGGERS.get(type(event))
    if state.rejections or trigger is _REJECT:
        if trigger is _REJECT and not order.is_terminal and not getattr(event, "held_back", False):
            state.refused_in_row += 1
        count_rejection(state.rejections, order, event, now_ns)
        if state.flattening is not None and isinstance(event, OrderRejected):
            state.flattening.note_refusal(event.client_id, event.code)
    if trigger is not None:
        was_unknown = order.state is OrderState.UNKNOWN
        order.apply(trigger)
        if trigger is Trigger.LOSE and order.state is OrderState.UNKNOWN:
            if not was_unknown or now_ns - order.looked_up_ns >= LOOK_UP_EVERY_NS:
                order.looked_up_ns = now_ns
                commands = [LookUp(now_ns, order.client_id, order.instrument)]
            # Nobody may know: then it is asked again, also where nothing else would have been due for long.
            state.due_ns = min(state.due_ns, order.looked_up_ns + LOOK_UP_EVERY_NS)
    else:
        match event:
            case OrderAccepted():
                state.refused_in_row = 0
                commands = _accept(order, event, now_ns)
            case OrderFilled():
                commands = _fill(state, order, event, now_ns)
            case OrderNotPlaced():
                if order.filled_lots == 0:
                    order.apply(Trigger.NOT_PLACED)
            case OrderSettled():
                order.ended_ns = 0
                state.settling.pop(order.client_id, None)
            case CancelFailed():
                order.cancel_asked_ns = 0
                order.cancel_again_ns = now_ns + CANCEL_AGAIN_NS
    if order.state in TERMINAL and state.working.pop(order.client_id, None) is not None:
        _settle(state, order, now_ns, is_refused=trigger is Trigger.REJECT and not order.filled_lots)
    return commands


def _settle(state: State, order: Order, now_ns: int, *, is_refused: bool) -> None:
    """What ended without all its lots may still turn out to have filled; the venue's plain no may not."""
    if order.unfilled_lots and not is_refused:
        order.ended_ns = now_ns
        state.settling[order.client_id] = order


def _recover(state: State, event: OrderRecovered) -> None:
    state.sequence = max(state.sequence, event.sequence)
    if event.instrument not in state.desks:
        raise InvariantBroken(
            f"the journal holds an order of {event.instrument}, which the profile does not name",
            remedy="name the instrument again, or use another state directory",
        )
    order = Order(
        event.client_id, event.instrument, event.side, event.lots, event.price, event.reduce_only, event.created_ns,
        event.sequence, mark=event.reference, purpose=event.purpose,
    )  # fmt: skip
    state.rate.add(event.created_ns)
    notional = state.desks[event.instrument].instrument.notional(event.price, event.lots)
    state.tally.add_order(event.created_ns, notional, opens=not event.reduce_only)
    state.add_order(order)


def _without_order(state: State, event: OrderEvent, now_ns: int) -> list[Command]:
    """An order that we do not know: recovered from the journal, or else nothing may be opened until people look."""
    if isinstance(event, OrderRecovered):
        _recover(state, event)
        return []
    state.control.reconciled = False
    name = type(event).__name__
    return [Notify(now_ns, "emergency", "order_event_without_order", f"{name} for {event.client_id}")]


def _accept(order: Order, event: OrderAccepted, now_ns: int) -> Sequence[Command]:
    had_id = order.venue_id != ""
    order.accept(event.venue_id)
    if had_id or not order.venue_id or order.is_terminal:
        return _NOTHING
    order.cancel_again_ns = 0
    if not order.cancel_asked_ns:
        return _NOTHING
    # The cancel that was asked for while the order was under way could not name it; this one can.
    order.cancel_asked_ns = now_ns
    return [Cancel(now_ns, order.client_id, order.instrument, order.venue_id, "cancel_can_name_it")]


def _count_trade(state: State, desk: Desk, held_lots: int, price: int) -> None:
    """After a fill: a trade that was closed by it counts, as a loss or not; a flipped position is a new trade."""
    position = desk.position
    if held_lots and position.lots * held_lots <= 0:
        desk.closed_profit = position.realised - position.fees - desk.trade_base
        desk.closed_trades += 1
        state.tally.losses_in_row = state.tally.losses_in_row + 1 if desk.closed_profit < 0 else 0
        desk.trade_base = position.realised - position.fees
        desk.best_price = price


def _is_sane(fill: OrderFilled) -> bool:
    # A chained comparison is also false for a NaN.
    is_size = 0 < fill.lots < AMOUNT_MAX and 0 < fill.price < AMOUNT_MAX
    return is_size and -AMOUNT_MAX < fill.fee < AMOUNT_MAX


def _fill(state: State, order: Order, event: OrderFilled, now_ns: int) -> list[Command]:
    if not _is_sane(event):
        # Booking it would ruin the ledger, ignoring it would hide a position: people and reconciliation decide.
        state.control.reconciled = False
        return [Notify(now_ns, "emergency", "nonsense_fill", repr(event)[:300])]
    was_terminal = order.is_terminal
    if not order.fill(event.trade_id, event.lots):
        return []
    desk = state.desks[order.instrument]
    held_lots = desk.position.lots
    if not held_lots:
        desk.trade_base = desk.position.realised - desk.position.fees
        desk.best_price = event.price
    if state.flattening is not None:
        state.flattening.note_fill(event.client_id, event.lots, event.price, event.fee, now_ns)
        state.due_ns = 0
    state.ledger.fill(
        order.instrument,
        side=order.side,
        lots=event.lots,
        price=event.price,
        fee=event.fee,
        mark=desk.last_price or event.price,
    )
    _count_trade(state, desk, held_lots, event.price)
    commands: list[Command] = []
    if was_terminal:
        text = f"{order.client_id} filled {event.lots} lots after it was {order.state.value}"
        commands.append(Notify(now_ns, "warning", "late_fill", text))
    if order.filled_lots > order.lots:
        state.control.reconciled = False
        text = f"{order.client_id} filled {order.filled_lots} of {order.lots} lots"
        commands.append(Notify(now_ns, "emergency", "overfilled", text))
    return commands
