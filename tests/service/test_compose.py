"""From a profile's amounts to the engine's integers: exact, or an error that names the key."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest

from tests.service.tapes import BTC_JPY
from ztb.core.error import ConfigError
from ztb.host.config import load_profile
from ztb.host.profile import Profile
from ztb.service.compose import engine_config


def demo(*overrides: str) -> Profile:
    return load_profile("demo", overrides=overrides, environ={}).profile


def test_the_demo_profile_in_lots_money_units_ppm_and_ns() -> None:
    config = engine_config(demo(), BTC_JPY)
    # 0.01 BTC are 100 lots of 0.0001; money is counted in 0.0001 JPY.
    assert (config.order_lots, config.limits.order_lots_max, config.limits.position_lots_max) == (100, 100, 500)
    assert config.capital == 1_000_000 * 10_000
    assert config.limits.order_notional_max == 150_000 * 10_000
    assert config.limits.position_notional_max == 500_000 * 10_000
    assert config.limits.daily_loss_max == 20_000 * 10_000
    assert config.limits.drawdown_ppm_max == 50_000
    assert config.limits.price_collar_ppm == 10_000
    assert config.limits.stale_ns_max == 10_000_000_000
    assert config.limits.order_ttl_ns == 30_000_000_000
    assert (config.limits.orders_per_minute_max, config.limits.open_orders_max) == (30, 3)
    assert config.day_offset_ns == 9 * 3_600 * 1_000_000_000
    assert (config.observe, config.reduce_only) == (False, False)


@pytest.mark.parametrize(
    ("trading", "asked", "observe", "reduce_only"),
    [
        ("normal", False, False, False),
        ("normal", True, True, False),
        ("observe", False, True, False),
        ("reduce_only", False, False, True),
        ("reduce_only", True, True, True),
    ],
)
def test_what_the_trader_may_do(trading: str, asked: bool, observe: bool, reduce_only: bool) -> None:
    config = engine_config(demo(f"mode.trading={trading}"), BTC_JPY, observe=asked)
    assert (config.observe, config.reduce_only) == (observe, reduce_only)


@pytest.mark.parametrize(
    ("override", "key"),
    [
        ("sizing.order_size=0.00015", "sizing.order_size"),
        ("limits.order_size_max=0.01005", "limits.order_size_max"),
        ("limits.position_max=0.05001", "limits.position_max"),
        ("limits.daily_loss_max=19999.99999", "limits.daily_loss_max"),
        ("limits.drawdown_max_pct=4.00001", "limits.drawdown_max_pct"),
        ("limits.price_collar_pct=0.99999", "limits.price_collar_pct"),
    ],
)
def test_an_amount_off_the_grid_names_its_key(override: str, key: str) -> None:
    with pytest.raises(ConfigError, match=key) as caught:
        engine_config(demo(override), BTC_JPY)
    assert caught.value.remedy


def test_the_grid_is_that_of_the_venue() -> None:
    coarse = replace(BTC_JPY, lot_size=Decimal("0.01"))
    assert engine_config(demo(), coarse).order_lots == 1
    with pytest.raises(ConfigError, match=r"not a multiple of 0\.1"):
        engine_config(demo(), replace(BTC_JPY, lot_size=Decimal("0.1")))
