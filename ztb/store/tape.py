"""Tapes: recorded market data of one instrument, read and written as a stream.

The rule: what a reader yields is what a writer was given, checked block by block; a cut, damaged or foreign file
ends in a ``TapeError`` that names file, byte and remedy, never in invented events. Memory is bounded by one block.
``docs/tape-format.md`` describes the file.
"""

from __future__ import annotations

from pathlib import Path
from typing import Final

from ztb.store.tape_format import Counts, Span
from ztb.store.tape_meta import Conversion, InputFile, Summary, TapeMeta
from ztb.store.tape_reader import Cut, TapeReader
from ztb.store.tape_writer import TapeWriter

__all__ = [
    "DEMO_TAPE", "Conversion", "Counts", "Cut", "InputFile", "Span", "Summary", "TapeMeta", "TapeReader", "TapeWriter",
]  # fmt: skip

DEMO_TAPE: Final = Path(__file__).resolve().parent.parent / "data" / "demo-btc_jpy.tape"
"""Eleven minutes of a real market, converted to JPY; ``ztb/data/README`` tells its origin."""
