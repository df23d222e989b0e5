"""The private calls as they cross a real socket: what is sent, how often, and what becomes of each answer."""

from __future__ import annotations

import asyncio
import json
from decimal import Decimal
from typing import Any

import pytest

from tests.venues.at_wire import AtWire
from tests.venues.gmo.desk import KEY, SECRET, Desk, answer, by_page, desk, order, refusal
from tests.venues.gmo.samples import BOTH, LEVERAGE, SPOT, rest_body, rest_data, variant
from tests.venues.loopback import Answer, Loopback, Request, hang, raw, reply, reset
from tests.venues.scripted_clock import ScriptedClock
from ztb.core.command import FOK, IOC, MARKET, POST_ONLY
from ztb.core.error import GateClosed, InvariantBroken, Rejected, Throttled, UnknownFate, Unreachable, VenueError
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.venues.gmo import rules
from ztb.venues.gmo.account import GmoAccount
from ztb.venues.gmo.calls import SignedCalls
from ztb.venues.port import Account, OrderStatus, Placed, Rights, VenuePosition

PLACED = reply(rest_body("order"))


def test_adapter_has_the_shape_of_the_port() -> None:
    def _account(value: GmoAccount) -> Account:
        return value


LIMIT_BUY = {
    "symbol": "BTC_JPY",
    "side": "BUY",
    "executionType": "LIMIT",
    "timeInForce": "FAS",
    "price": "13690000",
    "size": "0.010",
}
ON_THE_WIRE: list[tuple[dict[str, Any], str, dict[str, str]]] = [
    ({}, "order", LIMIT_BUY),
    ({"side": SELL, "lots": 1}, "order", LIMIT_BUY | {"side": "SELL", "size": "0.001"}),
    ({"time_in_force": IOC}, "order", LIMIT_BUY | {"timeInForce": "FAK"}),
    ({"time_in_force": FOK}, "order", LIMIT_BUY | {"timeInForce": "FOK"}),
    ({"time_in_force": POST_ONLY}, "order", LIMIT_BUY | {"timeInForce": "SOK"}),
    (
        {"time_in_force": MARKET},
        "order",
        {"symbol": "BTC_JPY", "side": "BUY", "executionType": "MARKET", "timeInForce": "FAK", "size": "0.010"},
    ),
    ({"instrument": "BTC", "lots": 12}, "order", LIMIT_BUY | {"symbol": "BTC", "size": "0.00012"}),
    (
        {"instrument": "BTC", "lots": 100_000, "time_in_force": POST_ONLY},
        "order",
        LIMIT_BUY | {"symbol": "BTC", "size": "1.00000", "timeInForce": "SOK"},
    ),
    # What may only reduce: at spot a plain order, on leverage never one that could open.
    (
        {"instrument": "BTC", "side": SELL, "reduce_only": True},
        "order",
        LIMIT_BUY | {"symbol": "BTC", "side": "SELL", "size": "0.00010"},
    ),
    ({"side": SELL, "reduce_only": True}, "closeBulkOrder", LIMIT_BUY | {"side": "SELL"}),
    (
        {"side": SELL, "lots": 20, "reduce_only": True, "time_in_force": MARKET},
        "closeBulkOrder",
        {"symbol": "BTC_JPY", "side": "SELL", "executionType": "MARKET", "timeInForce": "FAK", "size": "0.020"},
    ),
]


@pytest.mark.parametrize(("changes", "name", "members"), ON_THE_WIRE)
def test_order_on_the_wire(changes: dict[str, Any], name: str, members: dict[str, str]) -> None:
    async def run() -> None:
        async with desk(PLACED) as made:
            assert await made.account.place(order(**changes)) == Placed("637000", 0)
            [request] = made.server.requests
            assert made.sent() == [("POST", f"/private/v1/{name}", members)]
            assert list(json.loads(request.body)) == list(members)
            assert made.is_well_signed(request)
            assert request.headers["api-timestamp"] == "1700000000000"
            assert request.headers["content-type"] == "application/json"

    asyncio.run(run())


