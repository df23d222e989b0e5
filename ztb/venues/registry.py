"""Which adapter belongs to which name. Adapters are loaded when they are asked for: a trader needs only its own."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from decimal import Decimal
from importlib import import_module
from typing import Final, cast

from ztb.core.error import ConfigError
from ztb.venues.clock import Clock
from ztb.venues.port import Addresses, Terms, Venue

VENUE_NAMES: Final = ("zaif", "gmo", "coinbase")


def addresses_of(name: str, *, rest: str = "", stream: str = "", account_stream: str = "") -> Addresses:
    """Where the venue answers in the world; what somebody names instead ("" names nothing) goes first."""
    own = cast(Addresses, import_module(f"ztb.venues.{_checked(name)}.rules").ADDRESSES)
    return Addresses(rest or own.rest, stream or own.stream, account_stream or own.account_stream)


def addresses_at(name: str, base_url: str) -> Addresses:
    """Where the built-in exchange answers in the venue's protocol, from its ``http://HOST:PORT``."""
    at: Callable[[str], Addresses] = import_module(f"ztb.venues.{_checked(name)}.rules").addresses_at
    return at(base_url)


def open_venue(
    name: str, addresses: Addresses, *, clock: Clock, jitter: Callable[[], float], terms: Terms | None = None
) -> Venue:
    """A venue object with its own sockets and limits; nothing is asked of the venue yet."""
    module = import_module(f"ztb.venues.{_checked(name)}.venue")
    make: Callable[..., Venue] = getattr(module, f"{name.capitalize()}Venue")
    return make(addresses, clock=clock, jitter=jitter, terms=terms or Terms())


def open_paper(
    name: str,
    addresses: Addresses,
    *,
    clock: Clock,
    jitter: Callable[[], float],
    balances: Mapping[str, Decimal],
    latency_s: float = 0.05,
    leverage: int = 1,
) -> Venue:
    """The live market of the venue ``name``, and orders that are matched here.

    No module that could sign is even loaded. ``balances``, by currency, are those of a new account.
    """
    public = import_module(f"ztb.venues.{_checked(name)}.public")
    side = getattr(public, f"{name.capitalize()}PublicSide")(addresses, clock=clock, jitter=jitter)
    make: Callable[..., Venue] = import_module("ztb.venues.paper.venue").PaperVenue
    return make(side, clock=clock, balances=balances, latency_s=latency_s, leverage=leverage)


def _checked(name: str) -> str:
    if name not in VENUE_NAMES:
        raise ConfigError(f"there is no venue {name!r}", remedy=f"use one of {', '.join(VENUE_NAMES)}")
    return name
