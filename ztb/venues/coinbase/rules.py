"""What Coinbase can do, how often it may be asked, what it charges, and what its error words mean.

Numbers are those of the exchange's documentation as of 2026; what it does not publish is a parameter here. The list
of reasons for which an order is refused is open: a refusal that says ``success: false`` is one, whatever its reason,
but for the reasons that say that the order is there already.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY
from ztb.core.error import Rejected, Throttled, UnknownFate, VenueError
from ztb.venues import limits
from ztb.venues.limiter import LimitClass, RateRule
from ztb.venues.port import Addresses, Capabilities, OrderStatus

ADDRESSES: Final = Addresses(
    rest="https://api.coinbase.com",
    stream="wss://advanced-trade-ws.coinbase.com",
    account_stream="wss://advanced-trade-ws-user.coinbase.com",
)


def addresses_at(base_url: str) -> Addresses:
    """Where a built-in exchange at ``http://HOST:PORT`` answers."""
    stream = base_url.replace("http", "ws", 1) + "/"
    return Addresses(rest=base_url, stream=stream, account_stream=stream)


CAPABILITIES: Final = Capabilities(
    times_in_force=frozenset({GTC, IOC, FOK, POST_ONLY, MARKET}),
    client_order_id=True,
    tagged_fills=False,
    order_status=True,
    tag_status=True,
    private_stream=True,
    reduce_only=False,
    cancel_many=100,
    positions=False,
    self_trade=False,
)
"""Whether two orders of one account can trade with each other is not documented; exchanges of its kind prevent it."""

MAKER_FEE_PPM: Final = 6_000
TAKER_FEE_PPM: Final = 12_000
"""The lowest tier, which is the dearest: every account is taken to pay this until a fill says what it paid."""

RATE_RULES: Final[dict[str, RateRule]] = {
    "public": RateRule(LimitClass.PUBLIC, calls=9, period_s=1.0, wait_s_max=5.0),
    # 30 a second for all private calls of a user, shared out.
    "read": RateRule(LimitClass.PRIVATE, calls=14, period_s=1.0, reserve=4),
    # An order that has to wait is an order at an old price: rather say so at once.
    "order": RateRule(LimitClass.EXEC, calls=8, period_s=1.0, reserve=1, wait_s_max=0.0),
    "cancel": RateRule(LimitClass.EXEC, calls=7, period_s=1.0, reserve=3, wait_s_max=10.0),
    # Every private call counts here as well: 10,000 an hour, kept in parts so that no hour is used up in a minute.
    "all": RateRule(LimitClass.PRIVATE, calls=1_650, period_s=600.0, reserve=200, wait_s_max=1.0),
}
"""By purpose; ``public`` is for the address of this host, the others for one key."""
PUBLIC_RATE_RULES: Final = {"public": RATE_RULES["public"]}
"""For whoever has no key."""

CLOCK_AHEAD_S: Final = 10
"""Tokens begin so long ago: a host whose clock is ahead by less must not be refused for it."""
FILLS_OVERLAP_S: Final = 2.0
"""Fills are read again from so long before the newest known one: rows of one moment may appear one after another."""
RECENT_ORDERS_S: Final = 60.0
"""Younger orders are listed in every state, because a queued one does not count as open at the venue."""
PAGE_ROWS: Final = 250
LOOK_UP_ORDERS_MAX: Final = 50
"""Ids in one call, all of them in the URL."""
BOOK_ROWS: Final = 500
TRADE_ROWS: Final = 500
FRAME_BYTES_MAX: Final = 16 * 1024 * 1024
"""The first frame of a book holds all of it."""
BOOK_LEVELS_MAX: Final = 200_000
"""Of one side; a book that is larger is not believed."""
DEPTH_LEVELS: Final = 1_000
"""Of one side, told in a snapshot; what lies deeper is kept here and not told."""
EARLY_TRADES_MAX: Final = 10_000
"""Trades that may arrive before the first book."""
ORDER_LOTS_MAX: Final = 10_000
"""Orders whose size is remembered, because the stream forgets it when they end."""
GREETING_PAUSE_S: Final = 0.15
"""Eight messages a second, and the first within five seconds."""

STATUS_OF: Final = {
    "PENDING": OrderStatus.WORKING,
    "QUEUED": OrderStatus.WORKING,
    "OPEN": OrderStatus.WORKING,
    "CANCEL_QUEUED": OrderStatus.WORKING,
    "EDIT_QUEUED": OrderStatus.WORKING,
    "FILLED": OrderStatus.FILLED,
    "CANCELLED": OrderStatus.CANCELLED,
    "EXPIRED": OrderStatus.EXPIRED,
    "FAILED": OrderStatus.REJECTED,
}
"""``UNKNOWN_ORDER_STATUS`` is left out on purpose: it says nothing that could be believed."""

_KEY_REMEDY: Final = "check the API key, its secret and its permissions at the venue, and this host's clock"


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """What an error word or HTTP status means, and whether the same call may be tried again."""

    error: type[VenueError]
    kind: str
    retryable: bool = False
    remedy: str = ""


