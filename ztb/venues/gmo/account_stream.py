"""GMO Coin's private socket: our fills and the states of our orders, for as long as a token is kept alive.

A token is made for each connection, extended every few minutes while it stands, and given back when we leave. The
venue numbers nothing and repeats nothing after a return, so this stream hurries and proves nothing: whoever follows
orders goes on to compare with open orders and fills. The end of an order is read from ``orderStatus``, never from
``msgType``; a whole fill is told as a fill alone, and its report is made here from the venue's own totals.
"""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from contextlib import aclosing, suppress
from typing import Final
from urllib.parse import quote

import msgspec
from msgspec import Struct

from ztb.core.error import Rejected, VenueError
from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.decoding import decoded
from ztb.venues.endpoint import checked_url
from ztb.venues.gmo import codec, rows, rules
from ztb.venues.gmo.calls import SignedCalls
from ztb.venues.gmo.stream import Turns, raise_refusal, subscription
from ztb.venues.port import AccountNews, OrderReport, StreamState, VenueFill
from ztb.venues.stream_loop import PING_S, StreamLoop

_WHAT: Final = "account stream"
CHANNELS: Final = ("executionEvents", "orderEvents")


class ExecutionFrame(Struct, tag_field="channel", tag="executionEvents", rename="camel"):
    """One fill, with the order's total behind it."""

    order_id: int
    execution_id: int
    symbol: str
    execution_type: rows.ExecutionType
    side: rows.Side
    execution_price: str
    execution_size: str
    order_timestamp: str
    execution_timestamp: str
    fee: str
    order_price: str
    order_size: str
    order_executed_size: str


class OrderFrame(Struct, tag_field="channel", tag="orderEvents", rename="camel"):
    """An order that was taken, changed, cancelled or expired; not one that was filled whole."""

    order_id: int
    symbol: str
    execution_type: rows.ExecutionType
    side: rows.Side
    order_status: rows.RestStatus
    order_timestamp: str
    order_price: str
    order_size: str
    order_executed_size: str
    cancel_type: str = ""


class PositionFrame(Struct, tag_field="channel", tag="positionEvents"):
    """Not subscribed; a sign of life when it comes."""


class SummaryFrame(Struct, tag_field="channel", tag="positionSummaryEvents"):
    """Not subscribed; a sign of life when it comes."""


_FRAME: Final = msgspec.json.Decoder(ExecutionFrame | OrderFrame | PositionFrame | SummaryFrame)


def news_of(body: bytes, instruments: Mapping[str, Instrument]) -> list[AccountNews]:
    """The news of one frame; none for symbols that we do not trade. VenueError ``undecodable`` refuses it."""
    frame = decoded(_FRAME, body, _WHAT)
    if isinstance(frame, PositionFrame | SummaryFrame) or frame.symbol not in instruments:
        return []
    instrument = instruments[frame.symbol]
    if isinstance(frame, OrderFrame):
        return [_report(frame, frame.order_status, frame.cancel_type, instrument)]
    fill = _fill(frame, instrument)
    is_whole = codec.amount(frame.order_executed_size, _WHAT) == codec.amount(frame.order_size, _WHAT)
    return [fill, _report(frame, "EXECUTED", "", instrument)] if is_whole else [fill]


class GmoAccountFeed:
    """``port.AccountFeed`` of one key."""

    def __init__(
        self,
        url: str,
        instruments: Mapping[str, Instrument],
        *,
        calls: SignedCalls,
        clock: Clock,
        jitter: Callable[[], float],
        turns: Turns | None = None,
        uds: str | None = None,
        tls: ssl.SSLContext | None = None,
        ping_s: float = PING_S,
        extend_s: float = rules.TOKEN_EXTEND_S,
    ) -> None:
        """``url`` without the token, for example ``wss://api.coin.z.com/ws/private/v1``."""
        self.wire = GmoAccountWire(
            checked_url(url, uds=uds), instruments, calls, clock, turns or Turns(clock=clock), extend_s
        )
        self.loop = StreamLoop(
            self.wire, clock=clock, jitter=jitter, uds=uds, tls=tls, silence_s_max=None, ping_s=ping_s
        )

    async def events(self) -> AsyncGenerator[AccountNews, None]:
        """Endless; a refused key is raised. When it is left, the token is given back."""
        self.wire.when_token_is_lost = self.loop.drop
        try:
            async with aclosing(self.loop.events()) as news:
                async for one in news:
                    yield one
        finally:
            await self.close()

    async def close(self) -> None:
        """Give the token back; the venue closes the socket that was made with it."""
        await self.wire.give_back()


