"""Which adapter belongs to which name. Adapters are loaded when they are asked for: a trader needs only its own."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import Final, cast

from ztb.core.error import ConfigError
from ztb.venues.clock import Clock
from ztb.venues.port import Addresses, Venue

VENUE_NAMES: Final = ("zaif", "gmo", "coinbase")


def addresses_of(name: str) -> Addresses:
    """Where the venue answers in the world."""
    return cast(Addresses, import_module(f"ztb.venues.{_checked(name)}.rules").ADDRESSES)


def addresses_at(name: str, base_url: str) -> Addresses:
    """Where the built-in exchange answers in the venue's protocol, from its ``http://HOST:PORT``."""
    at: Callable[[str], Addresses] = import_module(f"ztb.venues.{_checked(name)}.rules").addresses_at
    return at(base_url)


def open_venue(
    name: str, addresses: Addresses, *, clock: Clock, jitter: Callable[[], float], fee_currency: str = ""
) -> Venue:
    """A venue object with its own sockets and limits; nothing is asked of the venue yet."""
    module = import_module(f"ztb.venues.{_checked(name)}.venue")
    make: Callable[..., Venue] = getattr(module, f"{name.capitalize()}Venue")
    return make(addresses, clock=clock, jitter=jitter, fee_currency=fee_currency)


def _checked(name: str) -> str:
    if name not in VENUE_NAMES:
        raise ConfigError(f"there is no venue {name!r}", remedy=f"use one of {', '.join(VENUE_NAMES)}")
    return name
