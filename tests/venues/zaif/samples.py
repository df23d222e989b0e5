"""The venue's answers as recorded shapes, and the instrument that they are about."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from ztb.core.instrument import Instrument

_DATA = Path(__file__).parent / "data"
SAMPLES: dict[str, Any] = json.loads((_DATA / "sample_responses.json").read_text("utf-8"))
VECTORS: list[dict[str, Any]] = json.loads((_DATA / "signing_vectors.json").read_text("utf-8"))["vectors"]

BTC_JPY = Instrument(
    symbol="btc_jpy",
    base="btc",
    quote="jpy",
    tick_size=Decimal(5),
    lot_size=Decimal("0.0001"),
    money_scale=4,
    maker_fee_ppm=0,
    taker_fee_ppm=1000,
)
"""Written from the exchange's documentation, not from the decoder."""


def rest_body(name: str) -> bytes:
    """The body of one recorded REST answer."""
    return next(json.dumps(row["response"]).encode() for row in SAMPLES["rest"] if row["name"] == name)


def variant(name: str) -> bytes:
    """The body of one recorded variant of a private answer."""
    return json.dumps(SAMPLES["variants"][name]).encode()


def frame(**changes: object) -> bytes:
    """The recorded stream frame, with members replaced."""
    return json.dumps(SAMPLES["ws"]["stream"] | changes).encode()
