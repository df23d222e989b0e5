"""The venue's answers as recorded shapes, a throw-away key, and the instrument that they are about."""

from __future__ import annotations

import base64
import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_public_key,
)

from ztb.core.instrument import Instrument

_DATA = Path(__file__).parent / "data"
SAMPLES: dict[str, Any] = json.loads((_DATA / "sample_responses.json").read_text("utf-8"))
VECTORS: list[dict[str, Any]] = json.loads((_DATA / "signing_vectors.json").read_text("utf-8"))["vectors"]

BTC_USD = Instrument(
    symbol="BTC-USD",
    base="BTC",
    quote="USD",
    tick_size=Decimal("0.01"),
    lot_size=Decimal("0.00000001"),
    money_scale=10,
    lots_min=1,
    lots_max=340_000_000_000,
    maker_fee_ppm=6_000,
    taker_fee_ppm=12_000,
    notional_min=10_000_000_000,
)
"""Written from the venue's documentation, not from the decoder."""

KEY_NAME: str = VECTORS[0]["input"]["key_name"]
PUBLIC_PEM: str = VECTORS[0]["input"]["public_key_pem"]
_SCALAR = int(VECTORS[0]["input"]["p256_private_scalar_hex"], 16)


def private_pem(format_: PrivateFormat = PrivateFormat.TraditionalOpenSSL) -> str:
    """The private half as the venue's key file holds it (SEC1), or as PKCS 8."""
    key = ec.derive_private_key(_SCALAR, ec.SECP256R1())
    return key.private_bytes(Encoding.PEM, format_, NoEncryption()).decode("ascii")


def unpacked(part: str) -> bytes:
    """Base64 of the URL alphabet without padding, undone."""
    assert "=" not in part
    return base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))


def verified(token: str) -> tuple[dict[str, Any], dict[str, Any]]:
    """Header and claims of a token whose signature the public key confirms; raises otherwise."""
    signed, _, signature = token.rpartition(".")
    raw = unpacked(signature)
    assert len(raw) == 64
    public = load_pem_public_key(PUBLIC_PEM.encode())
    assert isinstance(public, ec.EllipticCurvePublicKey)
    der = encode_dss_signature(int.from_bytes(raw[:32], "big"), int.from_bytes(raw[32:], "big"))
    public.verify(der, signed.encode(), ec.ECDSA(SHA256()))
    header, claims = signed.split(".")
    return json.loads(unpacked(header)), json.loads(unpacked(claims))


def rest_answer(name: str) -> Any:  # noqa: ANN401 - whatever the venue says
    """One recorded REST answer, to be changed at will."""
    return copy.deepcopy(next(row["response"] for row in SAMPLES["rest"] if row["name"] == name))


def rest_body(name: str) -> bytes:
    """The body of one recorded REST answer."""
    return json.dumps(rest_answer(name)).encode()


def variant(name: str) -> bytes:
    """The body of one recorded variant."""
    return json.dumps(SAMPLES["variants"][name]).encode()


def frame(name: str, **changes: object) -> dict[str, Any]:
    """One recorded stream frame, with members of its envelope replaced."""
    body: dict[str, Any] = copy.deepcopy(SAMPLES["ws"][name])
    return body | changes
