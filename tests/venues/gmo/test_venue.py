"""The venue as a process opens it: parts that share one key's limits, and a public side that cannot sign."""

from __future__ import annotations

import asyncio
import random
import subprocess
import sys
from pathlib import Path

import pytest

from tests.venues.at_wire import AtWire
from tests.venues.gmo.desk import KEY, SECRET, answer, desk, order
from tests.venues.gmo.samples import BOTH, LEVERAGE, rest_body
from tests.venues.gmo.sockets import greeted, sockets
from tests.venues.loopback import loopback, reply
from tests.venues.scripted_clock import ScriptedClock
from ztb.core.command import Place
from ztb.core.error import ConfigError, GateClosed
from ztb.venues.gmo import rules
from ztb.venues.gmo.account_stream import GmoAccountFeed
from ztb.venues.gmo.stream import GmoFeed
from ztb.venues.gmo.venue import GmoVenue
from ztb.venues.port import Addresses, ApiKeys, StreamState, Terms, Venue
from ztb.venues.registry import addresses_at, addresses_of, open_venue


def _open(url: str, *, fee_currency: str = "") -> Venue:
    return open_venue(
        "gmo", addresses_at("gmo", url), clock=ScriptedClock(), jitter=random.Random(1).random,
        terms=Terms(fee_currency),
    )  # fmt: skip


def test_venue_has_the_shape_of_the_port_and_a_name_in_the_registry() -> None:
    async def run() -> None:
        venue = _open("http://127.0.0.1:1")
        assert isinstance(venue, GmoVenue)
        assert (venue.name, venue.capabilities) == ("gmo", rules.CAPABILITIES)
        assert addresses_of("gmo") == rules.ADDRESSES
        assert {room.name for room in venue.head_room()} == {"public", "get", "post"}
        await venue.close()

    asyncio.run(run())


def test_fees_are_in_yen_and_nothing_else() -> None:
    async def run() -> None:
        await _open("http://127.0.0.1:1", fee_currency="JPY").close()
        with pytest.raises(ConfigError):
            _open("http://127.0.0.1:1", fee_currency="btc")

    asyncio.run(run())


def test_parts_of_a_venue_work_and_share_its_limits(tmp_path: Path) -> None:
    async def run() -> None:
        seen: list[Place] = []

        def gate(sent: Place) -> None:
            seen.append(sent)
            if len(seen) > 1:
                raise GateClosed("killed", kind="exchange", code="killed")

        async with loopback(reply(rest_body("symbols")), reply(rest_body("order")), answer({})) as server:
            venue = _open(server.url)
            instruments = await venue.market.instruments()
            assert instruments == BOTH
            account = venue.account(ApiKeys(KEY, SECRET), instruments, directory=tmp_path, at_wire=AtWire(gate))
            assert (await account.place(order())).venue_id == "637000"
            with pytest.raises(GateClosed):
                await account.place(order())
            assert await account.open_orders("BTC_JPY") == []
            rooms = {room.name: room for room in venue.head_room()}
            assert rooms["post"].free_urgent == rooms["post"].calls - 2
            assert rooms["get"].free_urgent == rooms["get"].calls - 1
            assert isinstance(venue.market_feed(LEVERAGE), GmoFeed)
            assert isinstance(venue.account_feed(instruments), GmoAccountFeed)
            await venue.close()

    asyncio.run(run())


def test_token_is_given_back_even_when_nobody_closed_the_stream(tmp_path: Path) -> None:
    async def run() -> None:
        async with loopback(answer("tok-1"), reply('{"status":0}')) as server, sockets(greeted()) as there:
            addresses = Addresses(server.url, "ws://127.0.0.1:1", there.url)
            venue = open_venue("gmo", addresses, clock=ScriptedClock(), jitter=random.Random(1).random)
            venue.account(ApiKeys(KEY, SECRET), BOTH, directory=tmp_path, at_wire=None)
            feed = venue.account_feed(BOTH)
            assert isinstance(feed, GmoAccountFeed)
            news = feed.events()
            assert await anext(news) == StreamState(True)
            await venue.close()
            await venue.close()
            methods = [request.method for request in server.requests if request.method != "PUT"]
            assert methods == ["POST", "DELETE"]
            await news.aclose()

    asyncio.run(run())


def test_next_process_counts_what_this_one_used_up(tmp_path: Path) -> None:
    async def run() -> None:
        async with loopback(reply(rest_body("order"))) as server:
            used = []
            for _ in range(2):
                venue = _open(server.url)
                account = venue.account(ApiKeys(KEY, SECRET), BOTH, directory=tmp_path, at_wire=None)
                await account.place(order())
                used += [room.calls - room.free_urgent for room in venue.head_room() if room.name == "post"]
                await venue.close()
            assert used == [1, 2]

    asyncio.run(run())


def test_public_side_loads_nothing_that_could_sign() -> None:
    script = """
import sys
import ztb.venues.gmo.public
loaded = sorted(name for name in sys.modules if name.startswith("ztb.venues.gmo."))
print(" ".join(name.removeprefix("ztb.venues.gmo.") for name in loaded))
"""
    run = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert run.stdout.split() == ["codec", "frames", "public", "rest", "rows", "rules", "stream"]


def test_desk_and_venue_make_the_same_request(tmp_path: Path) -> None:
    async def run() -> None:
        async with desk(reply(rest_body("order"))) as made, loopback(reply(rest_body("order"))) as server:
            await made.account.place(order())
            venue = _open(server.url)
            account = venue.account(ApiKeys(KEY, SECRET), BOTH, directory=tmp_path, at_wire=None)
            await account.place(order())
            await venue.close()
            ours, theirs = made.server.requests[0], server.requests[0]
            assert (ours.target, ours.body) == (theirs.target, theirs.body)
            assert ours.headers | {"host": ""} == theirs.headers | {"host": ""}

    asyncio.run(run())
