"""The venue's answers as recorded shapes, and the instruments that they are about."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from hypothesis import strategies as st

from ztb.core.instrument import Instrument

_DATA = Path(__file__).parent / "data"
SAMPLES: dict[str, Any] = json.loads((_DATA / "sample_responses.json").read_text("utf-8"))
VECTORS: list[dict[str, Any]] = json.loads((_DATA / "signing_vectors.json").read_text("utf-8"))["vectors"]

SPOT = Instrument(
    symbol="BTC",
    base="btc",
    quote="jpy",
    tick_size=Decimal(1),
    lot_size=Decimal("0.00001"),
    money_scale=8,
    lots_min=1,
    lots_max=500_000,
    maker_fee_ppm=-100,
    taker_fee_ppm=500,
)
LEVERAGE = Instrument(
    symbol="BTC_JPY",
    base="btc",
    quote="jpy",
    tick_size=Decimal(1),
    lot_size=Decimal("0.001"),
    money_scale=8,
    leveraged=True,
    lots_min=1,
    lots_max=5_000,
    maker_fee_ppm=0,
    taker_fee_ppm=0,
    nets=False,
)
"""Both written from the exchange's documentation, not from the decoder."""
BOTH = {"BTC": SPOT, "BTC_JPY": LEVERAGE}


def rest_body(name: str) -> bytes:
    """The body of one recorded REST answer."""
    return next(json.dumps(row["response"]).encode() for row in SAMPLES["rest"] if row["name"] == name)


def rest_data(name: str) -> Any:  # noqa: ANN401
    """The ``data`` of one recorded REST answer."""
    return json.loads(rest_body(name))["data"]


def answer_body(data: object) -> bytes:
    """A successful answer around ``data``."""
    return json.dumps({"status": 0, "data": data, "responsetime": "2023-11-14T22:13:20.123Z"}).encode()


def refusal_body(code: str, text: str = "", *, status: int = 1) -> bytes:
    """A refusal as the venue writes one."""
    messages = [{"message_code": code, "message_string": text}]
    return json.dumps({"status": status, "messages": messages, "responsetime": "2023-11-14T22:13:20.123Z"}).encode()


def variant(name: str) -> bytes:
    """The body of one recorded variant of an answer."""
    return json.dumps(SAMPLES["variants"][name]).encode()


def frame(name: str, **changes: object) -> bytes:
    """A recorded frame of a socket, with members replaced."""
    return json.dumps(SAMPLES["ws"][name] | changes).encode()


JSON: Final = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=12), inner, max_size=4),
    max_leaves=12,
)
"""Anything that JSON can say."""
