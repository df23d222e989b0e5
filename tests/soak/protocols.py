"""How each venue's calls stand in the simulator's book of record."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.soak.judge import SIGN, Movement, Received
from tests.soak.market import BTC_JPY


@dataclass(frozen=True)
class Protocol:
    """One venue: its words in the book."""

    venue: str
    symbol: str
    place_method: str
    cancel_methods: tuple[str, ...]
    received: Callable[[dict[str, Any]], Received]

    def is_place(self, call: dict[str, Any]) -> bool:
        """An order, carried out or refused."""
        return bool(call["method"] == self.place_method)

    def movements(self, calls: list[dict[str, Any]], book: dict[str, Any]) -> Iterator[Movement]:
        """What the calls and fills did to what is at stake; what cannot be told apart counts as late as possible."""
        sides: dict[int, int] = {}
        for call in calls:
            if self.is_place(call) and call["result"] == "ok":
                order = self.received(call)
                sides[call["order_id"]] = order.side
                yield Movement(call["received_ns"], "placed", call["order_id"], order.side, order.lots)
            elif call["method"] in self.cancel_methods and call["result"] == "ok":
                yield Movement(call["received_ns"], "ended", call["order_id"], 0, 0)
        for fill in book["fills"]:
            lots = BTC_JPY.sizes.parse(fill["amount"])
            yield Movement(fill["ts_ns"], "filled", fill["order_id"], SIGN[fill["side"]], lots)


def _zaif(call: dict[str, Any]) -> Received:
    params = call["params"]
    return Received(
        tag=params["comment"],
        side={"bid": 1, "ask": -1}[params["action"]],
        price=BTC_JPY.prices.parse(params["price"]),
        lots=BTC_JPY.sizes.parse(params["amount"]),
    )


PROTOCOLS = {
    "zaif": Protocol("zaif", "btc_jpy", "trade", ("cancel_order",), _zaif),
}
