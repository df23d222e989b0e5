"""The bytes of a tape: what stands where, and nothing about what it means to a market.

The rule: a reader believes no byte that a checksum does not cover, and no length above its limit, so that a cut or
damaged file always ends in a ``TapeError`` that names file, offset and remedy. ``docs/tape-format.md`` is the same
in prose; all numbers are little-endian.

    file  := magic "\\x89ZTAPE\\r\\n", version, header (JSON), block ..., end
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from ztb.core.error import TapeError

MAGIC: Final = b"\x89ZTAPE\r\n"
"""The high bit and the line ending reveal a file that was transferred as text."""
VERSION: Final = 1

HEAD: Final = struct.Struct("<8sHHI")
"""Magic, version, 0, length of the header JSON. After the JSON: CRC-32 of everything before."""
BLOCK: Final = struct.Struct("<4sIIIIIqqI")
"""Tag, length, unpacked length, trades, quotes, depths, first and last time, CRC-32 of the payload."""
END: Final = struct.Struct("<4sIQQQQqq32s")
"""Tag, length of the summary JSON, blocks, trades, quotes, depths, first and last time, SHA-256 of all before."""
TAIL: Final = struct.Struct("<I8s")
"""Length of the end section with this tail, and the magic of the end: how a reader finds the end from behind."""
CRC: Final = struct.Struct("<I")

BLOCK_TAG: Final = b"BLCK"
END_TAG: Final = b"TEND"
END_MAGIC: Final = b"ZTAPEEND"

HEADER_BYTES_MAX: Final = 1 << 20
SUMMARY_BYTES_MAX: Final = 1 << 20
BLOCK_BYTES_MAX: Final = 8 << 20
"""Of one block, packed or unpacked."""

RECORD_AGAIN: Final = "copy or record the file again"
READ_COMPLETE_PART: Final = "copy the file again; `ztb tape info --allow-cut` shows what is complete"


@dataclass(frozen=True, slots=True)
class Counts:
    """Events of each kind."""

    trades: int = 0
    quotes: int = 0
    depths: int = 0

    def __add__(self, other: Counts) -> Counts:
        return Counts(self.trades + other.trades, self.quotes + other.quotes, self.depths + other.depths)

    @property
    def total(self) -> int:
        return self.trades + self.quotes + self.depths


@dataclass(frozen=True, slots=True)
class Span:
    """Earliest and latest receive time in Unix nanoseconds; blank times (0) do not count; (0, 0) is empty."""

    first_ns: int = 0
    last_ns: int = 0

    def __or__(self, other: Span) -> Span:
        starts = [ns for ns in (self.first_ns, other.first_ns) if ns]
        return Span(min(starts, default=0), max(self.last_ns, other.last_ns))


@dataclass(frozen=True, slots=True)
class BlockHead:
    """One block's own account of itself."""

    length: int
    unpacked: int
    counts: Counts
    span: Span
    payload_crc: int


@dataclass(frozen=True, slots=True)
class End:
    """The last section: totals that make a cut file recognisable."""

    blocks: int
    counts: Counts
    span: Span
    sha256: bytes
    summary: bytes


def tape_error(path: Path, offset: int, what: str, remedy: str = RECORD_AGAIN) -> TapeError:
    """The one form of every complaint about a tape's bytes."""
    return TapeError(f"{path}: byte {offset}: {what}", remedy=remedy)


def pack_head(header: bytes) -> bytes:
    """Magic, version and header; the writer's first bytes."""
    assert 0 < len(header) <= HEADER_BYTES_MAX
    head = HEAD.pack(MAGIC, VERSION, 0, len(header)) + header
    return head + CRC.pack(zlib.crc32(head))


