"""Frames of a venue's market stream, as they come out of the built-in exchange's socket and the venue's own feed.

Simulator and feed share a clock that jumps from one waiting to the next, so that half an hour of the market is
recorded in seconds, and what a frame holds is what it would hold at the market's own pace.
"""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import Sequence
from contextlib import aclosing
from pathlib import Path
from typing import Any, Final, cast

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from ztb.core.instrument import Instrument
from ztb.simulator.process import VENUES, SimulatorOptions, build
from ztb.simulator.zaif.rules import ZaifRules
from ztb.store.tape import DEMO_TAPE, TapeReader
from ztb.venues.registry import VENUE_NAMES, addresses_at, open_venue

RECORDABLE: Final = tuple(name for name in VENUE_NAMES if name in VENUES)
"""Venues that have both an adapter and a dialect of the built-in exchange."""
BEGIN_NS: Final = 1_700_000_000_000_000_000
STEP_WALL_S: Final = 0.0005
RECORDING_S_MAX: Final = 120


class JumpingClock:
    """Time passes only while somebody waits, and then as fast as the machine can follow."""

    scale = 1.0

    def __init__(self) -> None:
        self._now_ns = BEGIN_NS

    def now_ns(self) -> int:
        return self._now_ns

    def monotonic_ns(self) -> int:
        return self._now_ns

    async def sleep(self, seconds: float) -> None:
        until_ns = self._now_ns + int(seconds * 1_000_000_000)
        await asyncio.sleep(STEP_WALL_S)
        self._now_ns = max(self._now_ns, until_ns)


async def _record(name: str, count: int, accounts: Path) -> tuple[Instrument, list[bytes]]:
    reader = TapeReader(DEMO_TAPE)
    clock = JumpingClock()
    options = SimulatorOptions(venue=name, accounts=accounts, zaif=ZaifRules(public_per_second=0))
    server = build(options, instrument=reader.meta.instrument, tape=reader.events, clock=clock)
    address = await server.start()
    venue = open_venue(name, addresses_at(name, f"http://{address.text}"), clock=clock, jitter=lambda: 0.5)
    bodies: list[bytes] = []
    try:
        instrument = next(iter((await venue.market.instruments()).values()))
        feed: Any = venue.market_feed(instrument)
        read = feed.wire.read

        def recording(body: bytes, ts_ns: int) -> Sequence[object] | None:
            bodies.append(body)
            return cast("Sequence[object] | None", read(body, ts_ns))

        feed.wire.read = recording
        async with asyncio.timeout(RECORDING_S_MAX), aclosing(feed.events()) as events:
            async for _ in events:
                if len(bodies) >= count:
                    break
    finally:
        await venue.close()
        await server.stop()
    return instrument, bodies


def account_of(name: str) -> str:
    """The accounts file of one account, with the kind of key that the venue takes."""
    if name == "coinbase":
        public = ec.generate_private_key(ec.SECP256R1()).public_key()
        pem = public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
        key = f'public_key_pem = """{pem}"""'
    else:
        key = 'secret = "s"'
    return f'[[account]]\nkey = "k"\n{key}\nbalances = {{ jpy = "1000000", btc = "1" }}\n'


def record(name: str, count: int) -> tuple[Instrument, list[bytes]]:
    """``count`` frames of the first instrument that the exchange lists, in the order in which they came."""
    with tempfile.TemporaryDirectory() as folder:
        accounts = Path(folder) / "accounts.toml"
        accounts.write_text(account_of(name))
        return asyncio.run(_record(name, count, accounts))


def fresh_wire(name: str, instrument: Instrument) -> Any:  # noqa: ANN401 - each venue has a type of its own
    """The reading half of a feed that has seen nothing yet."""
    clock = JumpingClock()
    venue = open_venue(name, addresses_at(name, "http://127.0.0.1:1"), clock=clock, jitter=lambda: 0.5)
    feed: Any = venue.market_feed(instrument)
    feed.wire.connected()
    return feed.wire
