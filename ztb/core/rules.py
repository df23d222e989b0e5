"""What the engine holds itself to: limits, sizing and exits, tightened by a risk profile.

A profile can only tighten: of two limits the smaller one holds, of two pauses the longer one. After a kill the
conservative profile holds besides the configured one, until an operator says otherwise.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Final

from ztb.core.guard import Limits
from ztb.core.instrument import Instrument

_SECOND_NS: Final = 1_000_000_000
_PERCENT: Final = 10_000
CONSERVATIVE: Final = "conservative"
YEN_PER_OTHER: Final = 150
"""The sums of the profiles are in yen; in any other currency they are this much smaller, as canary bounds are."""


@dataclass(frozen=True, slots=True)
class SizePlan:
    """How large an order is. Without a budget and a cap it is as large as configured."""

    risk_ppm: int | None = None
    """Of the equity: what an adverse move by one average true range may cost."""
    cap_ppm: int | None = None
    """Of the equity: the largest value of one order."""
    shrink: bool = False
    """Smaller orders in bad times, before anything stops them."""
    high_atr_ppm: int = 2_000
    """Of the price: an average true range of a minute above this is high."""

    @property
    def is_fixed(self) -> bool:
        """Nothing has to be computed."""
        return self.risk_ppm is None and self.cap_ppm is None and not self.shrink


FIXED_SIZE: Final = SizePlan()


@dataclass(frozen=True, slots=True)
class Exits:
    """When a position is closed without the policy; ratios of the entry price, the trailing one of the best price."""

    stop_loss_ppm: int | None = None
    take_profit_ppm: int | None = None
    trailing_ppm: int | None = None
    cool_down: bool = False
    """After a losing trade nothing is opened in that instrument for a while."""


NO_EXITS: Final = Exits()


@dataclass(frozen=True, slots=True)
class RiskProfile:
    """Ten limits under one name."""

    notional: int
    """In yen: the position with everything that may still fill."""
    trade_ppm: int
    """Of the equity: one order."""
    day_loss_ppm: int
    drawdown_ppm: int
    orders_per_hour: int
    gap_ns: int
    volatility_ppm: int
    sharpe_milli: int
    stop_loss_ppm: int
    """Also the distance of the trailing stop."""
    take_profit_ppm: int


RISK_PROFILES: Final[dict[str, RiskProfile]] = {
    CONSERVATIVE: RiskProfile(
        50_000, 2 * _PERCENT, 2 * _PERCENT, 5 * _PERCENT, 2, 1_800 * _SECOND_NS, 10 * _PERCENT, 500,
        2 * _PERCENT, 5 * _PERCENT,
    ),
    "balanced": RiskProfile(
        100_000, 5 * _PERCENT, 5 * _PERCENT, 10 * _PERCENT, 5, 600 * _SECOND_NS, 15 * _PERCENT, 1_000,
        3 * _PERCENT, 8 * _PERCENT,
    ),
    "aggressive": RiskProfile(
        200_000, 10 * _PERCENT, 10 * _PERCENT, 20 * _PERCENT, 10, 300 * _SECOND_NS, 25 * _PERCENT, 1_500,
        5 * _PERCENT, 15 * _PERCENT,
    ),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Rules:
    """What holds at one moment."""

    limits: Limits
    plan: SizePlan
    exits: Exits
    name: str = ""
    """Of the risk profile; "" without one."""
    # What follows is read for every order, so it is found once.
    sizes: bool = field(init=False)
    """Whether there is something to compute about the size of an order."""
    watches_position: bool = field(init=False)
    """Whether what is held decides at which prices something happens."""
    watches_fills: bool = field(init=False)
    """Whether a fill can trip something besides the losses of the account and the size of the position."""
    needs_bars: bool = field(init=False)
    """Whether minute bars have to be kept."""
    limits_account: bool = field(init=False)
    limits_pace: bool = field(init=False)
    """Whether a risk profile has something to say to an order that opens."""

    def __post_init__(self) -> None:
        limits, plan, exits = self.limits, self.plan, self.exits
        found = {
            "sizes": not plan.is_fixed,
            "watches_position": exits != NO_EXITS or limits.trade_loss_max is not None,
            "watches_fills": exits.cool_down or _any(limits, _OF_FILLS),
            "needs_bars": plan.risk_ppm is not None or plan.shrink or limits.volatility_ppm_max is not None,
            "limits_account": _any(limits, _OF_ACCOUNT),
            "limits_pace": _any(limits, _OF_PACE),
        }
        for name, value in found.items():
            object.__setattr__(self, name, value)


def tightened(rules: Rules, name: str, instrument: Instrument) -> Rules:
    """``rules`` and the profile ``name`` together: the tighter of each pair."""
    profile = RISK_PROFILES[name]
    limits, plan, exits = rules.limits, rules.plan, rules.exits
    notional = profile.notional * 10**instrument.money_scale
    if instrument.quote.lower() != "jpy":
        notional = max(1, notional // YEN_PER_OTHER)
    return Rules(
        limits=replace(
            limits,
            position_notional_max=min(limits.position_notional_max, notional),
            drawdown_ppm_max=min(limits.drawdown_ppm_max, profile.drawdown_ppm),
            daily_loss_ppm_max=_smaller(limits.daily_loss_ppm_max, profile.day_loss_ppm),
            orders_per_hour_max=_smaller(limits.orders_per_hour_max, profile.orders_per_hour),
            order_gap_ns=_larger(limits.order_gap_ns, profile.gap_ns),
            volatility_ppm_max=_smaller(limits.volatility_ppm_max, profile.volatility_ppm),
            sharpe_milli_min=_larger(limits.sharpe_milli_min, profile.sharpe_milli),
        ),
        plan=replace(plan, cap_ppm=_smaller(plan.cap_ppm, profile.trade_ppm), shrink=True),
        exits=Exits(
            stop_loss_ppm=_smaller(exits.stop_loss_ppm, profile.stop_loss_ppm),
            take_profit_ppm=_smaller(exits.take_profit_ppm, profile.take_profit_ppm),
            trailing_ppm=_smaller(exits.trailing_ppm, profile.stop_loss_ppm),
            cool_down=True,
        ),
        name=name,
    )


def _any(limits: Limits, names: tuple[str, ...]) -> bool:
    return any(getattr(limits, name) is not None for name in names)


_OF_FILLS: Final = ("trade_loss_max", "losses_in_row_max", "fill_slippage_ppm_max", "leverage_ppm_max")
_OF_ACCOUNT: Final = ("exposure_max", "leverage_ppm_max", "orders_per_day_max", "day_notional_max")
_OF_PACE: Final = ("orders_per_hour_max", "order_gap_ns", "volatility_ppm_max", "sharpe_milli_min")


def _smaller(one: int | None, other: int) -> int:
    return other if one is None else min(one, other)


def _larger(one: int | None, other: int) -> int:
    return other if one is None else max(one, other)
