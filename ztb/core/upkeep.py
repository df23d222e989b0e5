"""Cancels, and what is due for orders because time passed: those too old, and those of which nobody has answered.

No order is forgotten: while one works it is looked at every ``HOUSEKEEPING_NS``, whether the market moves or not.
"""

from __future__ import annotations

from typing import Final

from ztb.core.command import FLATTEN, Cancel, Command, LookUp, Notify
from ztb.core.control import PERMITS
from ztb.core.lifecycle import LOOK_UP_EVERY_NS
from ztb.core.order import Order, OrderState
from ztb.core.state import State

CANCEL_DEADLINE_NS: Final = 10_000_000_000
"""A cancel without an answer for this long is looked up at the venue and asked again (F-08)."""
HOUSEKEEPING_NS: Final = 250_000_000


def look_soon(state: State, now_ns: int) -> None:
    """Something works that will need a look."""
    state.due_ns = min(state.due_ns, now_ns + HOUSEKEEPING_NS)


def cancel(state: State, order: Order, reason: str, now_ns: int) -> Cancel:
    """Ask for the end of one order; that it was asked for stands in the order."""
    order.cancel_asked_ns = now_ns
    look_soon(state, now_ns)
    return Cancel(now_ns, order.client_id, order.instrument, order.venue_id, reason)


def cancel_all(state: State, reason: str, now_ns: int, *, but_flatten: bool = False) -> list[Command]:
    """Of every order that works, also of those whose cancel was asked for before; ``but_flatten``: not of its own."""
    return [
        cancel(state, order, reason, now_ns)
        for order in state.working.values()
        if not (but_flatten and order.purpose == FLATTEN)
    ]


def is_flattening(state: State) -> bool:
    """A flatten runs, and its orders are its own business."""
    return state.flattening is not None and state.flattening.is_active


def kill(state: State, *, source: str, reason: str, now_ns: int) -> list[Command]:
    """Set the latch, tell it, and cancel everything; [] when it was set before."""
    if not state.control.kill(source=source, reason=reason, now_ns=now_ns):
        return []
    notice = Notify(now_ns, "emergency", "killed", f"{reason} (by {source})")
    return [notice, *cancel_all(state, "killed", now_ns, but_flatten=is_flattening(state))]


def orders_due(state: State, now_ns: int, *, order_ttl_ns: int) -> list[Command]:
    """Orders too old, cancels and look-ups without an answer; and when to look again."""
    if not state.working:
        state.due_ns = state.ledger.day_end_ns
        return []
    commands: list[Command] = []
    may_cancel = PERMITS[state.control.level(now_ns)].cancels
    must_end = state.control.killed or state.control.stopping
    flattens = is_flattening(state)
    for order in state.working.values():
        if order.state is OrderState.UNKNOWN:
            if now_ns - order.looked_up_ns >= LOOK_UP_EVERY_NS:
                order.looked_up_ns = now_ns
                commands.append(LookUp(now_ns, order.client_id, order.instrument))
        elif order.cancel_asked_ns:
            if now_ns - order.cancel_asked_ns >= CANCEL_DEADLINE_NS:
                commands.append(LookUp(now_ns, order.client_id, order.instrument))
                commands.append(cancel(state, order, "cancel_unanswered", now_ns))
        elif flattens and order.purpose == FLATTEN:
            continue  # it has its own time to work
        elif may_cancel and now_ns >= order.cancel_again_ns and (must_end or now_ns - order.created_ns > order_ttl_ns):
            commands.append(cancel(state, order, "too_old", now_ns))
    state.due_ns = min(state.ledger.day_end_ns, now_ns + HOUSEKEEPING_NS)
    return commands
