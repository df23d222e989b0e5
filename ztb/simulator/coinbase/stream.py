"""Coinbase's WebSocket: one address for every channel, one channel for each message, every frame numbered.

The rule: ``sequence_num`` counts all frames of a socket from 0, whatever their channel; a number that is missing is a
frame that was lost. A socket that does not subscribe in time, or on which nothing happens for too long, is closed.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final, final

import msgspec

from ztb.simulator.coinbase import errors
from ztb.simulator.coinbase.account_shapes import AccountShapes
from ztb.simulator.coinbase.channels import FRAME_NAMES, NEED_PRODUCTS, BookView, Channel, Messages, makers
from ztb.simulator.coinbase.rules import SUBSCRIPTIONS_MAX, CoinbaseRules
from ztb.simulator.coinbase.shapes import Shapes
from ztb.simulator.coinbase.texts import rfc3339
from ztb.simulator.coinbase.tickets import Tickets
from ztb.simulator.coinbase.token import BadToken, Tokens
from ztb.simulator.coinbase.user_channel import NAME as USER
from ztb.simulator.coinbase.user_channel import MissedNews, User
from ztb.simulator.dialect import DROP, Action, Drop
from ztb.simulator.disturbed import Disturbance
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import Moods
from ztb.simulator.rate_window import RateWindows, Window

SUBSCRIBED_IDLE_S_MAX: Final = 86_400.0
"""A client that subscribed need not say anything more."""
_SECOND_NS: Final = 1_000_000_000


class _Message(msgspec.Struct):
    """What a client says; every other member is ignored."""

    type: str
    channel: str
    product_ids: list[str] = []
    jwt: str = ""


class _Refused(Exception):
    """Answered with an error frame of this text."""


@final
@dataclass(slots=True)
class Feeds:
    """What all sockets of one exchange share."""

    exchange: Exchange
    shapes: Shapes
    account_shapes: AccountShapes
    tickets: Tickets
    tokens: Tokens
    moods: Moods
    rules: CoinbaseRules
    expire_due: Callable[[], None]
    """Ends the orders whose time is over."""
    wall_s: Callable[[], float] = time.monotonic
    windows: RateWindows = field(default_factory=RateWindows)
    view: BookView = field(init=False)

    def __post_init__(self) -> None:
        self.view = BookView(self.shapes)


@final
@dataclass(slots=True)
class _Subscription:
    channel: Channel
    ids: list[str]
    """As the acknowledgement lists them."""


class CoinbaseStream:
    """One client's socket."""

    ping_s: float | None = None

    def __init__(self, feeds: Feeds, *, peer: str) -> None:
        self._feeds = feeds
        self._peer = peer
        self._makers = makers(feeds.shapes, feeds.view, feeds.moods)
        self._subscriptions: dict[str, _Subscription] = {}
        self._disturbance = Disturbance(feeds.moods, numbered=True)
        self._sequence = 0
        self._opened_s = self._sent_s = feeds.wall_s()
        self._has_subscribed = False

    @property
    def idle_s_max(self) -> float:
        """Until the first subscription, what is left of the time for it."""
        if self._has_subscribed:
            return SUBSCRIBED_IDLE_S_MAX
        return max(0.0, self._feeds.rules.subscribe_s_max - (self._feeds.wall_s() - self._opened_s))

    def opened(self, now_ns: int) -> Action:
        return None

    def received(self, payload: bytes, now_ns: int) -> Action:
        """Subscribe or unsubscribe; anything else gets an error frame, and the socket lives on."""
        try:
            message = _decoded(payload)
            self._count(message, now_ns)
            if message.type == "subscribe":
                return self._subscribe(message, now_ns)
            return self._unsubscribe(message, now_ns)
        except _Refused as refused:
            return msgspec.json.encode({"type": "error", "message": str(refused)})

    def tick(self, now_ns: int) -> Action:
        """Everything that happened since the last one, channel by channel."""
        if self._feeds.moods.state("maintenance", now_ns) is not None:
            return DROP
        self._feeds.expire_due()
        told: list[bytes | Drop] = []
        for name, subscription in self._subscriptions.items():
            try:
                messages = subscription.channel.tick(now_ns)
            except MissedNews:
                return [*told, DROP]
            told += self._frames(name, messages, now_ns)
        if not told and self._feeds.wall_s() - self._sent_s > self._feeds.rules.silence_s_max:
            return DROP
        return told

    def _subscribe(self, message: _Message, now_ns: int) -> Action:
        name = message.channel
        channel, ids = self._opened_channel(message, now_ns)
        self._has_subscribed = True
        before = self._subscriptions.get(name)
        known = before.ids if before is not None else []
        self._subscriptions[name] = _Subscription(channel, [*known, *(item for item in ids if item not in known)])
        return [*self._acknowledged(now_ns), *self._frames(name, channel.begin(now_ns), now_ns)]

    def _unsubscribe(self, message: _Message, now_ns: int) -> Action:
        """Without product ids: from all of them."""
        subscription = self._subscriptions.get(message.channel)
        if subscription is None:
            raise _Refused(f"not subscribed to {message.channel[:40]}")
        gone = {self._canonical(product_id) for product_id in message.product_ids}
        subscription.ids = [item for item in subscription.ids if item not in gone] if gone else []
        if not subscription.ids or message.channel not in NEED_PRODUCTS:
            del self._subscriptions[message.channel]
        return self._acknowledged(now_ns)

    def _opened_channel(self, message: _Message, now_ns: int) -> tuple[Channel, list[str]]:
        if message.channel == USER:
            return self._opened_user(message, now_ns)
        maker = self._makers.get(message.channel)
        if maker is None:
            # Others saw this text for names that do not exist.
            raise _Refused(errors.STREAM_AUTHENTICATION)
        ids = [self._canonical(product_id) for product_id in message.product_ids]
        if message.channel in NEED_PRODUCTS and not ids:
            raise _Refused("product_ids is required")
        return maker(), ids or [message.channel]

    def _opened_user(self, message: _Message, now_ns: int) -> tuple[Channel, list[str]]:
        feeds = self._feeds
        now_s = (now_ns + feeds.moods.clock_error_ns()) // _SECOND_NS
        try:
            account = feeds.exchange.account(feeds.tokens.owner_of_subscription(message.jwt, now_s=now_s))
        except BadToken:
            account = None
        if account is None or "info" not in account.rights or feeds.moods.strike("expired_token", USER):
            raise _Refused(errors.STREAM_AUTHENTICATION)
        for product_id in message.product_ids:
            self._canonical(product_id)
        channel = User(account, feeds.account_shapes, feeds.tickets, feeds.moods, message.product_ids)
        return channel, [feeds.account_shapes.user_id(account)]

    def _canonical(self, product_id: str) -> str:
        if product_id not in self._feeds.shapes.product_ids:
            raise _Refused(f"{product_id[:40]} is not a valid product")
        return self._feeds.shapes.product_id

    def _count(self, message: _Message, now_ns: int) -> None:
        calls = self._feeds.rules.messages_per_second
        if message.jwt or not calls:
            return
        if not self._feeds.windows.admit(self._peer, "messages", Window(calls, 1), now_ns):
            raise _Refused(errors.STREAM_RATE)

    def _acknowledged(self, now_ns: int) -> list[bytes | Drop]:
        listed = {name: list(dict.fromkeys(subscription.ids)) for name, subscription in self._subscriptions.items()}
        return self._frames("subscriptions", [[{"subscriptions": listed}]], now_ns)

    def _frames(self, name: str, messages: Messages, now_ns: int) -> list[bytes | Drop]:
        """The messages in numbered envelopes, less those that a mood loses."""
        if not messages:
            return []
        moods = self._feeds.moods
        frames: list[bytes] = []
        for events in messages:
            frame = self._frame(name, events, now_ns + moods.clock_error_ns())
            if not moods.strike("skip_sequence", name):
                frames.append(frame)
        self._sent_s = self._feeds.wall_s()
        return self._disturbance.sent(frames, name)

    def _frame(self, name: str, events: list[dict[str, Any]], now_ns: int) -> bytes:
        envelope: dict[str, Any] = {"channel": FRAME_NAMES.get(name, name), "client_id": ""}
        if self._feeds.moods.strike("missing_client_id", name):
            del envelope["client_id"]
        envelope |= {"timestamp": rfc3339(now_ns), "sequence_num": self._sequence, "events": events}
        self._sequence += 1
        return msgspec.json.encode(envelope)


def _decoded(payload: bytes) -> _Message:
    try:
        message = msgspec.json.decode(payload, type=_Message)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise _Refused("the message is not understood") from None
    if message.type not in ("subscribe", "unsubscribe"):
        raise _Refused("type is neither subscribe nor unsubscribe")
    if len(message.product_ids) > SUBSCRIPTIONS_MAX:
        raise _Refused("too many product_ids")
    return message
