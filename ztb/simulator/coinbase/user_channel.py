"""The ``user`` channel: the state of every working order first, then cumulative states as they change.

It tells states, not fills: each one says everything, so that a repeated or an older one can be told from a newer one.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, Final

from ztb.simulator.accounts import Account
from ztb.simulator.coinbase.account_shapes import AccountShapes
from ztb.simulator.coinbase.channels import Messages
from ztb.simulator.coinbase.rules import USER_SNAPSHOT_BATCH
from ztb.simulator.coinbase.tickets import Ticket, Tickets
from ztb.simulator.moods import Moods
from ztb.simulator.news import FILLED, AccountEvent

NAME: Final = "user"
_POSITIONS: Final = ("perpetual_futures_positions", "expiring_futures_positions")


class MissedNews(Exception):
    """The socket is so far behind that something it should have told is forgotten."""


class User:
    """Of one account; ``products`` empty: of all products."""

    def __init__(
        self, account: Account, shapes: AccountShapes, tickets: Tickets, moods: Moods, products: Collection[str]
    ) -> None:
        self.account = account
        self._shapes = shapes
        self._tickets = tickets
        self._moods = moods
        self._products = frozenset(products)
        self._told = 0

    def begin(self, now_ns: int) -> Messages:
        """Batches of 50; one that is smaller, perhaps empty, is the last."""
        self._told = self.account.news.last
        orders = [*self.account.orders.values(), *self.account.cancelling.values()]
        states = [
            self._shapes.state_now(self.account, order, ticket)
            for order in orders
            if self._is_wanted(ticket := self._tickets.of(order.order_id))
        ]
        starts = range(0, len(states) + 1, USER_SNAPSHOT_BATCH)
        return [_message("snapshot", states[start : start + USER_SNAPSHOT_BATCH]) for start in starts]

    def tick(self, now_ns: int) -> Messages:
        """One message for each change. MissedNews when some are forgotten already."""
        if self.account.news.last == self._told:
            return []
        events, missed = self.account.news.after(self._told)
        if missed:
            raise MissedNews
        self._told = self.account.news.last
        states = [state for event in events if (state := self._state(event)) is not None]
        if self._moods.strike("duplicate_events", NAME):
            states = [*states, *states]
        if self._moods.strike("reordered_events", NAME):
            states = self._moods.shuffled(states)
        return [_message("update", [state]) for state in states]

    def _state(self, event: AccountEvent) -> dict[str, Any] | None:
        order = event.order
        # The last fill of an order is told by the end that follows it.
        if order is None or (event.kind == FILLED and event.filled_lots == order.lots):
            return None
        ticket = self._tickets.of(order.order_id)
        return self._shapes.state_then(self.account, event, ticket) if self._is_wanted(ticket) else None

    def _is_wanted(self, ticket: Ticket) -> bool:
        return not self._products or ticket.product_id in self._products


def _message(kind: str, orders: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"type": kind, "orders": orders, "positions": {name: [] for name in _POSITIONS}}]
