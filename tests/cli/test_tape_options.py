"""The options of a recording: what they mean, and which of them contradict each other."""

from __future__ import annotations

import argparse
import json
from decimal import Decimal
from pathlib import Path

import pytest

from ztb.cli.tape_options import add_recording_options, recording_from
from ztb.core.error import UsageError
from ztb.store.tape_binance import Thinning
from ztb.store.tape_make import Recording

CSV, JSONL = "trades-csv", "binance-jsonl"


def recording(tmp_path: Path, file_format: str, *words: str, symbol: str = "BTCUSDT") -> Recording:
    parser = argparse.ArgumentParser()
    add_recording_options(parser)
    path = tmp_path / "a"
    path.write_text(f"1000 {json.dumps({'e': 'trade', 's': symbol})}\n")
    return recording_from(parser.parse_args(words), [path], file_format)


def test_a_csv_is_btc_jpy_unless_told_otherwise(tmp_path: Path) -> None:
    instrument = recording(tmp_path, CSV).instrument
    assert (instrument.symbol, instrument.base, instrument.quote) == ("btc_jpy", "btc", "jpy")
    assert (instrument.tick_size, instrument.lot_size) == (Decimal(5), Decimal("0.0001"))
    assert (instrument.maker_fee_ppm, instrument.taker_fee_ppm) == (0, 1000)
    assert instrument.money_scale == 4
    assert not instrument.leveraged


def test_every_property_of_the_instrument_can_be_told(tmp_path: Path) -> None:
    words = "--symbol eth_usd --tick 0.01 --lot 0.00001 --leveraged --maker-fee-ppm -100 --taker-fee-ppm 400"
    instrument = recording(tmp_path, CSV, *words.split()).instrument
    assert (instrument.symbol, instrument.base, instrument.quote) == ("eth_usd", "eth", "usd")
    assert (instrument.tick_size, instrument.lot_size) == (Decimal("0.01"), Decimal("0.00001"))
    assert (instrument.maker_fee_ppm, instrument.taker_fee_ppm) == (-100, 400)
    assert instrument.money_scale == 7  # 0.01 x 0.00001 is one unit
    assert instrument.money_per_tick_lot == 1
    assert instrument.leveraged


@pytest.mark.parametrize(
    ("symbol", "base", "quote"),
    [
        ("BTCUSDT", "btc", "usdt"),
        ("ETHBTC", "eth", "btc"),
        ("BTCJPY", "btc", "jpy"),
        ("USDT", "usdt", ""),
        ("X", "x", ""),
    ],
)
def test_the_currencies_of_a_binance_symbol(tmp_path: Path, symbol: str, base: str, quote: str) -> None:
    made = recording(tmp_path, JSONL, symbol=symbol)
    assert (made.source_symbol, made.instrument.symbol) == (symbol, symbol.lower())
    assert (made.instrument.base, made.instrument.quote) == (base, quote)


def test_messages_are_kept_as_recorded_unless_told_otherwise(tmp_path: Path) -> None:
    made = recording(tmp_path, JSONL)
    assert made.rate is None
    assert made.thinning == Thinning()


def test_a_conversion_keeps_the_best_twenty_levels(tmp_path: Path) -> None:
    made = recording(tmp_path, JSONL, "--convert", "btc_jpy", "--rate", "147.00")
    assert made.rate == Decimal("147.00")
    assert made.instrument.tick_size == Decimal(5)
    assert made.thinning == Thinning(depth_levels=20, same_quotes=True)


def test_thinning_is_told_in_milliseconds(tmp_path: Path) -> None:
    words = "--depth-levels 5 --depth-interval-ms 100 --quote-interval-ms 20"
    thinning = recording(tmp_path, JSONL, *words.split()).thinning
    assert thinning == Thinning(5, 100_000_000, 20_000_000, same_quotes=True)


@pytest.mark.parametrize(
    ("file_format", "words", "complaint"),
    [
        (CSV, "--convert btc_jpy", "belong together"),
        (JSONL, "--rate 147", "belong together"),
        (JSONL, "--convert btc_jpy --rate 147 --symbol btc_jpy", "both name the instrument"),
        (JSONL, "--convert eth_jpy --rate 147", "the steps of eth_jpy are not known"),
        (JSONL, "--depth-interval-ms 100", "needs --depth-levels"),
        (CSV, "--convert btc_jpy --rate 147", "only binance-jsonl"),
        (CSV, "--symbol xrp_jpy --tick 0.1", "the steps of xrp_jpy are not known"),
    ],
)
def test_options_that_contradict_each_other_are_refused(
    tmp_path: Path, file_format: str, words: str, complaint: str
) -> None:
    with pytest.raises(UsageError, match=complaint) as caught:
        recording(tmp_path, file_format, *words.split())
    assert caught.value.remedy


@pytest.mark.parametrize(
    "words",
    [
        "--tick 0", "--tick -1", "--tick x", "--tick inf", "--lot nan", "--rate 0", "--maker-fee-ppm 1000000",
        "--taker-fee-ppm 1.5", "--depth-levels 1001", "--depth-levels -1", "--quote-interval-ms 3600001",
    ],
)  # fmt: skip
def test_numbers_outside_their_range_are_refused(
    tmp_path: Path, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        recording(tmp_path, JSONL, *words.split())
    assert words.split()[0] in capsys.readouterr().err
