"""The options that describe a recording, for ``ztb tape import`` and ``ztb tape check``, and what they mean."""

from __future__ import annotations

import argparse
from decimal import Decimal
from pathlib import Path
from typing import Final

from ztb.cli.options import whole
from ztb.core.error import AmountError, UsageError
from ztb.core.instrument import Instrument
from ztb.core.money import PPM, decimal_from_text
from ztb.store.tape_binance import Thinning, symbol_of
from ztb.store.tape_make import BINANCE_JSONL, INPUT_FORMATS, Recording
from ztb.store.tape_meta import smallest_money_scale

MS: Final = 1_000_000

STEPS: Final = {"btc_jpy": ("5", "0.0001")}
"""Tick and lot of instruments that need no --tick and --lot."""
BINANCE_STEPS: Final = ("0.01", "0.00000001")
"""All that Binance writes of BTCUSDT lies on these: sums of its book levels are finer than its lots."""
QUOTE_CURRENCIES: Final = ("USDT", "USDC", "FDUSD", "BUSD", "JPY", "USD", "EUR", "BTC", "ETH")
DEPTH_LEVELS_CONVERTED: Final = 20
DEPTH_LEVELS_MAX: Final = 1000
INTERVAL_MS_MAX: Final = 3_600_000
_PPM: Final = whole(1 - PPM, PPM - 1)


def add_recording_options(parser: argparse.ArgumentParser) -> None:
    """Instrument, conversion and thinning; read them with ``recording_from``."""
    group = parser.add_argument_group("instrument")
    group.add_argument("--symbol", metavar="NAME", help="of the instrument (default: btc_jpy, or what the file names)")
    group.add_argument("--tick", type=_amount, metavar="AMOUNT", help="price step (default for btc_jpy: 5)")
    group.add_argument("--lot", type=_amount, metavar="AMOUNT", help="size step (default for btc_jpy: 0.0001)")
    group.add_argument("--leveraged", action="store_true", help="a sell may open a short position (default: spot)")
    group.add_argument("--maker-fee-ppm", type=_PPM, default=0, metavar="PPM", help="default: 0")
    group.add_argument("--taker-fee-ppm", type=_PPM, default=1000, metavar="PPM", help="default: 1000, that is 0.1 %%")
    group = parser.add_argument_group("conversion and thinning (binance-jsonl)")
    group.add_argument("--convert", metavar="NAME", help="make the instrument NAME of it, for example btc_jpy")
    group.add_argument("--rate", type=_amount, metavar="RATE", help="what every price is multiplied by")
    group.add_argument(
        "--depth-levels", type=whole(0, DEPTH_LEVELS_MAX), metavar="N",
        help=f"only the best N levels of the book (default: all, {DEPTH_LEVELS_CONVERTED} with --convert)",
    )  # fmt: skip
    group.add_argument(
        "--depth-interval-ms", type=whole(0, INTERVAL_MS_MAX), default=0, metavar="MS",
        help="one change of the best levels each MS at most (default: 0, all)",
    )  # fmt: skip
    group.add_argument(
        "--quote-interval-ms", type=whole(0, INTERVAL_MS_MAX), default=0, metavar="MS",
        help="one quote that only changes a size each MS at most (default: 0, all)",
    )  # fmt: skip


def recording_from(args: argparse.Namespace, files: list[Path], file_format: str) -> Recording:
    """What the options say about ``files``; UsageError where they contradict each other."""
    assert file_format in INPUT_FORMATS
    if (args.convert is None) != (args.rate is None):
        raise UsageError("--convert and --rate belong together", remedy="give both: --convert btc_jpy --rate 147.00")
    if args.convert and args.symbol:
        raise UsageError("--symbol and --convert both name the instrument", remedy="give only one of them")
    source_symbol = ""
    levels = args.depth_levels or 0
    if file_format == BINANCE_JSONL:
        source_symbol = symbol_of(files[0])
        if args.convert:
            levels = levels or DEPTH_LEVELS_CONVERTED
        elif args.depth_interval_ms and not levels:
            raise UsageError("--depth-interval-ms needs --depth-levels", remedy="add --depth-levels 20")
    elif args.convert:
        raise UsageError("only binance-jsonl can be converted", remedy="leave out --convert and --rate")
    thinning = Thinning(levels, args.depth_interval_ms * MS, args.quote_interval_ms * MS, same_quotes=levels > 0)
    instrument = _instrument(args, source_symbol)
    repair = getattr(args, "repair", False)
    return Recording(tuple(files), file_format, instrument, source_symbol, args.rate, thinning, repair)


def _instrument(args: argparse.Namespace, source_symbol: str) -> Instrument:
    symbol = args.convert or args.symbol or source_symbol.lower() or "btc_jpy"
    tick_text, lot_text = BINANCE_STEPS if symbol == source_symbol.lower() else STEPS.get(symbol, ("", ""))
    tick = args.tick or (Decimal(tick_text) if tick_text else None)
    lot = args.lot or (Decimal(lot_text) if lot_text else None)
    if tick is None or lot is None:
        raise UsageError(f"the steps of {symbol} are not known", remedy="give --tick and --lot")
    base, quote = _currencies(symbol)
    return Instrument(
        symbol, base, quote, tick, lot, smallest_money_scale(tick, lot), leveraged=args.leveraged,
        maker_fee_ppm=args.maker_fee_ppm, taker_fee_ppm=args.taker_fee_ppm,
    )  # fmt: skip


def _currencies(symbol: str) -> tuple[str, str]:
    """``btc_jpy`` is btc and jpy; ``btcusdt`` is btc and usdt by the currencies that end such names."""
    base, separator, quote = symbol.partition("_")
    if separator:
        return base, quote
    ending = next((name for name in QUOTE_CURRENCIES if symbol.upper().endswith(name) and len(symbol) > len(name)), "")
    return (symbol[: -len(ending)], ending.lower()) if ending else (symbol, "")


def _amount(text: str) -> Decimal:
    try:
        value = decimal_from_text(text)
    except AmountError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    if value <= 0:
        raise argparse.ArgumentTypeError(f"{text} is not positive")
    return value
