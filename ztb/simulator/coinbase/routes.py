"""Which path asks for what, and which right it needs: one table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, final

WILD: Final = "*"


@final
@dataclass(frozen=True, slots=True)
class Route:
    """``name`` is how moods and the book of record call it; ``right`` "" needs none."""

    name: str
    method: str
    path: str
    right: str
    segments: tuple[str, ...] = ()


_TABLE: Final = (
    ("create_order", "POST", "orders", "trade"),
    ("batch_cancel", "POST", "orders/batch_cancel", "trade"),
    ("edit", "POST", "orders/edit", "trade"),
    ("preview", "POST", "orders/preview", "trade"),
    ("list_orders", "GET", "orders/historical/batch", "info"),
    ("fills", "GET", "orders/historical/fills", "info"),
    ("get_order", "GET", "orders/historical/*", "info"),
    ("accounts", "GET", "accounts", "info"),
    ("account", "GET", "accounts/*", "info"),
    ("transaction_summary", "GET", "transaction_summary", "info"),
    ("key_permissions", "GET", "key_permissions", ""),
    ("best_bid_ask", "GET", "best_bid_ask", "info"),
    ("product_book", "GET", "product_book", "info"),
    ("products", "GET", "products", "info"),
    ("product", "GET", "products/*", "info"),
    ("candles", "GET", "products/*/candles", "info"),
    ("ticker", "GET", "products/*/ticker", "info"),
)
_PUBLIC: Final = (
    ("time", "time"),
    ("public_products", "market/products"),
    ("public_product", "market/products/*"),
    ("public_product_book", "market/product_book"),
    ("public_candles", "market/products/*/candles"),
    ("public_ticker", "market/products/*/ticker"),
)

PRIVATE_ROUTES: Final = tuple(Route(*row, tuple(row[2].split("/"))) for row in _TABLE)
PUBLIC_ROUTES: Final = tuple(Route(name, "GET", path, "", tuple(path.split("/"))) for name, path in _PUBLIC)
MOVING: Final = frozenset({"create_order", "batch_cancel", "edit"})
"""Calls that can move money: they stand in the book of record."""


def find(routes: tuple[Route, ...], method: str, path: str) -> tuple[Route, str] | None:
    """The route of a path below the API's prefix, and what stands in the place of its star; the first one counts."""
    given = tuple(path.split("/"))
    for route in routes:
        if route.method == method and len(route.segments) == len(given):
            pairs = list(zip(route.segments, given, strict=True))
            if all(known in (WILD, segment) and segment for known, segment in pairs):
                return route, next((segment for known, segment in pairs if known == WILD), "")
    return None
