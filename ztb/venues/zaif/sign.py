"""Zaif's request body and signature: HMAC-SHA512, in hex, over exactly the text that is sent."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Sequence
from urllib.parse import urlencode


def form_body(parameters: Sequence[tuple[str, str]]) -> str:
    """The parameters as the body that is signed and sent (space becomes ``+``)."""
    return urlencode(parameters)


def signature(secret: str, body: str) -> str:
    """128 lower-case hex digits for the header ``sign``."""
    return hmac.new(secret.encode("utf-8"), body.encode("ascii"), hashlib.sha512).hexdigest()


def signed_headers(key: str, secret: str, body: str) -> dict[str, str]:
    """The headers that make a private call valid."""
    return {
        "key": key,
        "sign": signature(secret, body),
        "content-type": "application/x-www-form-urlencoded",
    }