class GmoAccountWire:
    """``stream_loop.Wire`` of one key, and the keeper of its token."""

    has_gap = False

    def __init__(
        self,
        url: str,
        instruments: Mapping[str, Instrument],
        calls: SignedCalls,
        clock: Clock,
        turns: Turns,
        extend_s: float,
    ) -> None:
        self._url = url
        self._instruments = {instrument.symbol: instrument for instrument in instruments.values()}
        self._calls = calls
        self._clock = clock
        self._turns = turns
        self._extend_s = extend_s
        self._token = ""
        self._extender: asyncio.Task[None] | None = None
        self.when_token_is_lost: Callable[[], None] | None = None

    @property
    def greeting_pause_s(self) -> float:
        return self._turns.pause_s

    async def url(self) -> str:
        """With a new token: nobody knows whether the last one still holds."""
        await self.give_back()
        self._token = codec.token_of(await self._calls.change("ws-auth", {}, may_repeat=True))
        await self._turns.take(len(CHANNELS))
        return f"{self._url}/{quote(self._token, safe='')}"

    def connected(self) -> None:
        self._extender = asyncio.create_task(self._extend(self._token))

    def greetings(self) -> Sequence[str]:
        return [subscription(channel) for channel in CHANNELS]

    def read(self, body: bytes, ts_ns: int) -> list[AccountNews]:
        try:
            return news_of(body, self._instruments)
        except VenueError:
            raise_refusal(body)
            raise

    async def caught_up(self, news: Sequence[AccountNews], ts_ns: int) -> Sequence[AccountNews]:
        """Nothing: whoever follows orders reads open orders and fills when the stream is back."""
        return news

    def state(self, ts_ns: int, connected: bool, text: str) -> StreamState:
        return StreamState(connected, text)

    async def give_back(self) -> None:
        """Stop to extend the token, and have it deleted; one that cannot be runs out by itself."""
        extender, self._extender = self._extender, None
        if extender is not None:
            extender.cancel()
            await asyncio.gather(extender, return_exceptions=True)
        token, self._token = self._token, ""
        if token:
            with suppress(VenueError, TimeoutError):
                async with asyncio.timeout(rules.TOKEN_RELEASE_S_MAX):
                    await self._calls.change("ws-auth", {"token": token}, method="DELETE", may_repeat=True)

    async def _extend(self, token: str) -> None:
        """Until the venue refuses it. A call that was lost is no refusal: the next one comes long before the end."""
        while True:
            await self._clock.sleep(self._extend_s)
            try:
                await self._calls.change("ws-auth", {"token": token}, method="PUT", may_repeat=True)
            except Rejected as error:
                if not error.retryable:
                    assert self.when_token_is_lost is not None, "set before the first connection"
                    self.when_token_is_lost()
                    return
            except VenueError:
                continue


def _fill(frame: ExecutionFrame, instrument: Instrument) -> VenueFill:
    fee = codec.amount(frame.fee, _WHAT, signed=True)
    return VenueFill(
        trade_id=codec.identity(frame.execution_id, _WHAT),
        tag="",
        venue_order_id=codec.identity(frame.order_id, _WHAT),
        instrument=instrument.symbol,
        side=codec.SIDE_OF[frame.side],
        price=codec.steps(instrument.prices, frame.execution_price, _WHAT, at_least=1),
        lots=codec.steps(instrument.sizes, frame.execution_size, _WHAT, at_least=1),
        fee=fee,
        maker=codec.is_maker(fee, instrument),
        venue_ns=codec.time_ns(frame.execution_timestamp, _WHAT),
    )


def _report(
    frame: ExecutionFrame | OrderFrame, status: rows.RestStatus, reason: str, instrument: Instrument
) -> OrderReport:
    """The order behind a frame, read as a row of the order list."""
    row = rows.OrderRow(
        order_id=frame.order_id,
        symbol=frame.symbol,
        side=frame.side,
        execution_type=frame.execution_type,
        size=frame.order_size,
        executed_size=frame.order_executed_size,
        price=frame.order_price,
        status=status,
        timestamp=frame.order_timestamp,
        cancel_type=reason,
    )
    return codec.report_of(row, instrument, _WHAT)
