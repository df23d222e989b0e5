"""The private stream: orders, executions, positions and their summary, for whoever holds a live token.

Nothing is told twice and nothing is told later: what happened before a channel was subscribed, or while nobody was
connected, has to be read over REST.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Final

from ztb.core.instrument import BUY, SELL
from ztb.simulator.accounts import Account
from ztb.simulator.dialect import DROP, Action, Drop
from ztb.simulator.disturbed import Disturbance
from ztb.simulator.exchange import Exchange
from ztb.simulator.gmo.frames import AccountFrames
from ztb.simulator.gmo.rules import PERIODIC_NS, GmoRules
from ztb.simulator.gmo.subscriptions import TOO_MANY, BadCommand, CommandLimit, read_command
from ztb.simulator.gmo.tokens import Tokens
from ztb.simulator.moods import Moods

_SUMMARY: Final = "positionSummaryEvents"
CHANNELS: Final[Mapping[str, frozenset[str]]] = {
    "executionEvents": frozenset(),
    "orderEvents": frozenset(),
    "positionEvents": frozenset(),
    _SUMMARY: frozenset({"PERIODIC"}),
}


class AccountStream:
    """One client's socket on ``/ws/private/v1/TOKEN``."""

    def __init__(
        self, exchange: Exchange, frames: AccountFrames, tokens: Tokens, token: str, limit: CommandLimit, peer: str,
        moods: Moods, rules: GmoRules, wall_s: Callable[[], float],
    ) -> None:  # fmt: skip
        self._exchange = exchange
        self._frames = frames
        self._tokens = tokens
        self._token = token
        self._limit = limit
        self._peer = peer
        self._moods = moods
        self._rules = rules
        self._wall_s = wall_s
        self._opened_s = wall_s()
        self._disturbance = Disturbance(moods)
        self._channels: dict[str, str] = {}
        self._subscribed_once = False
        self._sequence = 0
        self._periodic_ns = 0
        self.ping_s: float | None = rules.ping_s
        self.idle_s_max: float = rules.ping_s * 4

    def opened(self, now_ns: int) -> Action:
        account = self._tokens.owner(self._token, now_ns)
        if account is None or self._moods.strike("expired_token", "stream"):
            return DROP
        self._sequence = account.news.last
        return None

    def received(self, payload: bytes, now_ns: int) -> Action:
        account = self._tokens.owner(self._token, now_ns)
        if account is None:
            return DROP
        if not self._limit.admit(self._peer, now_ns):
            return TOO_MANY
        try:
            command = read_command(payload, CHANNELS, ())
        except BadCommand as bad:
            return bad.frame
        # What happened until now belongs to the channels that were there before.
        told = self._news(account)
        if not command.subscribe:
            self._channels.pop(command.channel, None)
            return told
        self._subscribed_once = True
        self._channels[command.channel] = command.option
        if command.channel == _SUMMARY:
            told += self._summaries(account, now_ns, "INIT")
        return told

    def tick(self, now_ns: int) -> Action:
        account = self._tokens.owner(self._token, now_ns)
        if account is None:
            return DROP
        if not self._subscribed_once and self._wall_s() - self._opened_s >= self._rules.unsubscribed_s_max:
            return DROP
        told = self._news(account)
        if self._channels.get(_SUMMARY) == "PERIODIC" and now_ns - self._periodic_ns >= PERIODIC_NS:
            told += self._summaries(account, now_ns, "PERIODIC")
        return told + self._disturbance.sent(())

    def _news(self, account: Account) -> list[bytes | Drop]:
        events, missed = account.news.after(self._sequence)
        self._sequence = account.news.last
        if missed:
            return [DROP]
        told: list[bytes | Drop] = []
        for event in events:
            for channel, frame in self._frames.of(event, account):
                if channel in self._channels:
                    told += self._disturbance.sent((frame,), channel)
        return told

    def _summaries(self, account: Account, now_ns: int, kind: str) -> list[bytes | Drop]:
        self._periodic_ns = now_ns
        held = {position.side for position in account.positions.values()}
        frames = [self._frames.summary(account, side, now_ns, kind) for side in (BUY, SELL) if side in held]
        return self._disturbance.sent(frames, _SUMMARY)
