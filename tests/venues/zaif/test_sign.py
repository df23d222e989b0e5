"""Bodies and signatures against those that a published client library makes."""

from __future__ import annotations

from typing import Any

import pytest

from tests.venues.zaif.samples import VECTORS
from ztb.venues.zaif.sign import form_body, signature, signed_headers


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_signature_is_the_one_the_library_made(vector: dict[str, Any]) -> None:
    key, secret = vector["input"]["key"], vector["input"]["secret"]
    body = vector["expected"]["body"]
    headers = signed_headers(key, secret, body)
    expected = {name.lower(): value for name, value in vector["expected"]["headers"].items()}
    assert headers["key"] == expected["key"]
    assert headers["sign"] == expected["sign"]


@pytest.mark.parametrize("vector", VECTORS, ids=lambda vector: vector["id"])
def test_body_is_encoded_as_the_library_encodes_it(vector: dict[str, Any]) -> None:
    parameters = [(name, str(value)) for name, value in vector["input"]["params_in_order"]]
    assert form_body(parameters) == vector["expected"]["body"]


def test_no_vector_is_lost() -> None:
    assert len(VECTORS) == 8


def test_one_changed_character_changes_the_signature() -> None:
    assert signature("secret", "nonce=1") != signature("secret", "nonce=2")
    assert signature("secret", "nonce=1") != signature("Secret", "nonce=1")