_AUTH: Final = ErrorRule(Rejected, "auth", remedy=_KEY_REMEDY)
_TOO_OFTEN: Final = ErrorRule(Throttled, "rate_limit", retryable=True)
_REFUSED: Final = ErrorRule(Rejected, "exchange")
_BROKEN: Final = ErrorRule(VenueError, "network", retryable=True)

CODE_RULES: Final = {
    "authentication_error": _AUTH,
    "unauthorized": _AUTH,
    "unauthenticated": _AUTH,
    "invalid_token": _AUTH,
    "expired_token": _AUTH,
    "revoked_token": _AUTH,
    "invalid_scope": _AUTH,
    "two_factor_required": _AUTH,
    "permission_denied": _AUTH,
    "rate_limit_exceeded": _TOO_OFTEN,
    "resource_exhausted": _TOO_OFTEN,
    "invalid_argument": _REFUSED,
    "not_found": _REFUSED,
    "internal_server_error": _BROKEN,
    "internal": _BROKEN,
    "unavailable": _BROKEN,
}
"""By the word in lower case. A plain ``VenueError`` says nothing of what was done: an order's fate is then unknown."""

TOKEN_CODES: Final = frozenset(
    {"401", "authentication_error", "unauthorized", "unauthenticated", "invalid_token", "expired_token"}
)
"""How a token is refused, for its time or for anything else in it."""

STATUS_RULES: Final = {400: _REFUSED, 401: _AUTH, 403: _AUTH, 404: _REFUSED, 429: _TOO_OFTEN}
"""Where the word is unknown or there is none."""

SPEAKING_STATUSES: Final = frozenset(STATUS_RULES)
"""HTTP statuses besides 200 whose body says what happened."""
WORDLESS_RULES: Final = {401: _AUTH, 403: _TOO_OFTEN, 429: _TOO_OFTEN}
"""From the gateway, as plain text or a page: what they answer went no further. Any other page says nothing of that."""

NOT_FOUND: Final = "not_found"
UNKNOWN_REASON: Final = "UNKNOWN"
"""How every reason begins that says nothing."""

ORDER_IS_THERE: Final = frozenset({"DUPLICATE_CLIENT_ORDER_ID"})
"""Refusals of an order which say that one with its id exists: we sent it once, so it may well be ours and working."""

ALREADY_ENDED: Final = frozenset({"UNKNOWN_CANCEL_ORDER", "DUPLICATE_CANCEL_REQUEST", "ORDER_IS_FULLY_FILLED"})
CANCEL_AGAIN: Final = frozenset(
    {"COMMANDER_REJECTED_CANCEL_ORDER", "ORDER_IS_BEING_REPLACED", "UNKNOWN_CANCEL_FAILURE_REASON"}
)
"""Cancels that were refused for a reason which passes."""

_FUNDS_REMEDY: Final = "the account has too little of the currency that the order needs"


def error_of(what: str, *, status: int, code: str, text: str) -> VenueError:
    """The error for a refusal in one of the venue's two envelopes, or for a status without one."""
    word = code[: limits.REMARK_LENGTH_MAX].casefold()
    rule = CODE_RULES.get(word) or STATUS_RULES.get(status)
    shown = f"{what}: HTTP {status}, the venue answered {f'{code}: {text}'[: limits.REMARK_LENGTH_MAX]!r}"
    if rule is None:
        return VenueError(shown, kind="exchange", code=word, remedy="words that ztb does not know; please report them")
    return rule.error(shown, kind=rule.kind, code=word or str(status), retryable=rule.retryable, remedy=rule.remedy)


def wordless(what: str, status: int) -> VenueError | None:
    """The error for a status whose body cannot be read; None: it says nothing of what was done."""
    rule = WORDLESS_RULES.get(status)
    if rule is None:
        return None
    shown = f"{what}: refused with HTTP {status}"
    return rule.error(shown, kind=rule.kind, code=str(status), retryable=rule.retryable, remedy=rule.remedy)


def order_refusal(reason: str, text: str) -> VenueError:
    """An order was answered with ``success: false``."""
    shown = f"orders: the venue refused: {f'{reason}: {text}'[: limits.REMARK_LENGTH_MAX]!r}"
    if reason in ORDER_IS_THERE:
        return UnknownFate(shown, kind="exchange", code=reason, remedy="it is looked up, never sent again")
    remedy = _FUNDS_REMEDY if "INSUFFICIENT_FUND" in reason else ""
    return Rejected(shown, kind="exchange", code=reason[: limits.REMARK_LENGTH_MAX], remedy=remedy)


def cancel_refusal(reason: str) -> Rejected:
    """A cancel was answered with ``success: false`` for a reason that is no end of the order."""
    code = reason[: limits.REMARK_LENGTH_MAX]
    return Rejected(
        f"batch_cancel: the venue refused: {code!r}", kind="exchange", code=code, retryable=code in CANCEL_AGAIN
    )
