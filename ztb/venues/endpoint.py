"""Which addresses may be spoken to: encrypted ones, and plain ones only where the wire does not leave this machine."""

from __future__ import annotations

import ipaddress
from urllib.parse import urlsplit

from ztb.core.error import ConfigError

_ENCRYPTED = frozenset({"https", "wss"})
_PLAIN = frozenset({"http", "ws"})


def checked_url(url: str, *, uds: str | None = None) -> str:
    """The URL without a closing slash; ConfigError for another scheme, or for plain text over a network."""
    parts = urlsplit(url)
    if parts.scheme not in _ENCRYPTED | _PLAIN or not parts.hostname:
        raise ConfigError(f"not a venue address: {url!r}", remedy="use https://… or wss://…")
    if parts.username or parts.password:
        raise ConfigError(f"the address of {parts.hostname} carries a user or password", remedy="use the credentials")
    if parts.scheme in _PLAIN and uds is None and not _is_loopback(parts.hostname):
        raise ConfigError(
            f"{url!r} would carry orders unencrypted over the network",
            remedy="use https:// or wss://; plain text is for 127.0.0.1 and Unix sockets",
        )
    return url.rstrip("/")


def is_encrypted(url: str) -> bool:
    """True for https and wss."""
    return urlsplit(url).scheme in _ENCRYPTED


def _is_loopback(host: str) -> bool:
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False
