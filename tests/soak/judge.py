"""What must hold after a soak, judged by the exchange's own book and by the journal, never by the trader's word.

* duplicates: what the exchange received to place is what the journal says was sent, each at most once;
* exposure: at every call and every fill, position plus everything that works is within the limit;
* the ledger: the fills in the journal are the fills of the exchange, to the last unit.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import closing
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from ztb.core.command import Place
from ztb.core.event import OrderFilled, OrderSent
from ztb.core.instrument import Instrument
from ztb.service.session_record import SESSION, decode_session
from ztb.store.codec import decode
from ztb.store.reader import JournalReader
from ztb.store.verify import verify

SIGN = {"buy": 1, "sell": -1}


Fill = tuple[int, int, int, Decimal]
"""Side, lots, price in ticks, fee in the quote currency."""


@dataclass
class Written:
    """What the journal holds."""

    places: dict[str, Place] = field(default_factory=dict)
    sent: Counter[str] = field(default_factory=Counter)
    fills: list[Fill] = field(default_factory=list)


def read_journal(path: Path) -> Written:
    """Everything about orders; the chain must verify."""
    report = verify(path)
    assert report.ok, report
    written = Written()
    with closing(JournalReader(path)) as reader:
        money = Decimal(1)
        for record in reader.read(kinds={SESSION, "place", "order_sent", "order_filled"}):
            if record.kind == SESSION:
                [instrument] = decode_session(record.body).engine.instruments
                money = instrument.money.step
                continue
            match decode(record.kind, record.body):
                case Place() as place:
                    assert place.client_id not in written.places, f"{place.client_id} was made twice"
                    written.places[place.client_id] = place
                case OrderSent() as sent:
                    written.sent[sent.client_id] += 1
                case OrderFilled() as fill:
                    side = written.places[fill.client_id].side
                    written.fills.append((side, fill.lots, fill.price, fill.fee * money))
    return written


@dataclass(frozen=True)
class Received:
    """One order as the exchange received it."""

    tag: str
    """"" where the venue's protocol has none."""
    side: int
    price: int
    lots: int


def duplicates(written: Written, received: Iterable[Received]) -> list[str]:
    """Orders that arrived more often than they were sent, or were never sent at all."""
    found = [
        f"{client_id} is on record as sent {count} times" for client_id, count in written.sent.items() if count > 1
    ]
    sent = Counter(_shape(written.places[client_id]) for client_id in written.sent)
    arrived: Counter[tuple[int, int, int]] = Counter()
    tags: Counter[str] = Counter()
    for order in received:
        arrived[(order.side, order.price, order.lots)] += 1
        if order.tag:
            tags[order.tag] += 1
            if order.tag not in written.sent:
                found.append(f"{order.tag} arrived, and no record says that it was sent")
    found += [f"{tag} arrived {count} times" for tag, count in tags.items() if count > 1]
    found += [f"{count} more of {shape} arrived than were sent" for shape, count in (arrived - sent).items()]
    return found


def _shape(place: Place) -> tuple[int, int, int]:
    return place.side, place.price, place.lots


@dataclass(frozen=True)
class Movement:
    """Something that changed what the exchange holds of ours: ``kind`` placed, filled or ended; lots of one order."""

    ts_ns: int
    kind: str
    order_id: int
    side: int
    lots: int


def worst_exposure(movements: Iterable[Movement]) -> int:
    """The most lots, long or short, that position and working orders could have come to at any moment."""
    position = 0
    working: dict[int, tuple[int, int]] = {}
    worst = 0
    for movement in sorted(movements, key=lambda one: (one.ts_ns, _RANK[one.kind])):
        match movement.kind:
            case "placed":
                working[movement.order_id] = (movement.side, movement.lots)
            case "filled":
                position += movement.side * movement.lots
                if movement.order_id in working:
                    side, left = working[movement.order_id]
                    working[movement.order_id] = (side, left - movement.lots)
            case "ended":
                working.pop(movement.order_id, None)
        for sign in (1, -1):
            pending = sum(left for side, left in working.values() if side == sign)
            if position * sign + pending > 0:
                worst = max(worst, position * sign + pending)
    return worst


_RANK = {"placed": 0, "filled": 1, "ended": 2}


def fills_of(book: dict[str, Any], instrument: Instrument) -> list[Fill]:
    """The exchange's fills. One of the account with itself is two: the whole fee is the tagged order's."""
    orders = {order["order_id"]: order for order in [*book["orders"], *book["ended"]]}
    fills: list[Fill] = []
    for fill in book["fills"]:
        lots, price = instrument.sizes.parse(fill["amount"]), instrument.prices.parse(fill["price"])
        side = SIGN[orders[fill["order_id"]]["side"]]
        fills.append((side, lots, price, Decimal(fill["fee"])))
        if "other_order_id" in fill:
            fills.append((-side, lots, price, Decimal(0)))
    return fills
