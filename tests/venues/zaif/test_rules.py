"""The venue's error texts against the four classes, written down from its documentation."""

from __future__ import annotations

import pytest

from tests.venues.zaif.samples import SAMPLES
from ztb.core.error import Rejected, Throttled, VenueError
from ztb.venues.limiter import LimitClass
from ztb.venues.zaif import rules

DOCUMENTED = [
    ("no data found for the key", Rejected, "auth", False),
    ("signature mismatch", Rejected, "auth", False),
    ("invalid access token", Rejected, "auth", False),
    ("expired access token", Rejected, "auth", False),
    ("api key don\u2019t have trade permission", Rejected, "auth", False),
    ("your account is restricted now, KYC required.", Rejected, "auth", False),
    ("merchant account dont have trade permission", Rejected, "auth", False),
    ("nonce not incremented", Rejected, "auth", True),
    ("nonce out of range", Rejected, "auth", False),
    ("time wait restriction, please try later.", Throttled, "rate_limit", True),
    ("insufficient funds", Rejected, "exchange", False),
    ("insuffcient funds", Rejected, "exchange", False),
    ("InsufficientFunds", Rejected, "exchange", False),
    ("invalid price parameter", Rejected, "exchange", False),
    ("invalid amount parameter", Rejected, "exchange", False),
    ("invalid currency_pair parameter", Rejected, "exchange", False),
    ("invalid order_id parameter", Rejected, "exchange", False),
    ("illegal comment", Rejected, "exchange", False),
    ("illegal currency (xyz)", Rejected, "exchange", False),
    ("limit must be greater than the price", Rejected, "exchange", False),
    ("limit must be a smaller value than the price", Rejected, "exchange", False),
    ("method not found", Rejected, "exchange", False),
    ("order not found", Rejected, "exchange", False),
    ("order is too new", Rejected, "exchange", True),
    ("order already closed", Rejected, "exchange", False),
    ("trade temporarily unavailable", Rejected, "exchange", True),
    ("trade temporarily unavailable.", Rejected, "exchange", True),
    ("unsupported currency_pair", Rejected, "exchange", False),
    ("unsupported method", Rejected, "exchange", False),
    ("currency_pair missing", Rejected, "exchange", False),
]


@pytest.mark.parametrize(("text", "error_type", "kind", "retryable"), DOCUMENTED)
def test_documented_text(text: str, error_type: type[VenueError], kind: str, retryable: bool) -> None:
    for spelling in (text, text.upper(), f"  {text}. "):
        error = rules.error_of("trade", spelling)
        assert type(error) is error_type
        assert (error.kind, error.retryable) == (kind, retryable)


def test_every_recorded_refusal_is_known() -> None:
    refusals = [body["error"] for body in SAMPLES["variants"].values() if body["success"] == 0]
    assert len(refusals) == 8
    assert all(type(rules.error_of("trade", text)) is not VenueError for text in refusals)


@pytest.mark.parametrize("text", ["", "internal error", "already ordered", "ok", "order", "x" * 10_000])
def test_text_that_no_rule_knows_is_no_refusal(text: str) -> None:
    error = rules.error_of("trade", text)
    assert type(error) is VenueError
    assert not error.retryable
    assert len(str(error)) < 500


def test_misspellings_have_one_code() -> None:
    texts = ("insuffcient funds", "Insufficient Funds.", "InsufficientFunds")
    assert {rules.error_of("trade", text).code for text in texts} == {"insufficient funds"}


@pytest.mark.parametrize("text", ["ztb-0123456789abcdef0123", "a", "!~", "x" * 255])
def test_legal_comment(text: str) -> None:
    assert rules.is_legal_comment(text)


@pytest.mark.parametrize("text", ["", "a/b", "a b", "é", "ａ", "x" * 256, "a\n", "\x7f"])
def test_illegal_comment(text: str) -> None:
    assert not rules.is_legal_comment(text)


@pytest.mark.parametrize(
    ("method", "calls", "period_s"),
    [
        ("get_info", 10, 10),
        ("get_info2", 20, 10),
        ("active_orders", 10, 5),
        ("trade", 9, 10),
        ("trade_history", 12, 60),
        ("public", 10, 1),
    ],
)
def test_rates_are_the_documented_ones(method: str, calls: int, period_s: int) -> None:
    rule = rules.RATE_RULES[method]
    assert (rule.calls, rule.period_s) == (calls, period_s)


def test_ways_out_have_a_reserve_and_orders_do_not_wait() -> None:
    for method in ("cancel_order", "active_orders", "trade_history"):
        assert rules.RATE_RULES[method].reserve > 0
    assert rules.RATE_RULES["trade"].wait_s_max == 0
    assert rules.RATE_RULES["trade"].limit_class is LimitClass.EXEC


def test_published_fees() -> None:
    assert rules.taker_fee_ppm("btc_jpy") == 1000
    assert rules.taker_fee_ppm("xem_jpy") == 3000
    assert rules.MAKER_FEE_PPM == 0
