"""Which order at the venue is which of ours, where neither a tag nor an id that we were told says so. Pure.

An order whose answer was lost is known by its *fingerprint*: side, price, original size, and that the venue made it
after we sent it. The rule: an assignment is made only where every order that is seen can be one that we lost, each of
another one; which of two equal ones it is makes no difference in money. Whatever does not fit is said, never guessed.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

CERTAIN_NS: Final = 2_000_000_000
"""So much earlier than it was sent an order of ours may seem to be made: clocks may be 1 s apart while orders leave."""
POSSIBLE_NS: Final = 600_000_000_000
"""An order that seems to be older than ours by less than this may be ours under a clock that is wrong."""
TURN_UP_NS: Final = 600_000_000_000
"""For so long after it was sent, a lost order that was given an end may still turn up."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """An order at the venue that carries no tag; ``first_seen`` counts like ``Lost.mark``."""

    venue_id: str
    side: int
    price: int
    """0 for a market order."""
    lots: int
    """Its original size."""
    created_ns: int
    first_seen: int


@dataclass(frozen=True, slots=True)
class Lost:
    """An order of ours of which no answer told the venue's id."""

    client_id: str
    side: int
    price: int
    lots: int
    sent_ns: int
    mark: int
    """What was seen up to here was seen before the order was sent, and so is not it."""


@dataclass(frozen=True, slots=True)
class Assignment:
    """What the evidence says."""

    pairs: tuple[tuple[Lost, Sighting], ...]
    unclear: tuple[str, ...]
    """In words for the operator."""
    held: frozenset[str]
    """Client ids that nothing may be concluded about now, not even that they were never placed."""


def may_be(lost: Lost, seen: Sighting) -> bool:
    """It cannot be ruled out that they are the same."""
    return (
        (lost.side, lost.price, lost.lots) == (seen.side, seen.price, seen.lots)
        and seen.first_seen > lost.mark
        and seen.created_ns >= lost.sent_ns - POSSIBLE_NS
    )


def fits(lost: Lost, seen: Sighting) -> bool:
    """They may be the same, and the clocks do not speak against it."""
    return may_be(lost, seen) and seen.created_ns >= lost.sent_ns - CERTAIN_NS


def assign(
    lost: Sequence[Lost], seen: Sequence[Sighting], *, under_way: Sequence[Lost] = (), settled: Sequence[Lost] = ()
) -> Assignment:
    """Give the orders seen to the orders lost.

    ``under_way``: sent, and the answer may still come. ``settled``: lost, and already given an order or an end; one
    more that looks the same shows that a conclusion was wrong, or that the owner made an equal order by hand.
    """
    pairs: list[tuple[Lost, Sighting]] = []
    unclear: list[str] = []
    held: set[str] = set()
    for group in _groups(lost, seen, under_way):
        candidates = [one for one in seen if any(may_be(order, one) for order in group)]
        if not candidates:
            continue
        ids = [order.client_id for order in group]
        if any(may_be(order, one) for order in under_way for one in candidates):
            held.update(ids)
            continue
        matched = _matching(group, candidates)
        if matched is None:
            held.update(ids)
            unclear.append(_unclear(group, candidates))
        else:
            pairs += matched
    taken = {one.venue_id for _, one in pairs}
    for one in seen:
        if one.venue_id in taken or any(may_be(order, one) for order in (*lost, *under_way)):
            continue
        unclear += [_turned_up(order, one) for order in settled if _turns_up(order, one)][:1]
    return Assignment(tuple(pairs), tuple(unclear), frozenset(held))


def _groups(lost: Sequence[Lost], seen: Sequence[Sighting], under_way: Sequence[Lost]) -> list[list[Lost]]:
    """Lost orders of one side, price and size together: only they can be taken for each other."""
    groups: dict[tuple[int, int, int], list[Lost]] = {}
    for order in lost:
        groups.setdefault((order.side, order.price, order.lots), []).append(order)
    return [sorted(group, key=lambda order: (order.sent_ns, order.mark)) for group in groups.values()]


def _matching(group: Sequence[Lost], candidates: Sequence[Sighting]) -> list[tuple[Lost, Sighting]] | None:
    """An order lost for every one seen, the oldest first; None where there are too few, or a clock speaks against it.

    By augmenting paths: what was given to one order may move to another, if that leaves room. Groups are a handful.
    """
    holder: dict[str, Sighting] = {}

    def place(one: Sighting, tried: set[str]) -> bool:
        for order in group:
            if order.client_id in tried or not fits(order, one):
                continue
            tried.add(order.client_id)
            other = holder.get(order.client_id)
            if other is None or place(other, tried):
                holder[order.client_id] = one
                return True
        return False

    oldest_first = sorted(candidates, key=lambda one: (one.created_ns, one.first_seen, one.venue_id))
    if not all(place(one, set()) for one in oldest_first):
        return None
    return [(order, holder[order.client_id]) for order in group if order.client_id in holder]


def _turns_up(order: Lost, one: Sighting) -> bool:
    return may_be(order, one) and one.created_ns <= order.sent_ns + TURN_UP_NS


def _unclear(group: Sequence[Lost], candidates: Sequence[Sighting]) -> str:
    ours = ", ".join(order.client_id for order in group)
    theirs = ", ".join(one.venue_id for one in candidates)
    if len(candidates) <= len(group):
        return (
            f"{theirs} at the venue looks like {ours}, but says that it was made before that was sent: "
            "compare the clocks, then the order history"
        )
    return (
        f"{theirs} at the venue look like {ours}, whose answer was lost, and are more: one is not ours; "
        "cancel by hand what you made by hand"
    )


def _turned_up(order: Lost, one: Sighting) -> str:
    return (
        f"{one.venue_id} at the venue looks like {order.client_id}, whose answer was lost and whose fate was concluded "
        "without it: look at the venue's order history whether it is yours"
    )
