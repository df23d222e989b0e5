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


@pytest.mark.parametrize(
    ("quote", "most"), [("JPY", 1500), ("USD", 10), ("USDC", 10), ("EUR", 10), ("GBP", 10), ("USDT", 10)]
)
def test_a_canary_may_lose_as_much_in_other_money(tmp_path: Path, quote: str, most: int) -> None:
    # architecture 5.2: 10 USD or its equivalent
    text = CANARY.replace('name = "zaif"', 'name = "coinbase"').replace("btc_jpy", f"BTC-{quote}")
    assert load(tmp_path, text, overrides=[f"limits.daily_loss_max={most}"]).profile.kind == "canary"
    with pytest.raises(ConfigError, match=f"may be at most {most} in a canary profile"):
        load(tmp_path, text, overrides=[f"limits.daily_loss_max={most}.01"])


def test_a_canary_in_money_without_a_bound_does_not_start(tmp_path: Path) -> None:
    text = CANARY.replace("btc_jpy", "eth_btc")
    with pytest.raises(ConfigError, match=r"limits.daily_loss_max has no bound in BTC that this release knows"):
        load(tmp_path, text)


@pytest.mark.parametrize("kind", ["canary", "live"])
def test_after_a_minute_the_market_is_lost(tmp_path: Path, kind: str) -> None:
    text = SMALL.replace('kind = "paper"', f'kind = "{kind}"')
    assert load(tmp_path, text, overrides=["limits.stale_after_seconds=60"])
    with pytest.raises(ConfigError, match=r"limits.stale_after_seconds may be at most 60"):
        load(tmp_path, text, overrides=["limits.stale_after_seconds=61"])
    assert load(tmp_path, overrides=["limits.stale_after_seconds=61"])


@pytest.mark.parametrize(
    ("name", "good", "bad"),
    [
        ("zaif", ["btc_jpy", "eth_btc"], ["BTC_JPY", "btc-jpy", "btc", "BTC"]),
        ("gmo", ["BTC", "BTC_JPY"], ["btc_jpy", "BTC-JPY", "BTC_USD", "btc"]),
        ("coinbase", ["BTC-USD", "1INCH-EUR"], ["btc-usd", "BTC_USD", "BTC"]),
    ],
)
def test_each_exchange_has_its_own_spelling(tmp_path: Path, name: str, good: list[str], bad: list[str]) -> None:
    text = SMALL.replace('name = "zaif"', f'name = "{name}"')
    for instrument in good:
        assert load(tmp_path, text, overrides=[f"venue.instrument={instrument}"]).profile.venue.instrument == instrument
    for instrument in bad:
        with pytest.raises(ConfigError, match=f"is not how {name} writes an instrument"):
            load(tmp_path, text, overrides=[f"venue.instrument={instrument}"])


@pytest.mark.parametrize(
    ("name", "instrument", "currencies"),
    [
        ("zaif", "btc_jpy", ("btc", "jpy")),
        ("gmo", "BTC", ("btc", "jpy")),
        ("gmo", "ETH_JPY", ("eth", "jpy")),
        ("coinbase", "BTC-USDC", ("btc", "usdc")),
    ],
)
def test_base_and_quote_of_an_instrument(
    tmp_path: Path, name: str, instrument: str, currencies: tuple[str, str]
) -> None:
    venue = load(tmp_path, overrides=[f"venue.name={name}", f"venue.instrument={instrument}"]).profile.venue
    assert venue.currencies == currencies


def test_paper_and_the_built_in_exchange_exclude_each_other(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"venue.paper excludes venue.simulator"):
        load(tmp_path, overrides=["venue.paper=true"])
    loaded = load(tmp_path, overrides=["venue.paper=true", "venue.simulator=false", "mode.execute_orders=true"])
    assert loaded.profile.armed


def test_nothing_said_is_the_exchange_s_own(tmp_path: Path) -> None:
    venue = load(tmp_path).profile.venue
    assert (venue.rest_url, venue.stream_url, venue.account_stream_url, venue.fee_currency) == ("", "", "", "")


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
        ("venue.account_stream_url=ws://ws.zaif.jp/stream", "must begin with wss://"),
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
