"""One signed call to GMO Coin: its place in the rate limits, its signature, its answer."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Final

import msgspec
from msgspec import Raw

from ztb.core.error import Rejected, Throttled, VenueError
from ztb.venues.gmo import codec, rules
from ztb.venues.gmo.rest import SPEAKING
from ztb.venues.gmo.sign import signed_headers
from ztb.venues.limiter import LimitClass, Limiter
from ztb.venues.sending import with_fate
from ztb.venues.transport import LastWord, Transport
from ztb.venues.venue_time import VenueTime

SPEAKING_OF_CHANGES: Final = frozenset({400, 401, 404})
"""HTTP statuses under which the venue's word on a change is heard. A 5xx leaves the fate unknown, whatever it says."""


class SignedCalls:
    """The private calls of one key. GET and POST have a limit each; PUT and DELETE are counted as POST."""

    def __init__(self, transport: Transport, *, key: str, secret: str, limiter: Limiter, time: VenueTime) -> None:
        self._transport = transport
        self._key = key
        self._secret = secret
        self._limiter = limiter
        self._time = time

    async def read(self, name: str, params: Mapping[str, str] | None = None, *, urgent: bool = False) -> Raw:
        """The ``data`` of a GET of ``/v1/name``; what fails is a VenueError that changed nothing."""
        return await self._timely(
            partial(
                self._call, "GET", name, b"", rules.GET, params=params, urgent=urgent, changes_state=False,
                wait_s_max=None, word=None,
            )
        )  # fmt: skip

    async def change(
        self,
        name: str,
        members: Mapping[str, object],
        *,
        method: str = "POST",
        urgent: bool = False,
        wait_s_max: float | None = None,
        last_word: LastWord | None = None,
        may_repeat: bool = False,
    ) -> Raw:
        """The ``data`` of a call that changes something, sent once; ``may_repeat``: again where its time was refused.

        Rejected, Throttled and Unreachable: not done. Anything else that is no yes is UnknownFate.
        """
        body = msgspec.json.encode(members)
        call = partial(
            self._call, method, name, body, rules.POST, params=None, urgent=urgent, changes_state=True,
            wait_s_max=wait_s_max, word=last_word,
        )  # fmt: skip
        try:
            return await (self._timely(call) if may_repeat else call())
        except VenueError as error:
            raise with_fate(error) from None

    async def _timely(self, call: Callable[[], Awaitable[Raw]]) -> Raw:
        """A call whose time stamp is refused was not looked at: with the right time, if that is news, it is made again.

        An order never comes here: by then it would be one at an old price.
        """
        signed_ahead_ns = self._time.ahead_ns
        try:
            return await call()
        except Rejected as error:
            if error.code not in rules.CLOCK_CODES or not await self._time.is_another_than(signed_ahead_ns):
                raise
        return await call()

    async def _call(
        self,
        method: str,
        name: str,
        body: bytes,
        limit: str,
        *,
        params: Mapping[str, str] | None,
        urgent: bool,
        changes_state: bool,
        wait_s_max: float | None,
        word: LastWord | None,
    ) -> Raw:
        path = f"/v1/{name}"
        async with self._limiter.slot(limit, urgent=urgent, wait_s_max=wait_s_max):
            headers = signed_headers(
                self._key, self._secret, timestamp_ms=self._time.now_ns() // 1_000_000,
                method=method, path=path, body=body,
            )  # fmt: skip
            try:
                told = await self._transport.send(
                    method, f"/private{path}", body, headers, params=params, changes_state=changes_state,
                    last_word=word, statuses=SPEAKING_OF_CHANGES if changes_state else SPEAKING,
                )  # fmt: skip
                return codec.data_of(told.body, name, http_status=told.status)
            except Throttled as error:
                if error.code.isdigit():
                    # 403 and 429 are of the host as a whole; the venue's own code is of GET or of POST.
                    whole = (LimitClass.PRIVATE, LimitClass.EXEC)
                    self._limiter.refused(limit, retry_after_s=self._transport.retry_after_s, whole=whole)
                else:
                    self._limiter.refused(limit)
                raise
