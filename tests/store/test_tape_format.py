"""The file is what docs/tape-format.md says: taken apart and put together here by that page alone."""

from __future__ import annotations

import hashlib
import json
import struct
import zlib
from pathlib import Path
from typing import Any

import pytest
import zstandard

from tests.store.tape_samples import START_NS, small_recording, write_tape
from ztb.core.error import TapeError
from ztb.core.event import Depth, Market, Quote, Trade
from ztb.store.tape import Counts, Span, TapeReader

HEADER: dict[str, Any] = {
    "instrument": {
        "symbol": "btc_jpy", "base": "btc", "quote": "jpy", "tick_size": "5", "lot_size": "0.0001",
        "money_scale": 4, "leveraged": False, "lots_min": 1, "lots_max": 1_000_000_000,
        "maker_fee_ppm": 0, "taker_fee_ppm": 1000,
    },
    "source": "by hand", "licence": "", "attribution": "", "notes": "", "conversion": None, "inputs": [],
    "a key of the future": 1,
}  # fmt: skip


def head_bytes(header: object = HEADER, version: int = 1) -> bytes:
    text = json.dumps(header).encode()
    head = b"\x89ZTAPE\r\n" + struct.pack("<HHI", version, 0, len(text)) + text
    return head + struct.pack("<I", zlib.crc32(head))


def block_bytes(columns: bytes, counts: tuple[int, int, int], first_ns: int, last_ns: int) -> bytes:
    payload = zstandard.ZstdCompressor().compress(columns)
    sizes = struct.pack("<II", len(payload), len(columns))
    head = b"BLCK" + sizes + struct.pack("<IIIqqI", *counts, first_ns, last_ns, zlib.crc32(payload))
    return head + struct.pack("<I", zlib.crc32(head)) + payload


def end_bytes(before: bytes, blocks: int, counts: tuple[int, int, int], first_ns: int, last_ns: int) -> bytes:
    summary = b'{"unused.blank_time":2}'
    body = b"TEND" + struct.pack("<IQQQQqq", len(summary), blocks, *counts, first_ns, last_ns)
    body += hashlib.sha256(before).digest() + summary
    body += struct.pack("<I", zlib.crc32(body))
    return body + struct.pack("<I", len(body) + 12) + b"ZTAPEEND"


def column(width: str, *values: int, form: int = 0, base: int = 0) -> bytes:
    return struct.pack("<cBIq", width.encode(), form, len(values), base) + struct.pack(
        f"<{len(values)}{width}", *values
    )


THREE_KINDS = b"".join(
    [
        column("b", 1, 0, 2, 0),
        # two trades
        column("i", 0, 3000, form=1, base=START_NS + 10), column("b", 0, 0), column("h", 1_000, 999),
        column("b", 7, 9), column("b", 1, -1), b"t" + column("b", 2, 0) + b"xy",
        # one quote
        column("b", 0, form=1, base=START_NS), column("b", 0, form=1, base=5), column("h", 998), column("b", 4),
        column("h", 1_001), column("b", 3),
        # one depth
        column("b", 0, form=1, base=START_NS + 20), column("b", 0), column("b", 1),
        column("b", 2), column("h", 998, 997), column("b", 4, 0), column("b", 1), column("h", 1_001), column("b", 3),
    ]
)  # fmt: skip


def handmade(columns: bytes = THREE_KINDS, counts: tuple[int, int, int] = (2, 1, 1)) -> bytes:
    before = head_bytes() + block_bytes(columns, counts, START_NS, START_NS + 3010)
    return before + end_bytes(before, 1, counts, START_NS, START_NS + 3010)


def test_a_tape_made_by_hand_is_read(tmp_path: Path) -> None:
    path = tmp_path / "hand.tape"
    path.write_bytes(handmade())
    reader = TapeReader(path)
    assert list(reader.events()) == [
        Quote(START_NS, "btc_jpy", 998, 4, 1_001, 3, 5),
        Trade(START_NS + 10, "btc_jpy", 1_000, 7, 1, 0, "xy"),
        Depth(START_NS + 20, "btc_jpy", ((998, 4), (997, 0)), ((1_001, 3),), True),
        Trade(START_NS + 3010, "btc_jpy", 999, 9, -1),
    ]
    assert reader.counts == Counts(2, 1, 1)
    assert reader.span == Span(START_NS, START_NS + 3010)
    assert reader.summary == {"unused.blank_time": 2}
    assert reader.meta.source == "by hand"


def test_a_written_tape_has_the_documented_bytes(tmp_path: Path) -> None:
    events = small_recording(20)
    data = write_tape(tmp_path / "a.tape", events).read_bytes()
    assert data[:8] == bytes.fromhex("89 5A 54 41 50 45 0D 0A")
    version, zero, length = struct.unpack("<HHI", data[8:16])
    assert (version, zero) == (1, 0)
    assert json.loads(data[16 : 16 + length])["instrument"]["tick_size"] == "5"
    offset = 16 + length + 4
    assert data[offset : offset + 4] == b"BLCK"
    packed, unpacked, *counts = struct.unpack("<IIIII", data[offset + 4 : offset + 24])
    kinds = [type(event) for event in events]
    assert counts == [kinds.count(Trade), kinds.count(Quote), kinds.count(Depth)]
    payload = data[offset + 48 : offset + 48 + packed]
    columns = zstandard.ZstdDecompressor().decompress(payload)
    assert len(columns) == unpacked
    codes = {Trade: 0, Quote: 1, Depth: 2}
    assert list(columns[14 : 14 + len(events)]) == [codes[kind] for kind in kinds]
    end = offset + 48 + packed
    assert data[end : end + 4] == b"TEND"
    assert hashlib.sha256(data[:end]).digest() in data[end:]
    assert data[-8:] == b"ZTAPEEND"
    assert struct.unpack("<I", data[-12:-8]) == (len(data) - end,)


