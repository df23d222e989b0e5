"""Shock preview: what equity, drawdown and leverage would be if prices jumped, and which guards would trip.

Pure: nothing is changed, the state is only read. The rule: the guards are asked by the very functions that judge in
earnest, so that a preview cannot promise what the engine does not do; and a position without a price has no preview.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from ztb.core.guard import Limits
from ztb.core.market import Desk
from ztb.core.money import PPM, ceil_div
from ztb.core.state import State

SHOCKS_PPM: Final = (-100_000, -50_000, -20_000, 20_000, 50_000, 100_000)
"""±2, ±5 and ±10 %."""
EVERYTHING: Final = ""
"""In place of an instrument: all of them at once."""
NO_PRICE: Final = "no_market_data"


@dataclass(frozen=True, slots=True)
class Shock:
    """One jump of the prices and what it would do. Money in units; None: a position has no price to jump from."""

    instrument: str
    change_ppm: int
    equity: int | None
    drawdown_ppm: int | None
    day_loss: int | None
    """Negative: the day would be in profit."""
    exposure: int | None
    """Value of all that is held, long and short added up."""
    leverage_ppm: int | None
    """Exposure to equity; None also when nothing would be left."""
    trips: tuple[str, ...]
    """The codes of the guards that would trip."""


def preview(state: State, limits: Limits) -> list[Shock]:
    """Every shock on each instrument, and, where there are several, on all together."""
    scopes = list(state.desks)
    if len(scopes) > 1:
        scopes.append(EVERYTHING)
    return [shock(state, limits, instrument=scope, change_ppm=change) for scope in scopes for change in SHOCKS_PPM]


def shock(state: State, limits: Limits, *, instrument: str, change_ppm: int) -> Shock:
    """One row; whatever is rounded is rounded against us."""
    assert change_ppm >= -PPM, "a price below nothing"
    held = [desk for desk in state.desks.values() if desk.position.lots]
    if any(desk.last_price <= 0 for desk in held):
        return Shock(instrument, change_ppm, None, None, None, None, None, (NO_PRICE,))
    ledger = state.ledger
    equity, exposure = ledger.equity, 0
    for desk in held:
        jumps = instrument in (EVERYTHING, desk.instrument.symbol)
        factor = PPM + (change_ppm if jumps else 0)
        value = _value(desk)
        equity += value * factor // PPM - desk.position.cost - desk.position.unrealised
        exposure += ceil_div(abs(value) * factor, PPM)
    peak = max(ledger.peak, equity)
    drawdown_ppm = (peak - equity) * PPM // peak if peak > 0 else PPM
    leverage_ppm = ceil_div(exposure * PPM, equity) if equity > 0 else None
    trips = tuple(losses_broken(limits, equity=equity, peak=peak, day_open=ledger.day_open))
    return Shock(instrument, change_ppm, equity, drawdown_ppm, ledger.day_open - equity, exposure, leverage_ppm, trips)


def _value(desk: Desk) -> int:
    """Of what is held, at the last price; negative when short."""
    return desk.position.lots * desk.last_price * desk.position.money_per_tick_lot


def losses_broken(limits: Limits, *, equity: int, peak: int, day_open: int) -> Iterable[str]:
    """The loss limits that such an equity breaks, the strongest first (C-44, C-45: strictly above)."""
    if (peak - equity) * PPM > limits.drawdown_ppm_max * peak:
        yield "max_drawdown_exceeded"
    if day_open - equity > limits.daily_loss_max:
        yield "daily_loss_limit_exceeded"
