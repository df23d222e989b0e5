"""The section health and the HEALTH_* variables of older systems (E-42 to E-46): defaults, spellings, refusals."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.host_room.profiles import load
from ztb.core.error import ConfigError
from ztb.service.compose import health_thresholds
from ztb.service.signals import Threshold, Thresholds


def test_the_defaults_are_those_of_the_runbook(tmp_path: Path) -> None:
    # E-42 5/15 %, E-43 10/25 %, E-44 1000/3000 ms, E-45 3/10 an hour, E-46 30/60 s
    found = health_thresholds(load(tmp_path).profile)
    assert found == Thresholds()
    assert found.order_error == Threshold(50_000, 150_000)
    assert found.order_retry == Threshold(100_000, 250_000)
    assert found.broker_latency == Threshold(1_000, 3_000)
    assert found.guard_trips == Threshold(3, 10)
    assert found.staleness == Threshold(30_000, 60_000)


def test_the_profile_sets_them(tmp_path: Path) -> None:
    overrides = [
        "health.order_error_warn_pct=0.5",
        "health.broker_latency_crit_ms=1500",
        "health.stream_stale_warn_seconds=5",
    ]
    found = health_thresholds(load(tmp_path, overrides=overrides).profile)
    assert found.order_error == Threshold(5_000, 150_000)
    assert found.broker_latency == Threshold(1_000, 1_500)
    assert found.staleness == Threshold(5_000, 60_000)


@pytest.mark.parametrize(
    ("variable", "text", "key", "value"),
    [
        ("HEALTH_ORDER_ERROR_RATE_WARN", "0.02", "order_error_warn_pct", Decimal(2)),
        ("HEALTH_ORDER_ERROR_RATE_CRIT", "1", "order_error_crit_pct", Decimal(100)),
        ("HEALTH_ORDER_RETRY_RATE_WARN", "0.20", "order_retry_warn_pct", Decimal(20)),
        ("HEALTH_ORDER_RETRY_RATE_CRIT", "0.5", "order_retry_crit_pct", Decimal(50)),
        ("HEALTH_BROKER_LATENCY_MS_WARN", "500.0", "broker_latency_warn_ms", 500),
        ("HEALTH_BROKER_LATENCY_MS_CRIT", "1200", "broker_latency_crit_ms", 1_200),
        ("HEALTH_GUARD_TRIP_COUNT_WARN", "1", "guard_trips_warn", 1),
        ("HEALTH_GUARD_TRIP_COUNT_CRIT", "4", "guard_trips_crit", 4),
        ("HEALTH_WS_STALENESS_SECONDS_WARN", "10.0", "stream_stale_warn_seconds", 10),
        ("HEALTH_WS_STALENESS_SECONDS_CRIT", "90", "stream_stale_crit_seconds", 90),
    ],
)
def test_the_variables_of_older_systems(tmp_path: Path, variable: str, text: str, key: str, value: object) -> None:
    loaded = load(tmp_path, environ={variable: text})
    assert getattr(loaded.profile.health, key) == value
    assert loaded.sources[f"health.{key}"] == f"environment {variable}"


@pytest.mark.parametrize(
    ("variable", "text", "allowed"),
    [
        ("HEALTH_ORDER_ERROR_RATE_WARN", "5", "a fraction"),
        ("HEALTH_ORDER_RETRY_RATE_CRIT", "0", "above 0"),
        ("HEALTH_ORDER_RETRY_RATE_CRIT", "nan", "above 0"),
        ("HEALTH_BROKER_LATENCY_MS_WARN", "99.5", "a whole number"),
        ("HEALTH_GUARD_TRIP_COUNT_CRIT", "-1", "above 0"),
        ("HEALTH_WS_STALENESS_SECONDS_CRIT", "a minute", "above 0"),
    ],
)
def test_a_variable_without_a_meaning_is_an_error(tmp_path: Path, variable: str, text: str, allowed: str) -> None:
    with pytest.raises(ConfigError, match=rf"environment {variable} = .*{allowed}"):
        load(tmp_path, environ={variable: text})


def test_a_misspelt_variable_is_not_ignored_in_silence(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"HEALTH_ORDER_ERROR_RATE_WARM: ztb knows no such limit") as caught:
        load(tmp_path, environ={"HEALTH_ORDER_ERROR_RATE_WARM": "0.1"})
    assert "HEALTH_ORDER_ERROR_RATE_WARN" in caught.value.remedy
    assert "RISK_" not in caught.value.remedy
    assert load(tmp_path, environ={"HEALTH_PORT": "9754"})


@pytest.mark.parametrize(
    ("low", "high"),
    [
        ("order_error_warn_pct=16", "order_error_crit_pct"),
        ("order_retry_warn_pct=26", "order_retry_crit_pct"),
        ("broker_latency_warn_ms=3001", "broker_latency_crit_ms"),
        ("guard_trips_warn=11", "guard_trips_crit"),
        ("stream_stale_warn_seconds=61", "stream_stale_crit_seconds"),
    ],
)
def test_what_warns_may_not_be_above_what_is_critical(tmp_path: Path, low: str, high: str) -> None:
    with pytest.raises(ConfigError, match=rf"health\.{low.partition('=')[0]} may not be above health\.{high}"):
        load(tmp_path, overrides=[f"health.{low}"])
    name, _, text = low.partition("=")
    assert load(tmp_path, overrides=[f"health.{name}={int(text) - 1}"])
