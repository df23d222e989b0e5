"""The way to flat: everything of ours off the book, then what this bot holds is closed, until the venue agrees.

``advance`` looks at the state and does what can be done now; it is called after every event while a flatten runs, so
there is no step that a lost answer could leave it in. The rules: at most one order of its own for each instrument, and
none on a side on which anything of ours may still work, orders of unknown fate included; never more than the ledger
holds, late fills of ended orders counted; a price never worse than the slippage allows. It is flat when nothing works,
nothing but dust is held, and the venue, asked after the last change, says the same. A deadline alarms people and ends
nothing: it goes on, more slowly, until it is flat or an operator resumes. A fill that is told later begins it again.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from ztb.core.command import FLATTEN, GTC, IOC, MARKET, Command, Notify, Place
from ztb.core.event import Flatten, Reconciled
from ztb.core.flattening import (
    CANCEL_ONLY,
    FLAT,
    FLAT_DUST,
    MARKET_MODE,
    MODES,
    ORDERS_OFF,
    OUTCOMES,
    Flattening,
    Sent,
)
from ztb.core.guard import reducible_lots
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.core.market import Desk
from ztb.core.money import PPM, ceil_div
from ztb.core.order import Order, OrderState, client_id_of
from ztb.core.state import EngineConfig, State
from ztb.core.upkeep import cancel, look_soon

REST_NS: Final = 2_000_000_000
"""A closing order that rests is taken back after so long, to be priced anew."""
WIDEST_PPM: Final = 100_000
"""How far from the market a limit stands in for a market order where the venue has none."""
BLIND_NS: Final = 5_000_000_000
"""So long a flatten waits for a comparison with the venue when nothing is reconciled; then the ledger has to do."""
PAUSE_NS: Final = 250_000_000
"""After an order that filled nothing; doubled with each further one in a row."""
PAUSE_NS_MAX: Final = 8_000_000_000
LATE_PAUSE_NS: Final = 15_000_000_000
"""After the deadline no order that fills nothing is followed by another one earlier than this."""
_DOUBLINGS_MAX: Final = 5

BEGUN: Final = "flatten_begun"
DONE: Final = "flattened"
LATE: Final = "flatten_late"
AGAIN: Final = "flatten_again"
REFUSED: Final = "flatten_refused"

_NOTHING: Final[tuple[Command, ...]] = ()


def begin(state: State, config: EngineConfig, event: Flatten, now_ns: int) -> list[Command]:
    """Take the order to flatten; one that runs already gets the new terms."""
    if state.control.observe:
        return [Notify(now_ns, "error", REFUSED, "this trader has no account and no way to send: nothing is open")]
    running = take(state, event, now_ns)
    text = f"{event.reason} (by {event.source}); mode {event.mode}, {left_in_words(state)}"
    return [Notify(now_ns, "emergency", BEGUN, text), *advance(state, config, now_ns, running)]


def take(state: State, event: Flatten, now_ns: int) -> Flattening:
    """The part of ``begin`` that a recovery repeats."""
    assert event.mode in MODES
    assert 0 <= event.slippage_ppm_max < PPM
    state.due_ns = 0
    state.control.flattening = True
    running = state.flattening
    if running is None or not running.is_active:
        holds = event.holds or (running is not None and running.holds)
        opened = {symbol: desk.position.lots for symbol, desk in state.desks.items()}
        running = state.flattening = Flattening(
            now_ns, now_ns, event.source, event.reason, event.by, event.mode, event.slippage_ppm_max, event.within_ns,
            event.then_stop, holds, opened, len(state.working), now_ns,
        )  # fmt: skip
        return running
    running.asked_ns = now_ns
    running.source, running.reason, running.by = event.source, event.reason, event.by
    running.mode, running.slippage_ppm_max, running.within_ns = event.mode, event.slippage_ppm_max, event.within_ns
    # What was asked for more strongly before is not taken back by the way.
    running.then_stop |= event.then_stop
    running.holds |= event.holds
    running.alarmed_ns = 0
    running.failures.clear()
    return running


def restart(state: State, now_ns: int) -> None:
    """A session begins: the flatten of an orderly stop is over with it, any other one goes on where it was."""
    running = state.flattening
    if running is None:
        return
    if not running.holds:
        state.flattening = None
        state.control.flattening = False
        return
    running.then_stop &= running.is_active
    running.is_looked_at = False
    running.agreed_ns = 0
    running.changed_ns = now_ns
    running.failures.clear()
    state.due_ns = 0


def compared(state: State, event: Reconciled) -> None:
    """A comparison with the venue was made."""
    if state.flattening is not None:
        state.flattening.note_comparison(clean=event.clean, text=event.text, begun_ns=event.begun_ns)


def end(state: State, running: Flattening, outcome: str, now_ns: int) -> None:
    """It is over; what is silent until an operator resumes stays silent."""
    assert outcome in OUTCOMES
    running.ended_ns = now_ns
    running.outcome = outcome
    state.control.flattening = running.holds


def resumed(state: State) -> None:
    """An operator takes over: whatever a flatten was doing is over."""
    state.flattening = None
    state.control.flattening = False


def begin_again(state: State, running: Flattening, now_ns: int) -> None:
    """Something was told after the end."""
    running.ended_ns = 0
    running.outcome = ""
    running.asked_ns = now_ns
    running.alarmed_ns = 0
    state.control.flattening = True
    state.due_ns = 0


def advance(state: State, config: EngineConfig, now_ns: int, running: Flattening) -> Sequence[Command]:
    """What can be done now; nothing where everything is waiting for an answer."""
    commands: list[Command] = []
    if not running.is_active:
        # A price that moves does not wake what was parked as dust; only a fill does.
        if not (running.holds and running.changed_ns > running.ended_ns and _is_open(state, running)):
            return _NOTHING
        begin_again(state, running, now_ns)
        commands.append(Notify(now_ns, "emergency", AGAIN, f"after it was over: {left_in_words(state)}"))
    state.due_ns = 0
    _see_ends(state, running, now_ns)
    commands += _cancels(state, running, now_ns)
    if running.mode != CANCEL_ONLY:
        for desk in state.desks.values():
            commands += _close(state, config, running, desk, now_ns)
    if running.is_agreed and not _is_open(state, running):
        commands.append(_finish(state, running, now_ns))
    elif now_ns >= running.deadline_ns and not running.alarmed_ns:
        commands.append(_alarm(state, running, now_ns))
    return commands


def wants_comparison(state: State, running: Flattening) -> bool:
    """Everything is done as far as we know: now the venue has to say so."""
    return running.is_active and not running.is_agreed and not _is_open(state, running)


def is_parked(desk: Desk) -> bool:
    """What is held is dust: too small for any order."""
    lots = abs(desk.position.lots)
    return desk.instrument.is_dust(_known_price(desk), lots)


def left_in_words(state: State) -> str:
    """What is held and what may work, for people."""
    held = [
        f"{desk.instrument.sizes.text(desk.position.lots)} {symbol}" + (" (dust)" if is_parked(desk) else "")
        for symbol, desk in state.desks.items()
        if desk.position.lots
    ]
    unknown = sum(order.state is OrderState.UNKNOWN for order in state.working.values())
    orders = f"{len(state.working)} orders may work ({unknown} of unknown fate)" if state.working else "no order works"
    return f"held: {', '.join(held) or 'nothing'}; {orders}"


def _is_open(state: State, running: Flattening) -> bool:
    """Something is left to do, by our own books."""
    if state.working:
        return True
    if running.mode == CANCEL_ONLY:
        return False
    return any(desk.position.lots and not is_parked(desk) for desk in state.desks.values())


def _see_ends(state: State, running: Flattening, now_ns: int) -> None:
    """Closing orders that ended: one that filled something is progress, one that did not makes us slower."""
    for symbol, client_id in list(running.under_way.items()):
        order = state.orders.get(client_id)
        if order is not None and not order.is_terminal:
            continue
        del running.under_way[symbol]
        running.changed_ns = max(running.changed_ns, now_ns)
        if order is not None and order.filled_lots:
            running.failures.pop(symbol, None)
            continue
        in_row = running.failures.get(symbol, (0, 0))[0] + 1
        pause_ns = min(PAUSE_NS << min(in_row - 1, _DOUBLINGS_MAX), PAUSE_NS_MAX)
        running.failures[symbol] = (in_row, now_ns + (LATE_PAUSE_NS if running.alarmed_ns else pause_ns))


def _cancels(state: State, running: Flattening, now_ns: int) -> list[Command]:
    """Every order that is not part of this, and those of its own that have rested long enough."""
    commands: list[Command] = []
    for order in state.working.values():
        if order.cancel_asked_ns or order.state is OrderState.UNKNOWN or now_ns < order.cancel_again_ns:
            continue
        is_ours = order.purpose == FLATTEN and running.mode != CANCEL_ONLY
        if not is_ours:
            commands.append(cancel(state, order, FLATTEN, now_ns))
        elif now_ns - order.created_ns >= REST_NS:
            commands.append(cancel(state, order, "rested", now_ns))
    return commands


def _close(state: State, config: EngineConfig, running: Flattening, desk: Desk, now_ns: int) -> Sequence[Command]:
    """The next order that closes what is held of one instrument, if it may be sent now."""
    held_lots, instrument = desk.position.lots, desk.instrument
    if not held_lots or not state.install or not _may_send(state, running, desk, now_ns):
        return _NOTHING
    side = SELL if held_lots > 0 else BUY
    same = [order for order in state.at_stake() if order.instrument == instrument.symbol]
    price, reference, is_known = closing_price(desk, side, running, config, now_ns)
    assert price > 0
    closable_lots = reducible_lots(side, held_lots, same)
    lots = closing_lots(instrument, price, closable_lots)
    if lots == 0:
        # A venue measures what an order is worth by its limit: so close to the minimum it can have no slippage.
        price, lots = reference, closing_lots(instrument, reference, closable_lots)
    if lots == 0:
        return _NOTHING  # dust, or what ended lately may still turn out to have filled
    commands: list[Command] = []
    if not is_known and not running.priced_blindly:
        running.priced_blindly = True
        text = f"{instrument.symbol}: no fresh price; the last known one is used ({instrument.prices.text(reference)})"
        commands.append(Notify(now_ns, "warning", "flatten_old_price", text))
    assert instrument.lots_min <= lots <= min(abs(held_lots), instrument.lots_max)
    assert instrument.symbol not in running.under_way
    in_force = _time_in_force(running, config)
    state.sequence += 1
    client_id = client_id_of(state.install, state.epoch, state.sequence)
    reason = f"flatten_{running.mode}"
    order = Order(
        client_id, instrument.symbol, side, lots, price, True, now_ns, state.sequence, mark=reference, purpose=FLATTEN
    )  # fmt: skip
    state.add_order(order)
    state.rate.count(now_ns)  # keeps the window short: no limit of orders was asked before this one
    state.rate.add(now_ns)
    state.tally.add_order(now_ns, instrument.notional(price, lots), opens=False)
    look_soon(state, now_ns)
    place = Place(
        now_ns, client_id, instrument.symbol, side, lots, price, True, state.sequence, reason, in_force, FLATTEN,
        reference,
    )  # fmt: skip
    running.note_place(sent_of(place))
    return [*commands, place]


def sent_of(place: Place) -> Sent:
    """An order of a flatten as its report tells it."""
    return Sent(
        place.client_id, place.instrument, place.side, place.lots, place.price, place.reference, place.time_in_force,
        place.ts_ns,
    )  # fmt: skip


def _may_send(state: State, running: Flattening, desk: Desk, now_ns: int) -> bool:
    """Nothing of ours may work on that side, nothing known may stand on the other one, and it is time."""
    side = SELL if desk.position.lots > 0 else BUY
    for order in state.working.values():
        # An order of unknown fate on the other side can only add to what has to be closed later.
        if order.instrument == desk.instrument.symbol and (order.side == side or order.state is not OrderState.UNKNOWN):
            return False
    if now_ns < running.failures.get(desk.instrument.symbol, (0, 0))[1]:
        return False
    is_believed = state.control.reconciled or running.is_looked_at
    return is_believed or now_ns - running.changed_ns >= BLIND_NS


def closing_lots(instrument: Instrument, price: int, lots_max: int) -> int:
    """As much as one order may be, so that what is left is nothing or can be closed as well; 0: all of it is dust."""
    if lots_max <= 0 or instrument.is_dust(price, lots_max):
        return 0
    lots = min(lots_max, instrument.lots_max)
    rest = lots_max - lots
    if instrument.is_dust(price, rest):
        needed = max(instrument.lots_min, ceil_div(instrument.notional_min, price * instrument.money_per_tick_lot))
        if lots - (needed - rest) >= needed:
            lots -= needed - rest
    assert 0 < lots <= lots_max
    return lots


def closing_price(
    desk: Desk, side: int, running: Flattening, config: EngineConfig, now_ns: int
) -> tuple[int, int, bool]:
    """The limit, the price that slippage is measured from, and whether that one is fresh.

    With a slippage the limit is measured from the better of the touch and the last trade: a book in which nobody is
    left must not make the price. To get out at any price the touch alone counts.
    """
    stale_ns = config.limits.stale_ns_max
    touch = desk.bid if side == SELL else desk.ask
    fresh_touch = touch if now_ns - desk.quote_ns <= stale_ns else 0
    fresh_last = desk.last_price if now_ns - desk.last_ns <= stale_ns else 0
    fresh = [price for price in (fresh_touch, fresh_last) if price > 0]
    reference = (max(fresh) if side == SELL else min(fresh)) if fresh else touch or _known_price(desk)
    slippage_ppm = running.slippage_ppm_max
    if running.mode == MARKET_MODE:
        reference = fresh_touch or reference
        slippage_ppm = max(slippage_ppm, WIDEST_PPM)
    assert reference > 0
    return max(1, reference + side * (reference * slippage_ppm // PPM)), reference, bool(fresh)


def _known_price(desk: Desk) -> int:
    """The last trade, else the price at which it was bought: something is held, so that exists."""
    return desk.last_price or max(1, desk.position.average_price())


def _time_in_force(running: Flattening, config: EngineConfig) -> str:
    wanted = (MARKET, IOC, GTC) if running.mode == MARKET_MODE else (IOC, GTC)
    return next(one for one in wanted if one in config.times_in_force or one == GTC)


def _finish(state: State, running: Flattening, now_ns: int) -> Notify:
    is_dust = any(desk.position.lots for desk in state.desks.values())
    outcome = ORDERS_OFF if running.mode == CANCEL_ONLY else FLAT_DUST if is_dust else FLAT
    end(state, running, outcome, now_ns)
    took_ms = (now_ns - running.begun_ns) // 1_000_000
    text = f"{outcome}: after {took_ms} ms and {running.sent_count} orders; {left_in_words(state)}"
    return Notify(now_ns, "success", DONE, text)


def _alarm(state: State, running: Flattening, now_ns: int) -> Notify:
    running.alarmed_ns = now_ns
    venue = running.venue_says or "nothing yet"
    text = f"not flat after {running.within_ns // 1_000_000} ms: {left_in_words(state)}; the venue says: {venue}"
    return Notify(now_ns, "emergency", LATE, f"{text}; it is tried again and again, more slowly")
