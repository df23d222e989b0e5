"""What Zaif can do, how often it may be asked, what it charges, and what its error texts mean.

Numbers are those of the exchange's documentation as of 2026; what it does not publish is a parameter of the adapter.
A text that no row knows is *not* taken for a refusal: for an order it leaves the fate unknown (F-02).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from ztb.core.command import GTC
from ztb.core.error import Rejected, Throttled, VenueError
from ztb.venues import limits
from ztb.venues.limiter import LimitClass, RateRule
from ztb.venues.port import Addresses, Capabilities

ADDRESSES: Final = Addresses(rest="https://api.zaif.jp", stream="wss://ws.zaif.jp/stream")


def addresses_at(base_url: str) -> Addresses:
    """Where a built-in exchange at ``http://HOST:PORT`` answers."""
    return Addresses(rest=base_url, stream=base_url.replace("http", "ws", 1) + "/stream")


CAPABILITIES: Final = Capabilities(
    times_in_force=frozenset({GTC}),
    client_order_id=True,
    tagged_fills=True,
    order_status=False,
    tag_status=False,
    private_stream=False,
    reduce_only=False,
    cancel_many=1,
    positions=False,
    self_trade=True,
)
"""The client order id travels as ``comment``: no key of the venue's, so it does not stop a second order."""

COMMENT_LENGTH_MAX: Final = 255
_COMMENT: Final = re.compile(r"[!-.0-~]+")
"""Half-width letters, digits and symbols, no slash (and no space)."""

MAKER_FEE_PPM: Final = 0
TAKER_FEE_PPM: Final = 3_000
TAKER_FEE_PPM_MAIN: Final = 1_000
MAIN_PAIRS: Final = frozenset({"btc_jpy", "eth_jpy", "eth_btc"})

THROTTLED_PAUSE_S: Final = {"trade_history": 60.0}

RATE_RULES: Final[dict[str, RateRule]] = {
    "public": RateRule(LimitClass.PUBLIC, calls=10, period_s=1.0, wait_s_max=5.0),
    "get_info": RateRule(LimitClass.PRIVATE, calls=10, period_s=10.0),
    "get_info2": RateRule(LimitClass.PRIVATE, calls=20, period_s=10.0, reserve=4),
    "active_orders": RateRule(LimitClass.PRIVATE, calls=10, period_s=5.0, reserve=3),
    "trade_history": RateRule(LimitClass.PRIVATE, calls=12, period_s=60.0, reserve=2, wait_s_max=1.0),
    # An order that has to wait is an order at an old price: rather say so at once.
    "trade": RateRule(LimitClass.EXEC, calls=9, period_s=10.0, reserve=2, wait_s_max=0.0),
    # Not published; 2 a second is what other clients assume.
    "cancel_order": RateRule(LimitClass.EXEC, calls=10, period_s=5.0, reserve=5, wait_s_max=10.0),
}
"""By method, for one key; ``public`` is for the whole host."""
PUBLIC_RATE_RULES: Final = {"public": RATE_RULES["public"]}
"""For whoever has no key."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """A pattern of the whole normalised text, what it means, and whether the same call may be tried again."""

    pattern: str
    error: type[VenueError]
    kind: str
    retryable: bool = False
    remedy: str = ""


_KEY_REMEDY = "check the API key, its secret and its rights at the venue"

ERROR_RULES: Final = (
    ErrorRule("no data found for the key", Rejected, "auth", remedy=_KEY_REMEDY),
    ErrorRule("signature mismatch", Rejected, "auth", remedy=_KEY_REMEDY),
    ErrorRule("invalid access token|expired access token", Rejected, "auth", remedy=_KEY_REMEDY),
    ErrorRule("your account is restricted now.*", Rejected, "auth", remedy="the venue restricts the account"),
    ErrorRule("nonce not incremented", Rejected, "auth", retryable=True, remedy="one process for each API key"),
    ErrorRule("nonce out of range", Rejected, "auth", remedy="this key is used up: make a new one"),
    ErrorRule(".*permission.*", Rejected, "auth", remedy=_KEY_REMEDY),
    ErrorRule("time wait restriction.*", Throttled, "rate_limit", retryable=True),
    ErrorRule("insufficient funds", Rejected, "exchange"),
    ErrorRule("insufficient margin", Rejected, "exchange"),
    ErrorRule("invalid .*parameter|invalid parameter.*", Rejected, "exchange"),
    ErrorRule("illegal .*", Rejected, "exchange"),
    ErrorRule("limit must be .*", Rejected, "exchange"),
    ErrorRule("method not found|unsupported method", Rejected, "exchange"),
    ErrorRule("order not found", Rejected, "exchange"),
    ErrorRule("order is too new", Rejected, "exchange", retryable=True),
    ErrorRule("order already closed", Rejected, "exchange"),
    ErrorRule("trade temporarily unavailable", Rejected, "exchange", retryable=True),
    ErrorRule("unsupported currency_pair|currency_pair missing", Rejected, "exchange"),
    ErrorRule("invalid group_id or currency_pair", Rejected, "exchange"),
    ErrorRule("sorry, inventory is out of order", Rejected, "exchange"),
)
"""First match wins. ``already ordered`` and the like, seen only in other people's code, are left out on purpose."""

_COMPILED: Final = tuple((re.compile(rule.pattern), rule) for rule in ERROR_RULES)

_SPELLINGS: Final = {
    "insuffcient funds": "insufficient funds",
    "insufficientfunds": "insufficient funds",
    "insuffcientfunds": "insufficient funds",
}

ORDER_NOT_FOUND: Final = "order not found"
ORDER_TOO_NEW: Final = "order is too new"
NONCE_TOO_LOW: Final = "nonce not incremented"


def normalised(text: str) -> str:
    """The text as the rules write it: lower case, one spelling, plain apostrophes, no closing period."""
    plain = " ".join(text[: limits.REMARK_LENGTH_MAX].casefold().replace("\u2019", "'").split()).rstrip(". ")
    return _SPELLINGS.get(plain, plain)


def error_of(method: str, text: str) -> VenueError:
    """The error for a refusal's text. A plain ``VenueError`` (of no subclass) means: no rule knows this text."""
    code = normalised(text)
    shown = f"{method}: the venue answered {text[: limits.REMARK_LENGTH_MAX]!r}"
    for pattern, rule in _COMPILED:
        if pattern.fullmatch(code):
            return rule.error(shown, kind=rule.kind, code=code, retryable=rule.retryable, remedy=rule.remedy)
    return VenueError(shown, kind="exchange", code=code, remedy="a text that ztb does not know; please report it")


def taker_fee_ppm(pair: str) -> int:
    """The published taker fee; the API does not tell it."""
    return TAKER_FEE_PPM_MAIN if pair in MAIN_PAIRS else TAKER_FEE_PPM


def is_legal_comment(text: str) -> bool:
    """True for a text that the venue takes as ``comment``."""
    return len(text) <= COMMENT_LENGTH_MAX and _COMMENT.fullmatch(text) is not None
