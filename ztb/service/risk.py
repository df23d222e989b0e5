"""Risk as the status file tells it: how much of each limit is used, what guards hold, pauses, trips, shock preview.

Read from the engine's state at the pace of the status; nothing is changed and nothing decided here. Orders count at
their worst case, as the limits themselves count them. Amounts are exact text in the units that people use.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from ztb.core.guard import MINUTE_NS, Limits, worst_case_lots
from ztb.core.instrument import BUY, SELL
from ztb.core.market import Desk
from ztb.core.money import PPM, Grid, ceil_div
from ztb.core.preview import Shock, preview
from ztb.core.reaction import REACTIONS, status_of
from ztb.core.rules import Rules
from ztb.core.state import State
from ztb.core.trip import trips_last_hour

PERCENT_SCALE: Final = 10_000
"""Parts per million in one per cent."""
UNKNOWN: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Use:
    """One limit: what is used of it, and what it is; text in ``unit``."""

    name: str
    instrument: str
    used: str
    limit: str
    unit: str
    used_ppm: int | None
    """None: it cannot be told (a position without a price)."""

    def to_dict(self) -> dict[str, Any]:
        """Plain values."""
        return {name: getattr(self, name) for name in self.__slots__}


def document(state: State, rules: Rules, *, now_ns: int) -> dict[str, Any]:
    """The member ``risk`` of the status file."""
    control = state.control
    holding = [*control.reduce_only_reasons, *(reason for _, _, reason, _ in control.pauses_in_force(now_ns))]
    if control.killed:
        holding.append(control.kill_reason)
    tripped = [code for code in dict.fromkeys(holding) if code in REACTIONS]
    return {
        "status": str(status_of(tripped)),
        "limits": [use.to_dict() for use in uses(state, rules, now_ns=now_ns)],
        "guards": [_guard(code) for code in tripped],
        "reduce_only": list(control.reduce_only_reasons),
        "profile": rules.name,
        "conservative": control.conservative,
        "pauses": [
            {
                "instrument": instrument, "until_ns": until_ns, "remaining_ms": (until_ns - now_ns) // 1_000_000,
                "reason": reason, "allows_reducing": allows_reducing,
            }
            for instrument, until_ns, reason, allows_reducing in control.pauses_in_force(now_ns)
        ],
        "trips_last_hour": trips_last_hour(state, now_ns),
        "trips": [
            {"ts_ns": ts_ns, "code": code, "instrument": instrument}
            for ts_ns, code, instrument in state.trips
        ],
    }  # fmt: skip


def _guard(code: str) -> dict[str, Any]:
    reaction = REACTIONS[code]
    return {
        "code": code, "status": str(reaction.status), "category": str(reaction.category),
        "recoverable": reaction.recoverable, "words": reaction.words, "action": reaction.action(),
    }  # fmt: skip


def uses(state: State, rules: Rules, *, now_ns: int) -> Iterator[Use]:
    """Every limit that something is used of: of each instrument, then of the account."""
    at_stake = state.at_stake()
    exposure: int | None = 0
    for desk in state.desks.values():
        symbol, held = desk.instrument.symbol, desk.position.lots
        near = [order for order in at_stake if order.instrument == symbol]
        lots = max(abs(worst_case_lots(side, held, near)) for side in (BUY, SELL))
        value = desk.instrument.notional(desk.last_price, lots) if desk.last_price > 0 or not lots else None
        exposure = None if value is None or exposure is None else exposure + value
        yield _position(desk, lots, rules.limits)
        yield _value(symbol, "position_value", value, rules.limits.position_notional_max, desk)
    yield from _account(state, rules.limits, exposure)
    yield from _orders(state, rules.limits, now_ns)


def _account(state: State, limits: Limits, exposure: int | None) -> Iterator[Use]:
    """Of the account's money."""
    ledger, desk = state.ledger, next(iter(state.desks.values()))
    if limits.exposure_max is not None:
        yield _value("", "exposure", exposure, limits.exposure_max, desk)
    if limits.leverage_ppm_max is not None:
        leverage_ppm = ceil_div(exposure * PPM, ledger.equity) if exposure is not None and ledger.equity > 0 else None
        yield _ratio("leverage", leverage_ppm, limits.leverage_ppm_max)
    loss = max(0, ledger.day_loss())
    yield _value("", "daily_loss", loss, day_loss_max(limits, day_open=ledger.day_open), desk)
    yield _ratio("drawdown", ledger.drawdown_ppm(), limits.drawdown_ppm_max)
    if limits.losses_in_row_max is not None:
        yield _count("losses_in_row", state.tally.losses_in_row, limits.losses_in_row_max, "trades")


