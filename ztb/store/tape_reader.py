"""Reads a tape. The rule: an event is yielded only after the checksum of its whole block was right."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import BinaryIO

import zstandard

from ztb.core.error import TapeError
from ztb.core.event import Market
from ztb.store.tape_block import unpack_events
from ztb.store.tape_format import (
    BLOCK_HEAD_BYTES,
    CRC,
    END_BYTES_MAX,
    END_BYTES_MIN,
    END_MAGIC,
    END_TAG,
    HEAD,
    READ_COMPLETE_PART,
    TAIL,
    BlockHead,
    Counts,
    End,
    Span,
    check_head,
    tape_error,
    unpack_block_head,
    unpack_end,
    unpack_head_start,
)
from ztb.store.tape_meta import Summary, TapeMeta, meta_from_header, summary_from_bytes


@dataclass(frozen=True, slots=True)
class Cut:
    """A recording without its end: everything before ``offset`` is complete, ``lost_bytes`` after it are not."""

    offset: int
    lost_bytes: int


class TapeReader:
    """Opens, checks both ends, and then streams as often as asked; holds no file open between.

    ``cut`` is None for a complete tape. A tape without its end is refused unless ``allow_cut``; then ``counts``,
    ``span`` and ``sha256`` are those of the complete part, and ``summary`` is empty.
    """

    def __init__(self, path: Path, *, allow_cut: bool = False) -> None:
        self.path = path
        self.cut: Cut | None = None
        self.summary: Summary = {}
        with _open(path) as file:
            if not file.seekable():
                raise TapeError(f"{path}: is no regular file", remedy="copy the tape to a file first")
            self.meta: TapeMeta = self._read_head(file)
            self._blocks_offset = file.tell()
            end = self._read_end(file)
            if end is None and not allow_cut:
                what = "the tape has no end: it was cut, damaged, or is still being recorded"
                raise tape_error(path, self._size, what, READ_COMPLETE_PART)
            self._end = self._scan(file) if end is None else end

    @property
    def counts(self) -> Counts:
        """Events of each kind."""
        return self._end.counts

    @property
    def span(self) -> Span:
        """Of the receive times."""
        return self._end.span

    @property
    def sha256(self) -> str:
        """Over every byte before the end section, in hex: the identity of header and events."""
        return self._end.sha256.hex()

    @property
    def size_bytes(self) -> int:
        """Of the file, when it was opened."""
        return self._size

    def events(self) -> Iterator[Market]:
        """All events in recorded order; TapeError where a block is damaged."""
        return chain.from_iterable(self._blocks())

    def check_blocks(self) -> None:
        """Read the whole tape once, checksums only; TapeError where it is damaged.

        Whoever plays a tape for hours learns of damage near its end before the beginning is played.
        """
        for _ in self._packed_blocks():
            pass

    def _blocks(self) -> Iterator[list[Market]]:
        symbol = self.meta.instrument.symbol
        decompressor = zstandard.ZstdDecompressor()
        for offset, head, payload in self._packed_blocks():
            yield self._unpack(offset, head, payload, decompressor, symbol)

    def _packed_blocks(self) -> Iterator[tuple[int, BlockHead, bytes]]:
        """Each block after its checksum was right; at the end the totals as well."""
        counts, span, blocks = Counts(), Span(), 0
        with _open(self.path) as file:
            sha256 = hashlib.sha256(file.read(self._blocks_offset))
            while file.tell() < self._blocks_end:
                offset = file.tell()
                head_bytes, head, payload = self._read_block(file, self._blocks_end)
                sha256.update(head_bytes)
                sha256.update(payload)
                counts, span, blocks = counts + head.counts, span | head.span, blocks + 1
                yield offset, head, payload
        if (blocks, counts, span, sha256.digest()) != (
            self._end.blocks, self._end.counts, self._end.span, self._end.sha256,
        ):  # fmt: skip
            raise tape_error(self.path, self._blocks_end, "the blocks do not add up to what the end says")

    def _unpack(
        self, offset: int, head: BlockHead, payload: bytes, decompressor: zstandard.ZstdDecompressor, symbol: str
    ) -> list[Market]:
        try:
            # Looked at first, so that a forged frame cannot make us allocate more than a block.
            if zstandard.get_frame_parameters(payload).content_size != head.unpacked:
                raise ValueError("its unpacked length is not the one in its head")
            return unpack_events(decompressor.decompress(payload), head.counts, symbol)
        except (zstandard.ZstdError, ValueError, StopIteration) as error:
            raise tape_error(self.path, offset, f"a block was written wrongly: {error}") from None

    def _read_head(self, file: BinaryIO) -> TapeMeta:
        start = file.read(HEAD.size)
        length = unpack_head_start(self.path, start)
        header = file.read(length)
        if len(header) < length:
            raise tape_error(self.path, file.tell(), "the file is cut inside its header")
        check_head(self.path, start + header, file.read(CRC.size))
        return meta_from_header(self.path, header)

    def _read_end(self, file: BinaryIO) -> End | None:
        """The end section, or None when the file does not end with one."""
        self._size = file.seek(0, 2)
        self._blocks_end = self._size
        if self._size < self._blocks_offset + TAIL.size:
            return None
        file.seek(self._size - TAIL.size)
        length, magic = TAIL.unpack(file.read(TAIL.size))
        if magic != END_MAGIC:
            return None
        offset = self._size - length
        if not END_BYTES_MIN <= length <= END_BYTES_MAX or offset < self._blocks_offset:
            raise tape_error(self.path, self._size - TAIL.size, "the end section has an impossible length")
        file.seek(offset)
        end = unpack_end(self.path, offset, file.read(length))
        self._blocks_end = offset
        self.summary = summary_from_bytes(self.path, offset, end.summary)
        return end

    def _read_block(self, file: BinaryIO, limit: int) -> tuple[bytes, BlockHead, bytes]:
        offset = file.tell()
        if limit - offset < BLOCK_HEAD_BYTES:
            raise tape_error(self.path, offset, "the tape is cut inside a block's head", READ_COMPLETE_PART)
        head_bytes = file.read(BLOCK_HEAD_BYTES)
        if len(head_bytes) < BLOCK_HEAD_BYTES:
            raise tape_error(self.path, offset, "the tape became shorter while it was read", READ_COMPLETE_PART)
        head = unpack_block_head(self.path, offset, head_bytes)
        if limit - file.tell() < head.length:
            raise tape_error(self.path, offset, "the tape is cut inside a block", READ_COMPLETE_PART)
        payload = file.read(head.length)
        if zlib.crc32(payload) != head.payload_crc:
            raise tape_error(self.path, offset, "a block is damaged (checksum)", READ_COMPLETE_PART)
        return head_bytes, head, payload

    def _scan(self, file: BinaryIO) -> End:
        """Totals of the complete blocks of a tape without end; TapeError for damage that is no cut."""
        file.seek(0)
        sha256 = hashlib.sha256(file.read(self._blocks_offset))
        counts, span, blocks = Counts(), Span(), 0
        offset = self._blocks_offset
        while offset < self._size:
            try:
                head_bytes, head, payload = self._read_block(file, self._size)
            except TapeError:
                if not self._is_torn(file, offset):
                    raise
                break
            sha256.update(head_bytes)
            sha256.update(payload)
            counts, span, blocks = counts + head.counts, span | head.span, blocks + 1
            offset = file.tell()
        self.cut = Cut(offset, self._size - offset)
        self._blocks_end = offset
        return End(blocks, counts, span, sha256.digest(), b"")

    def _is_torn(self, file: BinaryIO, offset: int) -> bool:
        """True when what begins at ``offset`` is one last write that did not finish (or zeros after a power loss)."""
        file.seek(offset)
        rest = file.read(BLOCK_HEAD_BYTES)
        if len(rest) < BLOCK_HEAD_BYTES or rest.startswith(END_TAG):
            return True
        try:
            head = unpack_block_head(self.path, offset, rest)
        except TapeError:
            return not any(rest) and not any(file.read(END_BYTES_MAX))
        return offset + BLOCK_HEAD_BYTES + head.length >= self._size


def _open(path: Path) -> BinaryIO:
    try:
        return path.open("rb")
    except OSError as error:
        raise TapeError(f"{path}: {error.strerror}", remedy="name a tape that exists and may be read") from None