def with_field(name: str, value: object) -> bytes:
    return head_bytes(HEADER | {"instrument": HEADER["instrument"] | {name: value}})


@pytest.mark.parametrize(
    ("data", "complaint"),
    [
        (b"", "byte 0: the file is empty"),
        (b"PK\x03\x04" + b"\0" * 100, "byte 0: this is no ztb tape"),
        (head_bytes().replace(b"\r\n", b"\n"), "byte 0: this is no ztb tape"),
        (head_bytes(version=2), "byte 8: tape version 2; this ztb reads version 1"),
        (head_bytes([]), "byte 16: the header is wrong"),
        (with_field("tick_size", "abc"), r"byte 16: .*\$.instrument.tick_size"),
        (with_field("tick_size", "NaN"), "byte 16: the header is wrong"),
        (with_field("tick_size", "-5"), "byte 16: the header is wrong"),
        (with_field("lot_size", "1e-300"), "byte 16: the header is wrong"),
        (with_field("money_scale", 10**9), "money_scale"),
        (with_field("lots_min", "1"), r"\$.instrument.lots_min"),
        (head_bytes()[:-4] + b"\0\0\0\0", "byte 16: the header is damaged"),
    ],
)
def test_what_is_no_tape_of_this_version_is_refused(tmp_path: Path, data: bytes, complaint: str) -> None:
    path = tmp_path / "bad.tape"
    path.write_bytes(data)
    for allow_cut in (False, True):
        with pytest.raises(TapeError, match=complaint) as caught:
            TapeReader(path, allow_cut=allow_cut)
        assert str(path) in caught.value.message
        assert caught.value.remedy


ONE = (1, 0, 0)


def one_trade(**changed: bytes) -> bytes:
    parts = {
        "time": column("q", START_NS), "venue": column("b", 0), "price": column("b", 1), "lots": column("b", 1),
        "side": column("b", 1), "id": b"0",
    }  # fmt: skip
    return b"".join((parts | changed).values())


@pytest.mark.parametrize(
    ("columns", "counts"),
    [
        (one_trade(price=column("b", 0)), ONE),
        (one_trade(price=column("b", -1)), ONE),
        (one_trade(lots=column("b", 0)), ONE),
        (one_trade(side=column("b", 2)), ONE),
        (one_trade(time=column("q", 2**61)), ONE),
        (one_trade(price=column("b", 1, form=2)), ONE),
        (one_trade(price=column("b", 1, 1)), ONE),
        (one_trade(price=b"x" + column("b", 1)[1:]), ONE),
        (one_trade(id=b"z"), ONE),
        (one_trade(id=b"t" + column("b", 9) + b"ab"), ONE),
        (one_trade(id=b"t" + column("b", 1) + b"\xff"), ONE),
        (one_trade(id=b"t" + column("b", -1)), ONE),
        (one_trade() + b"x", ONE),
        (one_trade()[:-1], ONE),
        (one_trade(), (2, 0, 0)),
        (one_trade(), (0, 1, 0)),
        (one_trade(), (0, 0, 0)),
        (THREE_KINDS, (1, 2, 1)),
        (THREE_KINDS, (2**32 - 1, 1, 1)),
        (THREE_KINDS.replace(column("b", 1, 0, 2, 0), column("b", 1, 0, 3, 0)), (2, 1, 1)),
        (b"", ONE),
    ],
)
def test_a_block_with_right_checksums_and_wrong_contents_is_refused(
    tmp_path: Path, columns: bytes, counts: tuple[int, int, int]
) -> None:
    path = tmp_path / "bad.tape"
    path.write_bytes(handmade(columns, counts))
    with pytest.raises(TapeError, match=f"byte {len(head_bytes())}: a block") as caught:
        list(TapeReader(path).events())
    assert caught.value.remedy


def test_a_frame_that_lies_about_its_size_is_refused_before_it_is_unpacked(tmp_path: Path) -> None:
    bomb = zstandard.ZstdCompressor().compress(b"\0" * (1 << 28))
    head = b"BLCK" + struct.pack("<IIIIIqqI", len(bomb), 100, 1, 0, 0, 0, 0, zlib.crc32(bomb))
    before = head_bytes() + head + struct.pack("<I", zlib.crc32(head)) + bomb
    path = tmp_path / "bomb.tape"
    path.write_bytes(before + end_bytes(before, 1, ONE, 0, 0))
    with pytest.raises(TapeError, match="unpacked length"):
        list(TapeReader(path).events())


def test_an_end_that_tells_of_other_blocks_is_refused(tmp_path: Path) -> None:
    block = block_bytes(one_trade(), ONE, START_NS, START_NS)
    for before, blocks, count in ((head_bytes() + block, 2, 1), (head_bytes() + block, 1, 2), (head_bytes(), 1, 1)):
        path = tmp_path / "bad.tape"
        path.write_bytes(before + end_bytes(before, blocks, (count, 0, 0), START_NS, START_NS))
        with pytest.raises(TapeError, match="do not add up"):
            list(TapeReader(path).events())


def test_a_recording_of_nothing_is_a_tape(tmp_path: Path) -> None:
    nothing: list[Market] = []
    reader = TapeReader(write_tape(tmp_path / "a.tape", nothing))
    assert list(reader.events()) == []
    assert reader.counts.total == 0
