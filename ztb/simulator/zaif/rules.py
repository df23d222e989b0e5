"""Zaif's limits, fees and words as tables. What its documentation leaves open is a setting here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, final

from ztb.core.instrument import Instrument
from ztb.simulator.rate_window import Window

MAKER_FEE_PPM: Final = 0
TAKER_FEE_PPM: Final[Mapping[str, int]] = {"btc_jpy": 1_000, "eth_jpy": 1_000, "eth_btc": 1_000}
TAKER_FEE_PPM_OTHER: Final = 3_000


def fees_ppm(instrument: Instrument) -> tuple[int, int]:
    """Maker and taker: the tape's where it names them, else Zaif's."""
    pair = f"{instrument.base}_{instrument.quote}".lower()
    taker = instrument.taker_fee_ppm or TAKER_FEE_PPM.get(pair, TAKER_FEE_PPM_OTHER)
    return instrument.maker_fee_ppm or MAKER_FEE_PPM, taker


NOT_TOKEN: Final = frozenset({"btc_jpy", "mona_jpy", "mona_btc", "xem_jpy", "xem_btc"})
CURRENCIES: Final = ("jpy", "btc", "eth", "xem", "mona")
"""Shown in ``funds`` of every account, whether it has any or not."""

COMMENT_LENGTH_MAX: Final = 255
HISTORY_COUNT_MAX: Final = 1_000
NONCE_MAX: Final = Decimal(10) ** 16
"""Unpublished. Seconds, milliseconds and microseconds pass, nanoseconds do not."""
STREAM_LEVELS: Final = 20
STREAM_TRADES: Final = 21
FRAME_INTERVAL_NS: Final = 100_000_000


@final
@dataclass(frozen=True, slots=True)
class Method:
    """One method of /tapi: the right that it needs and its documented limit per key (None: none known)."""

    right: str
    window: Window | None


METHODS: Final[Mapping[str, Method]] = {
    "get_info": Method("info", Window(10, 10)),
    "get_info2": Method("info", Window(20, 10)),
    "get_personal_info": Method("personal_info", None),
    "get_id_info": Method("id_info", None),
    "active_orders": Method("info", Window(10, 5)),
    "trade": Method("trade", Window(9, 10)),
    # Not published; other people's clients keep to two a second.
    "cancel_order": Method("trade", Window(20, 10)),
    "trade_history": Method("info", Window(12, 60)),
    "deposit_history": Method("info", Window(10, 60)),
    "withdraw_history": Method("info", Window(10, 60)),
    "withdraw": Method("withdraw", None),
}


@final
@dataclass(frozen=True, slots=True)
class ZaifRules:
    """Settings where the real exchange's behaviour is uncertain, changes, or gets in the way of a test."""

    public_per_second: int = 10
    """0: no limit."""
    public_refusal_status: int = 403
    private_limits: bool = True
    order_too_new_ns: int = 0
    """A cancel that comes sooner than this after its order is refused."""
    stream_idle_s_max: float = 60.0
    """Of the wall: a client's keep-alive runs on its sockets' time, however fast the market's time runs."""
