"""Whatever arrives, Coinbase answers in its own words, keeps its money together and serves the next client."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.simulator.coinbase_world import ALICE, BOB, BTC_USD, QUIET, account, token
from tests.simulator.world import START_NS
from ztb.simulator.coinbase.routes import PRIVATE_ROUTES, PUBLIC_ROUTES
from ztb.simulator.coinbase.rules import PREFIX, CoinbaseRules
from ztb.simulator.coinbase.venue import CoinbaseVenue
from ztb.simulator.dialect import Drop, Reply, Request
from ztb.simulator.exchange import Exchange
from ztb.simulator.matching import EXPIRE_NEWER
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.tape_player import MarketEvent

RULES = CoinbaseRules(private_limits=False, public_per_second=0, messages_per_second=0, sockets_per_second=0)
NOW_S = START_NS // 1_000_000_000
KINDS = (
    "limit_limit_gtc", "sor_limit_ioc", "limit_limit_fok", "market_market_ioc", "limit_limit_gtd", "market_market_fok",
    "x",
)  # fmt: skip
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3),
    max_leaves=8,
)
SIZES = st.sampled_from(["0.0001", "0.1", "0.7", "3", "0", "-1", "1e3", "x", "0.000000001"])
PRICES = st.sampled_from(["68900.00", "68901.00", "68902.00", "50000", "90000.01", "0", "1.001", "NaN"])
MEMBERS = st.fixed_dictionaries(
    {},
    optional={
        "base_size": SIZES,
        "quote_size": SIZES,
        "limit_price": PRICES,
        "post_only": st.booleans() | st.text(max_size=3),
        "end_time": st.sampled_from(["2030-01-01T00:00:00Z", "2023-11-14T22:13:21Z", "soon", ""]),
    },
)
ORDERS = st.fixed_dictionaries(
    {
        "client_order_id": st.sampled_from(["a", "b", "c", "d", "e", "f", "g", ""]),
        "product_id": st.sampled_from(["BTC-USD", "BTC-USD", "BTC-USD", "ETH-USD"]),
        "side": st.sampled_from(["BUY", "SELL", "BUY", "SELL", "HOLD"]),
        "order_configuration": st.dictionaries(st.sampled_from(KINDS), MEMBERS, min_size=1, max_size=1),
    }
)
PLAIN = st.tuples(
    st.sampled_from(["BUY", "SELL"]),
    st.sampled_from(["limit_limit_gtc", "sor_limit_ioc", "limit_limit_fok", "market_market_ioc"]),
    st.sampled_from(["0.0001", "0.1", "0.3", "0.7"]),
    st.sampled_from(["68899.00", "68900.00", "68900.50", "68901.00", "68902.00", "68903.00"]),
)
"""Orders that make sense, or nothing would ever be traded."""
IDS = st.sampled_from([f"11111111-aaaa-4bbb-8ccc-{39_679_085 + number:012x}" for number in range(6)] + ["x", ""])
CALLS = st.one_of(
    st.tuples(st.just(("POST", "orders")), ORDERS),
    st.tuples(st.just(("POST", "orders/preview")), ORDERS),
    st.tuples(
        st.just(("POST", "orders/batch_cancel")), st.fixed_dictionaries({"order_ids": st.lists(IDS, max_size=3)})
    ),
    st.tuples(
        st.just(("POST", "orders/edit")), st.fixed_dictionaries({"order_id": IDS, "price": PRICES, "size": SIZES})
    ),
    st.tuples(st.sampled_from([(route.method, route.path) for route in (*PRIVATE_ROUTES, *PUBLIC_ROUTES)]), JSON),
)
NAMES = ("limit", "cursor", "order_status", "start_date", "product_ids", "granularity", "start", "end")
VALUES = ("1", "0", "-1", "OPEN", "MTIz", "2023-11-14T22:13:20Z", "BTC-USD", "ONE_DAY", "\u0661", "9" * 30)
QUERIES = st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(VALUES)), max_size=3).map(
    lambda pairs: "&".join(f"{name}={value}" for name, value in pairs)
)


def made() -> tuple[Exchange, CoinbaseVenue]:
    def tape() -> Iterator[MarketEvent]:
        return iter(QUIET)

    exchange = Exchange(BTC_USD, tape, (account(ALICE), account(BOB)), loop=False, self_trade=EXPIRE_NEWER)
    exchange.start(START_NS)
    return exchange, CoinbaseVenue(exchange, moods=Moods(), record=Record(), rules=RULES)


def ask(venue: CoinbaseVenue, method: str, path: str, query: str, body: bytes, key: str) -> tuple[int, Any]:
    headers = {"authorization": f"Bearer {token(NOW_S, key=key, uri=f'{method} me{PREFIX}/{path}')}", "host": "me"}
    reply = venue.handle(Request(method, f"{PREFIX}/{path}", query, headers, body, "127.0.0.1", START_NS))
    assert isinstance(reply, Reply)
    assert reply.content_type == "application/json"
    return reply.status, msgspec.json.decode(reply.body)


@given(st.lists(st.tuples(PLAIN, CALLS, QUERIES, st.sampled_from([ALICE, BOB])), min_size=3, max_size=10))
@settings(max_examples=examples(150), deadline=None)
def test_any_call_gets_an_answer_and_creates_no_money(calls: list[tuple[Any, Any, str, str]]) -> None:
    exchange, venue = made()
    accounts = exchange.purse.accounts
    before = {name: sum(owner.balances[name] for owner in accounts.values()) for name in ("usd", "btc")}
    for number, (plain, ((method, path), body), query, key) in enumerate(calls):
        side, kind, size, price = plain
        members = {"base_size": size} if kind == "market_market_ioc" else {"base_size": size, "limit_price": price}
        order = {"product_id": "BTC-USD", "side": side, "order_configuration": {kind: members}}
        status, answer = ask(
            venue, "POST", "orders", "", msgspec.json.encode({**order, "client_order_id": f"plain-{number}"}), key
        )
        assert (status, type(answer["success"])) == (200, bool)
        try:
            encoded = msgspec.json.encode(body)
        except UnicodeEncodeError:
            continue
        status, answer = ask(venue, method, path.replace("*", "BTC-USD"), query, encoded, key)
        assert status in (200, 400, 404)
        assert isinstance(answer, dict)
        if status != 200:
            assert set(answer) == {"error", "error_details", "message"}
    for name in ("usd", "btc"):
        owned = sum(owner.balances[name] for owner in accounts.values())
        assert owned + exchange.purse.crowd[name] + (exchange.purse.fees if name == "usd" else 0) == before[name]
    for key, owner in accounts.items():
        assert not owner.orders.keys() & owner.ended.keys()
        _, listed = ask(venue, "GET", "orders/historical/batch", "", b"", key)
        assert len(listed["orders"]) == len(owner.orders) + len(owner.ended)
        for told in listed["orders"]:
            fills = [fill for fill in owner.fills if fill.order_id == int(told["order_id"][-12:], 16)]
            assert told["number_of_fills"] == str(len(fills))
            assert BTC_USD.sizes.parse(told["filled_size"]) == sum(fill.lots for fill in fills)
            assert BTC_USD.money.parse(told["total_fees"]) == sum(fill.fee for fill in fills)


# Public paths are not refused, and words of this source are among the texts that are tried.
@given(st.binary(max_size=60), st.text(max_size=30).filter(lambda path: path != "time"), st.text(max_size=30))
@settings(max_examples=examples(200), deadline=None)
def test_any_bytes_are_refused_in_json(body: bytes, path: str, query: str) -> None:
    _, venue = made()
    for method in ("GET", "POST", "DELETE"):
        request = Request(method, f"{PREFIX}/{path}", query, {"authorization": query}, body, "127.0.0.1", START_NS)
        reply = venue.handle(request)
        assert isinstance(reply, Reply)
        assert reply.status in (401, 404)
        assert set(msgspec.json.decode(reply.body)) == {"error", "error_details", "message"}


MESSAGES = st.fixed_dictionaries(
    {"type": st.sampled_from(["subscribe", "unsubscribe", "x"])},
    optional={
        "channel": st.sampled_from(
            ["level2", "user", "heartbeats", "market_trades", "ticker", "ticker_batch", "candles", "status", "x", 1]
        ),
        "product_ids": st.lists(st.sampled_from(["BTC-USD", "ETH-USD", ""]), max_size=3) | JSON,
        "jwt": st.just(token(NOW_S)) | st.text(max_size=20),
    },
)


@given(st.lists(MESSAGES | JSON | st.binary(max_size=40), max_size=10))
@settings(max_examples=examples(200), deadline=None)
def test_a_socket_survives_any_message_and_counts_on(messages: list[Any]) -> None:
    _, venue = made()
    stream = venue.open_stream(Request("GET", "/", "", {}, b"", "127.0.0.1", START_NS))
    assert not isinstance(stream, Reply)
    assert stream.opened(START_NS) is None
    numbers: list[int] = []
    for moment, message in enumerate(messages):
        try:
            payload = message if isinstance(message, bytes) else msgspec.json.encode(message)
        except UnicodeEncodeError:
            continue
        for action in (stream.received(payload, START_NS), stream.tick(START_NS + moment * 10**9)):
            frames = [action] if isinstance(action, bytes) else action or []
            assert not isinstance(frames, Drop)
            for frame in frames:
                assert isinstance(frame, bytes)
                decoded = msgspec.json.decode(frame)
                if "sequence_num" in decoded:
                    numbers.append(decoded["sequence_num"])
                else:
                    assert set(decoded) == {"type", "message"}
    assert numbers == list(range(len(numbers)))
