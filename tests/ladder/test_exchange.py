"""The exchange of a rung: it counts what arrives, and its account is gone when it is."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.ladder.world import context_in
from ztb.core.error import UsageError
from ztb.ladder.exchange import Exchange

WAIT_S = 60.0
"""Only ends a test that hangs."""


@pytest.fixture
def exchange(tmp_path: Path) -> Iterator[Exchange]:
    """In real time, so that its limits are those of the documents."""
    started = Exchange(context_in(tmp_path, time_scale=1.0), "drill")
    try:
        yield started
    finally:
        started.stop()


def signed(exchange: Exchange, nonce: int, method: str, **params: str) -> dict[str, object]:
    """A private call as the venue's documents describe it: HMAC-SHA512 over the body."""
    body = "&".join([f"method={method}", f"nonce={nonce}", *(f"{name}={text}" for name, text in params.items())])
    sign = hmac.new(exchange.account.secret.reveal().encode(), body.encode(), hashlib.sha512).hexdigest()
    headers = {"Key": exchange.account.key.reveal(), "Sign": sign}
    answer = httpx.post(f"{exchange.url}/tapi", content=body, headers=headers, timeout=WAIT_S, trust_env=False)
    plain: dict[str, object] = answer.json()
    return plain


def test_an_exchange_forgets_its_account_when_it_ends(tmp_path: Path) -> None:
    context = context_in(tmp_path)
    exchange = Exchange(context, "drill")
    files = [exchange.account.accounts_file, exchange.account.key_file, exchange.account.secret_file]
    assert all(file.exists() for file in files)
    assert (exchange.private_requests(), exchange.rate_refusals(), exchange.calls()) == (0, 0, [])
    exchange.stop()
    assert [file for file in files if file.exists()] == []
    assert {exchange.account.key.reveal(), exchange.account.secret.reveal()} == set(context.secrets)


def test_public_requests_that_come_too_fast_are_counted(exchange: Exchange) -> None:
    """Many public requests at once, where ten a second are allowed; the client's own count is the expected one."""
    with httpx.Client(base_url=exchange.url, trust_env=False, timeout=WAIT_S) as client:
        answers = [client.get("/api/1/last_price/btc_jpy").status_code for _ in range(60)]
    assert 1 <= answers.count(403) == exchange.rate_refusals()


def test_private_requests_of_every_kind_are_counted(exchange: Exchange) -> None:
    """Also one without a key, one that is refused for its rate, and one that moves no money."""
    httpx.post(f"{exchange.url}/tapi", content="method=get_info2&nonce=1", timeout=WAIT_S, trust_env=False)
    assert (exchange.private_requests(), exchange.rate_refusals()) == (1, 0)
    assert signed(exchange, 1, "get_info2")["success"] == 1
    exchange.mood(name="rate_limit", count=1)
    assert signed(exchange, 2, "get_info2") == {"success": 0, "error": "time wait restriction, please try later."}
    assert (exchange.private_requests(), exchange.rate_refusals(), exchange.calls()) == (3, 1, [])


def test_an_order_stands_in_its_book(exchange: Exchange) -> None:
    order = {"currency_pair": "btc_jpy", "action": "bid", "price": "5000000", "amount": "0.01", "comment": "ztb-a"}
    assert signed(exchange, 1, "trade", **order)["success"] == 1
    (call,) = exchange.calls()
    assert (call["method"], call["params"]["comment"], call["result"]) == ("trade", "ztb-a", "ok")
    (working,) = exchange.account_state()["orders"]
    assert (working["side"], working["price"], working["amount"]) == ("buy", "5000000", "0.0100")


def test_a_profile_of_a_real_venue_is_refused(tmp_path: Path) -> None:
    overrides = ("venue.simulator=false", "venue.rest_url=https://127.0.0.1:1", "venue.stream_url=wss://127.0.0.1:1")
    context = context_in(tmp_path, overrides=overrides)
    with pytest.raises(UsageError, match="trades at zaif"):
        Exchange(context, "drill")
    assert context.secrets == []