UNCLEAR: dict[str, Answer] = {
    "hang": hang,
    "reset": reset,
    "closed without a word": raw(b""),
    "502 html": reply("<html>502 Bad Gateway</html>", status="502 Bad Gateway"),
    "500 with a refusal in it": reply(variant("bad_param"), status="500 Internal Server Error"),
    "503 maintenance": reply(variant("maintenance"), status="503 Service Unavailable"),
    "html": reply("<html>", headers="content-type: text/html"),
    "404 html": reply("<html>", status="404 Not Found"),
    "cut": raw(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"status":0,"da'),
    "cut json": reply('{"status":0,"data":"637'),
    "empty": reply(""),
    "redirect": reply("", status="302 Found", headers="location: http://127.0.0.1:1/"),
    "no data": reply('{"status":0}'),
    "number for an id": answer(637000),
    "zero for an id": answer("0"),
    "busy": refusal("ERR-626", "Server is busy. Please try again later."),
    "unavailable": refusal("ERR-554", "Server is unavailable"),
    "unknown code": refusal("ERR-143"),
    "no code": reply('{"status":1,"messages":[]}'),
    "yes under 404": reply(rest_body("order"), status="404 Not Found"),
}


@pytest.mark.parametrize("name", UNCLEAR)
@pytest.mark.parametrize("reduce_only", [False, True])
def test_unclear_answer_to_an_order_is_an_unknown_fate_and_is_never_repeated(name: str, reduce_only: bool) -> None:
    async def run() -> None:
        async with desk(UNCLEAR[name]) as made:
            with pytest.raises(UnknownFate) as caught:
                await made.account.place(order(reduce_only=reduce_only))
            assert not caught.value.retryable
            await asyncio.sleep(0.02)
            assert len(made.server.requests) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("code", "error_type", "kind", "retryable", "meant"),
    [
        ("ERR-201", Rejected, "exchange", False, "ERR-201"),
        ("ERR-5114", Rejected, "exchange", False, "ERR-5114"),
        ("ERR-422", Rejected, "exchange", False, "ERR-422"),
        ("ERR-5010", Rejected, "auth", False, "ERR-5010"),
        ("ERR-5008", Rejected, "auth", True, "ERR-5008"),
        ("ERR-5009", Rejected, "auth", True, "ERR-5009"),
        ("ERR-5201", Rejected, "exchange", True, "maintenance"),
        ("ERR-5202", Rejected, "exchange", True, "maintenance"),
        ("ERR-5203", Rejected, "exchange", True, "maintenance"),
        ("ERR-5003", Throttled, "rate_limit", True, "ERR-5003"),
    ],
)
def test_clear_no_is_definitely_not_done_and_is_never_repeated(
    code: str, error_type: type[VenueError], kind: str, retryable: bool, meant: str
) -> None:
    async def run() -> None:
        async with desk(refusal(code)) as made:
            with pytest.raises(error_type) as caught:
                await made.account.place(order())
            assert type(caught.value) is error_type
            assert (caught.value.kind, caught.value.retryable, caught.value.code) == (kind, retryable, meant)
            assert len(made.server.requests) == 1

    asyncio.run(run())


def test_nothing_is_sent_to_a_venue_that_is_not_there() -> None:
    async def run() -> None:
        async with desk(hang) as gone:
            nowhere = Loopback([], url=gone.server.url)
        made = Desk(nowhere, ScriptedClock())
        with pytest.raises(Unreachable):
            await made.account.place(order())
        await made.transport.close()

    asyncio.run(run())


@pytest.mark.parametrize("changes", [{"lots": 0}, {"lots": -1}, {"price": 0}, {"side": 0}])
def test_order_that_cannot_be_is_never_sent(changes: dict[str, Any]) -> None:
    async def run() -> None:
        async with desk(hang) as made:
            with pytest.raises(InvariantBroken):
                await made.account.place(order(**changes))
            assert made.server.requests == []

    asyncio.run(run())


def test_order_that_the_venue_does_not_know_is_refused_before_anything_leaves() -> None:
    ether = Instrument(
        "ETH_JPY", "eth", "jpy", Decimal(1), Decimal("0.01"), 8, leveraged=True, nets=False
    )  # fmt: skip

    async def run() -> None:
        async with desk(PLACED) as made:
            account = GmoAccount(made.calls, instruments={"ETH_JPY": ether})
            for time_in_force in (POST_ONLY, "good_till_date"):
                with pytest.raises(Rejected) as caught:
                    await account.place(order(instrument="ETH_JPY", time_in_force=time_in_force))
                assert caught.value.code == "unsupported"
            assert made.server.requests == []
            # The venue's list grows: it is a parameter.
            account = GmoAccount(
                made.calls, instruments={"ETH_JPY": ether}, post_only_leverage=frozenset({"ETH_JPY"})
            )  # fmt: skip
            assert (await account.place(order(instrument="ETH_JPY", time_in_force=POST_ONLY))).venue_id == "637000"

    asyncio.run(run())


