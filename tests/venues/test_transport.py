"""What the wire does wrong, against a real server on loopback, and which fate each failure gets."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.venues.loopback import Answer, Request, hang, loopback, raw, reply, reset
from ztb.core.error import ConfigError, GateClosed, Throttled, UnknownFate, Unreachable, VenueError
from ztb.venues.transport import LastWord, Transport


async def _get(url: str, **options: Any) -> bytes:  # noqa: ANN401
    transport = Transport(url, **options)
    try:
        return await transport.get("/api/1/thing", params={"a": "b"})
    finally:
        await transport.close()


async def _post(url: str, *, changes_state: bool, **options: Any) -> bytes:  # noqa: ANN401
    transport = Transport(url, **options)
    try:
        return await transport.post("/tapi", b"nonce=1", {"key": "k"}, changes_state=changes_state)
    finally:
        await transport.close()


async def slow_loris(request: Request, writer: asyncio.StreamWriter) -> None:
    """One byte at a time, for ever."""
    writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1000000\r\n\r\n")
    while True:
        writer.write(b" ")
        await writer.drain()
        await asyncio.sleep(0.02)


async def endless(request: Request, writer: asyncio.StreamWriter) -> None:
    """A body without end."""
    writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
    while True:
        writer.write(b"10000\r\n" + b" " * 0x10000 + b"\r\n")
        await writer.drain()


BAD_ANSWERS: dict[str, Answer] = {
    "hang": hang,
    "reset": reset,
    "closed without a word": raw(b""),
    "502 html": reply("<html>502 Bad Gateway</html>", status="502 Bad Gateway", headers="content-type: text/html"),
    "503": reply("", status="503 Service Unavailable"),
    "404 html": reply("<html>404</html>", status="404 Not Found"),
    "500": reply("{}", status="500 Internal Server Error"),
    "redirect": reply("", status="302 Found", headers="location: http://127.0.0.1:1/elsewhere"),
    "cut body": raw(b'HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\n{"success":1,'),
    "cut head": raw(b"HTTP/1.1 200 OK\r\ncontent-le"),
    "not http": raw(b"SSH-2.0-OpenSSH_9.2\r\n\r\n"),
    "slow loris": slow_loris,
    "endless body": endless,
    "gzip garbage": reply(b"\x1f\x8b\x08garbage", headers="content-encoding: gzip"),
    "deflate": reply(b"x", headers="content-encoding: deflate"),
    "endless head": raw(b"HTTP/1.1 200 OK\r\n" + b"x-filler: " + b"y" * 1_000_000, then_close=False),
}


@pytest.mark.parametrize("name", BAD_ANSWERS)
def test_lost_answer_is_retryable_when_reading_and_unknown_when_changing(name: str) -> None:
    options = {"read_s_max": 0.5, "exchange_s_max": 1.0, "response_bytes_max": 1_000_000}

    async def run() -> None:
        async with loopback(BAD_ANSWERS[name]) as server:
            with pytest.raises(VenueError) as reading:
                await _get(server.url, **options)
            assert type(reading.value) is VenueError
            assert reading.value.retryable
            assert reading.value.kind == "network"
            with pytest.raises(UnknownFate) as changing:
                await _post(server.url, changes_state=True, **options)
            assert not changing.value.retryable
            with pytest.raises(VenueError) as asking:
                await _post(server.url, changes_state=False, **options)
            assert type(asking.value) is VenueError
            # Nothing was repeated behind our back.
            assert len(server.requests) == 3

    asyncio.run(run())


def test_whole_answer_and_kept_connection() -> None:
    async def run() -> None:
        async with loopback(reply('{"a":1}'), reply('{"a":2}')) as server:
            transport = Transport(server.url)
            assert await transport.get("/x", params={"q": "1 2"}) == b'{"a":1}'
            assert await transport.post("/tapi", b"n=1", {"sign": "s"}, changes_state=True) == b'{"a":2}'
            await transport.close()
            assert server.connections == 1
            first, second = server.requests
            assert (first.method, first.target) == ("GET", "/x?q=1+2")
            assert first.headers["accept-encoding"] == "identity"
            assert (second.method, second.target, second.body) == ("POST", "/tapi", b"n=1")
            assert second.headers["sign"] == "s"

    asyncio.run(run())


def test_answer_at_the_size_limit_is_whole_and_one_byte_more_is_refused() -> None:
    async def run() -> None:
        async with loopback(reply(b"x" * 1000), reply(b"x" * 1001)) as server:
            assert len(await _get(server.url, response_bytes_max=1000)) == 1000
            with pytest.raises(VenueError, match="more than 1000 bytes"):
                await _get(server.url, response_bytes_max=1000)

    asyncio.run(run())


@pytest.mark.parametrize("status", ["403 Forbidden", "429 Too Many Requests"])
@pytest.mark.parametrize(
    ("header", "seconds"),
    [("retry-after: 7", 7.0), ("retry-after: 86400", 300.0), ("retry-after: soon", 0.0), ("x: y", 0.0)],
)
def test_refusal_for_the_rate_is_definitely_not_done(status: str, header: str, seconds: float) -> None:
    async def run() -> None:
        async with loopback(reply("<html>", status=status, headers=header)) as server:
            transport = Transport(server.url)
            with pytest.raises(Throttled) as caught:
                await transport.post("/tapi", b"", {}, changes_state=True)
            await transport.close()
            assert caught.value.retryable
            assert caught.value.code == status[:3]
            assert transport.retry_after_s == seconds

    asyncio.run(run())


def test_status_whose_body_speaks_is_answered_and_any_other_is_lost() -> None:
    async def run() -> None:
        found = reply('{"status":2}', status="404 Not Found")
        limited = reply('{"error":"slow"}', status="429 Too Many Requests", headers="retry-after: 9")
        async with loopback(found, found, limited, limited, found, reply("", status="500 Oops")) as server:
            transport = Transport(server.url)
            speaking = frozenset({404, 429})
            assert await transport.get("/a", statuses=speaking) == b'{"status":2}'
            told = await transport.send("POST", "/b", b"{}", {}, changes_state=True, statuses=speaking)
            assert (told.status, told.body) == (404, b'{"status":2}')
            told = await transport.send("DELETE", "/c", changes_state=True, statuses=speaking)
            assert (told.status, transport.retry_after_s) == (429, 9.0)
            with pytest.raises(Throttled):
                await transport.send("DELETE", "/c", changes_state=True, statuses=frozenset({404}))
            with pytest.raises(UnknownFate):
                await transport.send("PUT", "/d", b"{}", {}, changes_state=True, statuses=frozenset({429}))
            with pytest.raises(UnknownFate):
                await transport.send("PUT", "/d", b"{}", {}, changes_state=True, statuses=speaking)
            await transport.close()

    asyncio.run(run())


@pytest.mark.parametrize("status", [301, 302, 307, 308])
def test_redirect_is_never_followed_whatever_statuses_speak(status: int) -> None:
    async def run() -> None:
        away = reply("elsewhere", status=f"{status} Away", headers="location: http://127.0.0.1:1/")
        async with loopback(away) as server:
            transport = Transport(server.url)
            with pytest.raises(VenueError, match=f"HTTP {status}"):
                await transport.get("/x", statuses=frozenset({400, 401, 403, 404, 429}))
            await transport.close()
            assert len(server.requests) == 1

    asyncio.run(run())


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE"])
def test_every_method_carries_its_parameters_headers_and_body(method: str) -> None:
    async def run() -> None:
        body = b"" if method == "GET" else b'{"token":"t"}'
        async with loopback(reply("1")) as server:
            transport = Transport(server.url)
            told = await transport.send(method, "/p", body, {"api-key": "k"}, params={"q": "1,2"}, changes_state=False)
            await transport.close()
            assert (told.status, told.body) == (200, b"1")
            (request,) = server.requests
            assert (request.method, request.target, request.body) == (method, "/p?q=1%2C2", body)
            assert request.headers["api-key"] == "k"

    asyncio.run(run())


def test_last_word_is_asked_when_the_connection_stands_and_stops_the_request() -> None:
    async def run() -> None:
        async with loopback(reply("1")) as server:
            transport = Transport(server.url)
            asked: list[int] = []

            def last_word() -> None:
                asked.append(server.connections)
                if len(asked) > 1:
                    raise GateClosed("killed", kind="exchange", code="killed")

            async def durable() -> None:
                """At once."""

            word = LastWord(durable, last_word)

            assert await transport.post("/t", b"n=1", {}, changes_state=True, last_word=word) == b"1"
            with pytest.raises(GateClosed):
                await transport.post("/t", b"n=2", {}, changes_state=True, last_word=word)
            # The connection that carried half a request is not used again, and nothing of it counts as a request.
            assert await transport.post("/t", b"n=3", {}, changes_state=True) == b"1"
            assert [request.body for request in server.requests] == [b"n=1", b"n=3"]
            assert asked == [1, 1]
            assert server.connections == 2
            await transport.close()

    asyncio.run(run())


def test_refused_connection_is_definitely_not_sent() -> None:
    with socket.socket() as closed:
        closed.bind(("127.0.0.1", 0))
        port = closed.getsockname()[1]
        with pytest.raises(Unreachable):
            asyncio.run(_post(f"http://127.0.0.1:{port}", changes_state=True))


def test_unknown_host_is_definitely_not_sent() -> None:
    with pytest.raises(Unreachable):
        asyncio.run(_post("https://no-such-host.invalid", changes_state=True))


def test_unix_socket(tmp_path: Path) -> None:
    async def run() -> None:
        path = tmp_path / "egress.sock"
        async with loopback(reply("1"), uds=path) as server:
            assert await _get(server.url, uds=str(path)) == b"1"
            assert server.requests[0].headers["host"] == "venue.example"
        with pytest.raises(Unreachable):
            await _post(server.url, uds=str(tmp_path / "none.sock"), changes_state=True)

    asyncio.run(run())


def test_proxies_of_the_environment_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")

    async def run() -> None:
        async with loopback(reply("1")) as server:
            assert await _get(server.url) == b"1"

    asyncio.run(run())


def test_wrong_certificate_is_definitely_not_sent(tmp_path: Path) -> None:
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    make += ["-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost", "-days", "2"]
    subprocess.run([*make, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True)
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(certificate, key)
    trusting = ssl.create_default_context(cafile=str(certificate))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-length: 1\r\n\r\n1")

    async def run() -> None:
        server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=served)
        port = server.sockets[0].getsockname()[1]
        assert await _get(f"https://localhost:{port}", tls=trusting) == b"1"
        with pytest.raises(Unreachable, match="certificate"):
            await _post(f"https://localhost:{port}", changes_state=True)
        # The right authority, but the certificate of another host.
        with pytest.raises(Unreachable, match="certificate"):
            await _post(f"https://127.0.0.1:{port}", changes_state=True, tls=trusting)
        server.close()

    asyncio.run(run())


@pytest.mark.parametrize(
    "url",
    ["http://api.zaif.jp", "ftp://api.zaif.jp", "api.zaif.jp", "", "https://user:pw@api.zaif.jp", "http://10.0.0.1"],
)
def test_address_that_must_not_carry_orders_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        Transport(url)
