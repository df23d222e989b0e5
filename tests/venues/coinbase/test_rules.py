"""Addresses, the adapter's name, and tables whose two sides have to agree."""

from __future__ import annotations

import subprocess
import sys

import pytest

from ztb.core.command import TIMES_IN_FORCE
from ztb.core.error import ConfigError, Rejected, Throttled, VenueError
from ztb.venues import limits
from ztb.venues.coinbase import rules
from ztb.venues.endpoint import checked_url
from ztb.venues.limiter import LimitClass
from ztb.venues.registry import VENUE_NAMES, addresses_at, addresses_of


def test_adapter_is_known_by_its_name() -> None:
    assert "coinbase" in VENUE_NAMES
    with pytest.raises(ConfigError):
        addresses_of("coinbase-pro")


def test_addresses_in_the_world_are_encrypted() -> None:
    told = addresses_of("coinbase")
    assert (told.rest, told.stream, told.account_stream) == (
        "https://api.coinbase.com",
        "wss://advanced-trade-ws.coinbase.com",
        "wss://advanced-trade-ws-user.coinbase.com",
    )
    assert [checked_url(url) for url in (told.rest, told.stream, told.account_stream)]


def test_built_in_exchange_answers_everything_at_one_address() -> None:
    told = addresses_at("coinbase", "http://127.0.0.1:8080")
    assert (told.rest, told.stream, told.account_stream) == (
        "http://127.0.0.1:8080",
        "ws://127.0.0.1:8080/",
        "ws://127.0.0.1:8080/",
    )
    assert addresses_at("coinbase", "https://127.0.0.1:1").stream == "wss://127.0.0.1:1/"


def test_every_kind_of_order_is_offered() -> None:
    assert rules.CAPABILITIES.times_in_force == frozenset(TIMES_IN_FORCE)


def test_orders_never_wait_for_the_rate_and_cancels_do() -> None:
    order, cancel = rules.RATE_RULES["order"], rules.RATE_RULES["cancel"]
    assert (order.wait_s_max, order.limit_class) == (0.0, LimitClass.EXEC)
    assert cancel.wait_s_max > 1
    assert cancel.reserve > order.reserve


def test_state_that_says_nothing_is_not_believed() -> None:
    assert "UNKNOWN_ORDER_STATUS" not in rules.STATUS_OF
    assert len(rules.STATUS_OF) == 9


AUTH_WORDS = [
    "authentication_error", "unauthorized", "invalid_token", "expired_token", "revoked_token", "invalid_scope",
    "two_factor_required", "PERMISSION_DENIED",
]  # fmt: skip
"""From the venue's tables of errors."""


@pytest.mark.parametrize("word", AUTH_WORDS)
@pytest.mark.parametrize("status", [200, 400, 401, 403])
def test_words_about_the_key_are_that_whatever_the_status(word: str, status: int) -> None:
    error = rules.error_of("accounts", status=status, code=word, text="")
    assert (type(error), error.kind, error.retryable) == (Rejected, "auth", False)
    assert error.remedy


@pytest.mark.parametrize("word", ["rate_limit_exceeded", "resource_exhausted"])
def test_words_about_the_rate_are_that_whatever_the_status(word: str) -> None:
    for status in (200, 400, 429):
        error = rules.error_of("accounts", status=status, code=word, text="")
        assert (type(error), error.kind, error.retryable) == (Throttled, "rate_limit", True)


def test_word_that_nobody_knows_is_judged_by_the_status() -> None:
    assert type(rules.error_of("x", status=400, code="NEW", text="")) is Rejected
    assert rules.error_of("x", status=401, code="NEW", text="").kind == "auth"
    # With status 200 nobody can say what was done.
    assert type(rules.error_of("x", status=200, code="NEW", text="")) is VenueError


def test_page_without_words_is_clear_only_where_the_gateway_sends_it() -> None:
    told = {status: rules.wordless("x", status) for status in (200, 400, 401, 403, 404, 429, 500, 502)}
    assert {status for status, error in told.items() if error is not None} == {401, 403, 429}


def test_what_the_venue_writes_is_cut_in_every_message() -> None:
    long = "x" * 10_000
    for error in (
        rules.error_of("x", status=400, code=long, text=long),
        rules.order_refusal(long, long),
        rules.cancel_refusal(long),
    ):
        assert len(error.message) < 2 * limits.REMARK_LENGTH_MAX
        assert len(error.code) <= limits.REMARK_LENGTH_MAX


def test_refusal_for_lack_of_money_says_so() -> None:
    assert "too little" in rules.order_refusal("PREVIEW_INSUFFICIENT_FUND", "").remedy
    assert rules.order_refusal("INVALID_SIDE", "").remedy == ""


def test_public_side_loads_nothing_that_could_sign() -> None:
    code = (
        "import sys, ztb.venues.coinbase.public\n"
        "loaded = [name for name in sys.modules if name.startswith(('cryptography', 'ztb.venues.coinbase.'))]\n"
        "print(*sorted(name for name in loaded if 'crypto' in name or name.endswith(('.sign', '.calls', '.account'))))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.strip() == ""
