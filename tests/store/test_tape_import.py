"""Reading lines, counting what cannot be used, and remembering in bounded memory."""

from __future__ import annotations

import gzip
import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.store.tape_samples import START_NS
from ztb.core.error import TapeError
from ztb.core.event import Market, Quote, Trade
from ztb.store.tape_import import PLACES_MAX, Recent, Tally, UnusableRow, input_file, open_input, read_lines, repaired


@pytest.mark.parametrize(
    ("content", "lines"),
    [
        (b"", []),
        (b"a", [(1, b"a")]),
        (b"a\n", [(1, b"a")]),
        (b"a\r\nb\r\n", [(1, b"a"), (2, b"b")]),
        (b"\n\na\n", [(1, b""), (2, b""), (3, b"a")]),
        (b"a\nb", [(1, b"a"), (2, b"b")]),
    ],
)
def test_lines_are_numbered_from_one(tmp_path: Path, content: bytes, lines: list[tuple[int, bytes]]) -> None:
    (tmp_path / "a").write_bytes(content)
    assert list(read_lines(tmp_path / "a")) == lines
    (tmp_path / "a.gz").write_bytes(gzip.compress(content))
    assert list(read_lines(tmp_path / "a.gz")) == lines


def test_progress_is_counted_in_bytes_of_the_file_as_it_lies_there(tmp_path: Path) -> None:
    rows = b"".join(b"%d,some,text\n" % number for number in range(20_000))
    for path, content in ((tmp_path / "a", rows), (tmp_path / "a.gz", gzip.compress(rows))):
        path.write_bytes(content)
        steps: list[int] = []
        assert sum(1 for _ in read_lines(path, steps.append)) == 20_000
        assert sum(steps) == len(content)
        assert len(steps) > 5


@pytest.mark.parametrize("keep", [1, 11, 100, -1])
def test_gzip_data_that_end_early_are_named_after_the_last_good_line(tmp_path: Path, keep: int) -> None:
    path = tmp_path / "a.gz"
    path.write_bytes(gzip.compress(b"".join(b"%d\n" % (number**7) for number in range(5000)))[:keep])
    with pytest.raises(TapeError, match=rf"{path}: after line \d+: the gzip data are cut or damaged") as caught:
        list(read_lines(path))
    assert "zcat" in caught.value.remedy


def test_gzip_data_with_a_flipped_bit_are_refused(tmp_path: Path) -> None:
    packed = bytearray(gzip.compress(b"".join(b"%d\n" % (number**7) for number in range(5000))))
    packed[len(packed) // 2] ^= 4
    (tmp_path / "a.gz").write_bytes(packed)
    with pytest.raises(TapeError, match="cut or damaged"):
        list(read_lines(tmp_path / "a.gz"))


@pytest.mark.parametrize("name", ["missing", "missing.gz", "."])
def test_an_input_that_cannot_be_opened_is_named(tmp_path: Path, name: str) -> None:
    for use in (open_input, input_file):
        with pytest.raises(TapeError, match="file that exists") as caught:
            use(tmp_path / name)
        assert str(tmp_path) in caught.value.message


def test_inputs_are_known_by_name_and_content(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"ticks")
    assert input_file(tmp_path / "a").name == "a"
    assert input_file(tmp_path / "a").sha256 == hashlib.sha256(b"ticks").hexdigest()


def test_a_tally_counts_all_and_keeps_the_first_places() -> None:
    tally = Tally()
    for line in range(1000):
        tally.add("unused.blank_time", f"a.csv:{line}")
    tally.add("message.trade")
    tally.add("message.trade")
    assert tally.counts == {"unused.blank_time": 1000, "message.trade": 2}
    assert tally.places == {"unused.blank_time": [f"a.csv:{line}" for line in range(PLACES_MAX)]}
    assert tally.with_prefix("unused.") == {"blank_time": 1000}
    assert tally.with_prefix("nothing.") == {}


def test_an_unusable_row_reads_as_a_sentence() -> None:
    assert str(UnusableRow("price_not_positive", "-5")) == "price not positive: -5"
    assert str(UnusableRow("blank_time")) == "blank time"


@given(st.lists(st.integers(0, 20)), st.integers(1, 8))
def test_recent_knows_the_last_different_keys(keys: list[int], limit: int) -> None:
    recent = Recent(limit)
    kept: list[int] = []
    for key in keys:
        assert recent.seen(key) == (key in kept)
        if key not in kept:
            kept = [*kept, key][-limit:]


def test_a_repair_keeps_the_order_of_equal_times_and_of_other_kinds() -> None:
    events: list[Market] = [
        Quote(START_NS + 5, "btc_jpy", 1, 1, 2, 1),
        Trade(START_NS, "btc_jpy", 1, 1, 1, 0, "b"),
        Trade(START_NS, "btc_jpy", 2, 1, 1, 0, "a"),
        Quote(START_NS + 5, "btc_jpy", 1, 2, 2, 1),
        Trade(START_NS, "btc_jpy", 3, 1, 1),
        Trade(START_NS, "btc_jpy", 3, 1, 1),
    ]
    tally = Tally()
    assert list(repaired(events, tally)) == [events[1], events[2], events[4], events[5], events[0], events[3]]
    # Rows without an id may be two trades of the same size in one moment: they stay.
    assert tally.counts == {"repaired.out_of_order": 4}
