"""How each venue's orders stand in the simulator's book of record."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from tests.soak.judge import SIGN, Movement, Received
from tests.soak.market import BTC_JPY


@dataclass(frozen=True)
class Protocol:
    """One venue as the soak trades there: what it trades, and its words in the book."""

    venue: str
    symbol: str
    place_methods: tuple[str, ...]
    received: Callable[[dict[str, Any]], Received]


def _lots(text: str) -> int:
    return BTC_JPY.sizes.parse(text)


def _ticks(text: str) -> int:
    return BTC_JPY.prices.parse(text)


def _zaif(call: dict[str, Any]) -> Received:
    params = call["params"]
    side = {"bid": 1, "ask": -1}[params["action"]]
    return Received(params["comment"], side, _ticks(params["price"]), _lots(params["amount"]))


def _gmo(call: dict[str, Any]) -> Received:
    params = call["params"]
    return Received("", SIGN[params["side"].lower()], _ticks(params["price"]), _lots(params["size"]))


def _coinbase(call: dict[str, Any]) -> Received:
    params = call["params"]
    [terms] = json.loads(params["order_configuration"]).values()
    digits = params["client_order_id"].replace("-", "")
    # As agreed: "ztb" in ASCII, twenty digits of ours, with a UUID's version and variant put in between.
    plain = digits[:12] + digits[13:16] + digits[17:]
    assert plain.startswith(b"ztb".hex()), digits
    side = SIGN[params["side"].lower()]
    return Received(f"ztb-{plain[6:26]}", side, _ticks(terms["limit_price"]), _lots(terms["base_size"]))


PROTOCOLS = {
    "zaif": Protocol("zaif", "btc_jpy", ("trade",), _zaif),
    "gmo": Protocol("gmo", "BTC", ("order",), _gmo),
    "gmo-leverage": Protocol("gmo", "BTC_JPY", ("order", "closeBulkOrder"), _gmo),
    "coinbase": Protocol("coinbase", "BTC-JPY", ("create_order",), _coinbase),
}
"""By the name of a soak."""


def movements(book: dict[str, Any]) -> Iterator[Movement]:
    """Everything that changed what is at stake, from the orders and fills of the account."""
    sides: dict[int, int] = {}
    for order in [*book["orders"], *book["ended"]]:
        side, order_id = SIGN[order["side"]], order["order_id"]
        sides[order_id] = side
        yield Movement(order["created_ns"], "placed", order_id, side, _lots(order["amount"]))
        if "ended_ns" in order:
            yield Movement(order["ended_ns"], "ended", order_id, side, 0)
    for fill in book["fills"]:
        lots = _lots(fill["amount"])
        yield Movement(fill["ts_ns"], "filled", fill["order_id"], sides[fill["order_id"]], lots)
        if "other_order_id" in fill:
            yield Movement(fill["ts_ns"], "filled", fill["other_order_id"], -sides[fill["order_id"]], lots)
