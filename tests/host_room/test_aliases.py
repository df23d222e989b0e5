"""Variables of older systems (A-42, B-04, E-23 to E-26): what they set, and that none is ignored in silence."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from tests.host_room.profiles import SMALL, load
from ztb.core.error import ConfigError
from ztb.host.config import LoadedProfile

CANARY = SMALL.replace('kind = "paper"', 'kind = "canary"')


def with_variables(directory: Path, text: str = SMALL, **environ: str) -> LoadedProfile:
    """The profile ``text`` under these variables."""
    return load(directory, text, environ=environ)


def test_switching_to_the_exchange_as_the_guide_says_needs_the_profiles_second_key(tmp_path: Path) -> None:
    # EXCHANGE=zaif, DRY_RUN=0
    profile = with_variables(tmp_path, CANARY, EXCHANGE="zaif", DRY_RUN="0").profile
    assert (profile.venue.name, profile.venue.simulator, profile.mode.execute_orders) == ("zaif", False, True)
    assert profile.armed is False
    live = CANARY.replace("[mode]", "[mode]\nlive_http_enabled = true")
    assert with_variables(tmp_path, live, EXCHANGE="zaif", DRY_RUN="0").profile.armed is True


def test_paper_start_of_the_runbook(tmp_path: Path) -> None:
    # B-04: EXCHANGE=paper DRY_RUN=1 TEST_MODE=1
    profile = with_variables(tmp_path, EXCHANGE="paper", DRY_RUN="1", TEST_MODE="1").profile
    assert (profile.venue.paper, profile.venue.simulator, profile.mode.live_http_enabled) == (True, False, False)
    assert profile.armed is False


def test_live_start_of_the_runbook_agrees_with_itself(tmp_path: Path) -> None:
    # B-05: EXCHANGE=zaif DRY_RUN=0 TEST_MODE=0
    profile = with_variables(tmp_path, CANARY, EXCHANGE="zaif", DRY_RUN="0", TEST_MODE="0").profile
    assert profile.venue.simulator is False


def test_variables_that_disagree_stop_the_start(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"disagree about limits.daily_loss_max"):
        with_variables(tmp_path, RISK_DAILY_LOSS_LIMIT="10", RISK_DAILY_LOSS_LIMIT_PCT="0.01")


def test_in_test_mode_no_real_exchange_gets_an_order_whatever_the_profile_says(tmp_path: Path) -> None:
    live = CANARY.replace("[mode]", "[mode]\nlive_http_enabled = true")
    assert with_variables(tmp_path, live, EXCHANGE="zaif", DRY_RUN="0", TEST_MODE="1").profile.armed is False
    assert with_variables(tmp_path, live, EXCHANGE="zaif", DRY_RUN="0", TEST_MODE="0").profile.armed is True


def test_risk_variables_set_the_limits(tmp_path: Path) -> None:
    loaded = with_variables(tmp_path, RISK_DAILY_LOSS_LIMIT="1000", RISK_REDUCE_ONLY_MODE="1", RISK_MAX_LEVERAGE="1")
    assert loaded.profile.limits.daily_loss_max == Decimal(1000)
    assert loaded.profile.mode.trading == "reduce_only"
    assert loaded.sources["limits.daily_loss_max"] == "environment RISK_DAILY_LOSS_LIMIT"
    assert with_variables(tmp_path, RISK_REDUCE_ONLY_MODE="0").profile.mode.trading == "normal"


def test_fractions_are_of_the_capital_that_holds_in_the_end(tmp_path: Path) -> None:
    # 1 % of 1,000,000 and of 600,000
    assert with_variables(tmp_path, RISK_DAILY_LOSS_LIMIT_PCT="0.01").profile.limits.daily_loss_max == Decimal(10_000)
    loaded = load(tmp_path, environ={"RISK_DAILY_LOSS_LIMIT_PCT": "0.01"}, overrides=["sizing.capital=600000"])
    assert loaded.profile.limits.daily_loss_max == Decimal(6_000)
    loaded = with_variables(tmp_path, RISK_MAX_POSITION_PCT_PER_SYMBOL="0.4")
    assert loaded.profile.limits.position_notional_max == Decimal(400_000)


def test_a_position_fraction_below_the_order_limit_is_told(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"order_notional_max may not be above limits.position_notional_max"):
        with_variables(tmp_path, RISK_MAX_POSITION_PCT_PER_SYMBOL="0.001")


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("EXCHANGE", "mtgox"),
        ("EXCHANGE", ""),
        ("DRY_RUN", "yes"),
        ("DRY_RUN", "true"),
        ("TEST_MODE", "2"),
        ("RISK_REDUCE_ONLY_MODE", "on"),
        ("RISK_MAX_LEVERAGE", "2"),
        ("RISK_MAX_LEVERAGE", "0"),
        ("RISK_MAX_LEVERAGE", "nan"),
        ("RISK_DAILY_LOSS_LIMIT", "ten"),
        ("RISK_DAILY_LOSS_LIMIT", "-1"),
        ("RISK_DAILY_LOSS_LIMIT_PCT", "1.5"),
        ("RISK_MAX_POSITION_PCT_PER_SYMBOL", "inf"),
    ],
)
def test_a_text_without_meaning_is_refused_with_what_is_allowed(tmp_path: Path, name: str, text: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, environ={name: text})
    assert caught.value.message.startswith(f"environment {name} = {text!r}: not allowed; allowed: ")
    assert name in caught.value.remedy


def test_an_unknown_risk_variable_is_never_ignored(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="environment RISK_MAX_TRADES: ztb knows no such limit"):
        with_variables(tmp_path, RISK_MAX_TRADES="3")


def test_capital_that_is_no_number_is_told_as_such(tmp_path: Path) -> None:
    text = SMALL.replace('capital = "1000000"', 'capital = "much"')
    with pytest.raises(ConfigError, match=r"sizing.capital = 'much'"):
        with_variables(tmp_path, text, RISK_DAILY_LOSS_LIMIT_PCT="0.01")


@pytest.mark.parametrize(
    ("text", "instrument", "name", "simulator", "paper"),
    [
        ("zaif", "btc_jpy", "zaif", False, False),
        ("gmo", "BTC_JPY", "gmo", False, False),
        ("coinbase", "BTC-USD", "coinbase", False, False),
        ("simulator", "btc_jpy", "zaif", True, False),
        ("paper", "btc_jpy", "zaif", False, True),
    ],
)
def test_each_exchange_by_its_name(
    tmp_path: Path, text: str, instrument: str, name: str, simulator: bool, paper: bool
) -> None:
    """Whatever the profile itself says."""
    for own in ("simulator = true", "simulator = false", "paper = true"):
        profile = SMALL.replace("simulator = true", own).replace("btc_jpy", instrument, 1)
        venue = with_variables(tmp_path, profile, EXCHANGE=text).profile.venue
        assert (venue.name, venue.simulator, venue.paper) == (name, simulator, paper)


def test_an_exchange_that_does_not_know_the_instrument_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"venue.instrument is not how gmo writes an instrument"):
        with_variables(tmp_path, CANARY, EXCHANGE="gmo")


def test_all_of_the_capital_is_a_fraction_too(tmp_path: Path) -> None:
    loaded = with_variables(tmp_path, RISK_MAX_POSITION_PCT_PER_SYMBOL="1")
    assert loaded.profile.limits.position_notional_max == Decimal(1_000_000)
    with pytest.raises(ConfigError, match="a fraction: above 0 and at most 1"):
        with_variables(tmp_path, RISK_MAX_POSITION_PCT_PER_SYMBOL="1.0000001")
