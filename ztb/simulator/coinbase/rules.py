"""Coinbase's limits, fees and words as tables. What its documentation leaves open is a setting here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, final

from ztb.core.instrument import Instrument

MAKER_FEE_PPM: Final = 6_000
TAKER_FEE_PPM: Final = 12_000
"""Of the lowest tier of volume."""


def fees_ppm(_instrument: Instrument) -> tuple[int, int]:
    """Maker and taker of accounts that name none. The tape's fees are those of where it was recorded."""
    return MAKER_FEE_PPM, TAKER_FEE_PPM


HOST: Final = "api.coinbase.com"
"""Tokens may name this host, or the one that the request was sent to."""
PREFIX: Final = "/api/v3/brokerage"
ISSUERS: Final = ("cdp", "coinbase-cloud")
"""``iss`` of the official client, and of the older documented form that others still send."""
AUDIENCE: Final = "retail_rest_api_proxy"

ACCOUNTS_LIMIT: Final = 49
ACCOUNTS_LIMIT_MAX: Final = 250
ORDERS_LIMIT_MAX: Final = 1_000
FILLS_LIMIT: Final = 100
FILLS_LIMIT_MAX: Final = 1_000
CANCELS_MAX: Final = 100
"""Orders in one batch_cancel."""
CANDLES_MAX: Final = 350
BOOK_LEVELS_MAX: Final = 1_000
TRADES_MAX: Final = 1_000
CLIENT_ID_LENGTH_MAX: Final = 128
TICKETS_MAX: Final = 100_000
"""Orders of one account that can still be looked up; the oldest ended ones are forgotten first."""
L2_LEVELS_MAX: Final = 10_000
"""Of one side, in the level2 channel."""
SUBSCRIPTIONS_MAX: Final = 100
"""Product ids in one message."""

GRANULARITIES_S: Final[Mapping[str, int]] = {
    "ONE_MINUTE": 60,
    "FIVE_MINUTE": 300,
    "FIFTEEN_MINUTE": 900,
    "THIRTY_MINUTE": 1_800,
    "ONE_HOUR": 3_600,
    "TWO_HOUR": 7_200,
    "FOUR_HOUR": 14_400,
    "SIX_HOUR": 21_600,
    "ONE_DAY": 86_400,
}

HEARTBEAT_NS: Final = 1_000_000_000
TRADES_NS: Final = 250_000_000
CANDLES_NS: Final = 1_000_000_000
TICKER_BATCH_NS: Final = 5_000_000_000
SNAPSHOT_TRADES: Final = 50
SNAPSHOT_CANDLES: Final = 350
USER_SNAPSHOT_BATCH: Final = 50


@final
@dataclass(frozen=True, slots=True)
class CoinbaseRules:
    """Settings where the real exchange's behaviour is uncertain, changes, or gets in the way of a test."""

    public_per_second: int = 10
    """By address; 0: no limit."""
    private_limits: bool = True
    private_per_second: int = 30
    private_per_hour: int = 0
    """0: no limit. The policy of Coinbase's other products says 10,000."""
    token_life_s_max: int = 120
    token_leeway_s: int = 0
    alias_quote: str = ""
    """``USDC`` offers BTC-USDC as another name of BTC-USD; both trade from the same wallets here."""
    subscribe_s_max: float = 5.0
    """Of the wall: a socket without a subscription is closed after this."""
    silence_s_max: float = 75.0
    """Of the wall: a socket on which the server had nothing to say is closed after this."""
    sockets_per_second: int = 8
    messages_per_second: int = 8
    """What one address may send without a token, over all its sockets; 0: no limit."""
