"""Private calls of one key at Coinbase, signed: each carries a token of its own, made when its turn has come."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from typing import TypeVar
from urllib.parse import urlencode, urlsplit

import msgspec

from ztb.core.error import Rejected, Throttled
from ztb.venues.coinbase import codec, rules
from ztb.venues.coinbase.rest import API
from ztb.venues.coinbase.sign import Signer
from ztb.venues.limiter import LimitClass, Limiter, RateRule
from ztb.venues.transport import LastWord, Transport
from ztb.venues.venue_time import VenueTime

T = TypeVar("T")
_NS = 1_000_000_000
Parameters = Sequence[tuple[str, str]]
"""Names may repeat: that is how the venue takes lists."""


class SignedCalls:
    """Sends, and judges the answer; an order is never sent twice."""

    def __init__(
        self,
        transport: Transport,
        *,
        address: str,
        signer: Signer,
        limiter: Limiter,
        time: VenueTime,
        rate_rules: Mapping[str, RateRule] = rules.RATE_RULES,
    ) -> None:
        """``address`` is the venue's, for which tokens are made out, whichever way leads there."""
        self._transport = transport
        self._host = urlsplit(address).netloc
        self._signer = signer
        self._limiter = limiter
        self.time = time
        """As the venue has it."""
        self._rate_rules = rate_rules

    async def get(
        self, decoder: msgspec.json.Decoder[T], path: str, parameters: Parameters, *, urgent: bool = False
    ) -> T:
        """The typed answer of a call that only reads."""
        return await self._timely(lambda: self._get(decoder, path, parameters, urgent=urgent))

    async def _get(self, decoder: msgspec.json.Decoder[T], path: str, parameters: Parameters, *, urgent: bool) -> T:
        target = f"{API}/{path}" + (f"?{urlencode(parameters)}" if parameters else "")
        async with self._turn("read", urgent=urgent):
            answer = await self._transport.send(
                "GET",
                target,
                headers=self._signer.headers(self._begins_s(), uri=self._uri("GET", path)),
                statuses=rules.SPEAKING_STATUSES,
                changes_state=False,
            )
            return codec.answer(decoder, answer.status, answer.body, path)

    async def post(
        self,
        decoder: msgspec.json.Decoder[T],
        path: str,
        body: bytes,
        *,
        limit: str,
        urgent: bool = False,
        may_repeat: bool = False,
        last_word: LastWord | None = None,
    ) -> T:
        """The typed answer of a call that changes something; a plain ``VenueError`` leaves open whether it did.

        Sent once; ``may_repeat``: again where the venue refused its token and the time in that was wrong.
        """
        call = partial(self._post, decoder, path, body, limit=limit, urgent=urgent, last_word=last_word)
        return await (self._timely(call) if may_repeat else call())

    async def _post(
        self,
        decoder: msgspec.json.Decoder[T],
        path: str,
        body: bytes,
        *,
        limit: str,
        urgent: bool,
        last_word: LastWord | None,
    ) -> T:
        async with self._turn(limit, urgent=urgent):
            answer = await self._transport.send(
                "POST",
                f"{API}/{path}",
                body,
                self._signer.headers(self._begins_s(), uri=self._uri("POST", path)),
                statuses=rules.SPEAKING_STATUSES,
                changes_state=True,
                last_word=last_word,
            )
            return codec.answer(decoder, answer.status, answer.body, path)

    async def _timely(self, call: Callable[[], Awaitable[T]]) -> T:
        """A token that is refused was not looked at further: with the right time, if that is news, it is made again.

        The venue does not say whether it was for the time.
        """
        signed_ahead_ns = self.time.ahead_ns
        try:
            return await call()
        except Rejected as error:
            if error.code not in rules.TOKEN_CODES or not await self.time.is_another_than(signed_ahead_ns):
                raise
        return await call()

    def stream_token(self) -> str:
        """For one message on a WebSocket."""
        return self._signer.token(self._begins_s())

    def _begins_s(self) -> int:
        return self.time.now_ns() // _NS - rules.CLOCK_AHEAD_S

    def _uri(self, method: str, path: str) -> str:
        return f"{method} {self._host}{API}/{path}"

    @asynccontextmanager
    async def _turn(self, limit: str, *, urgent: bool) -> AsyncIterator[None]:
        """A place in both windows, that of the purpose and that of all calls.

        In this order: what the purpose holds back (or the breaker) must not use up the places of all, which come back
        only after ten minutes.
        """
        async with self._limiter.slot(limit, urgent=urgent):
            await self._limiter.acquire("all", urgent=urgent, wait_s_max=self._rate_rules[limit].wait_s_max)
            try:
                yield
            except Throttled:
                self._limiter.refused(
                    limit,
                    retry_after_s=self._transport.retry_after_s,
                    whole=(LimitClass.PRIVATE, LimitClass.EXEC),
                )
                raise
            finally:
                self._limiter.release("all")
