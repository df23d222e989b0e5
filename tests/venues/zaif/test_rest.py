"""The adapter's calls as they cross a real socket: what is sent, how often, and what becomes of each answer."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from decimal import Decimal
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import pytest

from tests.venues.at_wire import AtWire
from tests.venues.loopback import Answer, Loopback, Request, hang, loopback, reply, reset
from tests.venues.scripted_clock import ScriptedClock
from tests.venues.zaif.samples import BTC_JPY, rest_body, variant
from ztb.core.command import Place
from ztb.core.error import GateClosed, InvariantBroken, Rejected, Throttled, UnknownFate, Unreachable, VenueError
from ztb.core.instrument import BUY, SELL
from ztb.venues.limiter import Limiter
from ztb.venues.nonce import NonceFile
from ztb.venues.port import Account, Placed
from ztb.venues.transport import Transport
from ztb.venues.zaif import rules
from ztb.venues.zaif.account import ZaifAccount
from ztb.venues.zaif.rest import ZaifPublic

KEY, SECRET = "490f983a-fab4-0000-0000-000000000000", "not a real secret"
ORDER = Place(
    ts_ns=0,
    client_id="ztb-0123456789abcdef0123",
    instrument="btc_jpy",
    side=BUY,
    lots=15,
    price=2_738_000,
    reduce_only=False,
    sequence=1,
    reason="test",
)


class Desk:
    """An account and public calls against one scripted server."""

    def __init__(self, server: Loopback, folder: Path, clock: ScriptedClock) -> None:
        self.server = server
        self.clock = clock
        self.transport = Transport(server.url, read_s_max=0.3, exchange_s_max=1.0)
        self.limiter = Limiter(rules.RATE_RULES, clock=clock)
        self.nonce = NonceFile(folder / "nonce", clock=clock)
        self.account = ZaifAccount(
            self.transport,
            key=KEY,
            secret=SECRET,
            nonce=self.nonce,
            limiter=self.limiter,
            clock=clock,
            instruments={"btc_jpy": BTC_JPY},
        )
        self.public = ZaifPublic(self.transport, limiter=self.limiter, clock=clock)

    def forms(self) -> list[dict[str, str]]:
        return [dict(parse_qsl(request.body.decode(), keep_blank_values=True)) for request in self.server.requests]


@asynccontextmanager
async def desk(folder: Path, *script: Answer) -> AsyncIterator[Desk]:
    async with loopback(*script) as server:
        made = Desk(server, folder, ScriptedClock())
        try:
            yield made
        finally:
            await made.transport.close()
            made.nonce.close()


def answer(value: object) -> Answer:
    return reply(json.dumps({"success": 1, "return": value}))


def refusal(text: str) -> Answer:
    return reply(json.dumps({"success": 0, "error": text}))


def test_adapter_has_the_shape_of_the_port() -> None:
    def _account(value: ZaifAccount) -> Account:
        return value

    assert rules.CAPABILITIES.times_in_force == {"gtc"}
    assert rules.CAPABILITIES.private_stream is rules.CAPABILITIES.order_status is False


def test_order_on_the_wire(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, reply(rest_body("trade"))) as made:
            assert await made.account.place(ORDER) == Placed("39679085", 0)
            [request] = made.server.requests
            assert (request.method, request.target) == ("POST", "/tapi")
            assert made.forms() == [
                {
                    "nonce": "1700000000.000000",
                    "method": "trade",
                    "currency_pair": "btc_jpy",
                    "action": "bid",
                    "price": "13690000",
                    "amount": "0.0015",
                    "comment": "ztb-0123456789abcdef0123",
                }
            ]
            assert request.headers["key"] == KEY
            expected = hmac.new(SECRET.encode(), request.body, hashlib.sha512).hexdigest()
            assert request.headers["sign"] == expected

    asyncio.run(run())


@pytest.mark.parametrize(
    ("name", "lots", "placed"),
    [
        ("trade_fully_filled", 15, Placed("", 15)),
        ("trade_partially_filled", 15, Placed("39679086", 5)),
    ],
)
def test_order_that_fills_at_once(tmp_path: Path, name: str, lots: int, placed: Placed) -> None:
    async def run() -> None:
        async with desk(tmp_path, reply(variant(name))) as made:
            assert await made.account.place(ORDER) == placed

    asyncio.run(run())


def test_small_amounts_are_written_without_exponent(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, answer({"received": 0.0, "remains": 1e-4, "order_id": 5})) as made:
            order = Place(0, "ztb-1", "btc_jpy", SELL, 1, 1, False, 1, "test")
            assert await made.account.place(order) == Placed("5", 0)
            [form] = made.forms()
            assert (form["action"], form["price"], form["amount"]) == ("ask", "5", "0.0001")

    asyncio.run(run())


UNCLEAR: dict[str, Answer] = {
    "hang": hang,
    "reset": reset,
    "502": reply("<html>502</html>", status="502 Bad Gateway"),
    "404": reply("<html>404</html>", status="404 Not Found"),
    "html with 200": reply("<html>maintenance</html>"),
    "empty": reply(""),
    "truncated": reply(rest_body("trade")[:-20]),
    "other lots": answer({"received": 0.0, "remains": 0.0014, "order_id": 5}),
    "more lots": answer({"received": 0.0015, "remains": 0.0015, "order_id": 5}),
    "rest without id": answer({"received": 0.0, "remains": 0.0015, "order_id": 0}),
    "negative id": answer({"received": 0.0, "remains": 0.0015, "order_id": -5}),
    "off the grid": answer({"received": 0.0, "remains": 0.00155, "order_id": 5}),
    "missing member": answer({"received": 0.0, "order_id": 5}),
    "not a number": answer({"received": "x", "remains": 0.0015, "order_id": 5}),
    "success 2": reply('{"success":2,"return":{}}'),
    "unknown text": refusal("internal error"),
    "no text": reply('{"success":0}'),
}


@pytest.mark.parametrize("name", UNCLEAR)
def test_unclear_answer_to_an_order_is_an_unknown_fate_and_is_never_repeated(tmp_path: Path, name: str) -> None:
    async def run() -> None:
        async with desk(tmp_path, UNCLEAR[name]) as made:
            with pytest.raises(UnknownFate):
                await made.account.place(ORDER)
            assert len(made.server.requests) == 1

    asyncio.run(run())


@pytest.mark.parametrize(
    ("text", "error_type", "retryable"),
    [
        ("insufficient funds", Rejected, False),
        ("invalid price parameter", Rejected, False),
        ("trade temporarily unavailable.", Rejected, True),
        ("nonce not incremented", Rejected, True),
        ("time wait restriction, please try later.", Throttled, True),
    ],
)
def test_clear_no_is_definitely_not_done_and_is_never_repeated(
    tmp_path: Path, text: str, error_type: type[VenueError], retryable: bool
) -> None:
    async def run() -> None:
        async with desk(tmp_path, refusal(text)) as made:
            with pytest.raises(error_type) as caught:
                await made.account.place(ORDER)
            assert caught.value.retryable is retryable
            assert len(made.server.requests) == 1

    asyncio.run(run())


def test_nothing_is_sent_to_a_venue_that_is_not_there(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, hang) as made:
            url = made.server.url
        transport = Transport(url)
        with NonceFile(tmp_path / "other", clock=ScriptedClock()) as nonce:
            account = ZaifAccount(
                transport,
                key=KEY,
                secret=SECRET,
                nonce=nonce,
                limiter=made.limiter,
                clock=made.clock,
                instruments={"btc_jpy": BTC_JPY},
            )
            with pytest.raises(Unreachable):
                await account.place(ORDER)
        await transport.close()

    asyncio.run(run())


@pytest.mark.parametrize("changes", [{"lots": 0}, {"price": 0}, {"side": 0}, {"client_id": "a/b"}, {"client_id": ""}])
def test_order_that_cannot_be_is_never_sent(tmp_path: Path, changes: dict[str, Any]) -> None:
    async def run() -> None:
        async with desk(tmp_path, hang) as made:
            fields = {name: getattr(ORDER, name) for name in Place.__struct_fields__} | changes
            with pytest.raises(InvariantBroken):
                await made.account.place(Place(**fields))
            assert made.server.requests == []

    asyncio.run(run())


def test_gate_at_the_wire_is_asked_after_every_wait_and_stops_the_order(tmp_path: Path) -> None:
    async def run() -> None:
        asked: list[str] = []

        def gate(order: Place) -> None:
            asked.append(order.client_id)
            if len(asked) > 1:
                raise GateClosed("killed", kind="exchange", code="killed")

        async with desk(tmp_path, reply(rest_body("trade"))) as made:
            made.account._at_wire = AtWire(gate)
            async with made.account._one_at_a_time:
                waiting = asyncio.ensure_future(made.account.place(ORDER))
                for _ in range(5):
                    await asyncio.sleep(0)
                assert asked == []
            assert (await waiting).venue_id == "39679085"
            with pytest.raises(GateClosed):
                await made.account.place(ORDER)
            assert len(asked) == 2
            assert len(made.server.requests) == 1

    asyncio.run(run())


def test_order_does_not_wait_for_long_behind_a_call_that_hangs(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, hang, reply(rest_body("trade"))) as made:
            made.account._turn_s_max = 0.05
            hanging = asyncio.ensure_future(made.account.open_orders("btc_jpy"))
            for _ in range(5):
                await asyncio.sleep(0)
            with pytest.raises(Throttled) as caught:
                await made.account.place(ORDER)
            assert caught.value.code == "own_limit"
            with pytest.raises(VenueError):
                await hanging
            assert len(made.server.requests) == 1
            assert (await made.account.place(ORDER)).venue_id == "39679085"

    asyncio.run(run())


def test_cancel(tmp_path: Path) -> None:
    async def run() -> None:
        script = (reply(rest_body("cancel_order")), refusal("order not found"), refusal("order is too new"))
        async with desk(tmp_path, *script) as made:
            assert await made.account.cancel("btc_jpy", "39679085") is True
            assert await made.account.cancel("btc_jpy", "39679085") is False
            with pytest.raises(Rejected) as caught:
                await made.account.cancel("btc_jpy", "39679085")
            assert (caught.value.code, caught.value.retryable) == ("order is too new", True)
            assert made.forms()[0] | {"nonce": ""} == {
                "nonce": "",
                "method": "cancel_order",
                "order_id": "39679085",
                "currency_pair": "btc_jpy",
            }

    asyncio.run(run())


@pytest.mark.parametrize("bad", [hang, reset, reply("<html>", status="502 Bad Gateway"), answer({"order_id": 7})])
def test_cancel_without_a_usable_answer_is_unknown(tmp_path: Path, bad: Answer) -> None:
    async def run() -> None:
        async with desk(tmp_path, bad) as made:
            with pytest.raises(UnknownFate):
                await made.account.cancel("btc_jpy", "39679085")
            assert len(made.server.requests) == 1

    asyncio.run(run())


def test_low_nonce_is_tried_again_higher_for_everything_but_an_order(tmp_path: Path) -> None:
    async def run() -> None:
        low = refusal("nonce not incremented")
        async with desk(tmp_path, low, low, reply(rest_body("get_info2"))) as made:
            assert (await made.account.balances())["jpy"].currency == "jpy"
            nonces = [Decimal(form["nonce"]) for form in made.forms()]
            assert len(nonces) == 3
            assert nonces == sorted(set(nonces))
        async with desk(tmp_path, low) as made:
            with pytest.raises(Rejected):
                await made.account.balances()
            assert len(made.server.requests) == 3

    asyncio.run(run())


def test_reading_is_a_retryable_error_when_it_fails(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, reply("<html>", status="502 Bad Gateway"), hang, reply("[]")) as made:
            for _ in range(3):
                with pytest.raises(VenueError) as caught:
                    await made.account.open_orders("btc_jpy")
                assert type(caught.value) is VenueError
                assert caught.value.retryable

    asyncio.run(run())


def test_open_orders_and_balances(tmp_path: Path) -> None:
    async def run() -> None:
        script = (reply(rest_body("active_orders")), reply(rest_body("get_info2")), reply(rest_body("get_info2")))
        async with desk(tmp_path, *script) as made:
            [order] = await made.account.open_orders("btc_jpy")
            assert (order.venue_id, order.tag, order.remaining_lots) == ("39679085", "ztb-0001", 15)
            assert (await made.account.balances())["btc"].available == Decimal("1.389")
            rights = await made.account.rights()
            assert (rights.read, rights.trade, rights.withdraw) == (True, True, False)
            assert made.forms()[0]["currency_pair"] == "btc_jpy"

    asyncio.run(run())


def _history(first: int, last: int) -> dict[str, Any]:
    row = json.loads(rest_body("trade_history"))["return"]["250000003"]
    return {str(trade_id): row for trade_id in range(first, last + 1)}


def test_fills_are_read_page_by_page(tmp_path: Path) -> None:
    async def run() -> None:
        script = (answer(_history(101, 1100)), answer(_history(1101, 1150)))
        async with desk(tmp_path, *script) as made:
            fills = await made.account.fills_after("btc_jpy", "100")
            assert [int(fill.trade_id) for fill in fills] == list(range(101, 1151))
            asked = [(form["from_id"], form["count"], form["order"]) for form in made.forms()]
            assert asked == [("101", "1000", "ASC"), ("1101", "1000", "ASC")]

    asyncio.run(run())


def test_venue_that_ignores_where_to_start_does_not_make_us_count_twice_or_page_for_ever(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, answer(_history(1, 1000))) as made:
            fills = await made.account.fills_after("btc_jpy", "990")
            assert [int(fill.trade_id) for fill in fills] == list(range(991, 1001))
            assert len(made.server.requests) == 2

    asyncio.run(run())


def test_newest_fill(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, reply(rest_body("trade_history")), answer({})) as made:
            assert await made.account.newest_cursor("btc_jpy") == "250000003"
            assert await made.account.newest_cursor("btc_jpy") == ""
            assert made.forms()[0]["order"] == "DESC"

    asyncio.run(run())


def test_private_calls_never_overlap_and_their_nonces_arrive_in_order(tmp_path: Path) -> None:
    async def run() -> None:
        under_way = 0
        most = 0

        async def slowly(request: Request, writer: asyncio.StreamWriter) -> None:
            nonlocal under_way, most
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(0.005)
            under_way -= 1
            await reply(rest_body("get_info2"))(request, writer)

        async with desk(tmp_path, slowly) as made:
            await asyncio.gather(*(made.account.balances() for _ in range(12)))
            assert most == 1
            nonces = [Decimal(form["nonce"]) for form in made.forms()]
            assert nonces == sorted(set(nonces))

    asyncio.run(run())


def test_orders_over_our_own_limit_are_not_sent_and_cancels_still_are(tmp_path: Path) -> None:
    async def run() -> None:
        busy = refusal("insufficient funds")
        async with desk(tmp_path, *([busy] * 7), reply(rest_body("cancel_order"))) as made:
            for _ in range(7):
                with pytest.raises(Rejected):
                    await made.account.place(ORDER)
            with pytest.raises(Throttled) as caught:
                await made.account.place(ORDER)
            assert caught.value.code == "own_limit"
            assert len(made.server.requests) == 7
            assert await made.account.cancel("btc_jpy", "39679085")

    asyncio.run(run())


def test_venue_that_says_too_fast_is_left_alone_for_a_while(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, refusal("time wait restriction, please try later."), answer({})) as made:
            with pytest.raises(Throttled):
                await made.account.fills_after("btc_jpy", "")
            with pytest.raises(Throttled):
                await made.account.fills_after("btc_jpy", "", urgent=True)
            assert len(made.server.requests) == 1
            made.clock.advance(61)
            assert await made.account.fills_after("btc_jpy", "") == []

    asyncio.run(run())


def test_403_closes_every_private_method_for_a_moment(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, reply("", status="403 Forbidden"), reply(rest_body("trade"))) as made:
            with pytest.raises(Throttled):
                await made.account.balances()
            with pytest.raises(Throttled):
                await made.account.place(ORDER)
            assert len(made.server.requests) == 1
            made.clock.advance(3)
            assert (await made.account.place(ORDER)).venue_id == "39679085"

    asyncio.run(run())


def test_pause_that_the_venue_asks_for_is_kept(tmp_path: Path) -> None:
    async def run() -> None:
        refused = reply("", status="429 Too Many Requests", headers="retry-after: 30")
        async with desk(tmp_path, refused, reply(rest_body("last_price"))) as made:
            with pytest.raises(Throttled):
                await made.public.last_price("btc_jpy")
            made.clock.advance(24)
            with pytest.raises(Throttled):
                await made.public.trades(BTC_JPY, wait_s_max=0.0)
            assert len(made.server.requests) == 1
            made.clock.advance(7)
            assert await made.public.last_price("btc_jpy") == 13_690_000

    asyncio.run(run())


def test_public_calls(tmp_path: Path) -> None:
    names = ("currency_pairs_all", "currency_pairs_one", "depth", "trades", "ticker", "last_price")

    async def run() -> None:
        async with desk(tmp_path, *(reply(rest_body(name)) for name in names), reply("[]")) as made:
            assert await made.public.instruments() == {"btc_jpy": BTC_JPY}
            assert await made.public.instrument("btc_jpy") == BTC_JPY
            assert (await made.public.depth(BTC_JPY)).bids[0] == (2_737_999, 3000)
            assert [trade.trade_id for trade in await made.public.trades(BTC_JPY)] == ["250000001", "250000002"]
            assert (await made.public.ticker("btc_jpy")).vwap == Decimal("13650123.4567")
            assert await made.public.last_price("btc_jpy") == 13_690_000
            with pytest.raises(Rejected):
                await made.public.instrument("no_such")
            assert [request.target for request in made.server.requests] == [
                "/api/1/currency_pairs/all",
                "/api/1/currency_pairs/btc_jpy",
                "/api/1/depth/btc_jpy",
                "/api/1/trades/btc_jpy",
                "/api/1/ticker/btc_jpy",
                "/api/1/last_price/btc_jpy",
                "/api/1/currency_pairs/no_such",
            ]
            assert all("key" not in request.headers for request in made.server.requests)

    asyncio.run(run())


def test_refusal_of_the_question_for_the_time_is_heeded_like_any_other(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, reply("", status="429 Too Many Requests", headers="retry-after: 20")) as made:
            for _ in range(2):
                with pytest.raises(Throttled):
                    await made.public.server_time()
            assert len(made.server.requests) == 1
            assert made.limiter.head_room("public") == 0

    asyncio.run(run())


def test_secret_and_key_are_in_no_message(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(tmp_path, refusal("signature mismatch"), hang) as made:
            for _ in range(2):
                with pytest.raises(VenueError) as caught:
                    await made.account.balances()
                for text in (str(caught.value), repr(caught.value), repr(made.account), str(vars(caught.value))):
                    assert SECRET not in text
                    assert KEY not in text

    asyncio.run(run())