def test_gate_at_the_wire_is_asked_after_every_wait_and_stops_the_order() -> None:
    async def run() -> None:
        asked: list[str] = []

        def gate(sent: Any) -> None:  # noqa: ANN401
            asked.append(sent.client_id)
            if len(asked) > 1:
                raise GateClosed("killed", kind="exchange", code="killed")

        async with desk(PLACED) as made:
            account = GmoAccount(made.calls, instruments=BOTH, at_wire=AtWire(gate))
            async with account._one_placement["BTC_JPY", BUY]:
                waiting = asyncio.ensure_future(account.place(order()))
                for _ in range(5):
                    await asyncio.sleep(0)
                assert asked == []
            assert (await waiting).venue_id == "637000"
            with pytest.raises(GateClosed):
                await account.place(order())
            assert len(asked) == 2
            assert len(made.server.requests) == 1

    asyncio.run(run())


def test_only_one_placement_of_a_symbol_and_side_is_under_way() -> None:
    async def run() -> None:
        under_way: dict[tuple[str, str], int] = {}
        most: dict[tuple[str, str], int] = {}
        together = 0

        async def slowly(request: Request, writer: asyncio.StreamWriter) -> None:
            nonlocal together
            members = json.loads(request.body)
            pair = (members["symbol"], members["side"])
            under_way[pair] = under_way.get(pair, 0) + 1
            most[pair] = max(most.get(pair, 0), under_way[pair])
            together = max(together, sum(under_way.values()))
            await asyncio.sleep(0.01)
            under_way[pair] -= 1
            await PLACED(request, writer)

        async with desk(slowly) as made:
            orders = [order(side=side, lots=lots) for lots in (1, 2, 3) for side in (BUY, SELL)]
            await asyncio.gather(*(made.account.place(one) for one in orders))
            assert most == {("BTC_JPY", "BUY"): 1, ("BTC_JPY", "SELL"): 1}
            assert together == 2
            assert len(made.server.requests) == 6

    asyncio.run(run())


def test_order_does_not_wait_for_long_behind_one_that_hangs() -> None:
    async def run() -> None:
        async with desk(hang, PLACED) as made:
            account = GmoAccount(made.calls, instruments=BOTH, turn_s_max=0.05)
            hanging = asyncio.ensure_future(account.place(order()))
            for _ in range(5):
                await asyncio.sleep(0)
            with pytest.raises(Throttled) as caught:
                await account.place(order(price=13_680_000))
            assert caught.value.code == "own_limit"
            # The other side has a turn of its own.
            assert (await account.place(order(side=SELL))).venue_id == "637000"
            with pytest.raises(UnknownFate):
                await hanging
            assert len(made.server.requests) == 2
            assert (await account.place(order())).venue_id == "637000"

    asyncio.run(run())


def test_cancel() -> None:
    async def run() -> None:
        script = (reply(rest_body("cancelOrder")), refusal("ERR-5122"), refusal("ERR-5123"), refusal("ERR-5201"))
        async with desk(*script) as made:
            assert await made.account.cancel("BTC_JPY", "637000") is True
            assert await made.account.cancel("BTC_JPY", "637000") is False
            assert await made.account.cancel("BTC_JPY", "637000") is False
            with pytest.raises(Rejected) as caught:
                await made.account.cancel("BTC_JPY", "637000")
            assert (caught.value.code, caught.value.retryable) == ("maintenance", True)
            assert made.sent() == [("POST", "/private/v1/cancelOrder", {"orderId": 637000})] * 4
            assert all(map(made.is_well_signed, made.server.requests))

    asyncio.run(run())


@pytest.mark.parametrize(
    "bad", [hang, reset, reply("<html>", status="502 Bad Gateway"), reply("{}"), refusal("ERR-626"), refusal("ERR-1")]
)
def test_cancel_without_a_usable_answer_is_unknown(bad: Answer) -> None:
    async def run() -> None:
        async with desk(bad) as made:
            with pytest.raises(UnknownFate):
                await made.account.cancel("BTC_JPY", "637000")
            assert len(made.server.requests) == 1

    asyncio.run(run())


