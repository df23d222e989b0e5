"""Coinbase's private stream: the state of our orders, as often as it changes.

What comes is the whole of an order so far, never a single fill, so that a message that is lost or told twice does no
harm; fills are read over REST. Orders that are not ours are passed over. The message tells no size once an order has
ended, so it is remembered from the time when it worked, or from when it was sent; a report that would have to guess
it is left to REST.
"""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, Callable, Mapping, Sequence
from typing import Final, Literal

import msgspec
from msgspec import Struct, field

from ztb.core.instrument import Instrument
from ztb.venues.clock import Clock
from ztb.venues.coinbase import codec, rules
from ztb.venues.coinbase.calls import SignedCalls
from ztb.venues.coinbase.client_id import tag_of
from ztb.venues.coinbase.codec import SIDE_OF, Side, steps
from ztb.venues.coinbase.frames import HeartbeatFrame, Numbers, SubscriptionsFrame, frame_of
from ztb.venues.coinbase.orders import reason_of
from ztb.venues.coinbase.stream import subscription
from ztb.venues.decoding import undecodable
from ztb.venues.endpoint import checked_url
from ztb.venues.port import AccountNews, OrderReport, OrderStatus, StreamState
from ztb.venues.stream_loop import PING_S, SILENCE_S_MAX, StreamLoop

_WHAT: Final = "account stream"
CHANNELS: Final = ("heartbeats", "user")


class UserOrder(Struct):
    """One order, as it stands now."""

    order_id: str
    client_order_id: str
    cumulative_quantity: str
    leaves_quantity: str
    status: str
    product_id: str
    order_side: Side
    creation_time: str
    limit_price: str = ""
    cancel_reason: str = ""
    reject_reason: str = ""
    old_reject_reason: str = field(name="reject_Reason", default="")


class UserEvent(Struct):
    """All working orders, fifty at a time, or those that changed."""

    type: Literal["snapshot", "update"]
    orders: list[UserOrder]


class UserFrame(Struct, tag_field="channel", tag="user"):
    """Of the channel that needs a token."""

    timestamp: str
    sequence_num: int
    events: list[UserEvent]


_FRAME: Final = msgspec.json.Decoder(UserFrame | HeartbeatFrame | SubscriptionsFrame)


class CoinbaseAccountFeed:
    """``port.AccountFeed`` of one key."""

    def __init__(
        self,
        url: str,
        instruments: Mapping[str, Instrument],
        *,
        calls: SignedCalls,
        lots_of: Mapping[str, int],
        clock: Clock,
        jitter: Callable[[], float],
        uds: str | None = None,
        tls: ssl.SSLContext | None = None,
        silence_s_max: float = SILENCE_S_MAX,
        ping_s: float = PING_S,
    ) -> None:
        """``lots_of``: sizes of orders that this process sent, by client id."""
        self.wire = CoinbaseAccountWire(checked_url(url, uds=uds), instruments, calls, lots_of)
        self.loop = StreamLoop(
            self.wire,
            clock=clock,
            jitter=jitter,
            uds=uds,
            tls=tls,
            silence_s_max=silence_s_max,
            ping_s=ping_s,
            frame_bytes_max=rules.FRAME_BYTES_MAX,
        )

    def events(self) -> AsyncGenerator[AccountNews, None]:
        """Endless: reports of our orders, and ``StreamState`` when the stream is lost or back."""
        return self.loop.events()


class CoinbaseAccountWire:
    """``stream_loop.Wire`` of one key."""

    greeting_pause_s = rules.GREETING_PAUSE_S
    has_gap = False
    """A message that is missing ends the connection; the snapshot of the next one tells what it would have."""

    def __init__(
        self, url: str, instruments: Mapping[str, Instrument], calls: SignedCalls, lots_of: Mapping[str, int]
    ) -> None:
        self._url = url
        self._instruments = {instrument.symbol: instrument for instrument in instruments.values()}
        self._calls = calls
        self._lots_sent = lots_of
        self._lots_seen: dict[str, int] = {}
        self._numbers = Numbers()
        self._is_subscribed = False

    async def url(self) -> str:
        """A token that is refused ends the connection and does not say why, so the time is asked before each one."""
        await self._calls.time.renew()
        return self._url

    def connected(self) -> None:
        self._numbers = Numbers()
        self._is_subscribed = False

    def greetings(self) -> Sequence[str]:
        """Each with a token of its own."""
        products = list(self._instruments)
        return [subscription(channel, product_ids=products, jwt=self._calls.stream_token()) for channel in CHANNELS]

    def read(self, body: bytes, ts_ns: int) -> Sequence[AccountNews] | None:
        """Reports of one frame; None until the venue says that it tells of orders: heartbeats alone prove nothing."""
        row = frame_of(_FRAME, body, _WHAT)
        if self._numbers.is_repeated(row.sequence_num, _WHAT):
            return None
        reports: list[AccountNews] = []
        if isinstance(row, UserFrame):
            reports = [report for event in row.events for one in event.orders for report in self._reports(one)]
            self._is_subscribed = True
        elif isinstance(row, SubscriptionsFrame):
            self._is_subscribed = any("user" in event.subscriptions for event in row.events)
        self._numbers.read(row.sequence_num)
        return reports if self._is_subscribed else None

    async def caught_up(self, news: Sequence[AccountNews], ts_ns: int) -> Sequence[AccountNews]:
        """Nothing: whoever follows orders reads open orders and fills when the stream is back."""
        return news

    def state(self, ts_ns: int, connected: bool, text: str) -> StreamState:
        return StreamState(connected, text)

    def _reports(self, row: UserOrder) -> list[OrderReport]:
        instrument, tag = self._instruments.get(row.product_id), tag_of(row.client_order_id)
        if instrument is None or not tag:
            return []
        status = rules.STATUS_OF.get(row.status)
        if status is None:
            raise undecodable(_WHAT, f"order {tag} in state {row.status[:40]!r}")
        filled = steps(instrument.sizes, row.cumulative_quantity, _WHAT)
        lots = self._lots(tag, status, filled, steps(instrument.sizes, row.leaves_quantity, _WHAT))
        if lots is None:
            return []
        report = OrderReport(
            venue_id=row.order_id,
            tag=tag,
            instrument=instrument.symbol,
            side=SIDE_OF[row.order_side],
            price=steps(instrument.prices, row.limit_price, _WHAT) if row.limit_price else 0,
            lots=lots,
            filled_lots=filled,
            status=status,
            created_ns=codec.time_ns(row.creation_time, _WHAT),
            reason=reason_of(row.reject_reason, row.old_reject_reason, row.cancel_reason),
        )
        return [report]

    def _lots(self, tag: str, status: OrderStatus, filled: int, leaves: int) -> int | None:
        """The order's size; None when it ended and nobody remembers."""
        if status is OrderStatus.WORKING and leaves:
            self._remember(tag, filled + leaves)
            return filled + leaves
        if status is OrderStatus.FILLED:
            return filled
        return self._lots_sent.get(tag) or self._lots_seen.get(tag)

    def _remember(self, tag: str, lots: int) -> None:
        if tag not in self._lots_seen and len(self._lots_seen) >= rules.ORDER_LOTS_MAX:
            del self._lots_seen[next(iter(self._lots_seen))]
        self._lots_seen[tag] = lots
