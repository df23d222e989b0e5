"""Reads the accounts file. Fails closed: whatever is not exactly understood is an error that names file and place.

``[[account]]`` with ``key``, ``secret`` and ``balances = { jpy = "1000000", btc = "1.0" }``; optional ``rights``,
``maker_fee_ppm``, ``taker_fee_ppm``, ``limits_factor``. Where clients sign with a private key of their own (Coinbase),
``public_key_pem`` stands instead of ``secret``. Amounts are strings, because a TOML float is not exact.
"""

from __future__ import annotations

import re
import tomllib
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ztb.core.error import AmountError, UsageError
from ztb.core.instrument import Instrument
from ztb.core.money import PPM, decimal_from_text
from ztb.simulator.accounts import RIGHTS, RIGHTS_DEFAULT, Account, Units

FILE_BYTES_MAX: Final = 1024 * 1024
AMOUNT_MAX: Final = Decimal(10) ** 15
LIMITS_FACTOR_MAX: Final = 1_000_000
PEM_LENGTH_MAX: Final = 4_096
_KNOWN: Final = (
    "key", "secret", "public_key_pem", "balances", "rights", "maker_fee_ppm", "taker_fee_ppm", "limits_factor",
)  # fmt: skip
_PEM: Final = re.compile(r"-----BEGIN PUBLIC KEY-----\s[A-Za-z0-9+/=\s]+-----END PUBLIC KEY-----", re.ASCII)
_GRANTABLE: Final = tuple(right for right in RIGHTS if right != "withdraw")
_EXAMPLE: Final = 'write [[account]] with key = "...", secret = "..." and balances = { jpy = "1000000", btc = "1.0" }'


def read_accounts(path: Path, instrument: Instrument, *, maker_fee_ppm: int, taker_fee_ppm: int) -> list[Account]:
    """The accounts of a file; the fees apply to those that name none. UsageError for anything wrong."""
    document = _document(path)
    unknown = [name for name in document if name != "account"]
    if unknown:
        raise UsageError(f"{path}: unknown key {unknown[0]!r}", remedy=_EXAMPLE)
    tables = document.get("account")
    if not isinstance(tables, list) or not tables:
        raise UsageError(f"{path}: no [[account]] in it", remedy=_EXAMPLE)
    units = Units(instrument)
    accounts: list[Account] = []
    for number, table in enumerate(tables, start=1):
        if not isinstance(table, dict):
            raise UsageError(f"{path}: account {number}: not a table", remedy=_EXAMPLE)
        reader = _Table(table, f"{path}: account {number}")
        account = reader.account(units, maker_fee_ppm=maker_fee_ppm, taker_fee_ppm=taker_fee_ppm)
        if any(account.key == other.key for other in accounts):
            raise UsageError(
                f"{path}: account {number}: key {account.key!r} is there twice", remedy="give each account its own key"
            )
        accounts.append(account)
    return accounts


def _document(path: Path) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            data = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", remedy="name a readable accounts file (--accounts)") from None
    if len(data) > FILE_BYTES_MAX:
        raise UsageError(f"{path}: larger than {FILE_BYTES_MAX} bytes", remedy="this is no accounts file")
    try:
        return tomllib.loads(data.decode("utf-8"))
    except UnicodeDecodeError as error:
        raise UsageError(f"{path}: byte {error.start} is not UTF-8", remedy="save the file as UTF-8") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"{path}: not TOML: {error}", remedy=_EXAMPLE) from None


class _Table:
    """One ``[[account]]``; ``place`` says where it stands."""

    def __init__(self, table: dict[str, Any], place: str) -> None:
        self._table = table
        self._place = place

    def account(self, units: Units, *, maker_fee_ppm: int, taker_fee_ppm: int) -> Account:
        for name in self._table:
            if name not in _KNOWN:
                raise self._error(f"unknown key {name!r}", f"known keys: {', '.join(_KNOWN)}")
        return Account(
            key=self._text("key"),
            secret="" if "public_key_pem" in self._table and "secret" not in self._table else self._text("secret"),
            balances=self._balances(units),
            maker_fee_ppm=self._whole("maker_fee_ppm", maker_fee_ppm, low=-PPM // 10, high=PPM // 10),
            taker_fee_ppm=self._whole("taker_fee_ppm", taker_fee_ppm, low=0, high=PPM // 10),
            rights=self._rights(),
            limits_factor=self._whole("limits_factor", 1, low=1, high=LIMITS_FACTOR_MAX),
            public_key_pem=self._public_key() if "public_key_pem" in self._table else "",
        )

    def _error(self, text: str, remedy: str) -> UsageError:
        return UsageError(f"{self._place}: {text}", remedy=remedy)

    def _text(self, name: str) -> str:
        value = self._table.get(name)
        if not isinstance(value, str) or not value or not value.isprintable():
            raise self._error(f"{name!r} must be a text that is not empty", _EXAMPLE)
        return value

    def _public_key(self) -> str:
        value = self._table["public_key_pem"]
        if not isinstance(value, str) or not _PEM.fullmatch(value.strip()) or len(value) > PEM_LENGTH_MAX:
            raise self._error(
                "'public_key_pem' is no public key",
                'write """, the lines from -----BEGIN PUBLIC KEY----- to -----END PUBLIC KEY-----, and """',
            )
        return value.strip() + "\n"

    def _whole(self, name: str, default: int, *, low: int, high: int) -> int:
        value = self._table.get(name, default)
        if isinstance(value, bool) or not isinstance(value, int) or not low <= value <= high:
            raise self._error(f"{name!r} is {value!r}", f"write a whole number from {low} to {high}")
        return value

    def _rights(self) -> frozenset[str]:
        value = self._table.get("rights", sorted(RIGHTS_DEFAULT))
        if not isinstance(value, list) or any(right not in _GRANTABLE for right in value):
            raise self._error(f"'rights' is {value!r}", f"a list of some of: {', '.join(_GRANTABLE)}")
        return frozenset(value)

    def _balances(self, units: Units) -> dict[str, int]:
        table = self._table.get("balances")
        if not isinstance(table, dict) or not table:
            raise self._error("'balances' is missing or no table", _EXAMPLE)
        balances: dict[str, int] = {}
        for name, value in table.items():
            place = f"balances.{name}"
            currency = name.lower()
            if currency in balances:
                raise self._error(f"{place}: the currency is there twice", "keep one of them")
            if not isinstance(value, str | int) or isinstance(value, bool):
                raise self._error(f"{place} is {value!r}", f'write the amount as a text: {name} = "1.5"')
            try:
                amount = decimal_from_text(str(value))
                if not 0 <= amount <= AMOUNT_MAX:
                    raise AmountError(f"{value} is not between 0 and {AMOUNT_MAX:f}")
                balances[currency] = units.grid(currency).exact(amount)
            except AmountError as error:
                step = units.grid(currency).step
                raise self._error(f"{place}: {error.message}", f"write a multiple of {step:f}") from None
        return balances
