"""Zaif's market stream: full snapshots, one pair per socket, chosen in the URL; a client that speaks is cut off."""

from __future__ import annotations

from typing import Final

import msgspec

from ztb.simulator.dialect import DROP, Action
from ztb.simulator.disturbed import Disturbance
from ztb.simulator.exchange import Exchange
from ztb.simulator.moods import Moods
from ztb.simulator.zaif.rules import FRAME_INTERVAL_NS
from ztb.simulator.zaif.shapes import Shapes

PATH: Final = "/stream"


class FrameSource:
    """The present frame, encoded once however many clients get it."""

    def __init__(self, exchange: Exchange, shapes: Shapes) -> None:
        self._exchange = exchange
        self._shapes = shapes
        self._encoded = b""
        self._encoded_version = -1

    @property
    def version(self) -> int:
        return self._exchange.book.version

    def frame(self) -> bytes:
        if self._encoded_version != self.version:
            self._encoded = msgspec.json.encode(self._shapes.frame())
            self._encoded_version = self.version
        return self._encoded


class ZaifStream:
    """One client's stream. ``source`` None: an unknown pair, which stays silent."""

    ping_s: float | None = None

    def __init__(self, source: FrameSource | None, moods: Moods, *, idle_s_max: float) -> None:
        self._source = source
        self._disturbance = Disturbance(moods)
        self._idle_s_max = idle_s_max
        self._sent_version = -1
        self._sent_ns = 0

    @property
    def idle_s_max(self) -> float:
        return self._idle_s_max

    def opened(self, now_ns: int) -> Action:
        return self._frame(now_ns)

    def received(self, payload: bytes, now_ns: int) -> Action:
        return DROP

    def tick(self, now_ns: int) -> Action:
        if self._source is None or self._source.version == self._sent_version:
            return None
        if now_ns - self._sent_ns < FRAME_INTERVAL_NS:
            return None
        return self._frame(now_ns)

    def _frame(self, now_ns: int) -> Action:
        if self._source is None:
            return None
        self._sent_version, self._sent_ns = self._source.version, now_ns
        return self._disturbance.sent((self._source.frame(),))


class ClosedStream:
    """A stream that is closed as soon as it is open: the pair was missing in the URL."""

    idle_s_max: float = 1.0
    ping_s: float | None = None

    def opened(self, now_ns: int) -> Action:
        return DROP

    def received(self, payload: bytes, now_ns: int) -> Action:
        return DROP

    def tick(self, now_ns: int) -> Action:
        return DROP
