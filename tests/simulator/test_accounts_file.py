"""The accounts file: exact amounts in, and for everything else an error that names file, place and remedy."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.simulator.world import BTC_JPY
from ztb.core.error import UsageError
from ztb.simulator.accounts import Account
from ztb.simulator.accounts_file import read_accounts

GOOD = """
[[account]]
key = "k1"
secret = "s1"
balances = { jpy = "1000000", btc = "1.0" }

[[account]]
key = "k2"
secret = "s2"
balances = { JPY = 5, eth = "0.00000001" }
rights = ["info"]
maker_fee_ppm = -100
taker_fee_ppm = 0
limits_factor = 50
"""


def read(tmp_path: Path, text: str | bytes) -> list[Account]:
    path = tmp_path / "accounts.toml"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_accounts(path, BTC_JPY, maker_fee_ppm=0, taker_fee_ppm=1_000)


def test_amounts_are_exact_and_the_rest_has_defaults(tmp_path: Path) -> None:
    first, second = read(tmp_path, GOOD)
    assert (first.key, first.secret) == ("k1", "s1")
    assert first.balances == {"jpy": 10_000_000_000, "btc": 100_000_000}
    assert first.rights == {"info", "trade"}
    assert (first.maker_fee_ppm, first.taker_fee_ppm, first.limits_factor) == (0, 1_000, 1)
    assert second.balances == {"jpy": 50_000, "eth": 1}
    assert second.rights == {"info"}
    assert (second.maker_fee_ppm, second.taker_fee_ppm, second.limits_factor) == (-100, 0, 50)


PRIVATE = "-----BEGIN EC PRIVATE KEY-----\nMFkw\n-----END EC PRIVATE KEY-----"
PEM = "-----BEGIN PUBLIC KEY-----\nMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE\n-----END PUBLIC KEY-----"


def test_a_public_key_stands_instead_of_a_secret(tmp_path: Path) -> None:
    text = f'[[account]]\nkey = "k"\npublic_key_pem = """\n{PEM}\n"""\nbalances = {{ jpy = "1" }}\n'
    (found,) = read(tmp_path, text)
    assert (found.secret, found.public_key_pem) == ("", f"{PEM}\n")


def test_a_secret_does_not_show(tmp_path: Path) -> None:
    assert "s1" not in repr(read(tmp_path, GOOD)[0])


def one(balances: str = '{ jpy = "1" }', extra: str = "", key: str = '"k"', secret: str = '"s3cr3t"') -> str:
    return f"[[account]]\nkey = {key}\nsecret = {secret}\nbalances = {balances}\n{extra}\n"


@pytest.mark.parametrize(
    ("text", "place", "remedy"),
    [
        ("", "no [[account]]", "[[account]]"),
        ("account = 3", "no [[account]]", "[[account]]"),
        ("account = [3]", "account 1: not a table", "[[account]]"),
        ("[[account]\n", "not TOML", "[[account]]"),
        (b"\xff\xfe", "byte 0 is not UTF-8", "UTF-8"),
        ("[[accounts]]\n", "unknown key 'accounts'", "[[account]]"),
        (one(extra="fee = 3"), "account 1: unknown key 'fee'", "taker_fee_ppm"),
        (one(key='""'), "account 1: 'key'", "[[account]]"),
        (one(key="7"), "account 1: 'key'", "[[account]]"),
        (one(secret='""'), "account 1: 'secret'", "[[account]]"),
        ('[[account]]\nkey = "k"\nsecret = "s"\n', "account 1: 'balances' is missing", "[[account]]"),
        (one("{}"), "account 1: 'balances' is missing", "[[account]]"),
        (one('{ jpy = "abc" }'), "account 1: balances.jpy: not a number: 'abc'", "multiple of 0.0001"),
        (one('{ jpy = "NaN" }'), "account 1: balances.jpy: not a finite number", "multiple of 0.0001"),
        (one('{ jpy = "Infinity" }'), "account 1: balances.jpy", "multiple of 0.0001"),
        (one('{ jpy = "-1" }'), "account 1: balances.jpy: -1 is not between 0", "multiple of 0.0001"),
        (one('{ jpy = "1e16" }'), "account 1: balances.jpy", "multiple of 0.0001"),
        (one('{ jpy = "0.00001" }'), "account 1: balances.jpy", "multiple of 0.0001"),
        (one('{ btc = "0.000000001" }'), "account 1: balances.btc", "multiple of 0.00000001"),
        (one("{ jpy = 1.5 }"), "account 1: balances.jpy is 1.5", 'jpy = "1.5"'),
        (one("{ jpy = true }"), "account 1: balances.jpy is True", 'jpy = "1.5"'),
        (one('{ jpy = "1", JPY = "2" }'), "account 1: balances.JPY: the currency is there twice", "keep one"),
        (one(extra='rights = ["withdraw"]'), "account 1: 'rights'", "info, trade"),
        (one(extra='rights = "info"'), "account 1: 'rights'", "info, trade"),
        (one(extra="taker_fee_ppm = -1"), "account 1: 'taker_fee_ppm' is -1", "from 0 to 100000"),
        (one(extra="maker_fee_ppm = 0.5"), "account 1: 'maker_fee_ppm' is 0.5", "whole number"),
        (one(extra='public_key_pem = "abc"'), "account 1: 'public_key_pem'", "BEGIN PUBLIC KEY"),
        (one(extra="public_key_pem = 5"), "account 1: 'public_key_pem'", "BEGIN PUBLIC KEY"),
        (one(extra=f"public_key_pem = {PRIVATE!r}"), "account 1: 'public_key_pem'", "BEGIN PUBLIC KEY"),
        (one(extra="limits_factor = 0"), "account 1: 'limits_factor' is 0", "from 1"),
        (one() + one(), "account 2: key 'k' is there twice", "its own key"),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, text: str | bytes, place: str, remedy: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(tmp_path, text)
    assert caught.value.exit_code == 2
    assert str(tmp_path / "accounts.toml") in caught.value.message
    assert place in caught.value.message
    assert remedy in caught.value.remedy
    assert "s3cr3t" not in str(caught.value)


def test_a_file_that_is_not_there_or_far_too_large(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="No such file"):
        read_accounts(tmp_path / "none.toml", BTC_JPY, maker_fee_ppm=0, taker_fee_ppm=0)
    with pytest.raises(UsageError, match="larger than"):
        read(tmp_path, "#" * (1024 * 1024 + 1))
