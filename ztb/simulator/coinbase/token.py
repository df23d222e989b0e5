"""Who a request comes from: verifies the ES256 token that Coinbase wants on every request and subscription.

The rule: a token counts only when its signature is right under the account's public key, its time has come and is not
over, it lives no longer than allowed, and its ``uri`` is the request that carries it. One wrong thing refuses it, and
nobody is told which.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from typing import Any, Final

import msgspec
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from ztb.core.error import UsageError
from ztb.simulator.coinbase.rules import AUDIENCE, HOST, ISSUERS, CoinbaseRules

TOKEN_LENGTH_MAX: Final = 8_192
_COORDINATE_BYTES: Final = 32


class BadToken(Exception):
    """Why a token does not count; for the record, never for the client."""


class Tokens:
    """The public keys of all accounts, by key name."""

    def __init__(self, pems: Mapping[str, str], rules: CoinbaseRules) -> None:
        self._keys: Final = {name: public_key(pem, name) for name, pem in pems.items()}
        self._rules = rules

    def owner_of_request(self, token: str, *, method: str, path: str, host: str, now_s: int) -> str:
        """The key name behind a REST request; ``path`` without its query. BadToken when it does not count."""
        name, claims = self._verified(token, now_s)
        if claims.get("uri") not in {f"{method} {known}{path}" for known in (HOST, host)}:
            raise BadToken(f"uri is {claims.get('uri')!r}")
        return name

    def owner_of_subscription(self, token: str, *, now_s: int) -> str:
        """The key name behind a message on a WebSocket; such a token has no ``uri``."""
        name, claims = self._verified(token, now_s)
        if "uri" in claims:
            raise BadToken("a token with a uri on a WebSocket")
        return name

    def _verified(self, token: str, now_s: int) -> tuple[str, dict[str, Any]]:
        parts = token.split(".") if len(token) <= TOKEN_LENGTH_MAX else []
        if len(parts) != 3:
            raise BadToken("not three parts")
        header, claims = _json(parts[0]), _json(parts[1])
        if header.get("alg") != "ES256" or header.get("typ", "JWT") != "JWT":
            raise BadToken(f"alg is {header.get('alg')!r}")
        name = header.get("kid")
        if not isinstance(name, str) or name not in self._keys or claims.get("sub") != name:
            raise BadToken("kid and sub are not one known key")
        _check_signature(self._keys[name], f"{parts[0]}.{parts[1]}".encode(), _bytes(parts[2]))
        self._check_issuer(claims)
        self._check_time(claims, now_s)
        return name, claims

    def _check_issuer(self, claims: dict[str, Any]) -> None:
        if claims.get("iss") not in ISSUERS:
            raise BadToken(f"iss is {claims.get('iss')!r}")
        audience = claims.get("aud", AUDIENCE)
        if AUDIENCE not in (audience if isinstance(audience, list) else [audience]):
            raise BadToken(f"aud is {audience!r}")

    def _check_time(self, claims: dict[str, Any], now_s: int) -> None:
        begins, ends = claims.get("nbf"), claims.get("exp")
        if type(begins) is not int or type(ends) is not int:
            raise BadToken("nbf and exp are not whole seconds")
        leeway = self._rules.token_leeway_s
        if not begins - leeway <= now_s <= ends + leeway:
            raise BadToken(f"valid from {begins} to {ends}, and it is {now_s}")
        if not 0 < ends - begins <= self._rules.token_life_s_max:
            raise BadToken(f"lives {ends - begins} s")


def public_key(pem: str, name: str) -> ec.EllipticCurvePublicKey:
    """The P-256 key of an account. UsageError when the text holds none."""
    remedy = (
        'clients of Coinbase have a key pair and no secret: write public_key_pem = """-----BEGIN PUBLIC KEY----- ..."""'
        " of an EC key on P-256 in the accounts file"
    )
    try:
        key = load_pem_public_key(pem.encode())
    except ValueError:
        raise UsageError(f"account {name!r}: public_key_pem is missing or no public key", remedy=remedy) from None
    if not isinstance(key, ec.EllipticCurvePublicKey) or not isinstance(key.curve, ec.SECP256R1):
        raise UsageError(f"account {name!r}: public_key_pem is no P-256 key", remedy=remedy)
    return key


def _check_signature(key: ec.EllipticCurvePublicKey, signed: bytes, signature: bytes) -> None:
    """The signature is r and s one after the other, as JOSE wants it, not DER."""
    if len(signature) != 2 * _COORDINATE_BYTES:
        raise BadToken(f"a signature of {len(signature)} bytes")
    r, s = (int.from_bytes(half) for half in (signature[:_COORDINATE_BYTES], signature[_COORDINATE_BYTES:]))
    try:
        key.verify(encode_dss_signature(r, s), signed, ec.ECDSA(hashes.SHA256()))
    except InvalidSignature:
        raise BadToken("the signature is wrong") from None


def _json(part: str) -> dict[str, Any]:
    try:
        return msgspec.json.decode(_bytes(part), type=dict[str, Any])
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        raise BadToken("a part is no JSON object") from None


def _bytes(part: str) -> bytes:
    """Of base64url without padding."""
    if any(letter in part for letter in "+/="):
        raise BadToken("a part is not base64url")
    try:
        return base64.b64decode(part + "=" * (-len(part) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        raise BadToken("a part is not base64url") from None
