"""From a profile's amounts to the engine's integers. An amount that lies off the venue's grid is a ConfigError."""

from __future__ import annotations

from collections.abc import Collection
from decimal import Decimal
from typing import Final

from ztb.core.command import GTC
from ztb.core.error import AmountError, ConfigError
from ztb.core.guard import Limits
from ztb.core.instrument import Instrument
from ztb.core.money import PPM, Grid
from ztb.core.rules import Exits, SizePlan
from ztb.core.state import EngineConfig
from ztb.host.profile import Profile
from ztb.service.signals import Threshold, Thresholds

SECOND_NS: Final = 1_000_000_000
PERCENT_PPM: Final = PPM // 100


def engine_config(
    profile: Profile,
    instrument: Instrument,
    *,
    observe: bool = False,
    armed: bool = True,
    times_in_force: Collection[str] = (GTC,),
) -> EngineConfig:
    """What the engine is told: sizes in lots, money in smallest units, ratios in ppm, times in ns."""
    risk = profile.risk
    return EngineConfig(
        instruments=(instrument,),
        limits=_limits(profile, instrument),
        capital=_steps(instrument.money, profile.sizing.capital, "sizing.capital"),
        order_lots=_steps(instrument.sizes, profile.sizing.order_size, "sizing.order_size"),
        day_offset_ns=profile.risk.day_offset_minutes * 60 * SECOND_NS,
        observe=observe or profile.mode.trading == "observe",
        reduce_only=profile.mode.trading == "reduce_only",
        armed=armed,
        times_in_force=tuple(sorted(times_in_force)),
        plan=SizePlan(
            risk_ppm=_ppm(profile.sizing.risk_budget_pct, "sizing.risk_budget_pct") or None,
            cap_ppm=_ppm(profile.sizing.order_cap_pct, "sizing.order_cap_pct") or None,
            shrink=profile.sizing.shrink,
            high_atr_ppm=_ppm(profile.sizing.high_atr_pct, "sizing.high_atr_pct"),
        ),
        exits=Exits(
            stop_loss_ppm=_ppm(risk.stop_loss_pct, "risk.stop_loss_pct") or None,
            take_profit_ppm=_ppm(risk.take_profit_pct, "risk.take_profit_pct") or None,
            trailing_ppm=_ppm(risk.trailing_stop_pct, "risk.trailing_stop_pct") or None,
            cool_down=risk.cool_down,
        ),
        risk_profile="" if risk.profile == "none" else risk.profile,
        conservative_after_kill=risk.conservative_after_kill,
    )


def _limits(profile: Profile, instrument: Instrument) -> Limits:
    """0 in a profile, where it is allowed, means that there is no such limit."""
    limits, risk = profile.limits, profile.risk
    money, sizes = instrument.money, instrument.sizes
    return Limits(
        order_lots_max=_steps(instrument.sizes, limits.order_size_max, "limits.order_size_max"),
        position_lots_max=_steps(instrument.sizes, limits.position_max, "limits.position_max"),
        order_notional_max=_steps(instrument.money, limits.order_notional_max, "limits.order_notional_max"),
        position_notional_max=_steps(instrument.money, limits.position_notional_max, "limits.position_notional_max"),
        daily_loss_max=_steps(instrument.money, limits.daily_loss_max, "limits.daily_loss_max"),
        drawdown_ppm_max=_ppm(limits.drawdown_max_pct, "limits.drawdown_max_pct"),
        orders_per_minute_max=limits.orders_per_minute_max,
        open_orders_max=limits.open_orders_max,
        price_collar_ppm=_ppm(limits.price_collar_pct, "limits.price_collar_pct"),
        stale_ns_max=limits.stale_after_seconds * SECOND_NS,
        order_ttl_ns=limits.order_ttl_seconds * SECOND_NS,
        exposure_max=_steps(money, limits.exposure_max, "limits.exposure_max") or None,
        leverage_ppm_max=_ppm(limits.leverage_max * 100, "limits.leverage_max") or None,
        orders_per_day_max=limits.orders_per_day_max or None,
        day_notional_max=_steps(money, limits.day_notional_max, "limits.day_notional_max") or None,
        slippage_ppm_max=_ppm(limits.slippage_max_pct, "limits.slippage_max_pct") or None,
        daily_loss_ppm_max=_ppm(limits.daily_loss_max_pct, "limits.daily_loss_max_pct") or None,
        trade_loss_max=_steps(money, limits.trade_loss_max, "limits.trade_loss_max") or None,
        losses_in_row_max=risk.losses_in_row_max or None,
        price_move_ppm_max=_ppm(risk.price_move_max_pct, "risk.price_move_max_pct") or None,
        fill_slippage_ppm_max=_ppm(risk.fill_slippage_max_pct, "risk.fill_slippage_max_pct") or None,
        wallet_drift_lots_max=_steps(sizes, risk.wallet_drift_max, "risk.wallet_drift_max"),
    )


def health_thresholds(profile: Profile) -> Thresholds:
    """The section health in the units of the signals: parts per million, milliseconds, a count, milliseconds."""
    health = profile.health
    return Thresholds(
        order_error=Threshold(
            _ppm(health.order_error_warn_pct, "health.order_error_warn_pct"),
            _ppm(health.order_error_crit_pct, "health.order_error_crit_pct"),
        ),
        order_retry=Threshold(
            _ppm(health.order_retry_warn_pct, "health.order_retry_warn_pct"),
            _ppm(health.order_retry_crit_pct, "health.order_retry_crit_pct"),
        ),
        broker_latency=Threshold(health.broker_latency_warn_ms, health.broker_latency_crit_ms),
        guard_trips=Threshold(health.guard_trips_warn, health.guard_trips_crit),
        staleness=Threshold(health.stream_stale_warn_seconds * 1_000, health.stream_stale_crit_seconds * 1_000),
    )


def _steps(grid: Grid, amount: Decimal, key: str) -> int:
    try:
        return grid.exact(amount)
    except AmountError as error:
        raise ConfigError(f"{key}: {error.message}", remedy="use a multiple of the venue's step") from None


def _ppm(percent: Decimal, key: str) -> int:
    ppm = percent * PERCENT_PPM
    if ppm != int(ppm):
        raise ConfigError(f"{key}: {percent} % is finer than one part per million", remedy="use fewer decimals")
    return int(ppm)
