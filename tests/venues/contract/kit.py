"""What the contract suite has to know of one venue: its instrument, its key, and what its exchange calls things.

A kit holds no expectation about behaviour; those stand in the cases and in the table.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import TYPE_CHECKING

import httpx

from tests.simulator import coinbase_world
from ztb.core.instrument import BUY, Instrument

if TYPE_CHECKING:
    from tests.venues.contract.bench import Bench


@dataclass(frozen=True)
class Kit:
    """One venue, or one kind of instrument of it."""

    name: str
    """As the table's column says it."""
    venue: str
    """As the registry and the simulator know it; of paper: the venue whose market it follows."""
    instrument: Instrument
    """As the exchange trades it; its fees are the account's."""
    symbol: str
    """The instrument's name at the venue."""
    piece: int
    """Lots; ``script.PIECES_MIN`` of them are the smallest order."""
    key: str
    secret: str = field(repr=False)
    place_methods: frozenset[str]
    """What the exchange's moods and its record call the placing of an order."""
    balances: Mapping[str, Decimal]
    public_key_pem: str = ""
    is_paper: bool = False
    is_leveraged: bool = False
    there: str = ""
    """The symbol that the exchange gives orders of the instrument, where it has several; "" where it has one."""
    pause_s: float = 0.6
    """Between two orders, so that the venue's own limits are kept."""
    names: Callable[[str], str] = str
    """Our client id, from the word that the exchange keeps."""

    async def owner(self, bench: Bench, lots: int, price: int) -> str:
        """The owner buys, on the venue's own page: past all adapters, straight at the exchange."""
        world = bench.world
        if self.venue != "coinbase":
            placed = world.exchange.place(
                world.account, side=BUY, price=price, lots=lots, symbol=self.there, leveraged=self.is_leveraged
            )
            return str(placed.order.order_id)
        # Coinbase remembers the words of an order besides the order, so that here the owner has to write them.
        name = f"by-hand-{len(bench.owners)}"
        terms = {
            "base_size": self.instrument.sizes.text(lots),
            "limit_price": self.instrument.prices.text(price),
            "post_only": False,
        }
        body = {
            "client_order_id": name,
            "product_id": self.symbol,
            "side": "BUY",
            "order_configuration": {"limit_limit_gtc": terms},
        }
        path = f"{coinbase_world.PREFIX}/orders"
        uri = f"POST {world.url.removeprefix('http://')}{path}"
        token = coinbase_world.token(bench.clock.now_ns() // 1_000_000_000, key=self.key, uri=uri)
        async with httpx.AsyncClient(trust_env=False, timeout=30) as http:
            answer = await http.post(world.url + path, json=body, headers={"authorization": f"Bearer {token}"})
        assert answer.json()["success"] is True, answer.text
        return str(world.account.by_client_id[name].order_id)
