"""The venues of the contract suite, in the order of the table's columns."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from typing import Final

from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.simulator import coinbase_world
from tests.simulator.world import ALICE, SECRETS
from tests.venues.contract.kit import Kit
from tests.venues.contract.script import PIECES_MAX, PIECES_MIN
from ztb.core.instrument import Instrument

ZAIF: Final = Kit(
    name="zaif",
    venue="zaif",
    instrument=Instrument(
        "btc_jpy",
        "btc",
        "jpy",
        Decimal(5),
        Decimal("0.0001"),
        4,
        lots_min=PIECES_MIN,
        lots_max=PIECES_MAX,
        maker_fee_ppm=0,
        taker_fee_ppm=1_000,
    ),
    symbol="btc_jpy",
    piece=1,
    key=ALICE,
    secret=SECRETS[ALICE],
    place_methods=frozenset({"trade"}),
    balances={"jpy": Decimal(1_000_000_000), "btc": Decimal(10)},
    pause_s=1.5,
)

GMO_PIECE: Final = 10
GMO: Final = Kit(
    name="gmo",
    venue="gmo",
    instrument=Instrument(
        "btc_jpy",
        "btc",
        "jpy",
        Decimal(1),
        Decimal("0.00001"),
        8,
        lots_min=PIECES_MIN * GMO_PIECE,
        lots_max=PIECES_MAX * GMO_PIECE,
        maker_fee_ppm=-100,
        taker_fee_ppm=500,
    ),
    symbol="BTC",
    there="BTC",
    piece=GMO_PIECE,
    key=ALICE,
    secret=SECRETS[ALICE],
    place_methods=frozenset({"order", "closeBulkOrder"}),
    balances={"jpy": Decimal(100_000_000), "btc": Decimal(10)},
)
GMO_LEVERAGE: Final = replace(GMO, name="gmo leverage", symbol="BTC_JPY", there="BTC_JPY", is_leveraged=True)

COINBASE_PIECE: Final = 10_000


def coinbase_name(wire: str) -> str:
    """Our client id out of the UUID in which it travels: two nibbles belong to the UUID, four fill it up."""
    digits = wire.replace("-", "")
    return f"ztb-{digits[6:12]}{digits[13:16]}{digits[17:28]}" if digits.startswith("7a7462") else ""


COINBASE: Final = Kit(
    name="coinbase",
    venue="coinbase",
    instrument=Instrument(
        "btc_usd",
        "btc",
        "usd",
        Decimal("0.01"),
        Decimal("0.00000001"),
        10,
        lots_min=PIECES_MIN * COINBASE_PIECE,
        lots_max=PIECES_MAX * COINBASE_PIECE,
        maker_fee_ppm=6_000,
        taker_fee_ppm=12_000,
    ),
    symbol="BTC-USD",
    piece=COINBASE_PIECE,
    key=coinbase_world.ALICE,
    secret=coinbase_world.KEYS[coinbase_world.ALICE]
    .private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    .decode(),
    public_key_pem=coinbase_world.public_pem(coinbase_world.ALICE),
    place_methods=frozenset({"create_order"}),
    balances={"usd": Decimal(1_000_000), "btc": Decimal(10)},
    names=coinbase_name,
)

PAPER: Final = replace(ZAIF, name="paper", is_paper=True, secret="", pause_s=0.6)
"""Upon Zaif's market, and with what Zaif can do."""
PAPER_GMO: Final = replace(GMO, name="paper gmo", is_paper=True, secret="")
PAPER_LEVERAGE: Final = replace(GMO_LEVERAGE, name="paper leverage", is_paper=True, secret="")
PAPER_COINBASE: Final = replace(COINBASE, name="paper coinbase", is_paper=True, secret="")

KITS: Final[dict[str, Kit]] = {
    kit.name: kit for kit in (ZAIF, GMO, GMO_LEVERAGE, COINBASE, PAPER, PAPER_GMO, PAPER_LEVERAGE, PAPER_COINBASE)
}
