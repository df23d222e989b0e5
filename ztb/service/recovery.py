"""Start-up is recovery, on one path: the newest good checkpoint, then every record after it.

Records are folded into the state without asking the policy and without judging losses anew: what was decided then is
in the records. What was working when the last session ended is told by the ``Started`` event, not here.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Final, Protocol

from ztb.core import flatten
from ztb.core.command import FLATTEN, Balance, Cancel, Cleared, LookUp, Notify, Place, Tripped
from ztb.core.error import ConfigError, InvariantBroken, StoreCorrupt, ZtbError
from ztb.core.event import (
    CancelFailed,
    ChooseProfile,
    Flatten,
    Kill,
    LiftPause,
    OrderAccepted,
    OrderCancelled,
    OrderDurable,
    OrderExpired,
    OrderFilled,
    OrderNotPlaced,
    OrderRecovered,
    OrderRejected,
    OrderSent,
    OrderSettled,
    OrderUnknown,
    Pause,
    Resume,
    Started,
)
from ztb.core.flattening import Flattening
from ztb.core.judging import apply_balance, apply_operator, apply_resume
from ztb.core.lifecycle import apply_order_event
from ztb.core.order import OrderState
from ztb.core.state import State
from ztb.core.trip import apply_clear, apply_trip
from ztb.store.codec import COMMAND_KINDS, EVENT_KINDS, decode

FOLDED_KINDS: Final = frozenset(EVENT_KINDS) | frozenset(COMMAND_KINDS)
"""Records that change the state; all others (decisions, measurements, evidence) do not."""

ORDER_EVENTS: Final = (
    OrderRecovered, OrderDurable, OrderSent, OrderAccepted, OrderFilled, OrderRejected, OrderCancelled, OrderExpired,
    OrderUnknown, OrderNotPlaced, OrderSettled, CancelFailed,
)  # fmt: skip

_REMEDY: Final = "use the instrument and the version of ztb that wrote it, or start with an empty state directory"


class RecordLike(Protocol):
    """A record as the journal gives it."""

    @property
    def seq(self) -> int: ...
    @property
    def ts_ns(self) -> int: ...
    @property
    def kind(self) -> str: ...
    @property
    def body(self) -> bytes: ...


def recover(state: State, checkpoint: dict[str, Any] | None, records: Iterable[RecordLike]) -> int:
    """Bring ``state`` to where the last session left it; returns how many records were folded in.

    StoreCorrupt where a checkpoint or a record of an intact journal makes no sense: it was written by another ztb.
    """
    try:
        if checkpoint is not None:
            _check_instruments(state, checkpoint)
            state.restore(checkpoint)
    except ConfigError:
        raise
    except (ZtbError, LookupError, TypeError, ValueError) as error:
        raise StoreCorrupt(f"the checkpoint cannot be restored: {error!r:.300}", remedy=_REMEDY) from error
    folded = 0
    for record in records:
        if record.kind in FOLDED_KINDS:
            try:
                fold(state, decode(record.kind, record.body), record.ts_ns)
            except (ZtbError, AssertionError, LookupError, TypeError, ValueError) as error:
                text = f"record {record.seq} ({record.kind}) cannot be folded into the state: {error!r:.300}"
                raise StoreCorrupt(text, remedy=_REMEDY) from error
            folded += 1
    return folded


def _check_instruments(state: State, checkpoint: dict[str, Any]) -> None:
    """A directory belongs to its instruments: with another one in the profile it is the profile that is wrong."""
    held = sorted(set(checkpoint.get("markets", ())) - set(state.desks))
    if held:
        raise ConfigError(
            f"this state directory holds the books of {', '.join(held)}, the profile trades {', '.join(state.desks)}",
            remedy="name the instrument again, or another --state-dir",
        )


def fold(state: State, item: object, ts_ns: int) -> None:
    """Apply one event or command of the past."""
    state.now_ns = max(state.now_ns, ts_ns)
    if not state.ledger.day_end_ns:
        # As the engine did with its first event: a ``Balance`` of the same day must not count as a new one.
        state.ledger.turn_day(ts_ns)
    match item:
        case Place():
            if item.instrument not in state.desks:
                raise InvariantBroken(f"an order in {item.instrument}, which the profile does not name")
            recovered = OrderRecovered(
                item.ts_ns, item.client_id, item.instrument, item.side, item.lots, item.price, item.reduce_only,
                item.ts_ns, item.sequence, item.purpose, item.reference,
            )  # fmt: skip
            apply_order_event(state, recovered, ts_ns)
            if item.purpose == FLATTEN and state.flattening is not None:
                state.flattening.note_place(flatten.sent_of(item))
        case OrderFilled():
            _mark_at_fill(state, item)
            apply_order_event(state, item, ts_ns)
        case Cancel():
            if item.client_id in state.orders:
                state.orders[item.client_id].cancel_asked_ns = item.ts_ns
        case Started():
            state.install = item.install
            state.epoch = item.epoch
            # As the engine did then, so that what followed (``OrderNotPlaced``) finds the orders as it found them.
            for order in list(state.working.values()):
                apply_order_event(state, OrderUnknown(ts_ns, order.client_id, "restart"), ts_ns)
            flatten.restart(state, ts_ns)
        case Notify():
            _fold_notice(state, item)
        case Pause() | LiftPause() | ChooseProfile():
            apply_operator(state, item, ts_ns)
        case Tripped():
            apply_trip(state, item)
        case Cleared():
            apply_clear(state, item)
        case Balance():
            apply_balance(state, item)
        case Kill():
            state.control.kill(source=item.source, reason=item.reason, now_ns=item.ts_ns)
        case LookUp():
            looked_up = state.orders.get(item.client_id)
            if looked_up is not None and looked_up.state is OrderState.UNKNOWN:
                looked_up.looked_up_ns = item.ts_ns
        case Flatten():
            if not state.control.observe:
                flatten.take(state, item, item.ts_ns)
        case Resume():
            pass  # it counts only where the engine said ``resumed``
        case _ if isinstance(item, ORDER_EVENTS):
            apply_order_event(state, item, ts_ns)


def _fold_notice(state: State, notice: Notify) -> None:
    """What the engine itself decided (a breaker's kill, a resume that it granted) stands in its notices."""
    if state.flattening is not None:
        _fold_flatten(state, state.flattening, notice)
    match notice.code:
        case "killed":
            # A breaker's kill has no event of its own; the notice says ``reason (by source)``.
            reason, _, source = notice.text.removesuffix(")").rpartition(" (by ")
            state.control.kill(source=source, reason=reason, now_ns=notice.ts_ns)
        case "pause_over":
            state.control.expire(notice.ts_ns)
        case "resumed":
            apply_resume(state)


def _fold_flatten(state: State, running: Flattening, notice: Notify) -> None:
    match notice.code:
        case flatten.DONE:
            flatten.end(state, running, notice.text.partition(":")[0], notice.ts_ns)
        case flatten.LATE:
            running.alarmed_ns = notice.ts_ns
        case flatten.AGAIN:
            flatten.begin_again(state, running, notice.ts_ns)


def _mark_at_fill(state: State, fill: OrderFilled) -> None:
    """The market's own marks are not in the journal, so the last one known is moved along with the fills."""
    order = state.orders.get(fill.client_id)
    if order is not None:
        desk = state.desks[order.instrument]
        if fill.ts_ns >= desk.last_ns:
            desk.last_price = fill.price
            desk.last_ns = fill.ts_ns
