"""The venue's error codes against the four fates, its capabilities and its rates, from its documentation."""

from __future__ import annotations

import pytest

from tests.venues.gmo.samples import SAMPLES
from ztb.core.error import Rejected, Throttled, VenueError
from ztb.venues.gmo import rules
from ztb.venues.limiter import LimitClass
from ztb.venues.port import Addresses

DOCUMENTED = [
    *[(code, Rejected, "auth", False) for code in (5007, 5010, 5011, 5012, 5014, 5125, 5127)],
    *[(code, Rejected, "auth", True) for code in (5008, 5009)],
    (5003, Throttled, "rate_limit", True),
    *[(code, VenueError, "network", True) for code in (554, 626)],
    *[(code, Rejected, "exchange", True) for code in (5201, 5202, 5203)],
    *[(code, Rejected, "exchange", False) for code in (201, 208, 254, 422, 70, 189, 200, 635, 682, 683)],
    *[(code, Rejected, "exchange", False) for code in (5106, 5111, 5114, 5118, 5126, 5204, 5207, 5208, 430, 846)],
    *[(code, Rejected, "exchange", False) for code in (5121, 5129, 5122, 5123, 5206, 754, 5133, 5135)],
]


@pytest.mark.parametrize(("code", "error_type", "kind", "retryable"), DOCUMENTED)
def test_documented_code(code: int, error_type: type[VenueError], kind: str, retryable: bool) -> None:
    error = rules.error_of("order", f"ERR-{code}", "whatever the text says")
    assert type(error) is error_type
    assert (error.kind, error.retryable) == (kind, retryable)
    assert error.code == ("maintenance" if code in (5201, 5202, 5203) else f"ERR-{code}")


def test_table_has_these_codes_and_no_others() -> None:
    assert set(rules.ERROR_RULES) == {f"ERR-{code}" for code, *_ in DOCUMENTED}


def test_every_recorded_refusal_is_known() -> None:
    codes = [body["messages"][0]["message_code"] for body in SAMPLES["variants"].values() if body["status"]]
    assert len(codes) == 5
    assert all(type(rules.error_of("order", code, "")) is not VenueError for code in codes)


@pytest.mark.parametrize("code", ["", "ERR-", "ERR-143", "ERR-760", "ERR-5105", "5106", "err-5106", "x" * 10_000])
def test_code_that_no_row_knows_is_no_refusal(code: str) -> None:
    error = rules.error_of("order", code, "y" * 10_000)
    assert type(error) is VenueError
    assert not error.retryable
    assert len(str(error)) < 700


def test_clock_that_the_venue_refuses_is_named() -> None:
    assert "clock" in rules.error_of("order", "ERR-5009", "").remedy


def test_what_the_venue_can_do() -> None:
    can = rules.CAPABILITIES
    assert can.times_in_force == {"gtc", "ioc", "fok", "post_only", "market"}
    assert not can.client_order_id
    assert not can.tagged_fills
    assert not can.self_trade
    assert can.order_status
    assert can.private_stream
    assert can.reduce_only
    assert can.positions
    assert can.cancel_many == 10


@pytest.mark.parametrize(
    ("symbol", "leveraged", "known"),
    [("BTC", False, True), ("WILD", False, True), ("BTC_JPY", True, True), ("SOL_JPY", True, True),
     ("ETH_JPY", True, False), ("XRP_JPY", True, False), ("LTC_JPY", True, False)],
)  # fmt: skip
def test_where_post_only_is_known(symbol: str, leveraged: bool, known: bool) -> None:
    assert rules.knows_post_only(symbol, leveraged=leveraged) is known


def test_addresses() -> None:
    assert (
        Addresses("https://api.coin.z.com", "wss://api.coin.z.com/ws/public/v1", "wss://api.coin.z.com/ws/private/v1")
        == rules.ADDRESSES
    )
    assert rules.addresses_at("http://127.0.0.1:8000") == Addresses(
        "http://127.0.0.1:8000", "ws://127.0.0.1:8000/ws/public/v1", "ws://127.0.0.1:8000/ws/private/v1"
    )


@pytest.mark.parametrize("tier_calls", [20, 30, 50])
def test_rates_stay_inside_the_documented_ones_with_a_reserve_for_the_way_out(tier_calls: int) -> None:
    made = rules.rate_rules(calls_per_s=tier_calls)
    for name, limit_class in ((rules.GET, LimitClass.PRIVATE), (rules.POST, LimitClass.EXEC)):
        rule = made[name]
        assert rule.limit_class is limit_class
        assert tier_calls - 5 <= rule.calls < tier_calls
        assert rule.period_s == 1.0
        assert rule.reserve >= 3
    assert made[rules.PUBLIC].calls == 10
    assert rules.ORDER_WAIT_S_MAX == 0
    assert rules.SUBSCRIBE_PAUSE_S > 1.0
