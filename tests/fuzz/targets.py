"""What is fuzzed: every decoder of every venue, reached as the trader reaches it, with the wire cut away.

An input of ``market`` and ``account`` is the name of a call on one line and the body of its answer on the next; one of
the streams is a frame on each line. Only the errors that the port promises may come out; whatever else does, is a
defect. The clock jumps an hour from one input to the next, so that no limit or breaker hides a decoder.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Awaitable, Callable, Coroutine, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from tests.venues.coinbase.samples import BTC_USD, KEY_NAME, private_pem
from tests.venues.coinbase.samples import SAMPLES as COINBASE_SAMPLES
from tests.venues.gmo.samples import LEVERAGE, SPOT
from tests.venues.gmo.samples import SAMPLES as GMO_SAMPLES
from tests.venues.zaif.samples import BTC_JPY
from tests.venues.zaif.samples import SAMPLES as ZAIF_SAMPLES
from ztb.core.command import Place
from ztb.core.error import VenueError
from ztb.core.instrument import BUY, Instrument
from ztb.venues.port import Account, ApiKeys, Market, Venue
from ztb.venues.registry import addresses_at, open_venue
from ztb.venues.stream_loop import StreamBroken
from ztb.venues.transport import Answer

T = TypeVar("T")
START_NS: Final = 1_700_000_000_000_000_000
HOUR_NS: Final = 3_600_000_000_000
FRAMES_MAX: Final = 20
KINDS: Final = ("market", "account", "market_stream", "account_stream")
INSTRUMENTS: Final[dict[str, dict[str, Instrument]]] = {
    "zaif": {"btc_jpy": BTC_JPY},
    "gmo": {"BTC": SPOT, "BTC_JPY": LEVERAGE},
    "coinbase": {"BTC-USD": BTC_USD},
}
SAMPLES: Final = {"zaif": ZAIF_SAMPLES, "gmo": GMO_SAMPLES, "coinbase": COINBASE_SAMPLES}


class FuzzClock:
    """Waiting is free."""

    scale = 1.0

    def __init__(self) -> None:
        self.time_ns = START_NS

    def now_ns(self) -> int:
        return self.time_ns

    def monotonic_ns(self) -> int:
        return self.time_ns

    async def sleep(self, seconds: float) -> None:
        self.time_ns += max(0, int(seconds * 1e9)) + 1
        await asyncio.sleep(0)


MARKET_CALLS: Final[dict[str, Callable[[Market, Instrument], Awaitable[object]]]] = {
    "instruments": lambda market, one: market.instruments(),
    "instrument": lambda market, one: market.instrument(one.symbol),
    "depth": lambda market, one: market.depth(one),
    "trades": lambda market, one: market.trades(one),
    "server_time": lambda market, one: market.server_time(),
}


def _order(one: Instrument) -> Place:
    return Place(START_NS, "ztb-0123456789abcdef0123", one.symbol, BUY, one.lots_min * 1000, 1000, False, 1, "fuzz")


ACCOUNT_CALLS: Final[dict[str, Callable[[Account, Instrument], Awaitable[object]]]] = {
    "place": lambda account, one: account.place(_order(one)),
    "cancel": lambda account, one: account.cancel(one.symbol, "123"),
    "cancel_all": lambda account, one: account.cancel_all(one.symbol, ["123", "124"]),
    "open_orders": lambda account, one: account.open_orders(one.symbol),
    "look_up": lambda account, one: account.look_up(one.symbol, ["123"]),
    "fills_after": lambda account, one: account.fills_after(one.symbol, ""),
    "newest_cursor": lambda account, one: account.newest_cursor(one.symbol),
    "balances": lambda account, one: account.balances(),
    "positions": lambda account, one: account.positions(one.symbol),
    "rights": lambda account, one: account.rights(),
}


class Subject:
    """One venue with its wire cut away: every answer has the body that the input says."""

    def __init__(self, name: str) -> None:
        self.clock = FuzzClock()
        self._loop = asyncio.new_event_loop()
        self._body = b""
        self._is_refusal = False
        venue: Any = open_venue(name, addresses_at(name, "http://127.0.0.1:1"), clock=self.clock, jitter=lambda: 0.5)
        venue._transport.send = self._answer
        venue._transport._date = "Tue, 14 Nov 2023 22:13:20 GMT"
        self.venue: Venue = venue
        self.instruments: Mapping[str, Instrument] = INSTRUMENTS[name]
        self.one = list(self.instruments.values())[-1]
        keys = ApiKeys(KEY_NAME, private_pem()) if name == "coinbase" else ApiKeys("key", "secret")
        self._directory = tempfile.TemporaryDirectory(prefix="ztb-fuzz-")
        directory = Path(self._directory.name)
        self.account = self.venue.account(keys, self.instruments, directory=directory, at_wire=None)
        market_feed: Any = self.venue.market_feed(self.one)
        account_feed: Any = self.venue.account_feed(self.instruments)
        self.wires: dict[str, Any] = {"market_stream": market_feed.wire}
        if account_feed is not None:
            self.wires["account_stream"] = account_feed.wire

    def call(self, kind: str, data: bytes) -> str:
        """One call with one body. A name that ends in ``!`` gets it with a status that carries a refusal."""
        first, _, self._body = data.partition(b"\n")
        name = first.decode("utf-8", "replace")
        self._is_refusal = name.endswith("!")
        self.clock.time_ns += HOUR_NS
        name = name.rstrip("!")
        try:
            if kind == "market" and name in MARKET_CALLS:
                self._finish(_awaited(MARKET_CALLS[name](self.venue.market, self.one)))
            elif kind == "account" and name in ACCOUNT_CALLS:
                self._finish(_awaited(ACCOUNT_CALLS[name](self.account, self.one)))
            else:
                return "no such call"
        except VenueError as error:
            return f"{name} {type(error).__name__} {error.code} {error.message}"
        return f"{name} taken"

    def frames(self, kind: str, data: bytes) -> str:
        """A connection, and a frame for each line."""
        return self._finish(self._frames(kind, data))

    async def _frames(self, kind: str, data: bytes) -> str:
        wire, told = self.wires[kind], ""
        wire.connected()
        for body in data.split(b"\n")[:FRAMES_MAX]:
            self.clock.time_ns += 1_000_000
            try:
                wire.read(body, self.clock.time_ns)
            except StreamBroken as error:
                wire.connected()
                told += f"broken {error}\n"
            except VenueError as error:
                told += f"{error.code} {error.message}\n"
        return told

    def _finish(self, work: Coroutine[Any, Any, T]) -> T:
        """Its result. What it began beside itself ends with it: a token's extension, say."""
        try:
            return self._loop.run_until_complete(work)
        finally:
            for task in asyncio.all_tasks(self._loop):
                task.cancel()
                self._loop.run_until_complete(asyncio.gather(task, return_exceptions=True))

    def close(self) -> None:
        """Give the loop and the directory back."""
        self._loop.run_until_complete(self.venue.close())
        self._loop.close()
        self._directory.cleanup()

    async def _answer(self, method: str, path: str, body: bytes = b"", *rest: object, **options: Any) -> Answer:  # noqa: ANN401
        if (last_word := options.get("last_word")) is not None:
            last_word()
        statuses = sorted(options.get("statuses") or ())
        return Answer(statuses[0] if self._is_refusal and statuses else 200, self._body)


