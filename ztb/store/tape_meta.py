"""What a tape says about itself: the instrument, where the data come from, who may use them, what was changed.

The rule: nothing in it depends on when or where the tape was made, so that the same input gives the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Final

import msgspec

from ztb.core.error import AmountError, TapeError
from ztb.core.instrument import Instrument
from ztb.store.tape_format import HEAD, tape_error


@dataclass(frozen=True)
class Conversion:
    """Prices were multiplied by ``rate`` to make another instrument of them."""

    from_symbol: str
    to_symbol: str
    rate: Decimal
    price_rule: str
    size_rule: str


@dataclass(frozen=True)
class InputFile:
    """A file that the tape was made from, by name and content."""

    name: str
    sha256: str


@dataclass(frozen=True)
class TapeMeta:
    """Header of a tape. Texts are for people; what only the end of the recording can tell is in the summary."""

    instrument: Instrument
    source: str = ""
    licence: str = ""
    attribution: str = ""
    conversion: Conversion | None = None
    inputs: tuple[InputFile, ...] = ()
    notes: str = ""


class _InstrumentHeader(msgspec.Struct):
    symbol: str
    base: str
    quote: str
    tick_size: Decimal
    lot_size: Decimal
    money_scale: int
    leveraged: bool
    lots_min: int
    lots_max: int
    maker_fee_ppm: int
    taker_fee_ppm: int


class _Header(msgspec.Struct):
    instrument: _InstrumentHeader
    source: str
    licence: str
    attribution: str
    conversion: Conversion | None
    inputs: tuple[InputFile, ...]
    notes: str


_TEXTS: Final = ("source", "licence", "attribution", "notes")
MONEY_SCALE_MAX: Final = 30
"""More decimals than any currency has; it bounds what a forged header can make us compute."""


def header_from_meta(meta: TapeMeta) -> bytes:
    """JSON with amounts as strings."""
    fields = _InstrumentHeader.__struct_fields__
    instrument = _InstrumentHeader(**{name: getattr(meta.instrument, name) for name in fields})
    texts = {name: getattr(meta, name) for name in _TEXTS}
    return msgspec.json.encode(_Header(instrument, conversion=meta.conversion, inputs=meta.inputs, **texts))


def meta_from_header(path: Path, header: bytes) -> TapeMeta:
    """Pair of ``header_from_meta``; TapeError names the field that is wrong."""
    try:
        decoded = msgspec.json.decode(header, type=_Header)
        fields = {name: getattr(decoded.instrument, name) for name in _InstrumentHeader.__struct_fields__}
        if not 0 <= decoded.instrument.money_scale <= MONEY_SCALE_MAX:
            raise AmountError(f"money_scale {decoded.instrument.money_scale} is not in 0..{MONEY_SCALE_MAX}")
        instrument = Instrument(**fields)
    except (msgspec.MsgspecError, UnicodeDecodeError, AmountError) as error:
        raise tape_error(path, HEAD.size, f"the header is wrong: {error}") from None
    texts = {name: getattr(decoded, name) for name in _TEXTS}
    return TapeMeta(instrument, conversion=decoded.conversion, inputs=decoded.inputs, **texts)


Summary = dict[str, int]
"""What was counted while the tape was made (rows unused by reason, gaps in the depth sequence, ...)."""


def summary_to_bytes(summary: Summary) -> bytes:
    """JSON with sorted keys."""
    return msgspec.json.encode(dict(sorted(summary.items())))


def summary_from_bytes(path: Path, offset: int, data: bytes) -> Summary:
    """Pair of ``summary_to_bytes``."""
    try:
        return msgspec.json.decode(data, type=Summary)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise tape_error(path, offset, f"the summary is wrong: {error}") from None


def smallest_money_scale(tick_size: Decimal, lot_size: Decimal) -> int:
    """Decimals of the quote currency that make tick x lot a whole number of money units (at least 4)."""
    product = (tick_size * lot_size).normalize()
    if not product.is_finite() or product <= 0:
        raise TapeError(f"tick {tick_size} and lot {lot_size} must be positive numbers")
    exponent = product.as_tuple().exponent
    assert isinstance(exponent, int)
    return max(4, -exponent)
