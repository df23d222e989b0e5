"""GMO Coin's signature: HMAC-SHA256, in hex, over timestamp, method, path and the body of a POST.

The path begins at ``/v1`` and has no query. The bodies of PUT and DELETE are sent but not signed.
"""

from __future__ import annotations

import hashlib
import hmac
from typing import Final

SIGNED_BODY_METHODS: Final = frozenset({"POST"})


def signature(secret: str, text: bytes) -> str:
    """64 lower-case hex digits for the header ``API-SIGN``."""
    return hmac.new(secret.encode("utf-8"), text, hashlib.sha256).hexdigest()


def signed_headers(
    key: str, secret: str, *, timestamp_ms: int, method: str, path: str, body: bytes = b""
) -> dict[str, str]:
    """The headers that make a private call valid; ``path`` as in ``/v1/order``, ``body`` as it will be sent."""
    signed_body = body if method in SIGNED_BODY_METHODS else b""
    headers = {
        "API-KEY": key,
        "API-TIMESTAMP": str(timestamp_ms),
        "API-SIGN": signature(secret, f"{timestamp_ms}{method}{path}".encode("ascii") + signed_body),
    }
    if body:
        headers["content-type"] = "application/json"
    return headers
