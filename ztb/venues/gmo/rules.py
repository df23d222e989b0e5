"""What GMO Coin allows and how it says no: capabilities, rate limits, and its error codes sorted by fate.

Numbers are those of the exchange's documentation as of 2026. What it does not publish, or what only one client has
seen, is marked so and can be given to the adapter as a parameter. A code that no row knows is *not* taken for a
refusal: for an order it leaves the fate unknown (F-02).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from ztb.core.command import FOK, GTC, IOC, MARKET, POST_ONLY
from ztb.core.error import Rejected, Throttled, VenueError
from ztb.venues import limits
from ztb.venues.limiter import LimitClass, RateRule
from ztb.venues.port import Addresses, Capabilities

_STREAM: Final = "/ws/public/v1"
_ACCOUNT_STREAM: Final = "/ws/private/v1"

ADDRESSES: Final = Addresses(
    rest="https://api.coin.z.com",
    stream="wss://api.coin.z.com" + _STREAM,
    account_stream="wss://api.coin.z.com" + _ACCOUNT_STREAM,
)


def addresses_at(base_url: str) -> Addresses:
    """Where a built-in exchange at ``http://HOST:PORT`` answers."""
    sockets = base_url.replace("http", "ws", 1)
    return Addresses(rest=base_url, stream=sockets + _STREAM, account_stream=sockets + _ACCOUNT_STREAM)


CAPABILITIES: Final = Capabilities(
    times_in_force=frozenset({GTC, IOC, FOK, POST_ONLY, MARKET}),
    client_order_id=False,
    tagged_fills=False,
    order_status=True,
    tag_status=False,
    private_stream=True,
    reduce_only=True,
    cancel_many=10,
    positions=True,
    self_trade=False,
)
"""There is no client order id, nor any free text: an order is known by the venue's id or by its fingerprint."""

TIME_IN_FORCE_OF: Final = {GTC: "FAS", IOC: "FAK", FOK: "FOK", POST_ONLY: "SOK", MARKET: "FAK"}
POST_ONLY_LEVERAGE: Final = frozenset({"BTC_JPY", "DOT_JPY", "ATOM_JPY", "ADA_JPY", "LINK_JPY", "DOGE_JPY", "SOL_JPY"})
"""Leverage symbols that know SOK; every spot symbol does."""

ORDERS_A_CALL_MAX: Final = 10
PAGE_ROWS_MAX: Final = 100
HISTORY_PAGES_MAX: Final = 200
"""Pages of 100 fills that one reading goes back; the venue itself keeps 24 hours."""
MONEY_SCALE_MIN: Final = 8
"""Fees come in yen with decimals: so many are kept, however coarse tick times lot is."""

SUBSCRIBE_PAUSE_S: Final = 1.1
"""One subscription a second for each IP, all sockets together; a little more, because clocks differ."""
CONNECT_SLACK_S: Final = 1.0
"""Between the turn to subscribe and the first message lies the handshake, which takes its time."""
TOKEN_EXTEND_S: Final = 300.0
"""A token lives for 60 minutes; extending it every few leaves room for many failures."""
TOKEN_RELEASE_S_MAX: Final = 2.0
"""So long a token may take to be given back when we leave; it would run out by itself."""

PUBLIC: Final = "public"
GET: Final = "get"
POST: Final = "post"


