"""Headers and signatures against those that a published client library makes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.gmo.samples import VECTORS
from ztb.venues.gmo.sign import signature, signed_headers


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_headers_are_those_that_the_library_made(vector: dict[str, Any]) -> None:
    given, expected = vector["input"], vector["expected"]
    path = expected["target"].removeprefix("/private").partition("?")[0]
    headers = signed_headers(
        given["key"],
        given["secret"],
        timestamp_ms=given["timestamp_ms"],
        method=expected["method"],
        path=path,
        body=expected["body"].encode(),
    )
    content_type = {"content-type": expected["content_type"]} if expected["content_type"] else {}
    assert headers == expected["headers"] | content_type


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_signature_is_over_the_text_that_was_recorded(vector: dict[str, Any]) -> None:
    text = vector["signing_string"].encode()
    assert signature(vector["input"]["secret"], text) == vector["expected"]["headers"]["API-SIGN"]


def test_no_vector_is_lost() -> None:
    assert len(VECTORS) == 6
    assert {vector["expected"]["method"] for vector in VECTORS} == {"GET", "POST", "PUT", "DELETE"}


def _sign(method: str, body: bytes) -> str:
    return signed_headers("k", "s", timestamp_ms=1, method=method, path="/v1/order", body=body)["API-SIGN"]


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
def test_body_of_put_and_delete_is_not_signed(method: str) -> None:
    assert _sign(method, b'{"token":"a"}') == _sign(method, b'{"token":"b"}')


def test_every_byte_of_a_post_is_signed() -> None:
    assert _sign("POST", b'{"orderId":1}') != _sign("POST", b'{"orderId": 1}')
    assert _sign("POST", b"{}") != _sign("POST", b"")
