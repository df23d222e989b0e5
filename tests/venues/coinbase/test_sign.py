"""Tokens against those of the venue's own library and of RFC 6979, and keys in every form that people paste them in."""

from __future__ import annotations

import json
from typing import Any

import pytest
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

from tests.venues.coinbase.samples import KEY_NAME, VECTORS, private_pem, unpacked, verified
from ztb.core.error import CredentialError
from ztb.venues.coinbase.sign import Signer
from ztb.venues.port import ApiKeys

ES256 = [vector for vector in VECTORS if vector["expected"]["jwt_header"]["alg"] == "ES256"]
NOW_S = 1_700_000_000


def signer(secret: str | None = None, key: str = KEY_NAME) -> Signer:
    return Signer(ApiKeys(key, private_pem() if secret is None else secret))


def test_no_vector_is_lost() -> None:
    assert len(VECTORS) == 11
    assert len(ES256) == 10


@pytest.mark.parametrize("vector", ES256, ids=lambda vector: vector["id"])
def test_token_is_the_one_the_library_makes_and_its_signature_verifies(vector: dict[str, Any]) -> None:
    claims = vector["expected"]["jwt_claims"]
    token = signer().token(vector["input"]["now"], uri=claims.get("uri", ""), nonce=vector["input"]["nonce"])
    assert verified(token) == (vector["expected"]["jwt_header"], claims)
    # Byte for byte as far as it is determined: the library's own signature has a random part.
    assert token.rpartition(".")[0] == vector["signing_string"]


@pytest.mark.parametrize("vector", ES256, ids=lambda vector: vector["id"])
def test_the_verification_of_these_tests_can_fail(vector: dict[str, Any]) -> None:
    token = vector["expected"]["jwt"]
    verified(token)
    signed, _, signature = token.rpartition(".")
    with pytest.raises(InvalidSignature):
        verified(f"{signed}A.{signature}")


def test_signature_is_the_one_of_rfc_6979() -> None:
    # Appendix A.2.5 of the RFC: its key, its message, SHA-256.
    scalar = 0xC9AFA9D845BA75166B5C215767B1D6934E50C3DB36E89B127B8A622B120F6721
    key = ec.derive_private_key(scalar, ec.SECP256R1())
    pem = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    expected = (
        "efd48b2aacb6a8fd1140dd9cd45e81d69d2c877b56aaf991c34d0ea84eaf3716"
        "f7cb1c942d657c41d436c7a1b6e29f65f3e900dbb9aff4064dc4ab2f843acda8"
    )
    assert signer(pem).signature(b"sample").hex() == expected


def test_websocket_token_names_no_uri_and_every_token_is_fresh() -> None:
    one, other = signer().token(NOW_S), signer().token(NOW_S)
    assert "uri" not in verified(one)[1]
    assert one != other
    assert len(unpacked(one.split(".")[0])) == len(unpacked(other.split(".")[0]))
    assert len(verified(one)[0]["nonce"]) == 64


def test_token_lives_two_minutes_from_its_beginning() -> None:
    _, claims = verified(signer().token(NOW_S, uri="GET host/path"))
    assert (claims["nbf"], claims["exp"]) == (NOW_S, NOW_S + 120)


def test_headers_carry_the_token() -> None:
    headers = signer().headers(NOW_S, uri="GET api.coinbase.com/api/v3/brokerage/accounts")
    scheme, _, token = headers["authorization"].partition(" ")
    assert (scheme, headers["content-type"]) == ("Bearer", "application/json")
    assert verified(token)[1]["uri"] == "GET api.coinbase.com/api/v3/brokerage/accounts"


KEY_FORMS = {
    "SEC1": (KEY_NAME, private_pem()),
    "PKCS 8": (KEY_NAME, private_pem(PrivateFormat.PKCS8)),
    "backslash n": (KEY_NAME, private_pem().replace("\n", "\\n")),
    "blanks around": (f" {KEY_NAME}\n", f"\n {private_pem()}\n"),
    "key file": (KEY_NAME, json.dumps({"name": KEY_NAME, "privateKey": private_pem()})),
    "key file without the name again": ("", json.dumps({"name": KEY_NAME, "privateKey": private_pem()})),
    "key file of doubled backslashes": (
        KEY_NAME,
        json.dumps({"name": KEY_NAME, "privateKey": private_pem().replace("\n", "\\n"), "principal": "x"}),
    ),
    "key file that says id": ("", json.dumps({"id": KEY_NAME, "privateKey": private_pem()})),
}


@pytest.mark.parametrize("form", KEY_FORMS)
def test_key_is_taken_in_every_form_it_comes_in(form: str) -> None:
    name, secret = KEY_FORMS[form]
    header, claims = verified(signer(secret, name).token(NOW_S))
    assert header["kid"] == claims["sub"] == KEY_NAME


def pem_of(key: ec.EllipticCurvePrivateKey | ed25519.Ed25519PrivateKey | rsa.RSAPrivateKey) -> str:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()


WRONG = {
    "nothing": (KEY_NAME, ""),
    "a word": (KEY_NAME, "hunter2-hunter2"),
    "cut": (KEY_NAME, private_pem()[:120]),
    "letters that are no base64": (KEY_NAME, private_pem().replace("A", "é")),
    "another curve": (KEY_NAME, pem_of(ec.generate_private_key(ec.SECP384R1()))),
    "another curve of the same length": (KEY_NAME, pem_of(ec.generate_private_key(ec.SECP256K1()))),
    "RSA": (KEY_NAME, pem_of(rsa.generate_private_key(65537, 2048))),
    "Ed25519 as PEM": (KEY_NAME, pem_of(ed25519.Ed25519PrivateKey.generate())),
    "Ed25519 as the venue writes it": (
        KEY_NAME,
        next(str(v["input"]["ed25519_secret_b64"]) for v in VECTORS if v["id"].endswith("eddsa")),
    ),
    "a broken key file": (KEY_NAME, '{"name": "hunter2", "privateKey": '),
    "a key file of another type": (KEY_NAME, '{"privateKey": 17}'),
    "a key file without a key": (KEY_NAME, json.dumps({"name": KEY_NAME})),
    "a key file of another key": ("organizations/hunter2", json.dumps({"name": KEY_NAME, "privateKey": private_pem()})),
    "no name": ("", private_pem()),
    "a deep key file": (KEY_NAME, '{"x":' * 5000),
}


@pytest.mark.parametrize("form", WRONG)
def test_wrong_key_is_refused_without_being_shown(form: str) -> None:
    name, secret = WRONG[form]
    with pytest.raises(CredentialError) as caught:
        signer(secret, name)
    shown = str(caught.value) + repr(caught.value)
    assert caught.value.remedy
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None
    for line in (secret.strip().splitlines() or [""])[:3]:
        assert len(line) < 8 or line not in shown
    assert "hunter2" not in shown


def test_signer_shows_nothing_of_its_key() -> None:
    assert repr(signer()) == "Signer(…)"
    assert KEY_NAME not in f"{signer()}"