def rate_rules(*, calls_per_s: int = 20, public_calls_per_s: int = 10) -> dict[str, RateRule]:
    """Our limits from the venue's: by account, GET and POST counted separately; ``public`` for the whole host.

    ``calls_per_s`` is 20 in tier 1, 30 in tier 2 and 50 in tier 3. The public limit is not published. How PUT and
    DELETE count is unknown: they are counted as POST.
    """
    calls = max(2, calls_per_s - 2)
    reserve = max(1, calls // 4)
    return {
        PUBLIC: RateRule(LimitClass.PUBLIC, calls=public_calls_per_s, period_s=1.0, wait_s_max=5.0),
        GET: RateRule(LimitClass.PRIVATE, calls=calls, period_s=1.0, reserve=reserve, wait_s_max=5.0),
        POST: RateRule(LimitClass.EXEC, calls=calls, period_s=1.0, reserve=reserve, wait_s_max=5.0),
    }


RATE_RULES: Final = rate_rules()
PUBLIC_RATE_RULES: Final = {PUBLIC: RATE_RULES[PUBLIC]}
"""For whoever has no key."""

ORDER_WAIT_S_MAX: Final = 0.0
"""An order that has to wait is an order at an old price: rather say so at once."""


@dataclass(frozen=True, slots=True)
class ErrorRule:
    """What a code means, whether the same call may be tried again, and our name for it ("": the venue's own)."""

    error: type[VenueError]
    kind: str
    retryable: bool = False
    name: str = ""
    remedy: str = ""


MAINTENANCE: Final = "maintenance"

_NO: Final = ErrorRule(Rejected, "exchange")
_KEY: Final = ErrorRule(Rejected, "auth", remedy="check the API key, its secret, its rights and its IP addresses")
_CLOCK: Final = ErrorRule(Rejected, "auth", True, remedy="set this host's clock; the venue refuses its time stamps")
_MAINTENANCE: Final = ErrorRule(Rejected, "exchange", True, MAINTENANCE, "wait until the venue is open again")
_BUSY: Final = ErrorRule(VenueError, "network", True, remedy="the venue's order queue is overloaded")

CLOCK_CODES: Final = ("ERR-5008", "ERR-5009")
"""The time stamp is ahead of the venue's time, or behind it."""

ERROR_RULES: Final[dict[str, ErrorRule]] = {
    **dict.fromkeys(CLOCK_CODES, _CLOCK),
    **dict.fromkeys(("ERR-5007", "ERR-5010", "ERR-5011", "ERR-5012", "ERR-5014", "ERR-5125", "ERR-5127"), _KEY),
    "ERR-5003": ErrorRule(Throttled, "rate_limit", True),
    # The order may be in the queue or not: no refusal.
    **dict.fromkeys(("ERR-554", "ERR-626"), _BUSY),
    **dict.fromkeys(("ERR-5201", "ERR-5202", "ERR-5203"), _MAINTENANCE),
    # Funds and holdings, positions, the number of orders, margin calls.
    **dict.fromkeys(("ERR-201", "ERR-208"), _NO),
    **dict.fromkeys(("ERR-254", "ERR-422", "ERR-70", "ERR-189", "ERR-200"), _NO),
    **dict.fromkeys(("ERR-635", "ERR-682", "ERR-683"), _NO),
    # Parameters and prices.
    **dict.fromkeys(("ERR-5106", "ERR-5111", "ERR-5114", "ERR-5118", "ERR-5126", "ERR-5204"), _NO),
    **dict.fromkeys(("ERR-5207", "ERR-5208", "ERR-430", "ERR-846", "ERR-5121", "ERR-5129"), _NO),
    # Orders that are past changing, and transfers.
    **dict.fromkeys(("ERR-5122", "ERR-5123", "ERR-5206", "ERR-754", "ERR-5133", "ERR-5135"), _NO),
}
"""By ``message_code``; texts are not confirmed. Left out on purpose: 143, 759, 760 and 761, which were seen by others
without a meaning, and 5105, which belongs to another API: they prove nothing about an order."""

NOTHING_TO_CANCEL: Final = frozenset({"ERR-5122", "ERR-5123"})
NO_SUCH_ORDER: Final = frozenset({"ERR-5123", "ERR-5207", "ERR-430"})
"""How a question about an order that the venue does not know may be answered."""


def error_of(what: str, code: str, text: str) -> VenueError:
    """The error for a refusal. A plain ``VenueError`` (of no subclass) is no refusal: nobody knows what was done."""
    code = code.strip()[: limits.REMARK_LENGTH_MAX]
    shown = f"{what}: the venue answered {code} {text[: limits.REMARK_LENGTH_MAX]!r}"
    rule = ERROR_RULES.get(code)
    if rule is None:
        return VenueError(shown, kind="exchange", code=code, remedy="a code that ztb does not know; please report it")
    return rule.error(shown, kind=rule.kind, code=rule.name or code, retryable=rule.retryable, remedy=rule.remedy)


def knows_post_only(symbol: str, *, leveraged: bool) -> bool:
    """True where SOK may be sent."""
    return not leveraged or symbol in POST_ONLY_LEVERAGE