def _orders(state: State, limits: Limits, now_ns: int) -> Iterator[Use]:
    """Of the number of orders, and of what they are worth."""
    made = sum(made_ns > now_ns - MINUTE_NS for made_ns in state.rate.made_ns)
    yield _count("orders_per_minute", made, limits.orders_per_minute_max)
    if limits.orders_per_hour_max is not None:
        yield _count("orders_per_hour", state.tally.orders_last_hour(now_ns), limits.orders_per_hour_max)
    if limits.orders_per_day_max is not None:
        yield _count("orders_per_day", state.tally.day_orders, limits.orders_per_day_max)
    if limits.day_notional_max is not None:
        desk = next(iter(state.desks.values()))
        yield _value("", "day_value", state.tally.day_notional, limits.day_notional_max, desk)
    yield _count("open_orders", len(state.working), limits.open_orders_max)


def day_loss_max(limits: Limits, *, day_open: int) -> int:
    """The smaller of the sum and of the share of the day's opening balance: that is broken first."""
    if limits.daily_loss_ppm_max is None:
        return limits.daily_loss_max
    return min(limits.daily_loss_max, max(0, day_open) * limits.daily_loss_ppm_max // PPM)


def _position(desk: Desk, lots: int, limits: Limits) -> Use:
    instrument, most = desk.instrument, limits.position_lots_max
    sizes = instrument.sizes
    used_ppm = _share(lots, most)
    return Use("position", instrument.symbol, sizes.text(lots), sizes.text(most), instrument.base, used_ppm)


def _value(instrument: str, name: str, used: int | None, limit: int, desk: Desk) -> Use:
    """Money of the account; ``desk`` says how it is written."""
    money, unit = desk.instrument.money, desk.instrument.quote
    if used is None:
        return Use(name, instrument, UNKNOWN, money.text(limit), unit, None)
    return Use(name, instrument, money.text(used), money.text(limit), unit, _share(used, limit))


def _ratio(name: str, used_ppm: int | None, limit_ppm: int) -> Use:
    if used_ppm is None:
        return Use(name, "", UNKNOWN, percent(limit_ppm), "%", None)
    return Use(name, "", percent(used_ppm), percent(limit_ppm), "%", _share(used_ppm, limit_ppm))


def _count(name: str, used: int, limit: int, unit: str = "orders") -> Use:
    return Use(name, "", str(used), str(limit), unit, _share(used, limit))


def _share(used: int, limit: int) -> int:
    """In parts per million; of a limit of nothing all is used by anything."""
    return used * PPM // limit if limit > 0 else (PPM + 1 if used else 0)


def percent(ppm: int) -> str:
    """``20100`` is ``2.01``; whatever is finer is cut."""
    return f"{ppm // PERCENT_SCALE}.{ppm % PERCENT_SCALE // 100:02}"


def preview_document(state: State, rules: Rules, *, now_ns: int) -> list[dict[str, Any]]:
    """The member ``preview`` of the status file."""
    money = next(iter(state.desks.values())).instrument.money
    return [_row(row, money) for row in preview(state, rules, now_ns=now_ns)]


def _row(row: Shock, money: Grid) -> dict[str, Any]:
    def amount(value: int | None) -> str | None:
        return None if value is None else money.text(value)

    return {
        "instrument": row.instrument or "all",
        "change_pct": row.change_ppm // PERCENT_SCALE,
        "equity": amount(row.equity),
        "drawdown_ppm": row.drawdown_ppm,
        "day_loss": amount(row.day_loss),
        "exposure": amount(row.exposure),
        "leverage_ppm": row.leverage_ppm,
        "trips": list(row.trips),
        "exits": list(row.exits),
        "status": UNKNOWN if row.equity is None else str(status_of(row.trips)),
    }
