"""HTTP to a venue, and the one place where a failure of the wire gets its fate.

Before the request is written nothing can have happened: ``Unreachable``. Afterwards a missing, late or useless answer
is ``UnknownFate`` for calls that change something at the venue, and a retryable ``VenueError`` for calls that only
read. Nothing is repeated here, no redirect is followed, no proxy is taken from the environment, and an answer that is
too long is dropped while it arrives.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Awaitable, Callable, Coroutine, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from typing import Final
from urllib.parse import urlencode, urlsplit

import httpcore

from ztb.core.error import InvariantBroken, Throttled, UnknownFate, Unreachable, VenueError
from ztb.venues import limits
from ztb.venues.endpoint import checked_url, is_encrypted
from ztb.venues.port import ServerTime

_HERE: Final = "nothing listens there: start the exchange (`ztb simulator`), or correct the address"
"""In the clear only this host is spoken to."""
_THERE: Final = "check this host's network (name service, firewall, proxy) and the venue's status page"
_NOT_SENT: Final = (httpcore.ConnectError, httpcore.ConnectTimeout, httpcore.PoolTimeout, httpcore.UnsupportedProtocol)
_CUT_SHORT: Final = (httpcore.NetworkError, httpcore.TimeoutException, httpcore.ProtocolError, OSError)
_REFUSED_FOR_NOW: Final = frozenset({403, 429})
"""Not done, also for an order: they are said by what stands before the exchange (its network's edge, its counter of
calls), which refuses a request instead of passing it on. A 5xx can come from behind that, so it leaves the fate open.
"""
_CONNECTING: Final = "connection."
"""How httpcore's moments begin that make a connection; whatever comes first after them, the head leaves next."""
_LAST_MOMENT: Final = "http11.send_request_body.started"
"""What httpcore calls the moment at which the connection stands, the head is out, and the body is written next: from
there to the socket nothing is awaited. A request without its body is none, so what stops here was not sent."""


@dataclass(frozen=True, slots=True)
class Answer:
    """The HTTP status, and the body as it came."""

    status: int
    body: bytes


@dataclass(frozen=True, slots=True)
class LastWord:
    """On one request, in two halves; when either raises, it was not sent."""

    durable: Callable[[], Awaitable[None]]
    """Awaited when the connection stands: until it returned, not one byte of the request leaves, its head included."""
    check: Callable[[], None]
    """Asked when everything that has to be waited for is over and the body is about to be written."""