def unpack_head_start(path: Path, start: bytes) -> int:
    """Length of the header JSON; TapeError for anything that is no tape of this version."""
    if not start:
        raise tape_error(path, 0, "the file is empty")
    if start[: len(MAGIC)] != MAGIC[: len(start)] or len(start) < len(MAGIC):
        raise tape_error(path, 0, "this is no ztb tape", "make one of recorded data with `ztb tape import`")
    if len(start) < HEAD.size:
        raise tape_error(path, len(start), "the file is cut inside its header")
    _magic, version, reserved, length = HEAD.unpack(start)
    if version != VERSION:
        what = f"tape version {version}; this ztb reads version {VERSION}"
        raise tape_error(path, len(MAGIC), what, "import the data again with this ztb, or read it with the other ztb")
    if reserved != 0 or not 0 < length <= HEADER_BYTES_MAX:
        raise tape_error(path, len(MAGIC) + 2, "the header is damaged")
    return int(length)


def check_head(path: Path, head: bytes, crc: bytes) -> None:
    """Pair of ``pack_head``: the checksum over magic, version and JSON."""
    if len(crc) < CRC.size:
        raise tape_error(path, len(head) + len(crc), "the file is cut inside its header")
    if CRC.unpack(crc)[0] != zlib.crc32(head):
        raise tape_error(path, HEAD.size, "the header is damaged (checksum)")


def pack_block(payload: bytes, unpacked: int, counts: Counts, span: Span) -> bytes:
    """A whole block."""
    assert 0 < len(payload) <= BLOCK_BYTES_MAX
    assert 0 < unpacked <= BLOCK_BYTES_MAX
    head = BLOCK.pack(
        BLOCK_TAG, len(payload), unpacked, counts.trades, counts.quotes, counts.depths,
        span.first_ns, span.last_ns, zlib.crc32(payload),
    )  # fmt: skip
    return head + CRC.pack(zlib.crc32(head)) + payload


BLOCK_HEAD_BYTES: Final = BLOCK.size + CRC.size


def unpack_block_head(path: Path, offset: int, head: bytes) -> BlockHead:
    """Pair of ``pack_block`` for the block's first BLOCK_HEAD_BYTES."""
    assert len(head) == BLOCK_HEAD_BYTES
    if CRC.unpack(head[BLOCK.size :])[0] != zlib.crc32(head[: BLOCK.size]):
        raise tape_error(path, offset, "a block's head is damaged (checksum)", READ_COMPLETE_PART)
    tag, length, unpacked, trades, quotes, depths, first_ns, last_ns, crc = BLOCK.unpack(head[: BLOCK.size])
    if tag != BLOCK_TAG or not 0 < length <= BLOCK_BYTES_MAX or not 0 < unpacked <= BLOCK_BYTES_MAX:
        raise tape_error(path, offset, "a block's head makes no sense")
    return BlockHead(length, unpacked, Counts(trades, quotes, depths), Span(first_ns, last_ns), crc)


def pack_end(end: End) -> bytes:
    """The end section with its tail."""
    assert len(end.summary) <= SUMMARY_BYTES_MAX
    assert len(end.sha256) == hashlib.sha256().digest_size
    head = END.pack(
        END_TAG, len(end.summary), end.blocks, end.counts.trades, end.counts.quotes, end.counts.depths,
        end.span.first_ns, end.span.last_ns, end.sha256,
    )  # fmt: skip
    body = head + end.summary
    body += CRC.pack(zlib.crc32(body))
    return body + TAIL.pack(len(body) + TAIL.size, END_MAGIC)


END_BYTES_MIN: Final = END.size + CRC.size + TAIL.size
END_BYTES_MAX: Final = END_BYTES_MIN + SUMMARY_BYTES_MAX


def unpack_end(path: Path, offset: int, section: bytes) -> End:
    """Pair of ``pack_end``; ``section`` reaches from ``offset`` to the end of the file."""
    body = section[: -TAIL.size - CRC.size]
    (crc,) = CRC.unpack(section[-TAIL.size - CRC.size : -TAIL.size])
    if crc != zlib.crc32(body):
        raise tape_error(path, offset, "the end section is damaged (checksum)")
    tag, length, blocks, trades, quotes, depths, first_ns, last_ns, sha256 = END.unpack(body[: END.size])
    if tag != END_TAG or len(body) != END.size + length:
        raise tape_error(path, offset, "the end section makes no sense")
    return End(blocks, Counts(trades, quotes, depths), Span(first_ns, last_ns), sha256, body[END.size :])
