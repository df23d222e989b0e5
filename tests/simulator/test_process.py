"""Building and serving a simulator from options, and the exchange's own bounds."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from dataclasses import replace
from decimal import Decimal
from pathlib import Path

import httpx
import pytest

from tests.simulator.world import ALICE, BTC_JPY, QUIET, ManualClock, exchange, quote
from ztb.core.error import TapeError, UsageError
from ztb.core.instrument import BUY, SELL, Instrument
from ztb.simulator import exchange as exchange_module
from ztb.simulator.accounts import Account
from ztb.simulator.dialect import Address
from ztb.simulator.exchange import ORDER_ID_FIRST, OrderRefused
from ztb.simulator.process import VENUES, SimulatorOptions, build, serve
from ztb.simulator.server import SimulatorServer
from ztb.simulator.tape_player import MarketEvent


def built(tmp_path: Path, instrument: Instrument = BTC_JPY, extra: str = "") -> SimulatorServer:
    path = tmp_path / "accounts.toml"
    path.write_text(f'[[account]]\nkey = "k"\nsecret = "s"\nbalances = {{ jpy = "1000" }}\n{extra}\n')
    options = SimulatorOptions(venue="zaif", accounts=path)
    return build(options, instrument=instrument, tape=lambda: iter(QUIET), clock=ManualClock())


def only_account(server: SimulatorServer) -> Account:
    (found,) = server._exchange.purse.accounts.values()
    return found


@pytest.mark.parametrize(
    ("base", "taker_of_tape", "extra", "taker"),
    [
        ("btc", 0, "", 1_000),
        ("mona", 0, "", 3_000),
        ("btc", 250, "", 250),
        ("btc", 250, "taker_fee_ppm = 0", 0),
        ("btc", 0, "taker_fee_ppm = 42", 42),
    ],
)
def test_fees_come_from_the_account_else_the_tape_else_the_venue(
    tmp_path: Path, base: str, taker_of_tape: int, extra: str, taker: int
) -> None:  # fmt: skip
    instrument = replace(BTC_JPY, base=base, taker_fee_ppm=taker_of_tape)
    owner = only_account(built(tmp_path, instrument, extra))
    assert (owner.maker_fee_ppm, owner.taker_fee_ppm) == (0, taker)


def test_every_venue_has_a_name() -> None:
    assert {"zaif", "gmo"} <= set(VENUES)


def test_it_serves_until_a_signal(tmp_path: Path) -> None:
    async def scenario() -> None:
        async def visit(address: Address) -> None:
            async with httpx.AsyncClient(trust_env=False) as client:
                response = await client.get(f"http://{address.text}/api/1/last_price/btc_jpy")
                assert response.status_code == 200
            os.kill(os.getpid(), signal.SIGTERM)

        visits: list[asyncio.Task[None]] = []
        await serve(built(tmp_path), ready=lambda address: visits.append(asyncio.create_task(visit(address))))
        await visits[0]

    asyncio.run(scenario())


def test_a_tape_that_breaks_while_nobody_asks_ends_it_too(tmp_path: Path) -> None:
    def tape() -> Iterator[MarketEvent]:
        yield quote(0, 100, 105)
        yield quote(1, 100, 110)
        raise TapeError("t.tape: block 1 is damaged", remedy="import it again")

    path = tmp_path / "accounts.toml"
    path.write_text('[[account]]\nkey = "k"\nsecret = "s"\nbalances = { jpy = "1000" }\n')
    clock = ManualClock()
    server = build(SimulatorOptions("zaif", path), instrument=BTC_JPY, tape=tape, clock=clock)
    with pytest.raises(TapeError, match="block 1"):
        asyncio.run(serve(server, ready=lambda _: clock.pass_seconds(5)))


def test_addresses_are_written_as_a_url_wants_them() -> None:
    assert Address("127.0.0.1", 80).text == "127.0.0.1:80"
    assert Address("::1", 80).text == "[::1]:80"


def test_an_account_has_at_most_so_many_working_orders(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "OPEN_ORDERS_MAX", 2)
    made = exchange()
    owner = made.purse.accounts[ALICE]
    ids = [made.place(owner, side=BUY, price=1, lots=1).order.order_id for _ in range(2)]
    assert ids == [ORDER_ID_FIRST, ORDER_ID_FIRST + 1]
    with pytest.raises(OrderRefused, match="full"):
        made.place(owner, side=BUY, price=1, lots=1)
    made.cancel(owner, ids[0])
    assert made.place(owner, side=BUY, price=1, lots=1).order.order_id == ORDER_ID_FIRST + 2


def test_an_account_has_at_most_so_many_fills(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(exchange_module, "FILLS_MAX", 1)
    made = exchange()
    owner = made.purse.accounts[ALICE]
    assert made.place(owner, side=SELL, price=1, lots=1).filled_lots == 1
    with pytest.raises(OrderRefused, match="full"):
        made.place(owner, side=SELL, price=1, lots=1)


def test_a_refused_order_uses_no_id_and_leaves_no_trace() -> None:
    made = exchange()
    owner = made.purse.accounts[ALICE]
    version = made.book.version
    with pytest.raises(OrderRefused, match="funds"):
        made.place(owner, side=SELL, price=1, lots=10_001)
    assert made.book.version == version
    assert not owner.orders
    assert made.place(owner, side=SELL, price=10**7, lots=1).order.order_id == ORDER_ID_FIRST


def test_a_lot_finer_than_eight_decimals_is_counted_exactly(tmp_path: Path) -> None:
    fine = replace(BTC_JPY, lot_size=Decimal("0.0000000001"), money_scale=10)
    owner = only_account(built(tmp_path, fine))
    assert owner.balances["jpy"] == 1_000 * 10**10


def test_an_accounts_file_that_is_wrong_builds_nothing(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="account 1: unknown key 'x'"):
        built(tmp_path, extra="x = 1")
