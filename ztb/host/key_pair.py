"""A key as Coinbase's portal would give it out: a name and a P-256 private key, made here for the built-in exchange.

The private half goes to the trader, the public half to the exchange; neither is of any use anywhere else.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass, field
from typing import final


@final
@dataclass(frozen=True)
class KeyPair:
    """``private_pem`` is SEC1 ("EC PRIVATE KEY"), ``public_pem`` what verifies its signatures."""

    name: str
    private_pem: str = field(repr=False)
    public_pem: str


def make_key_pair() -> KeyPair:
    """A new pair with a new name."""
    # Here, because only this venue needs the cryptography behind it.
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    key = ec.generate_private_key(ec.SECP256R1())
    private = key.private_bytes(Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption())
    public = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return KeyPair(f"organizations/{uuid.uuid4()}/apiKeys/{uuid.uuid4()}", private.decode(), public.decode())
