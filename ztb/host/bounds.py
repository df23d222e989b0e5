"""Hard bounds: what no profile of a kind may exceed, and what must fit together in every profile.

They are a table on purpose: an operator cannot raise them by configuration, only a release can.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from ztb.host.profile import Profile
from ztb.host.toml_places import Key


@dataclass(frozen=True)
class Bound:
    """``key`` may be at most ``maximum`` (False at most False: it must be off)."""

    key: Key
    maximum: Decimal | bool
    why: str


_PLAY: Final = (Bound(("mode", "live_http_enabled"), False, "such a profile never trades on a real exchange"),)

BOUNDS: Final[dict[str, tuple[Bound, ...]]] = {
    "demo": _PLAY,
    "paper": _PLAY,
    "canary": (Bound(("limits", "daily_loss_max"), Decimal(1500), "a canary may lose 1,500 JPY a day"),),
    "live": (),
}

_ORDERED: Final[tuple[tuple[Key, Key], ...]] = (
    (("sizing", "order_size"), ("limits", "order_size_max")),
    (("limits", "order_size_max"), ("limits", "position_max")),
    (("limits", "order_notional_max"), ("limits", "position_notional_max")),
    (("limits", "position_notional_max"), ("sizing", "capital")),
    (("limits", "daily_loss_max"), ("sizing", "capital")),
)
"""The first may not be above the second: a limit that another one makes unreachable is a typing error."""

LOOPBACK_HOSTS: Final = ("127.0.0.1", "::1", "localhost")
_SCHEMES: Final = {"rest_url": ("https", "http"), "stream_url": ("wss", "ws")}


def value_at(profile: Profile, key: Key) -> object:
    """The value of ``key`` in a complete profile."""
    value: object = profile
    for name in key:
        value = getattr(value, name)
    return value


def violations(profile: Profile) -> Iterator[tuple[Key, str]]:
    """Each key whose value is out of bounds, and why."""
    for bound in BOUNDS[profile.kind]:
        value = value_at(profile, bound.key)
        assert isinstance(value, Decimal | bool), bound.key
        if value > bound.maximum:
            limit = "must be false" if bound.maximum is False else f"may be at most {bound.maximum}"
            yield bound.key, f"{limit} in a {profile.kind} profile: {bound.why}"
    for small, large in _ORDERED:
        smaller, larger = value_at(profile, small), value_at(profile, large)
        assert isinstance(smaller, Decimal), small
        assert isinstance(larger, Decimal), large
        if smaller > larger:
            yield small, f"may not be above {'.'.join(large)}, which is {larger:f}"
    yield from _venue_violations(profile)


def _venue_violations(profile: Profile) -> Iterator[tuple[Key, str]]:
    venue = profile.venue
    if venue.fee_currency not in venue.instrument.split("_"):
        yield ("venue", "fee_currency"), f"must be one of the two currencies of {venue.instrument}"
    if venue.simulator and not venue.tape:
        yield ("venue", "tape"), "must name a tape: the built-in exchange has no other market"
    for name, (safe, plain) in _SCHEMES.items():
        try:
            url = urlsplit(getattr(venue, name))
            host = url.hostname
        except ValueError:
            host = None
        if not host or url.scheme not in (safe, plain):
            yield ("venue", name), f"must be an address like {safe}://HOST/"
        elif url.scheme == plain and host not in LOOPBACK_HOSTS:
            yield ("venue", name), f"must begin with {safe}:// outside this host"
        elif url.username or url.password:
            yield ("venue", name), "may not hold a user name or password"
