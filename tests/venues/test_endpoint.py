"""Which addresses are allowed."""

from __future__ import annotations

import pytest

from ztb.core.error import ConfigError
from ztb.venues.endpoint import checked_url, is_encrypted


@pytest.mark.parametrize(
    "url",
    ["https://api.zaif.jp", "wss://ws.zaif.jp/stream", "http://127.0.0.1:8080", "ws://localhost:1", "http://[::1]:5"],
)
def test_allowed(url: str) -> None:
    assert checked_url(url) == url
    assert checked_url(url + "/") == url


@pytest.mark.parametrize("url", ["http://api.zaif.jp", "ws://ws.zaif.jp/stream", "http://127.0.0.1.example.com"])
def test_plain_text_over_the_network_is_refused_but_not_through_a_unix_socket(url: str) -> None:
    with pytest.raises(ConfigError, match="unencrypted"):
        checked_url(url)
    assert checked_url(url, uds="/run/egress.sock") == url


@pytest.mark.parametrize("url", ["", "zaif", "file:///etc/passwd", "https://", "https://a:b@api.zaif.jp"])
def test_nonsense_is_refused(url: str) -> None:
    with pytest.raises(ConfigError):
        checked_url(url)


def test_encryption_is_told_from_the_scheme() -> None:
    assert is_encrypted("https://x") is is_encrypted("wss://x") is True
    assert is_encrypted("http://x") is is_encrypted("ws://x") is False