@pytest.mark.parametrize("venue_id", ["", "ztb-1", "1.5", "-1", "٣", "1" * 31])
def test_id_that_is_none_never_leaves(venue_id: str) -> None:
    async def run() -> None:
        async with desk(hang) as made:
            with pytest.raises(InvariantBroken):
                await made.account.cancel("BTC_JPY", venue_id)
            with pytest.raises(InvariantBroken):
                await made.account.look_up("BTC_JPY", [venue_id])
            assert made.server.requests == []

    asyncio.run(run())


def test_many_are_cancelled_ten_in_a_call() -> None:
    async def run() -> None:
        first = {"failed": [{"message_code": "ERR-5122", "message_string": "", "orderId": 3}], "success": [1, 2, 999]}
        script = (answer(first), refusal("ERR-5201"), answer({"failed": [], "success": [21, 22]}))
        async with desk(*script) as made:
            asked = [str(number) for number in range(1, 23)]
            # 999 was not asked for; a chunk that failed does not stop the next.
            assert await made.account.cancel_all("BTC_JPY", asked) == {"1", "2", "21", "22"}
            assert made.sent() == [
                ("POST", "/private/v1/cancelOrders", {"orderIds": list(range(1, 11))}),
                ("POST", "/private/v1/cancelOrders", {"orderIds": list(range(11, 21))}),
                ("POST", "/private/v1/cancelOrders", {"orderIds": [21, 22]}),
            ]
            assert await made.account.cancel_all("BTC_JPY", []) == frozenset()
            assert len(made.server.requests) == 3

    asyncio.run(run())


def test_orders_are_looked_up_ten_in_a_call() -> None:
    async def run() -> None:
        row = rest_data("orders")["list"][0]
        rows = [row | {"orderId": number, "status": "EXPIRED", "cancelType": "EXPIRED_SOK"} for number in range(1, 13)]
        async with desk(answer({"list": rows[:10]}), answer({"list": rows[10:11]})) as made:
            reports = await made.account.look_up("BTC_JPY", [str(number) for number in range(1, 13)])
            assert [report.venue_id for report in reports] == [str(number) for number in range(1, 12)]
            assert {report.status for report in reports} == {OrderStatus.EXPIRED}
            assert {report.reason for report in reports} == {"EXPIRED_SOK"}
            assert [target for _, target, _ in made.sent()] == [
                "/private/v1/orders?orderId=" + "%2C".join(map(str, range(1, 11))),
                "/private/v1/orders?orderId=11%2C12",
            ]
            assert all(map(made.is_well_signed, made.server.requests))

    asyncio.run(run())


def test_unknown_order_does_not_hide_the_others() -> None:
    async def run() -> None:
        row = rest_data("orders")["list"][0]

        async def strict(request: Request, writer: asyncio.StreamWriter) -> None:
            ids = request.target.partition("orderId=")[2].split("%2C")
            if "8" in ids:
                await refusal("ERR-5123")(request, writer)
            else:
                await answer({"list": [row | {"orderId": int(one)} for one in ids]})(request, writer)

        async with desk(strict) as made:
            reports = await made.account.look_up("BTC_JPY", ["7", "8", "9"])
            assert [report.venue_id for report in reports] == ["7", "9"]
        async with desk(answer({})) as made:
            assert await made.account.look_up("BTC_JPY", ["7"]) == []
            assert await made.account.look_up("BTC_JPY", []) == []

    asyncio.run(run())


def test_answer_about_another_order_is_no_answer() -> None:
    async def run() -> None:
        async with desk(reply(rest_body("activeOrders"))) as made:
            with pytest.raises(VenueError, match="not asked for"):
                await made.account.look_up("BTC_JPY", ["7"])

    asyncio.run(run())


def _orders(*numbers: int, **changes: object) -> dict[str, Any]:
    row = rest_data("activeOrders")["list"][0]
    rows = [row | {"orderId": number} | changes for number in numbers]
    return {"pagination": {"currentPage": 1, "count": len(rows)}, "list": rows}


def test_open_orders_are_read_page_by_page_and_each_counts_once() -> None:
    async def run() -> None:
        pages = by_page(_orders(*range(200, 100, -1)), _orders(*range(101, 1, -1)), _orders(2, 1))
        async with desk(pages) as made:
            orders = await made.account.open_orders("BTC_JPY")
            assert [int(one.venue_id) for one in orders] == list(range(1, 201))
            assert [target for _, target, _ in made.sent()] == [
                f"/private/v1/activeOrders?symbol=BTC_JPY&page={page}&count=100" for page in (1, 2, 3)
            ]

    asyncio.run(run())


