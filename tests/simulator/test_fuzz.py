"""Whatever bytes arrive, the exchange answers in its own words, keeps its money together and serves the next client."""

from __future__ import annotations

import asyncio
from urllib.parse import quote_from_bytes, urlencode

import msgspec
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.examples import examples
from tests.simulator.world import ALICE, BOB, START_NS, Client, exchange, running
from ztb.simulator.admin import Admin
from ztb.simulator.dialect import Reply, Request
from ztb.simulator.moods import Moods
from ztb.simulator.record import Record
from ztb.simulator.zaif.rules import METHODS, ZaifRules
from ztb.simulator.zaif.stream import ClosedStream, ZaifStream
from ztb.simulator.zaif.venue import ZaifVenue

ORDER = {"currency_pair": "btc_jpy", "action": "bid", "price": "13690000", "amount": "0.0001"}
NAMES = st.sampled_from(
    [
        *("currency_pair", "action", "price", "amount", "limit", "comment", "order_id", "is_token", "is_token_both"),
        *("from", "count", "from_id", "end_id", "order", "since", "end", "currency"),
    ]
)
VALUES = st.one_of(
    st.sampled_from(
        ["btc_jpy", "bid", "ask", "13690000", "13690003", "0.0001", "39679085", "true", "ASC", "0", "1", "-1", ""]
    ),
    st.text(max_size=20),
    st.integers().map(str),
    st.floats().map(str),
)
FORMS = st.dictionaries(NAMES, VALUES, max_size=8)
HEADERS = st.dictionaries(st.sampled_from(["key", "sign", "upgrade", "x"]), st.text(max_size=10), max_size=3)


def request(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> Request:
    return Request(method, path, query, headers, body, "127.0.0.1", START_NS)


@given(st.lists(st.tuples(st.sampled_from([*METHODS, "nonsense", ""]), FORMS), min_size=5, max_size=15))
@settings(max_examples=examples(200), deadline=None)
def test_any_signed_form_gets_an_answer_and_creates_no_money(calls: list[tuple[str, dict[str, str]]]) -> None:
    made = exchange()
    record = Record()
    venue = ZaifVenue(made, moods=Moods(), record=record, rules=ZaifRules(private_limits=False))
    for nonce, (method, drawn) in enumerate(calls, start=1):
        # Half of what arrives is nearly an order, or nothing would ever be traded.
        form = {**ORDER, **drawn} if nonce % 2 else drawn
        body = urlencode({**form, "method": method, "nonce": nonce}, errors="surrogatepass")
        headers = Client.signed(_signer, body)
        reply = venue.handle(request("POST", "/tapi", "", headers, body.encode()))
        assert isinstance(reply, Reply)
        assert reply.status == 200
        answer = msgspec.json.decode(reply.body)
        assert (set(answer), answer["success"]) in (({"success", "return"}, 1), ({"success", "error"}, 0))
    for currency in ("jpy", "btc"):
        owned = sum(owner.balances[currency] for owner in made.purse.accounts.values())
        fees = made.purse.fees if currency == "jpy" else 0
        assert owned + made.purse.crowd[currency] + fees == {"jpy": 2 * 10**10, "btc": 2 * 10**8}[currency]
    assert len(record.calls) == sum(method in ("trade", "cancel_order") for method, _ in calls)


_signer = Client.__new__(Client)
_signer.key = ALICE


@given(
    st.sampled_from(["GET", "POST", "PUT", "DELETE", "X"]),
    st.one_of(
        st.text(max_size=30).map(lambda text: f"/{text}"),
        st.lists(st.sampled_from(["api", "1", "depth", "btc_jpy", "tapi", "", "..", "stream"])).map(
            lambda parts: "/" + "/".join(parts)
        ),
    ),
    st.text(max_size=20),
    HEADERS,
    st.binary(max_size=50),
)
@settings(max_examples=examples(300), deadline=None)
def test_any_request_gets_a_reply(method: str, path: str, query: str, headers: dict[str, str], body: bytes) -> None:
    made, moods, record = exchange(), Moods(), Record()
    venue = ZaifVenue(made, moods=moods, record=record)
    asked = request(method, path, query, headers, body)
    reply = venue.handle(asked)
    assert isinstance(reply, Reply)
    assert reply.status in (200, 404)
    stream = venue.open_stream(asked)
    assert isinstance(stream, Reply | ZaifStream | ClosedStream)
    admin = Admin(made, moods, record, streams=lambda: 0)
    assert admin.handle(request(method, f"/_sim{path}", query, headers, body)).status in (200, 400, 404)


@given(st.binary(max_size=200))
@settings(max_examples=examples(200), deadline=None)
def test_a_mood_is_set_by_nothing_but_a_mood(body: bytes) -> None:
    moods = Moods()
    admin = Admin(exchange(), moods, Record(), streams=lambda: 0)
    assert admin.handle(request("POST", "/_sim/mood", "", {}, body)).status == 400
    assert moods.active() == {}


def test_any_bytes_on_the_socket_leave_the_server_in_service() -> None:
    beginnings = [
        b"",
        b"GET ",
        b"POST /tapi HTTP/1.1\r\nHost: x\r\n",
        b"GET /stream?currency_pair=btc_jpy HTTP/1.1\r\n",
    ]
    upgrade = (
        b"GET /stream?currency_pair=btc_jpy HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
        b"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"
    )

    @given(st.sampled_from([*beginnings, upgrade]), st.binary(max_size=300))
    @settings(max_examples=examples(60), deadline=None)
    def attack(beginning: bytes, rest: bytes) -> None:
        async def scenario() -> None:
            failures: list[dict[str, object]] = []
            asyncio.get_running_loop().set_exception_handler(lambda _, context: failures.append(context))
            async with running() as world:
                _, writer = await asyncio.open_connection("127.0.0.1", world.port)
                writer.write(beginning + rest)
                await writer.drain()
                writer.write_eof()
                await asyncio.sleep(0.005)
                writer.close()
                assert (await world.client(BOB).get("/api/1/last_price/btc_jpy")).status_code == 200
            assert not failures

        asyncio.run(scenario())

    attack()


def test_odd_paths_reach_the_dialect_as_they_were_meant() -> None:
    async def scenario() -> None:
        async with running() as world:
            for odd in (b"\xff\xfe", b"a b", b"%", b"\x00", "日本".encode()):
                response = await world.client().get(f"/api/1/depth/{quote_from_bytes(odd)}")
                assert response.json() == {"error": "unsupported currency_pair"}

    asyncio.run(scenario())