class Transport:
    """One venue host over HTTP/1.1 with kept connections, directly or through a Unix socket (``uds``)."""

    def __init__(
        self,
        base_url: str,
        *,
        uds: str | None = None,
        read_s_max: float = limits.READ_S_MAX,
        exchange_s_max: float = limits.EXCHANGE_S_MAX,
        response_bytes_max: int = limits.RESPONSE_BYTES_MAX,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        self._base_url = checked_url(base_url, uds=uds)
        self._exchange_s_max = exchange_s_max
        self._response_bytes_max = response_bytes_max
        self.retry_after_s = 0.0
        """What the last 403 or 429 asked for; 0: it did not say."""
        self._date = ""
        if tls is None and is_encrypted(base_url):
            tls = ssl.create_default_context()
        self._pool = httpcore.AsyncConnectionPool(
            ssl_context=tls,
            max_connections=limits.CONNECTIONS_MAX,
            max_keepalive_connections=limits.CONNECTIONS_MAX,
            keepalive_expiry=30,
            uds=uds,
        )
        parts = urlsplit(self._base_url)
        # A compressed answer could unpack to any size; what we ask for is small.
        self._headers = {
            "host": parts.netloc,
            "accept": "application/json",
            "accept-encoding": "identity",
            "user-agent": "ztb",
        }
        self._host = parts.netloc
        self._is_encrypted = parts.scheme == "https"
        self._timeouts = {
            "read": read_s_max, "write": read_s_max, "connect": limits.CONNECT_S_MAX, "pool": limits.CONNECT_S_MAX
        }  # fmt: skip

    async def get(
        self,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        statuses: frozenset[int] = frozenset(),
    ) -> bytes:
        """The body of an answer; failures are VenueError (retryable), Unreachable or Throttled."""
        answer = await self.send("GET", path, params=params, headers=headers, statuses=statuses, changes_state=False)
        return answer.body

    async def post(
        self,
        path: str,
        body: bytes,
        headers: Mapping[str, str],
        *,
        changes_state: bool,
        last_word: LastWord | None = None,
        statuses: frozenset[int] = frozenset(),
    ) -> bytes:
        """The body of an answer; ``send`` says the rest."""
        answer = await self.send(
            "POST", path, body, headers, changes_state=changes_state, last_word=last_word, statuses=statuses
        )
        return answer.body

    async def send(
        self,
        method: str,
        path: str,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        *,
        changes_state: bool,
        params: Mapping[str, str] | None = None,
        last_word: LastWord | None = None,
        statuses: frozenset[int] = frozenset(),
    ) -> Answer:
        """One request, one answer; with ``changes_state`` a lost answer is UnknownFate.

        ``statuses``: those besides 200 whose body says what happened, in the venue's own words; any other is a
        failure of the wire. A 403 or 429 leaves its wish in ``retry_after_s`` either way.

        ``last_word`` says when the request may begin to leave and whether it may leave; when it raises, nothing was
        sent.
        """
        assert last_word is None or body, "without a body a request is whole before the last word"
        extensions: dict[str, object] = {"timeout": self._timeouts}
        trace = None if last_word is None else _Moments(last_word)
        if trace is not None:
            extensions["trace"] = trace
        told = self._headers | dict(headers or {})
        if body or method == "POST":
            told["content-length"] = str(len(body))
        query = f"?{urlencode(params)}" if params else ""
        request = httpcore.Request(
            method, self._base_url + path + query, headers=list(told.items()), content=body, extensions=extensions
        )
        where = f"{method} {self._host}{path}"
        try:
            answer = await self._exchange(request, where, changes_state, statuses)
        except UnknownFate as error:
            if trace is None or trace.may_have_left:
                raise
            raise self._not_sent(where, error.message) from None
        if trace is not None and not trace.was_asked:
            raise InvariantBroken("a request left without the last word: does httpcore name its moments otherwise?")
        return answer

    def server_date(self, where: str) -> ServerTime:
        """The ``Date`` of the newest answer; VenueError when it had none that can be read."""
        try:
            told = parsedate_to_datetime(self._date)
        except ValueError:
            raise VenueError(f"{where}: an answer without a date", kind="exchange", code="undecodable") from None
        return ServerTime(int(told.timestamp()) * 1_000_000_000, 1_000_000_000)

    async def close(self) -> None:
        """Close every kept connection."""
        await self._pool.aclose()

    async def _exchange(
        self, request: httpcore.Request, where: str, changes_state: bool, statuses: frozenset[int]
    ) -> Answer:
        try:
            async with asyncio.timeout(self._exchange_s_max):
                response = await self._pool.handle_async_request(request)
                headers = _headers_of(response)
                self._date = headers.get("date", "")
                try:
                    self._judge(response.status, headers, where, changes_state, statuses)
                    return Answer(response.status, await self._body(response, where, changes_state))
                finally:
                    await response.aclose()
        except _NOT_SENT as error:
            raise self._not_sent(where, f"no connection: {_reason(error)}") from None
        except TimeoutError:
            raise _lost(where, f"no whole answer within {self._exchange_s_max:g} s", changes_state) from None
        except _CUT_SHORT as error:
            raise _lost(where, _reason(error), changes_state) from None

    def _not_sent(self, where: str, why: str) -> Unreachable:
        remedy = _THERE if self._is_encrypted else _HERE
        return Unreachable(f"{where}: {why}", kind="network", retryable=True, remedy=remedy)

    def _judge(
        self, status: int, headers: Mapping[str, str], where: str, changes_state: bool, statuses: frozenset[int]
    ) -> None:
        if status in _REFUSED_FOR_NOW:
            # Coinbase names the seconds until its window ends in a header of its own.
            wish = headers.get("retry-after") or headers.get("x-ratelimit-reset", "")
            self.retry_after_s = _retry_after_s(wish)
        if status != 200 and status not in statuses:
            if status in _REFUSED_FOR_NOW:
                raise Throttled(
                    f"{where}: refused with HTTP {status}, retry after {self.retry_after_s:g} s",
                    kind="rate_limit",
                    code=str(status),
                    retryable=True,
                )
            raise _lost(where, f"HTTP {status}", changes_state, code=str(status))
        if headers.get("content-encoding", "identity") != "identity":
            raise _lost(where, "an answer in an encoding that was not asked for", changes_state)

    async def _body(self, response: httpcore.Response, where: str, changes_state: bool) -> bytes:
        body = bytearray()
        async for chunk in response.aiter_stream():
            body += chunk
            if len(body) > self._response_bytes_max:
                raise _lost(where, f"an answer of more than {self._response_bytes_max} bytes", changes_state)
        return bytes(body)


class _Moments:
    """Of one request, as httpcore tells them; it goes on when this returns."""

    def __init__(self, last_word: LastWord) -> None:
        self._last_word = last_word
        self._was_begun = False
        self.may_have_left = False
        """Its first byte; False is certain."""
        self.was_asked = False
        """Whether its body may leave."""

    def __call__(self, moment: str, info: object) -> Coroutine[None, None, None]:
        return self._heard(moment)

    async def _heard(self, moment: str) -> None:
        if not self._was_begun and not moment.startswith(_CONNECTING):
            # Once: what is told of a request that was stopped here, its connection's end, must not wait again.
            self._was_begun = True
            await self._last_word.durable()
            self.may_have_left = True
        if moment == _LAST_MOMENT:
            assert self.may_have_left
            self.was_asked = True
            self._last_word.check()


def _headers_of(response: httpcore.Response) -> dict[str, str]:
    """By their names in small letters; of one that comes twice, the last."""
    return {name.decode("latin-1").lower(): value.decode("latin-1") for name, value in response.headers}


def _lost(where: str, reason: str, changes_state: bool, *, code: str = "") -> VenueError:
    if changes_state:
        return UnknownFate(
            f"{where}: sent, no usable answer: {reason}",
            kind="network",
            code=code,
            remedy="the order is looked up at the venue; it is never sent again",
        )
    return VenueError(f"{where}: {reason}", kind="network", code=code, retryable=True)


def _reason(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"[: limits.REMARK_LENGTH_MAX] if str(error) else type(error).__name__


def _retry_after_s(text: str) -> float:
    """Seconds of a Retry-After header, within our own limit; a date or nonsense counts as not said."""
    asked_s = float(text) if text.isascii() and text.isdigit() and len(text) <= 6 else 0.0
    return min(asked_s, limits.RETRY_AFTER_S_MAX)