def test_order_that_is_being_cancelled_still_works() -> None:
    async def run() -> None:
        async with desk(answer(_orders(5, status="CANCELLING", cancelType="USER")), answer({})) as made:
            [one] = await made.account.open_orders("BTC_JPY")
            assert (one.venue_id, one.remaining_lots, one.lots, one.tag) == ("5", 10, 20, "")
            assert await made.account.open_orders("BTC_JPY") == []

    asyncio.run(run())


def test_pages_without_end_are_an_error() -> None:
    async def run() -> None:
        async with desk(answer(_orders(*range(1, 101)))) as made:
            with pytest.raises(VenueError) as caught:
                await made.account.open_orders("BTC_JPY")
            assert caught.value.code == "history_too_long"
            assert len(made.server.requests) == 50

    asyncio.run(run())


def _fills(*numbers: int) -> dict[str, Any]:
    row = rest_data("latestExecutions")["list"][0]
    rows = [row | {"executionId": number} for number in numbers]
    return {"pagination": {"currentPage": 1, "count": len(rows)}, "list": rows}


def test_fills_are_read_back_to_where_we_were_and_told_oldest_first() -> None:
    async def run() -> None:
        # A fill came between the pages: 201 stands on both.
        pages = by_page(_fills(*range(300, 200, -1)), _fills(*range(201, 101, -1)), _fills())
        async with desk(pages) as made:
            fills = await made.account.fills_after("BTC_JPY", "150")
            assert [int(fill.trade_id) for fill in fills] == list(range(151, 301))
            assert fills[0].reading_on == "151"
            assert fills[0].venue_order_id == "223456789"
            assert [target for _, target, _ in made.sent()] == [
                f"/private/v1/latestExecutions?symbol=BTC_JPY&page={page}&count=100" for page in (1, 2)
            ]

    asyncio.run(run())


def test_all_fills_that_the_venue_still_has() -> None:
    async def run() -> None:
        pages = by_page(_fills(*range(200, 100, -1)), _fills(*range(100, 0, -1)), {})
        async with desk(pages) as made:
            fills = await made.account.fills_after("BTC_JPY", "")
            assert [int(fill.trade_id) for fill in fills] == list(range(1, 201))
            assert len(made.server.requests) == 3
        async with desk(answer({})) as made:
            assert await made.account.fills_after("BTC_JPY", "7", urgent=True) == []

    asyncio.run(run())


def test_where_a_first_session_starts_to_read() -> None:
    async def run() -> None:
        async with desk(answer(_fills(9, 12, 11)), answer({})) as made:
            assert await made.account.newest_cursor("BTC_JPY") == "12"
            assert await made.account.newest_cursor("BTC_JPY") == ""

    asyncio.run(run())


def test_balances_of_spot_need_no_margin() -> None:
    async def run() -> None:
        async with desk(reply(rest_body("assets")), reply(rest_body("margin"))) as made:
            spot = GmoAccount(made.calls, instruments={"BTC": SPOT})
            assert (await spot.balances())["btc"].total == Decimal("4.0002")
            assert [target for _, target, _ in made.sent()] == ["/private/v1/account/assets"]

    asyncio.run(run())


@pytest.mark.parametrize("instruments", [{"BTC_JPY": LEVERAGE}, BOTH])
def test_balances_of_leverage_are_what_the_margin_leaves(instruments: dict[str, Instrument]) -> None:
    async def run() -> None:
        async with desk(reply(rest_body("assets")), reply(rest_body("margin"))) as made:
            balances = await GmoAccount(made.calls, instruments=instruments).balances()
            assert (balances["jpy"].available, balances["jpy"].total) == (Decimal(5_726_250), Decimal(993_982_448))
            assert [target for _, target, _ in made.sent()] == [
                "/private/v1/account/assets",
                "/private/v1/account/margin",
            ]

    asyncio.run(run())


def test_positions_and_rights() -> None:
    async def run() -> None:
        async with desk(reply(rest_body("positionSummary")), answer({})) as made:
            held = VenuePosition("BTC_JPY", BUY, 20, Decimal(13_690_000))
            assert await made.account.positions("BTC_JPY") == [held]
            assert await made.account.positions("BTC_JPY") == []
            assert await made.account.positions("BTC") == []
            assert await made.account.rights() == Rights(None, None, None)
            assert [target for _, target, _ in made.sent()] == ["/private/v1/positionSummary?symbol=BTC_JPY"] * 2

    asyncio.run(run())


