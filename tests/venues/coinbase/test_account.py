"""The private calls as they cross a real socket: what is sent, how often, and what becomes of each answer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable
from contextlib import suppress
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.venues.at_wire import AtWire
from tests.venues.coinbase.desk import API, ORDER_ID, TAG, WIRE, Desk, claims_of, desk, order, says
from tests.venues.coinbase.samples import BTC_USD, KEY_NAME, PUBLIC_PEM, private_pem, rest_answer, rest_body, variant
from tests.venues.loopback import Answer, hang, loopback, reply, reset
from tests.venues.scripted_clock import START_NS, ScriptedClock
from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY, Place
from ztb.core.error import (
    ConfigError,
    CredentialError,
    GateClosed,
    InvariantBroken,
    Rejected,
    Throttled,
    UnknownFate,
    Unreachable,
    VenueError,
)
from ztb.venues import limits
from ztb.venues.coinbase import rules
from ztb.venues.coinbase.account import CoinbaseAccount
from ztb.venues.coinbase.venue import CoinbaseVenue
from ztb.venues.port import Account, Addresses, ApiKeys, OrderStatus, Placed, Rights, Terms, Venue
from ztb.venues.registry import open_venue


def taken(wire: str = WIRE, **changes: object) -> Answer:
    answer = rest_answer("create_order")
    answer["success_response"] |= {"client_order_id": wire} | changes
    return says(answer)


def page(name: str, rows: list[Any], **changes: object) -> Answer:
    return says({name: rows, "has_next": False, "cursor": ""} | changes)


def a_row(**changes: object) -> Any:  # noqa: ANN401 - JSON
    return rest_answer("get_order")["order"] | {"client_order_id": WIRE} | changes


def a_fill(number: int, second: int = 0, **changes: object) -> Any:  # noqa: ANN401 - JSON
    row = rest_answer("fills")["fills"][0]
    return row | {"entry_id": f"e{number}", "sequence_timestamp": f"2024-01-15T10:30:{second:02}Z"} | changes


def test_adapter_has_the_shape_of_the_port() -> None:
    def _account(value: CoinbaseAccount) -> Account:
        return value

    def _venue(value: CoinbaseVenue) -> Venue:
        return value

    assert rules.CAPABILITIES.times_in_force == {GTC, IOC, FOK, POST_ONLY, MARKET}
    assert not rules.CAPABILITIES.tagged_fills
    assert not rules.CAPABILITIES.reduce_only
    assert not rules.CAPABILITIES.positions
    assert rules.CAPABILITIES.client_order_id
    assert rules.CAPABILITIES.order_status
    assert rules.CAPABILITIES.private_stream
    assert rules.CAPABILITIES.cancel_many == 100


@pytest.mark.parametrize("time_in_force", sorted(rules.CAPABILITIES.times_in_force))
def test_order_on_the_wire(time_in_force: str) -> None:
    async def run() -> None:
        async with desk(taken()) as made:
            assert await made.account.place(order(time_in_force)) == Placed(ORDER_ID, 0)
            [request] = made.server.requests
            assert (request.method, request.target) == ("POST", f"{API}/orders")
            assert request.headers["content-type"] == "application/json"
            host = made.server.url.removeprefix("http://")
            claims = claims_of(request)
            assert claims["uri"] == f"POST {host}{API}/orders"
            assert claims["sub"] == KEY_NAME
            now_s = START_NS // 1_000_000_000
            assert claims["nbf"] <= now_s < claims["exp"] <= claims["nbf"] + 120
            body = made.body()
            assert (body["client_order_id"], body["product_id"], body["side"]) == (WIRE, "BTC-USD", "BUY")
            [members] = body["order_configuration"].values()
            assert members["base_size"] == "0.00100000"

    asyncio.run(run())


def test_recorded_request_of_the_venues_own_library_asks_for_the_same_order() -> None:
    # The body of the vector coinbase.sdk.limit_order_gtc_buy, but for the order id and the spelling of amounts.
    async def run() -> None:
        async with desk(taken()) as made:
            await made.account.place(order(POST_ONLY))
            theirs = next(row["json"] for row in _samples() if row["name"] == "create_order")
            assert _as_numbers(made.body() | {"client_order_id": theirs["client_order_id"]}) == _as_numbers(theirs)

    asyncio.run(run())


def _samples() -> Any:  # noqa: ANN401 - JSON
    data = Path(__file__).parent / "data" / "sample_responses.json"
    return json.loads(data.read_text("utf-8"))["rest"]


def _as_numbers(body: Any) -> Any:  # noqa: ANN401 - JSON
    [(kind, members)] = body["order_configuration"].items()
    amounts = {name: Decimal(one) if isinstance(one, str) else one for name, one in members.items()}
    return body | {"order_configuration": {kind: amounts}}


def test_ids_can_travel_as_they_are() -> None:
    async def run() -> None:
        async with desk(taken(TAG), ids_as_uuid=False) as made:
            await made.account.place(order())
            assert made.body()["client_order_id"] == TAG

    asyncio.run(run())


REFUSED_BODY = json.loads(variant("create_order_rejected"))
UNCLEAR: dict[str, Answer] = {
    "hang": hang,
    "reset": reset,
    "500": reply("<html>500</html>", status="500 Internal Server Error"),
    "502": reply("<html>502</html>", status="502 Bad Gateway"),
    "503 in the venue's own words": says({"error": "UNAVAILABLE", "message": "x"}, "503 Service Unavailable"),
    "504": reply("", status="504 Gateway Timeout"),
    "409": reply("{}", status="409 Conflict"),
    "302": reply("", status="302 Found", headers="location: http://127.0.0.1:9/"),
    "html with 200": reply("<html>maintenance</html>"),
    "html with 400": reply("<html>bad</html>", status="400 Bad Request"),
    "html with 404": reply("<html>gone</html>", status="404 Not Found"),
    "internal error as 400": says({"error": "INTERNAL", "message": "x"}, "400 Bad Request"),
    "unknown error with 200": says({"error": "SOMETHING", "message": "x"}),
    "empty": reply(""),
    "null": reply("null"),
    "truncated": reply(rest_body("create_order")[:-20]),
    "success as text": says(rest_answer("create_order") | {"success": "true"}),
    "success without the response": says({"success": True}),
    "no id": taken(order_id=""),
    "another order": taken("another"),
    "another product": taken(product_id="ETH-USD"),
    "another side": taken(side="SELL"),
    "the id is there already": says(
        REFUSED_BODY | {"error_response": {"error": "DUPLICATE_CLIENT_ORDER_ID", "message": ""}}
    ),
    "compressed": reply(b"\x1f\x8b\x08", headers="content-encoding: gzip"),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_unclear_answer_to_an_order_is_an_unknown_fate_and_is_never_repeated(name: str) -> None:
    async def run() -> None:
        async with desk(UNCLEAR[name]) as made:
            with pytest.raises(UnknownFate):
                await made.account.place(order())
            assert len(made.server.requests) == 1

    asyncio.run(run())


CLEAR: dict[str, tuple[Answer, type[VenueError], str]] = {
    "success false": (reply(variant("create_order_rejected")), Rejected, "exchange"),
    "success false and nothing else": (says({"success": False}), Rejected, "exchange"),
    "401": (reply(variant("http_401"), status="401 Unauthorized"), Rejected, "auth"),
    "401 in plain text": (reply("Unauthorized", status="401 Unauthorized"), Rejected, "auth"),
    "403": (reply(variant("http_403"), status="403 Forbidden"), Rejected, "auth"),
    "403 of the edge": (reply("<html></html>", status="403 Forbidden"), Throttled, "rate_limit"),
    "400": (reply(variant("http_400"), status="400 Bad Request"), Rejected, "exchange"),
    "404": (reply(variant("http_404_order"), status="404 Not Found"), Rejected, "exchange"),
    "429": (reply(variant("http_429"), status="429 Too Many Requests"), Throttled, "rate_limit"),
}


@pytest.mark.parametrize("name", CLEAR)
def test_clear_no_is_definitely_not_done_and_is_never_repeated(name: str) -> None:
    script, error_type, kind = CLEAR[name]

    async def run() -> None:
        async with desk(script) as made:
            with pytest.raises(error_type) as caught:
                await made.account.place(order())
            assert (type(caught.value), caught.value.kind) == (error_type, kind)
            assert len(made.server.requests) == 1

    asyncio.run(run())


def test_order_that_found_no_connection_was_not_sent() -> None:
    async def run() -> None:
        async with loopback(hang) as server:
            made = Desk(server)
        with pytest.raises(Unreachable):
            await made.account.place(order())
        await made.transport.close()

    asyncio.run(run())


def test_gate_that_closes_at_the_wire_stops_the_order() -> None:
    async def run() -> None:
        def closed(asked: Place) -> None:
            assert asked == order()
            raise GateClosed("closed", kind="exchange", code="gate")

        async with desk(taken(), at_wire=AtWire(closed)) as made:
            with pytest.raises(GateClosed):
                await made.account.place(order())
            await asyncio.sleep(0.05)
            assert made.server.requests == []

    asyncio.run(run())


@pytest.mark.parametrize(
    "wrong", [order(price=0), order(lots=0), order(lots=-1), order(side=0), order(tag="ztb-1"), order(tag="")]
)
def test_order_that_is_none_never_leaves(wrong: Place) -> None:
    async def run() -> None:
        async with desk(taken()) as made:
            with pytest.raises(InvariantBroken):
                await made.account.place(wrong)
            assert made.server.requests == []

    asyncio.run(run())


def test_time_in_force_that_the_venue_does_not_know_never_leaves() -> None:
    async def run() -> None:
        async with desk(taken()) as made:
            with pytest.raises(Rejected):
                await made.account.place(order("gtd"))
            assert made.server.requests == []

    asyncio.run(run())


@pytest.mark.parametrize(
    ("headers", "pause_s"),
    [("retry-after: 7", 7.0), ("x-ratelimit-reset: 9", 9.0), ("retry-after: 3\r\nx-ratelimit-reset: 9", 3.0)],
)
def test_refusal_for_the_rate_closes_every_private_call_for_as_long_as_the_venue_says(
    headers: str, pause_s: float
) -> None:
    async def run() -> None:
        refusal = reply(variant("http_429"), status="429 Too Many Requests", headers=headers)
        async with desk(refusal, page("orders", [])) as made:
            with pytest.raises(Throttled):
                await made.account.place(order())
            with pytest.raises(Throttled):
                await made.account.place(order())
            assert len(made.server.requests) == 1
            assert made.limiter.head_room("cancel", urgent=True) == 0
            assert made.limiter.head_room("read", urgent=True) == 0
            assert made.limiter.head_room("public") > 0
            made.clock.advance(pause_s - 0.5)
            assert made.limiter.head_room("order") == 0
            made.clock.advance(1.0)
            assert made.limiter.head_room("order") > 0

    asyncio.run(run())


def test_our_own_limits_hold_an_order_back_and_keep_a_reserve_for_cancels() -> None:
    async def run() -> None:
        async with desk(taken()) as made:
            sent = 0
            with pytest.raises(Throttled) as caught:
                for _ in range(100):
                    await made.account.place(order())
                    sent += 1
            assert caught.value.code == "own_limit"
            assert sent == len(made.server.requests) < 30
            assert made.limiter.head_room("cancel", urgent=True) > 0

    asyncio.run(run())


def test_private_limits_together_keep_within_the_venues_thirty_a_second() -> None:
    per_second = [rule for name, rule in rules.RATE_RULES.items() if name not in ("public", "all")]
    assert sum(rule.calls / rule.period_s for rule in per_second) <= 30
    assert all(rule.reserve > 0 for rule in per_second)
    every = rules.RATE_RULES["all"]
    assert every.calls * 3_600 / every.period_s < 10_000
    assert rules.RATE_RULES["public"].calls < 10


def test_every_private_call_counts_for_the_whole() -> None:
    async def run() -> None:
        async with desk(page("orders", []), page("orders", []), taken()) as made:
            before = made.limiter.head_room("all")
            await made.account.open_orders("BTC-USD")
            await made.account.place(order())
            assert made.limiter.head_room("all") == before - 3

    asyncio.run(run())


def test_what_our_own_limit_held_back_does_not_count_for_the_whole() -> None:
    # The places of all calls come back after ten minutes: a policy that wants too much must not use them up.
    async def run() -> None:
        async with desk(taken()) as made:
            before = made.limiter.head_room("all")
            for _ in range(100):
                with suppress(Throttled):
                    await made.account.place(order())
            assert made.limiter.head_room("all") == before - len(made.server.requests)

    asyncio.run(run())


def cancels(*rows: tuple[str, bool, str]) -> Answer:
    results = [{"order_id": one, "success": success, "failure_reason": reason} for one, success, reason in rows]
    return says({"results": results})


def test_cancel_on_the_wire() -> None:
    async def run() -> None:
        async with desk(reply(rest_body("batch_cancel")), reply(variant("cancel_unknown"))) as made:
            assert await made.account.cancel("BTC-USD", ORDER_ID) is True
            assert made.target()[:2] == ("POST", "orders/batch_cancel")
            assert made.body() == {"order_ids": [ORDER_ID]}
            assert await made.account.cancel("BTC-USD", ORDER_ID) is False

    asyncio.run(run())


def test_cancel_that_is_refused_for_now_may_be_tried_again() -> None:
    async def run() -> None:
        async with desk(cancels((ORDER_ID, False, "COMMANDER_REJECTED_CANCEL_ORDER"))) as made:
            with pytest.raises(Rejected) as caught:
                await made.account.cancel("BTC-USD", ORDER_ID)
            assert caught.value.retryable

    asyncio.run(run())


UNCLEAR_CANCELS: dict[str, Answer] = {
    "hang": hang,
    "502": reply("<html>502</html>", status="502 Bad Gateway"),
    "another order": cancels(("another", True, "UNKNOWN_CANCEL_FAILURE_REASON")),
    "no result": cancels(),
    "two results": cancels((ORDER_ID, True, ""), ("another", True, "")),
    "html": reply("<html></html>"),
}


@pytest.mark.parametrize("name", UNCLEAR_CANCELS)
def test_unclear_answer_to_a_cancel_leaves_it_open(name: str) -> None:
    async def run() -> None:
        async with desk(UNCLEAR_CANCELS[name]) as made:
            with pytest.raises(UnknownFate):
                await made.account.cancel("BTC-USD", ORDER_ID)
            assert len(made.server.requests) == 1

    asyncio.run(run())


def test_many_cancels_go_a_hundred_in_a_call_and_what_fails_is_left_out() -> None:
    async def run() -> None:
        ids = [f"id-{number}" for number in range(250)]
        first = [(one, one != "id-7", "COMMANDER_REJECTED_CANCEL_ORDER") for one in ids[:100]]
        third = [(one, True, "UNKNOWN_CANCEL_FAILURE_REASON") for one in ids[200:]]
        lost = reply("", status="502 Bad Gateway")
        async with desk(cancels(*first), lost, cancels(*third)) as made:
            cancelled = await made.account.cancel_all("BTC-USD", ids)
            assert cancelled == frozenset(ids[:100] + ids[200:]) - {"id-7"}
            assert [made.body(number)["order_ids"] for number in range(3)] == [ids[:100], ids[100:200], ids[200:]]

    asyncio.run(run())


def test_nothing_to_cancel_asks_nothing() -> None:
    async def run() -> None:
        async with desk(hang) as made:
            assert await made.account.cancel_all("BTC-USD", []) == frozenset()
            assert made.server.requests == []

    asyncio.run(run())


def test_open_orders_are_the_open_ones_and_the_young_ones_in_any_state() -> None:
    async def run() -> None:
        old, young = a_row(order_id="old"), a_row(order_id="young", status="QUEUED")
        ended_since = a_row(order_id="ended", status="OPEN")
        script = (
            page("orders", [old, ended_since]),
            page("orders", [young, ended_since | {"status": "FILLED"}, a_row(order_id="x", status="CANCELLED")]),
        )
        async with desk(*script) as made:
            told = await made.account.open_orders("BTC-USD")
            assert {one.venue_id for one in told} == {"old", "young"}
            assert made.target(0) == (
                "GET", "orders/historical/batch",
                [("product_ids", "BTC-USD"), ("limit", "250"), ("order_status", "OPEN")],
            )  # fmt: skip
            method, path, parameters = made.target(1)
            assert (method, path) == ("GET", "orders/historical/batch")
            # A minute before the clock of these tests, which says 2023-11-14T22:13:20Z.
            assert ("start_date", "2023-11-14T22:12:20.000000Z") in parameters
            assert "order_status" not in dict(parameters)
            # The token is made out for the path without the query.
            assert claims_of(made.server.requests[0])["uri"].endswith(f"{API}/orders/historical/batch")

    asyncio.run(run())


def test_open_orders_are_read_page_by_page() -> None:
    async def run() -> None:
        script = (
            page("orders", [a_row(order_id="a")], has_next=True, cursor="next/page="),
            page("orders", [a_row(order_id="b")]),
            page("orders", [a_row(order_id="c")], has_next=True, cursor="2"),
            page("orders", []),
        )
        async with desk(*script) as made:
            assert {one.venue_id for one in await made.account.open_orders("BTC-USD")} == {"a", "b", "c"}
            assert dict(made.target(1)[2])["cursor"] == "next/page="
            assert dict(made.target(3)[2])["cursor"] == "2"

    asyncio.run(run())


@pytest.mark.parametrize("cursors", [[""], ["same", "same"]])
def test_pages_that_lead_nowhere_are_refused(cursors: list[str]) -> None:
    async def run() -> None:
        script = [page("orders", [], has_next=True, cursor=cursor) for cursor in cursors]
        async with desk(*script) as made:
            with pytest.raises(VenueError) as caught:
                await made.account.open_orders("BTC-USD")
            assert caught.value.code == "undecodable"
            assert len(made.server.requests) == len(cursors)

    asyncio.run(run())


@pytest.mark.parametrize("call", ["open_orders", "fills_after", "balances"])
def test_pages_without_end_are_given_up(call: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "HISTORY_PAGES_MAX", 4)

    async def run() -> None:
        rows = {"open_orders": "orders", "fills_after": "fills", "balances": "accounts"}[call]
        fills = [a_fill(1)] if call == "fills_after" else []
        script = [page(rows, fills, has_next=True, cursor=str(number)) for number in range(10)]
        async with desk(*script) as made:
            with pytest.raises(VenueError) as caught:
                match call:
                    case "open_orders":
                        await made.account.open_orders("BTC-USD")
                    case "fills_after":
                        await made.account.fills_after("BTC-USD", "")
                    case _:
                        await made.account.balances()
            assert (caught.value.code, len(made.server.requests)) == ("history_too_long", 4)

    asyncio.run(run())


def test_one_order_is_looked_up_by_its_id() -> None:
    async def run() -> None:
        answer = says({"order": a_row(status="FILLED", filled_size="0.001")})
        async with desk(answer, reply(variant("http_404_order"), status="404 Not Found")) as made:
            [report] = await made.account.look_up("BTC-USD", [ORDER_ID])
            assert (report.tag, report.status, report.filled_lots) == (TAG, OrderStatus.FILLED, 100_000)
            assert made.target() == ("GET", f"orders/historical/{ORDER_ID}", [])
            assert await made.account.look_up("BTC-USD", [ORDER_ID]) == []

    asyncio.run(run())


def test_id_from_the_venue_cannot_lead_to_another_path() -> None:
    async def run() -> None:
        async with desk(reply(variant("http_404_order"), status="404 Not Found")) as made:
            assert await made.account.look_up("BTC-USD", ["../../accounts?x=1"]) == []
            assert made.server.requests[0].target == f"{API}/orders/historical/..%2F..%2Faccounts%3Fx%3D1"

    asyncio.run(run())


def test_look_up_that_fails_otherwise_is_no_evidence() -> None:
    async def run() -> None:
        async with desk(reply(variant("http_401"), status="401 Unauthorized")) as made:
            with pytest.raises(Rejected):
                await made.account.look_up("BTC-USD", [ORDER_ID])

    asyncio.run(run())


def test_several_orders_are_looked_up_fifty_in_a_call_and_strangers_are_left_out() -> None:
    async def run() -> None:
        ids = [f"id-{number}" for number in range(60)]
        script = (
            page("orders", [a_row(order_id="id-3"), a_row(order_id="not asked for")]),
            page("orders", [a_row(order_id="id-59", status="CANCELLED")]),
        )
        async with desk(*script) as made:
            reports = await made.account.look_up("BTC-USD", ids)
            assert [(one.venue_id, one.status) for one in reports] == [
                ("id-3", OrderStatus.WORKING),
                ("id-59", OrderStatus.CANCELLED),
            ]
            asked = [[one for name, one in made.target(number)[2] if name == "order_ids"] for number in (0, 1)]
            assert asked == [ids[:50], ids[50:]]

    asyncio.run(run())


def test_orders_are_found_by_our_id_whatever_became_of_them() -> None:
    async def run() -> None:
        ended = a_row(status="CANCELLED", filled_size="0")
        foreign = a_row(order_id="f", client_order_id="theirs", status="FAILED", order_configuration={})
        other = a_row(order_id="o", client_order_id=WIRE.replace("2345", "2346"))
        async with desk(page("orders", [foreign, ended, other])) as made:
            [report] = await made.account.look_up_tags("BTC-USD", {TAG}, since_ns=START_NS)
            assert (report.venue_id, report.tag, report.status) == (ended["order_id"], TAG, OrderStatus.CANCELLED)
            method, path, parameters = made.target()
            assert (method, path) == ("GET", "orders/historical/batch")
            asked = dict(parameters)
            assert asked["product_ids"] == "BTC-USD"
            assert "order_status" not in asked
            # 2023-11-14T22:13:20Z, and a minute more.
            assert asked["start_date"].startswith("2023-11-14T22:12:20")

    asyncio.run(run())


def test_look_up_of_nothing_asks_nothing() -> None:
    async def run() -> None:
        async with desk(hang) as made:
            assert await made.account.look_up("BTC-USD", []) == []
            assert made.server.requests == []

    asyncio.run(run())


def test_fills_are_read_on_from_a_little_before_the_newest_known_one() -> None:
    async def run() -> None:
        script = (
            page("fills", [a_fill(3, 5), a_fill(2, 4)], cursor="more"),
            page("fills", [a_fill(2, 4), a_fill(1, 3)]),
        )
        async with desk(*script) as made:
            fills = await made.account.fills_after("BTC-USD", "2024-01-15T10:30:04.5Z")
            assert [fill.trade_id for fill in fills] == ["e1", "e2", "e3"]
            assert fills[-1].reading_on == "2024-01-15T10:30:05Z"
            parameters = dict(made.target(0)[2])
            assert parameters["start_sequence_timestamp"] == "2024-01-15T10:30:02.500000Z"
            assert parameters["product_ids"] == "BTC-USD"
            assert dict(made.target(1)[2]) == parameters | {"cursor": "more"}

    asyncio.run(run())


@pytest.mark.parametrize("script", [[page("fills", [])], [page("fills", [], cursor="more")]])
def test_no_fills(script: list[Answer]) -> None:
    async def run() -> None:
        async with desk(*script) as made:
            assert await made.account.fills_after("BTC-USD", "") == []
            assert "start_sequence_timestamp" not in dict(made.target()[2])
            assert await made.account.newest_cursor("BTC-USD") == ""
            assert len(made.server.requests) == 2

    asyncio.run(run())


def test_newest_cursor_is_that_of_the_newest_fill_in_whichever_order_they_come() -> None:
    async def run() -> None:
        async with desk(page("fills", [a_fill(1, 3), a_fill(2, 9), a_fill(3, 4)], cursor="more")) as made:
            assert await made.account.newest_cursor("BTC-USD") == "2024-01-15T10:30:09Z"
            assert len(made.server.requests) == 1

    asyncio.run(run())


def test_cursor_that_is_none_is_refused_before_anything_is_asked() -> None:
    async def run() -> None:
        async with desk(hang) as made:
            with pytest.raises(VenueError):
                await made.account.fills_after("BTC-USD", "12345")
            assert made.server.requests == []

    asyncio.run(run())


def test_balances_are_read_page_by_page() -> None:
    async def run() -> None:
        wallet = rest_answer("accounts")["accounts"][0]
        dollars = wallet | {
            "currency": "USD",
            "type": "ACCOUNT_TYPE_FIAT",
            "available_balance": {"value": "10.50", "currency": "USD"},
            "hold": {"value": "0", "currency": "USD"},
        }
        script = (page("accounts", [wallet], has_next=True, cursor="c"), page("accounts", [dollars]))
        async with desk(*script) as made:
            told = await made.account.balances()
            assert (told["usd"].available, told["usd"].total) == (Decimal("10.50"), Decimal("10.50"))
            assert told["btc"].total == Decimal("1.23956789")
            assert made.target(0) == ("GET", "accounts", [("limit", "250")])
            assert dict(made.target(1)[2])["cursor"] == "c"

    asyncio.run(run())


def test_rights_and_positions() -> None:
    async def run() -> None:
        async with desk(reply(rest_body("key_permissions"))) as made:
            assert await made.account.rights() == Rights(read=True, trade=True, withdraw=False)
            assert await made.account.positions("BTC-USD") == []
            assert [request.target for request in made.server.requests] == [f"{API}/key_permissions"]

    asyncio.run(run())


READS: dict[str, Callable[[CoinbaseAccount], Awaitable[object]]] = {
    "open_orders": lambda account: account.open_orders("BTC-USD"),
    "look_up": lambda account: account.look_up("BTC-USD", [ORDER_ID]),
    "fills_after": lambda account: account.fills_after("BTC-USD", ""),
    "newest_cursor": lambda account: account.newest_cursor("BTC-USD"),
    "balances": lambda account: account.balances(),
    "rights": lambda account: account.rights(),
}


@pytest.mark.parametrize("call", READS)
@pytest.mark.parametrize(
    "script",
    [hang, reset, reply("<html></html>"), reply("", status="502 Bad Gateway"), reply("<html>", status="404 Not Found")],
)
def test_reading_call_that_fails_is_a_passing_error_and_is_made_once(call: str, script: Answer) -> None:
    async def run() -> None:
        async with desk(script) as made:
            with pytest.raises(VenueError) as caught:
                await READS[call](made.account)
            assert (type(caught.value), caught.value.kind, caught.value.retryable) == (VenueError, "network", True)
            assert len(made.server.requests) == 1

    asyncio.run(run())


@pytest.mark.parametrize("call", READS)
def test_reading_call_with_a_bad_key_will_not_get_better(call: str) -> None:
    async def run() -> None:
        async with desk(reply("Unauthorized", status="401 Unauthorized")) as made:
            with pytest.raises(Rejected) as caught:
                await READS[call](made.account)
            assert (caught.value.kind, caught.value.retryable) == ("auth", False)
            assert caught.value.remedy

    asyncio.run(run())


def test_every_request_has_a_token_of_its_own() -> None:
    async def run() -> None:
        async with desk(page("orders", [])) as made:
            await made.account.open_orders("BTC-USD")
            tokens = [request.headers["authorization"] for request in made.server.requests]
            assert len(set(tokens)) == len(tokens) == 2

    asyncio.run(run())


def test_nothing_of_the_key_is_in_an_error() -> None:
    async def run() -> None:
        for script in (*UNCLEAR.values(), *(one for one, _, _ in CLEAR.values())):
            async with desk(script) as made:
                with pytest.raises(VenueError) as caught:
                    await made.account.place(order())
                text = f"{caught.value!r} {caught.value} {caught.value.__context__!r}"
                for line in private_pem().splitlines()[1:-1]:
                    assert line not in text
                assert "Bearer" not in text

    asyncio.run(run())


def test_token_names_the_venue_even_when_another_way_leads_there(tmp_path: Path) -> None:
    async def run() -> None:
        uds = tmp_path / "egress"
        async with loopback(page("accounts", []), uds=uds) as server:
            made = Desk(server, address="https://api.coinbase.com", uds=uds)
            assert await made.account.balances() == {}
            uri = claims_of(server.requests[0])["uri"]
            # As in the vector coinbase.sdk.get_accounts.
            assert uri == "GET api.coinbase.com/api/v3/brokerage/accounts"
            await made.transport.close()

    asyncio.run(run())


def a_venue(url: str = "http://127.0.0.1:9", *, fee_currency: str = "") -> Venue:
    return open_venue(
        "coinbase",
        Addresses(rest=url, stream="ws://127.0.0.1:9/", account_stream="ws://127.0.0.1:9/"),
        clock=ScriptedClock(),
        jitter=lambda: 0.5,
        terms=Terms(fee_currency),
    )


def test_venue_object_puts_the_parts_together(tmp_path: Path) -> None:
    async def run() -> None:
        async with loopback(taken()) as server:
            venue = a_venue(server.url, fee_currency="USD")
            assert (venue.name, venue.capabilities) == ("coinbase", rules.CAPABILITIES)
            keys = ApiKeys(KEY_NAME, private_pem())
            account = venue.account(keys, {"BTC-USD": BTC_USD}, directory=tmp_path, at_wire=None)
            assert venue.account_feed({"BTC-USD": BTC_USD}) is not None
            assert await account.place(order()) == Placed(ORDER_ID, 0)
            rooms = {room.name: room for room in venue.head_room()}
            assert set(rooms) == set(rules.RATE_RULES)
            assert rooms["order"].free == rules.RATE_RULES["order"].calls - rules.RATE_RULES["order"].reserve - 1
            await venue.close()
            # What was used up is known to the next process.
            again = a_venue(server.url)
            again.account(keys, {"BTC-USD": BTC_USD}, directory=tmp_path, at_wire=None)
            assert {room.name: room.free for room in again.head_room()}["order"] == rooms["order"].free
            await again.close()

    asyncio.run(run())


def test_key_that_cannot_sign_is_refused_at_once(tmp_path: Path) -> None:
    async def run() -> None:
        venue = a_venue()
        with pytest.raises(CredentialError):
            venue.account(ApiKeys(KEY_NAME, PUBLIC_PEM), {"BTC-USD": BTC_USD}, directory=tmp_path, at_wire=None)
        await venue.close()

    asyncio.run(run())


def test_fees_in_another_currency_are_refused(tmp_path: Path) -> None:
    async def run() -> None:
        venue = a_venue(fee_currency="btc")
        keys = ApiKeys(KEY_NAME, private_pem())
        with pytest.raises(ConfigError):
            venue.account(keys, {"BTC-USD": BTC_USD}, directory=tmp_path, at_wire=None)
        await venue.close()

    asyncio.run(run())
