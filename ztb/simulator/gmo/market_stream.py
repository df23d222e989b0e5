"""The public stream: ticker, orderbooks and trades of the symbols that a client subscribed to."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final, final

from ztb.simulator.dialect import DROP, Action, Drop
from ztb.simulator.disturbed import Disturbance
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.frames import MarketFrames
from ztb.simulator.gmo.rules import GmoRules
from ztb.simulator.gmo.subscriptions import TOO_MANY, BadCommand, Command, CommandLimit, read_command
from ztb.simulator.moods import Moods
from ztb.simulator.prints import Print

CHANNELS: Final[Mapping[str, frozenset[str]]] = {
    "ticker": frozenset(),
    "orderbooks": frozenset(),
    "trades": frozenset({"TAKER_ONLY"}),
}


@final
@dataclass(slots=True)
class _Subscription:
    """What was sent last: the book's version and when, or the trade."""

    option: str
    version: int
    sent_ns: int
    trade_id: int


class MarketStream:
    """One client's socket on ``/ws/public/v1``."""

    def __init__(
        self, exchange: Exchange, frames: MarketFrames, limit: CommandLimit, peer: str, moods: Moods, rules: GmoRules,
        wall_s: Callable[[], float],
    ) -> None:  # fmt: skip
        self._exchange = exchange
        self._frames = frames
        self._limit = limit
        self._peer = peer
        self._rules = rules
        self._wall_s = wall_s
        self._opened_s = wall_s()
        self._disturbance = Disturbance(moods)
        self._subscriptions: dict[tuple[str, str], _Subscription] = {}
        self._subscribed_once = False
        self.ping_s: float | None = rules.ping_s
        self.idle_s_max: float = rules.ping_s * 4

    def opened(self, now_ns: int) -> Action:
        return None

    def received(self, payload: bytes, now_ns: int) -> Action:
        if not self._limit.admit(self._peer, now_ns):
            return TOO_MANY
        try:
            command = read_command(payload, CHANNELS, tuple(self._symbols()))
        except BadCommand as bad:
            return bad.frame
        if not command.subscribe:
            self._subscriptions.pop((command.channel, command.symbol), None)
            return None
        self._subscribe(command)
        return self.tick(now_ns)

    def tick(self, now_ns: int) -> Action:
        if not self._subscribed_once and self._wall_s() - self._opened_s >= self._rules.unsubscribed_s_max:
            return DROP
        told: list[bytes | Drop] = []
        for (channel, symbol), subscription in self._subscriptions.items():
            due = self._due(channel, symbol, subscription, now_ns)
            if due:
                told += self._disturbance.sent(due, channel)
        return told + self._disturbance.sent(())

    def _symbols(self) -> tuple[str, ...]:
        units = self._exchange.purse.units
        return units.base.upper(), f"{units.base}_{units.quote}".upper()

    def _subscribe(self, command: Command) -> None:
        last = self._exchange.prints.last
        self._subscribed_once = True
        self._subscriptions[command.channel, command.symbol] = _Subscription(
            command.option, -1, -self._rules.stream_interval_ns, last.trade_id if last is not None else 0
        )

    def _due(self, channel: str, symbol: str, subscription: _Subscription, now_ns: int) -> list[bytes]:
        if channel == "trades":
            return self._trades(symbol, subscription)
        if subscription.version == self._frames.version:
            return []
        if now_ns - subscription.sent_ns < self._rules.stream_interval_ns:
            return []
        subscription.version, subscription.sent_ns = self._frames.version, now_ns
        return [self._frames.now(channel, symbol)]

    def _trades(self, symbol: str, subscription: _Subscription) -> list[bytes]:
        newer: list[Print] = []
        for trade in reversed(self._exchange.prints.recent):
            if trade.trade_id <= subscription.trade_id:
                break
            newer.append(trade)
        if newer:
            subscription.trade_id = newer[0].trade_id
        taker_only = subscription.option == "TAKER_ONLY"
        return [
            frame for trade in reversed(newer) for frame in self._frames.trade(trade, symbol, taker_only=taker_only)
        ]
