"""The flatness report: what was open, what was sent, what came of it, what is left, and what the venue says now.

One record of the journal (kind ``flatness``) when a flatten is over, and one when it is late; the same document is
shown to people. Amounts are exact text in the units that people use.
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass
from typing import Any, Final

from ztb.core.error import StoreError, VenueError
from ztb.core.flatten import is_parked, left_in_words
from ztb.core.flattening import Flattening, Sent
from ztb.core.instrument import SIDE_NAMES, Instrument
from ztb.core.money import PPM
from ztb.core.order import OrderState
from ztb.core.state import State
from ztb.venues.port import Account
from ztb.venues.tracker import OrderTracker

FLATNESS: Final = "flatness"
"""Kind of the record."""
VENUE_WALL_S_MAX: Final = 5.0
NOT_FLAT: Final = "not_flat"
_MS: Final = 1_000_000


@dataclass(frozen=True)
class VenueWord:
    """What the venue says now; None where it could not be asked."""

    open_orders: int | None = None
    """Of ours."""
    held: dict[str, str] | None = None
    """Positions by side, or all that the account has of the base currency: the owner's own holdings are in it."""
    problem: str = ""


async def ask_venue(account: Account, tracker: OrderTracker, instrument: Instrument) -> VenueWord:
    """Never raises what the venue raises: a report says what is not known."""
    try:
        async with asyncio.timeout(VENUE_WALL_S_MAX):
            orders = await account.open_orders(instrument.symbol, urgent=True)
            ours = len(tracker.ours_among(orders))
            if instrument.leveraged:
                positions = await account.positions(instrument.symbol)
                return VenueWord(ours, {SIDE_NAMES[one.side]: instrument.sizes.text(one.lots) for one in positions})
            balance = (await account.balances()).get(instrument.base.lower())
            return VenueWord(ours, {instrument.base: "0" if balance is None else f"{balance.total.normalize():f}"})
    except TimeoutError:
        return VenueWord(problem=f"no answer within {VENUE_WALL_S_MAX:g} s")
    except (VenueError, StoreError) as error:
        return VenueWord(problem=error.message)


def report(state: State, running: Flattening, word: VenueWord, *, now_ns: int) -> dict[str, Any]:
    """The whole report as plain values."""
    until_ns = running.ended_ns or now_ns
    return {
        "outcome": running.outcome or NOT_FLAT,
        "is_flat": running.outcome != "",
        "source": running.source,
        "by": running.by,
        "reason": running.reason,
        "mode": running.mode,
        "max_slippage_ppm": running.slippage_ppm_max,
        "begun_ns": running.begun_ns,
        "asked_ns": running.asked_ns,
        "reported_ns": now_ns,
        "took_ms": (until_ns - running.begun_ns) // _MS,
        "was_late": running.alarmed_ns > 0,
        "then_stop": running.then_stop,
        "opened": {symbol: _size(state, symbol, lots) for symbol, lots in running.opened.items() if lots},
        "orders_at_begin": running.orders_at_begin,
        "sent_count": running.sent_count,
        "sent": [_sent(state, one) for one in running.sent],
        "left": {
            symbol: {"held": _size(state, symbol, desk.position.lots), "dust": is_parked(desk)}
            for symbol, desk in state.desks.items()
            if desk.position.lots
        },
        "orders_left": {"working": len(state.working), "unknown": _unknown(state)},
        "says": left_in_words(state),
        "venue": {
            "compared": running.venue_says,
            "agrees": running.is_agreed,
            "open_orders": word.open_orders,
            "held": word.held,
            "problem": word.problem,
        },
    }


def encode_report(plain: dict[str, Any]) -> bytes:
    """The body of the record."""
    return json.dumps(plain, sort_keys=True).encode()


def progress(state: State, running: Flattening | None, *, now_ns: int) -> dict[str, Any] | None:
    """The member ``flatten`` of the status file; None when there is nothing to tell."""
    if running is None:
        return None
    return {
        "active": running.is_active,
        "outcome": running.outcome,
        "source": running.source,
        "by": running.by,
        "reason": running.reason,
        "mode": running.mode,
        "asked_ns": running.asked_ns,
        "took_ms": ((running.ended_ns or now_ns) - running.begun_ns) // _MS,
        "left_ms": max(0, running.deadline_ns - now_ns) // _MS if running.is_active else 0,
        "late": running.alarmed_ns > 0,
        "then_stop": running.then_stop,
        "sent": running.sent_count,
        "says": left_in_words(state),
        "venue_says": running.venue_says,
    }


def slippage_ppm(one: Sent) -> int | None:
    """How much worse than its reference it was filled on average; negative: better. None: nothing was filled."""
    if not one.filled_lots or not one.reference:
        return None
    expected = one.reference * one.filled_lots
    return (one.value - expected) * one.side * PPM // expected


def _sent(state: State, one: Sent) -> dict[str, Any]:
    instrument = state.desks[one.instrument].instrument
    order = state.orders.get(one.client_id)
    return {
        "order": one.client_id,
        "instrument": one.instrument,
        "side": SIDE_NAMES[one.side],
        "size": instrument.sizes.text(one.lots),
        "limit": instrument.prices.text(one.price),
        "reference": instrument.prices.text(one.reference),
        "time_in_force": one.time_in_force,
        "filled": instrument.sizes.text(one.filled_lots),
        "average": instrument.prices.text(one.value // one.filled_lots) if one.filled_lots else None,
        "slippage_ppm": slippage_ppm(one),
        "fee": instrument.money.text(one.fee),
        "state": "forgotten" if order is None else order.state.value,
        "refusal": one.refusal,
    }


def _size(state: State, symbol: str, lots: int) -> str:
    return state.desks[symbol].instrument.sizes.text(lots)


def _unknown(state: State) -> int:
    return sum(order.state is OrderState.UNKNOWN for order in state.working.values())
