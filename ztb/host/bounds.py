"""Hard bounds: what no profile of a kind may exceed, and what must fit together in every profile.

They are a table on purpose: an operator cannot raise them by configuration, only a release can.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final
from urllib.parse import urlsplit

from ztb.host.profile import Profile
from ztb.host.toml_places import Key


@dataclass(frozen=True)
class Bound:
    """``key`` may be at most ``maximum`` (False at most False: it must be off; a table: by the quote currency)."""

    key: Key
    maximum: Decimal | bool | Mapping[str, Decimal]
    why: str

    def of(self, quote: str) -> Decimal | bool | None:
        """The maximum for an account in ``quote``; None where a release has not set one."""
        return self.maximum.get(quote) if isinstance(self.maximum, Mapping) else self.maximum

    def text(self) -> str:
        """For people."""
        if self.maximum is False:
            return "must be false"
        if isinstance(self.maximum, Mapping):
            return "at most " + ", ".join(f"{most} {quote.upper()}" for quote, most in self.maximum.items())
        return f"at most {self.maximum}"


CANARY_LOSS_MAX: Final[Mapping[str, Decimal]] = {
    "jpy": Decimal(1500), "usd": Decimal(10), "usdc": Decimal(10), "usdt": Decimal(10), "eur": Decimal(10),
    "gbp": Decimal(10),
}  # fmt: skip

_PLAY: Final = (Bound(("mode", "live_http_enabled"), False, "such a profile never trades on a real exchange"),)
_FRESH: Final = Bound(
    ("limits", "stale_after_seconds"), Decimal(60), "after a minute without a price the market is lost"
)

BOUNDS: Final[dict[str, tuple[Bound, ...]]] = {
    "demo": _PLAY,
    "paper": _PLAY,
    "canary": (Bound(("limits", "daily_loss_max"), CANARY_LOSS_MAX, "so much a canary may lose in a day"), _FRESH),
    "live": (_FRESH,),
}

_ORDERED: Final[tuple[tuple[Key, Key], ...]] = (
    (("sizing", "order_size"), ("limits", "order_size_max")),
    (("limits", "order_size_max"), ("limits", "position_max")),
    (("limits", "order_notional_max"), ("limits", "position_notional_max")),
    (("limits", "position_notional_max"), ("sizing", "capital")),
    (("limits", "daily_loss_max"), ("sizing", "capital")),
)
"""The first may not be above the second: a limit that another one makes unreachable is a typing error."""

_STAGED: Final = (
    "order_error_{}_pct", "order_retry_{}_pct", "broker_latency_{}_ms", "guard_trips_{}", "stream_stale_{}_seconds",
)  # fmt: skip
"""Of the section health: what warns may not be above what is critical."""

SPELLINGS: Final[dict[str, tuple[re.Pattern[str], str]]] = {
    "zaif": (re.compile(r"[a-z0-9]+_[a-z0-9]+"), "base_quote in lower case, like btc_jpy"),
    "gmo": (re.compile(r"[A-Z0-9]+(_JPY)?"), "the coin for spot, like BTC, or the pair for leverage, like BTC_JPY"),
    "coinbase": (re.compile(r"[A-Z0-9]+-[A-Z0-9]+"), "BASE-QUOTE in upper case, like BTC-USD"),
}
"""How each exchange writes its instruments."""

LOOPBACK_HOSTS: Final = ("127.0.0.1", "::1", "localhost")
_SCHEMES: Final = {
    "rest_url": ("https", "http"), "stream_url": ("wss", "ws"), "account_stream_url": ("wss", "ws"),
}  # fmt: skip


def value_at(profile: Profile, key: Key) -> object:
    """The value of ``key`` in a complete profile."""
    value: object = profile
    for name in key:
        value = getattr(value, name)
    return value


def violations(profile: Profile) -> Iterator[tuple[Key, str]]:
    """Each key whose value is out of bounds, and why."""
    quote = profile.venue.currencies[1]
    for bound in BOUNDS[profile.kind]:
        value, maximum = value_at(profile, bound.key), bound.of(quote)
        assert isinstance(value, Decimal | bool | int), bound.key
        if maximum is None:
            yield bound.key, f"has no bound in {quote.upper()} that this release knows: {bound.why}"
        elif value > maximum:
            limit = "must be false" if maximum is False else f"may be at most {maximum}"
            yield bound.key, f"{limit} in a {profile.kind} profile: {bound.why}"
    for small, large in _ORDERED:
        smaller, larger = value_at(profile, small), value_at(profile, large)
        assert isinstance(smaller, Decimal), small
        assert isinstance(larger, Decimal), large
        if smaller > larger:
            yield small, f"may not be above {'.'.join(large)}, which is {larger:f}"
    for name in _STAGED:
        warn, crit = ("health", name.format("warn")), ("health", name.format("crit"))
        first, second = value_at(profile, warn), value_at(profile, crit)
        assert isinstance(first, int | Decimal), warn
        assert isinstance(second, int | Decimal), crit
        if first > second:
            yield warn, f"may not be above {'.'.join(crit)}, which is {second}"
    yield from _venue_violations(profile)


def idle(profile: Profile) -> Iterator[tuple[Key, str]]:
    """Each key that somebody set and that nothing reads, and why: no harm is done, but something else was meant."""
    if profile.venue.paper:
        for key in (("credentials", "key_file"), ("credentials", "secret_file"), ("venue", "account_stream_url")):
            if value_at(profile, key):
                yield key, "is not read: a paper account has no key and no private stream"


def _venue_violations(profile: Profile) -> Iterator[tuple[Key, str]]:
    venue = profile.venue
    spelling, words = SPELLINGS[venue.name]
    if not spelling.fullmatch(venue.instrument):
        yield ("venue", "instrument"), f"is not how {venue.name} writes an instrument: {words}"
    if venue.fee_currency not in ("", *venue.currencies):
        yield ("venue", "fee_currency"), f"must be one of the two currencies of {venue.instrument}"
    if venue.simulator and venue.paper:
        yield ("venue", "paper"), "excludes venue.simulator: paper has the live market, the built-in exchange a tape"
    if venue.simulator and not venue.tape:
        yield ("venue", "tape"), "must name a tape: the built-in exchange has no other market"
    for name, (safe, plain) in _SCHEMES.items():
        if not getattr(venue, name):
            continue
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
