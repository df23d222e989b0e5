"""What the exchange itself says happened, read from its own desk; nothing of it went through an adapter."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import httpx

from tests.venues.contract.kit import Kit
from ztb.core.instrument import BUY, SELL, Instrument

SIDES = {"buy": BUY, "sell": SELL, "both": 0}


@dataclass(frozen=True)
class ThereOrder:
    """An order that works there."""

    order_id: str
    name: str
    """The client's own word for it, as the exchange keeps it; "" where it keeps none."""
    side: int
    price: int
    lots: int
    remaining: int


@dataclass(frozen=True)
class ThereFill:
    """One row of the account's fills; ``fee`` in the quote currency."""

    trade_id: str
    order_id: str
    name: str
    side: int
    price: int
    lots: int
    fee: Decimal
    maker: bool


@dataclass(frozen=True)
class Truth:
    """One account, as it is now, and the calls that could have changed it."""

    orders: tuple[ThereOrder, ...]
    fills: tuple[ThereFill, ...]
    balances: dict[str, Decimal]
    bound: dict[str, Decimal]
    """Held by orders, and pledged as margin."""
    positions: tuple[tuple[int, int, int], ...]
    """(side, lots, price) of each leveraged position."""
    calls: tuple[dict[str, Any], ...]

    def placed(self, kit: Kit) -> list[dict[str, Any]]:
        """Orders that arrived, whatever became of them."""
        return [call for call in self.calls if call["method"] in kit.place_methods]


async def read_truth(url: str, key: str, instrument: Instrument) -> Truth:
    """From ``/_sim/book``."""
    async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
        answer = await http.get(f"{url}/_sim/book", params={"key": key})
    told = answer.json(parse_float=Decimal)
    account = told["accounts"][key]
    held, pledged = account["held"], account.get("pledged", {})
    return Truth(
        orders=tuple(_order(row, instrument) for row in account["orders"]),
        fills=tuple(_fill(row, instrument) for row in account["fills"]),
        balances={name: Decimal(text) for name, text in account["balances"].items()},
        bound={name: Decimal(held.get(name, 0)) + Decimal(pledged.get(name, 0)) for name in {**held, **pledged}},
        positions=tuple(
            (SIDES[row["side"]], instrument.sizes.parse(row["amount"]), instrument.prices.parse(row["price"]))
            for row in account.get("positions", [])
        ),
        calls=tuple(told["calls"]),
    )


def _order(row: dict[str, Any], instrument: Instrument) -> ThereOrder:
    return ThereOrder(
        str(row["order_id"]),
        row.get("client_id") or row["comment"],
        SIDES[row["side"]],
        instrument.prices.parse(row["price"]),
        instrument.sizes.parse(row["amount"]),
        instrument.sizes.parse(row["remaining"]),
    )


def _fill(row: dict[str, Any], instrument: Instrument) -> ThereFill:
    return ThereFill(
        str(row["trade_id"]),
        str(row["order_id"]),
        row.get("client_id") or row["comment"],
        SIDES[row["side"]],
        instrument.prices.parse(row["price"]),
        instrument.sizes.parse(row["amount"]),
        Decimal(row["fee"]),
        row["maker"],
    )