async def _awaited(work: Awaitable[object]) -> object:
    return await work


@dataclass(frozen=True)
class Target:
    """One thing to fuzz."""

    venue: str
    kind: str

    @property
    def name(self) -> str:
        return f"{self.venue}/{self.kind}"

    @contextmanager
    def runner(self) -> Iterator[Callable[[bytes], str]]:
        """A fresh subject, and how it takes an input."""
        subject = Subject(self.venue)
        take = subject.frames if self.kind.endswith("stream") else subject.call
        try:
            yield lambda data: take(self.kind, data)
        finally:
            subject.close()

    def seeds(self) -> Iterator[bytes]:
        """The recorded answers and frames of the venue's samples, each where it might be believed."""
        documents = list(_documents(SAMPLES[self.venue]))
        if self.kind.endswith("stream"):
            yield from documents
            # And all of them as one connection, numbered as a venue that numbers its messages does.
            frames = [dict(frame) for frame in SAMPLES[self.venue]["ws"].values() if isinstance(frame, dict)]
            for number, frame in enumerate(frames):
                if "sequence_num" in frame:
                    frame["sequence_num"] = number
            yield b"\n".join(json.dumps(frame).encode() for frame in frames)
            return
        calls: Sequence[str] = tuple(MARKET_CALLS if self.kind == "market" else ACCOUNT_CALLS)
        for document in documents:
            for call in calls:
                yield f"{call}\n".encode() + document
                yield f"{call}!\n".encode() + document


TARGETS: Final = tuple(
    Target(venue, kind)
    for venue in INSTRUMENTS
    for kind in KINDS
    if (venue, kind) != ("zaif", "account_stream")  # Zaif has none
)


def _documents(samples: Any) -> Iterator[bytes]:  # noqa: ANN401 - a file of its own shape for each venue
    """Every recorded answer and frame."""
    recorded = [row["response"] for row in samples["rest"]]
    for group in (samples["variants"], samples["ws"]):
        for value in group.values():
            recorded += [value] + ([value["response"]] if isinstance(value, dict) and "response" in value else [])
    for document in recorded:
        yield json.dumps(document, separators=(",", ":")).encode()
