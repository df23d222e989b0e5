"""Coinbase's tokens: a JSON Web Token for each request, signed with the key's P-256 half (ES256).

The signature is deterministic (RFC 6979): it cannot be spoilt by bad randomness, and a test can compare it byte by
byte. A key that cannot sign is a ``CredentialError`` that never shows what was given.
"""

from __future__ import annotations

import base64
import secrets
from typing import Final

import msgspec
from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import load_pem_private_key
from msgspec import Struct

from ztb.core.error import CredentialError
from ztb.venues.port import ApiKeys

LIFE_S: Final = 120
"""From ``nbf`` to ``exp``; the venue takes no token that lives longer."""
ISSUER: Final = "cdp"
_HALF_BYTES: Final = 32
_ED25519_BYTES: Final = 64
_SIGNATURE: Final = ec.ECDSA(SHA256(), deterministic_signing=True)
_REMEDY: Final = "make an API key with the signature algorithm ECDSA at the venue, and store its whole key file"


class _KeyFile(Struct):
    """The file that the venue gives out with a key."""

    name: str = ""
    id: str = ""
    privateKey: str = ""


class Signer:
    """Makes the tokens of one key."""

    def __init__(self, keys: ApiKeys) -> None:
        """``keys.secret``: the private key as PEM, its line ends possibly written as ``\\n``, or the whole key file."""
        self._name, pem = _parts(keys)
        self._key = _private_key(pem)

    def __repr__(self) -> str:
        return "Signer(…)"

    def token(self, begins_s: int, *, uri: str = "", nonce: str = "") -> str:
        """A token valid from ``begins_s`` on; ``uri`` is ``GET host/path`` without a query, "" on a WebSocket."""
        header = {"alg": "ES256", "kid": self._name, "nonce": nonce or secrets.token_hex(32), "typ": "JWT"}
        claims: dict[str, str | int] = {
            "sub": self._name,
            "iss": ISSUER,
            "nbf": begins_s,
            "exp": begins_s + LIFE_S,
        }
        if uri:
            claims["uri"] = uri
        signed = f"{_base64(msgspec.json.encode(header))}.{_base64(msgspec.json.encode(claims))}"
        return f"{signed}.{_base64(self.signature(signed.encode('ascii')))}"

    def signature(self, data: bytes) -> bytes:
        """The 64 bytes that JOSE wants: both numbers one after the other, where other protocols wrap them in DER."""
        r, s = decode_dss_signature(self._key.sign(data, _SIGNATURE))
        return r.to_bytes(_HALF_BYTES, "big") + s.to_bytes(_HALF_BYTES, "big")

    def headers(self, begins_s: int, *, uri: str) -> dict[str, str]:
        """The headers that make a private call valid."""
        return {"authorization": f"Bearer {self.token(begins_s, uri=uri)}", "content-type": "application/json"}


def _parts(keys: ApiKeys) -> tuple[str, str]:
    """The key's name and its PEM text."""
    name, pem = keys.key.strip(), keys.secret.strip()
    if pem.startswith("{"):
        try:
            told = msgspec.json.decode(pem, type=_KeyFile)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            raise CredentialError("the Coinbase API secret is no key file that can be read", remedy=_REMEDY) from None
        own_name = told.name or told.id
        if name and own_name and name != own_name:
            raise CredentialError("the Coinbase API key and the name in its key file differ", remedy=_REMEDY)
        name, pem = name or own_name, told.privateKey.strip()
    if not name:
        raise CredentialError("the Coinbase API key has no name", remedy="it looks like organizations/…/apiKeys/…")
    return name, pem.replace("\\n", "\n")


def _private_key(pem: str) -> ec.EllipticCurvePrivateKey:
    if _is_ed25519(pem):
        raise CredentialError("this is an Ed25519 key; Coinbase is spoken to with ECDSA keys only", remedy=_REMEDY)
    try:
        key = load_pem_private_key(pem.encode("utf-8"), password=None)
    except (ValueError, TypeError, UnsupportedAlgorithm):
        raise CredentialError("the Coinbase API secret is no private key that can be read", remedy=_REMEDY) from None
    if not isinstance(key, ec.EllipticCurvePrivateKey) or not isinstance(key.curve, ec.SECP256R1):
        raise CredentialError("the Coinbase API secret is a key of another kind than P-256", remedy=_REMEDY)
    return key


def _is_ed25519(text: str) -> bool:
    """The venue writes these as the base64 of 64 bytes."""
    try:
        return len(base64.b64decode(text, validate=True)) == _ED25519_BYTES
    except ValueError:
        return False


def _base64(data: bytes) -> str:
    """Of the URL alphabet, without padding."""
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")