@pytest.mark.parametrize(
    "bad",
    [
        reply("<html>", status="502 Bad Gateway"),
        reply("<html>", status="503 Service Unavailable"),
        reply("<html>", status="404 Not Found"),
        hang,
        reset,
        reply("[]"),
        answer({"list": [{}]}),
        refusal("ERR-626"),
    ],
)
def test_reading_is_a_retryable_error_when_it_fails(bad: Answer) -> None:
    async def run() -> None:
        async with desk(bad) as made:
            with pytest.raises(VenueError) as caught:
                await made.account.open_orders("BTC_JPY")
            assert type(caught.value) is VenueError
            assert caught.value.retryable

    asyncio.run(run())


def test_maintenance_is_heard_whatever_http_says() -> None:
    async def run() -> None:
        statuses = ("200 OK", "503 Service Unavailable", "404 Not Found")
        async with desk(*(reply(variant("maintenance"), status=status) for status in statuses)) as made:
            for _ in statuses:
                with pytest.raises(Rejected) as caught:
                    await made.account.open_orders("BTC_JPY")
                assert (caught.value.code, caught.value.retryable) == ("maintenance", True)

    asyncio.run(run())


def test_orders_over_our_own_limit_are_not_sent_and_cancels_still_are() -> None:
    async def run() -> None:
        rule = rules.RATE_RULES[rules.POST]
        allowed = rule.calls - rule.reserve
        async with desk(*([refusal("ERR-201")] * allowed), reply(rest_body("cancelOrder"))) as made:
            for _ in range(allowed):
                with pytest.raises(Rejected):
                    await made.account.place(order())
            with pytest.raises(Throttled) as caught:
                await made.account.place(order())
            assert caught.value.code == "own_limit"
            assert len(made.server.requests) == allowed
            assert await made.account.cancel("BTC_JPY", "637000")
            # GET has a bucket of its own.
            assert made.limiter.head_room(rules.GET) == rules.RATE_RULES[rules.GET].calls - rule.reserve

    asyncio.run(run())


def test_venue_that_says_too_fast_is_left_alone_for_a_while() -> None:
    async def run() -> None:
        async with desk(refusal("ERR-5003"), answer({}), PLACED) as made:
            with pytest.raises(Throttled):
                await made.account.place(order())
            with pytest.raises(Throttled) as caught:
                await made.account.place(order())
            assert caught.value.code == "own_limit"
            # It counts GET and POST separately, and so do we.
            assert await made.account.open_orders("BTC_JPY") == []
            made.clock.advance(60)
            assert (await made.account.place(order())).venue_id == "637000"
            assert len(made.server.requests) == 3

    asyncio.run(run())


@pytest.mark.parametrize("status", ["403 Forbidden", "429 Too Many Requests"])
def test_refusal_of_the_host_closes_every_private_method(status: str) -> None:
    async def run() -> None:
        async with desk(reply("<html>", status=status, headers="retry-after: 30"), PLACED) as made:
            with pytest.raises(Throttled):
                await made.account.balances()
            with pytest.raises(Throttled):
                await made.account.place(order())
            made.clock.advance(25)
            with pytest.raises(Throttled):
                await made.account.place(order())
            assert len(made.server.requests) == 1
            made.clock.advance(10)
            assert (await made.account.place(order())).venue_id == "637000"

    asyncio.run(run())


def test_secret_and_key_are_in_no_message() -> None:
    async def run() -> None:
        async with desk(refusal("ERR-5010"), hang) as made:
            for _ in range(2):
                with pytest.raises(VenueError) as caught:
                    await made.account.place(order())
                texts = (str(caught.value), repr(caught.value), repr(made.account), str(vars(caught.value)))
                for text in (*texts, repr(made.calls)):
                    assert SECRET not in text
                    assert KEY not in text

    asyncio.run(run())


def test_signed_calls_can_be_made_for_every_method() -> None:
    async def run() -> None:
        async with desk(reply(rest_body("ws_auth_extend"))) as made:
            calls: SignedCalls = made.calls
            for method in ("PUT", "DELETE"):
                await calls.change("ws-auth", {"token": "tok-000"}, method=method)
            assert made.sent() == [
                ("PUT", "/private/v1/ws-auth", {"token": "tok-000"}),
                ("DELETE", "/private/v1/ws-auth", {"token": "tok-000"}),
            ]
            assert all(map(made.is_well_signed, made.server.requests))

    asyncio.run(run())
