"""Hard bounds of the kinds, and limits that must fit together."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.host_room.profiles import SMALL, load
from ztb.core.error import ConfigError

CANARY = SMALL.replace('kind = "paper"', 'kind = "canary"')


def test_a_canary_may_lose_1500_yen_a_day_and_not_more(tmp_path: Path) -> None:
    # E-19 and architecture 5.2: JPY 1,500
    assert load(tmp_path, CANARY).profile.kind == "canary"
    text = CANARY.replace('daily_loss_max = "1500"', 'daily_loss_max = "1500.0001"')
    with pytest.raises(ConfigError) as caught:
        load(tmp_path, text)
    line = text.splitlines().index('daily_loss_max = "1500.0001"') + 1
    assert caught.value.message.startswith(
        f"{tmp_path}/profiles/small.toml:{line}: limits.daily_loss_max may be at most"
    )
    assert "1500" in caught.value.message


def test_the_bound_holds_for_the_environment_too(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigError, match=r"environment RISK_DAILY_LOSS_LIMIT: limits.daily_loss_max may be at most 1500"
    ):
        load(tmp_path, CANARY, environ={"RISK_DAILY_LOSS_LIMIT": "1501"})


@pytest.mark.parametrize("kind", ["demo", "paper"])
def test_play_money_never_reaches_a_real_exchange(tmp_path: Path, kind: str) -> None:
    text = SMALL.replace('kind = "paper"', f'kind = "{kind}"')
    with pytest.raises(ConfigError, match=f"mode.live_http_enabled must be false in a {kind} profile"):
        load(tmp_path, text, overrides=["mode.live_http_enabled=true"])


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sizing.order_size=0.02", "sizing.order_size may not be above limits.order_size_max, which is 0.01"),
        ("limits.position_max=0.009", "limits.order_size_max may not be above limits.position_max"),
        ("limits.position_notional_max=149999", "limits.order_notional_max may not be above"),
        ("limits.position_notional_max=1000001", "limits.position_notional_max may not be above sizing.capital"),
        ("limits.daily_loss_max=1000001", "limits.daily_loss_max may not be above sizing.capital"),
        ("venue.fee_currency=usd", "venue.fee_currency must be one of the two currencies of btc_jpy"),
        ("venue.tape=", "venue.tape must name a tape"),
    ],
)
def test_limits_that_contradict_each_other_are_refused(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, overrides=[override])


@pytest.mark.parametrize(
    "override",
    ["limits.order_size_max=0.05", "limits.position_notional_max=1000000", "limits.order_notional_max=500000"],
)
def test_equal_limits_fit_together(tmp_path: Path, override: str) -> None:
    assert load(tmp_path, overrides=[override]).profile.kind == "paper"


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("venue.rest_url=http://api.zaif.jp", "must begin with https://"),
        ("venue.stream_url=ws://ws.zaif.jp/stream", "must begin with wss://"),
        ("venue.rest_url=ftp://api.zaif.jp", "must be an address like https://HOST/"),
        ("venue.rest_url=api.zaif.jp", "must be an address like https://HOST/"),
        ("venue.rest_url=", "must be an address like https://HOST/"),
        ("venue.rest_url=https://[::1", "must be an address like https://HOST/"),
        ("venue.rest_url=https://me:key@api.zaif.jp", "may not hold a user name or password"),
        ("venue.rest_url=http://127.0.0.1.example.com", "must begin with https://"),
    ],
)
def test_an_address_that_is_unsafe_or_none(tmp_path: Path, override: str, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        load(tmp_path, overrides=[override])


@pytest.mark.parametrize("host", ["127.0.0.1:8080", "[::1]:8080", "localhost"])
def test_this_host_may_be_spoken_to_in_the_clear(tmp_path: Path, host: str) -> None:
    loaded = load(tmp_path, overrides=[f"venue.rest_url=http://{host}", f"venue.stream_url=ws://{host}/stream"])
    assert loaded.profile.venue.rest_url == f"http://{host}"
