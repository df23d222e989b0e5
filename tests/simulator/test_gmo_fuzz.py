"""Whatever a client sends, GMO Coin's dialect answers in its envelope, stays up, and its books still add up."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any, Final
from urllib.parse import urlencode

from hypothesis import example, given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.simulator.world import ALICE, BOB, BTC_JPY, QUIET, SECRETS, START_NS, account
from ztb.simulator.dialect import Reply, Request
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.rules import GmoRules, fee_unit
from ztb.simulator.gmo.subscriptions import BadCommand, read_command
from ztb.simulator.gmo.venue import GmoVenue
from ztb.simulator.matching import EXPIRE_NEWER
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record

POSTS: Final = (
    "order", "changeOrder", "cancelOrder", "cancelOrders", "cancelBulkOrder", "closeOrder", "closeBulkOrder",
    "changeLosscutPrice", "ws-auth", "nothing",
)  # fmt: skip
GETS: Final = (
    "account/margin", "account/assets", "account/tradingVolume", "orders", "activeOrders", "executions",
    "latestExecutions", "openPositions", "positionSummary",
)  # fmt: skip
TEXTS: Final = st.sampled_from(
    ["BTC", "BTC_JPY", "BUY", "SELL", "LIMIT", "MARKET", "STOP", "FAK", "FAS", "FOK", "SOK", "OPEN", "CLOSE", "0.01",
     "13689000", "13690000", "0", "-1", "1e3", "0.00000001", "39679085,39679086", "39679085", "1234567",
     "", "١", "\ud7ff"]
)  # fmt: skip
SCALARS: Final = st.one_of(
    TEXTS, st.sampled_from([39_679_085, 39_679_086, 1_234_567, 0, -1, 10**30, True, None, 1.5]), st.text(max_size=5)
)
VALUES: Final = st.recursive(
    SCALARS,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.sampled_from(["positionId", "size"]), inner, max_size=2)
    ),
    max_leaves=4,
)
NAMES: Final = (
    "symbol", "side", "executionType", "timeInForce", "price", "size", "orderId", "orderIds", "symbols", "settleType",
    "settlePosition", "positionId", "losscutPrice", "cancelBefore", "desc", "token", "page", "count", "executionId",
)  # fmt: skip
GOOD: Final[dict[str, Any]] = {
    "symbol": "BTC_JPY", "side": "BUY", "executionType": "LIMIT", "price": "13690000", "size": "0.01",
    "settlePosition": [{"positionId": 1_234_567, "size": "0.01"}], "orderId": 39_679_085,
}  # fmt: skip
MEMBERS: Final = st.dictionaries(st.sampled_from(NAMES), VALUES, max_size=3).map(lambda changes: {**GOOD, **changes})
CALLS: Final = st.lists(
    st.one_of(
        st.tuples(st.just("POST"), st.sampled_from(POSTS), MEMBERS),
        st.tuples(st.just("GET"), st.sampled_from(GETS), st.dictionaries(st.sampled_from(NAMES), TEXTS, max_size=4)),
        st.tuples(st.sampled_from(["PUT", "DELETE", "PATCH"]), st.just("ws-auth"), MEMBERS),
    ),
    min_size=1,
    max_size=25,
)


def send(venue: GmoVenue, method: str, path: str, body: bytes, query: str) -> Reply:
    timestamp = str(START_NS // 1_000_000)
    signed = body if method not in ("PUT", "DELETE") else b""
    text = f"{timestamp}{method}/v1/{path}".encode() + signed
    headers = {
        "api-key": ALICE,
        "api-timestamp": timestamp,
        "api-sign": hmac.new(SECRETS[ALICE].encode(), text, hashlib.sha256).hexdigest(),
    }
    outcome = venue.handle(Request(method, f"/private/v1/{path}", query, headers, body, "127.0.0.1", START_NS))
    assert isinstance(outcome, Reply)
    return outcome


def made() -> tuple[Exchange, GmoVenue]:
    owners = [account(key, maker=-100, taker=500) for key in (ALICE, BOB)]
    exchange = Exchange(
        BTC_JPY, lambda: iter(QUIET), owners, loop=False, self_trade=EXPIRE_NEWER, fee_unit=fee_unit(BTC_JPY)
    )  # fmt: skip
    exchange.start(START_NS)
    return exchange, GmoVenue(exchange, moods=Moods(), record=Record(), rules=GmoRules(private_limits=False))


def total(exchange: Exchange) -> tuple[int, int]:
    purse = exchange.purse
    jpy = purse.crowd["jpy"] + purse.fees + sum(owner.balances["jpy"] for owner in purse.accounts.values())
    return jpy, purse.crowd["btc"] + sum(owner.balances["btc"] for owner in purse.accounts.values())


@given(CALLS)
@settings(max_examples=examples(200), deadline=None)
def test_any_sequence_of_signed_calls(calls: list[tuple[str, str, dict[str, Any]]]) -> None:
    exchange, venue = made()
    before = total(exchange)
    for method, path, members in calls:
        if method == "GET":
            reply = send(venue, method, path, b"", urlencode(members, errors="replace"))
        else:
            reply = send(venue, method, path, json.dumps(members).encode(), "")
        answer = json.loads(reply.body)
        assert answer["status"] in (0, 1, 2)
        assert (answer["status"] == 0) is ("messages" not in answer)
        assert reply.status == (404 if answer["status"] == 2 else 200)
        assert total(exchange) == before


@given(st.one_of(st.binary(max_size=60), st.text(max_size=40).map(str.encode)), st.sampled_from(POSTS))
@example(b"[" * 5_000, "order")
@example(b'{"a":' * 5_000, "cancelOrder")
@example(b'{"symbol":"\xff"}', "order")
@settings(max_examples=examples(150), deadline=None)
def test_any_signed_body(body: bytes, path: str) -> None:
    exchange, venue = made()
    answer = json.loads(send(venue, "POST", path, body, "").body)
    assert answer["status"] in (0, 1, 2)
    assert answer["status"] != 0 or path in ("ws-auth", "nothing")
    assert not exchange.purse.accounts[ALICE].orders


@given(st.one_of(st.binary(max_size=60), MEMBERS.map(lambda members: json.dumps(members).encode())))
@example(b"[" * 5_000)
@example(b'{"command":"subscribe","channel":["ticker"]}')
@settings(max_examples=examples(150), deadline=None)
def test_any_command(payload: bytes) -> None:
    try:
        command = read_command(payload, {"ticker": frozenset()}, ("BTC",))
    except BadCommand as bad:
        assert json.loads(bad.frame)["error"].startswith("ERR-5106 ")
    else:
        assert (command.channel, command.symbol) == ("ticker", "BTC")
