"""Our client ids travel as UUIDs and come back; nothing else is taken for ours."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.core.error import InvariantBroken
from ztb.venues.coinbase.client_id import tag_of, wire_id

CLIENT_IDS = st.text("0123456789abcdef", min_size=20, max_size=20).map("ztb-".__add__)


@given(CLIENT_IDS)
def test_id_comes_back_from_a_uuid_that_every_library_takes(client_id: str) -> None:
    wire = wire_id(client_id)
    parsed = uuid.UUID(wire)
    assert str(parsed) == wire
    assert parsed.version == 8
    assert parsed.variant == uuid.RFC_4122
    assert parsed.bytes.startswith(b"ztb")
    assert tag_of(wire) == tag_of(wire.upper()) == client_id


@given(CLIENT_IDS)
def test_id_comes_back_from_its_plain_form(client_id: str) -> None:
    assert wire_id(client_id, as_uuid=False) == client_id
    assert tag_of(client_id) == client_id


@given(CLIENT_IDS, CLIENT_IDS)
def test_two_orders_never_share_a_wire_id(one: str, other: str) -> None:
    assert (wire_id(one) == wire_id(other)) == (one == other)


def test_form_is_what_it_was_when_orders_of_it_were_placed() -> None:
    # Worked out by hand: an order of an older release must be recognised by a newer one.
    assert wire_id("ztb-0123456789abcdef0123") == "7a746201-2345-8678-89ab-cdef01230000"


@given(st.uuids() | st.text(max_size=60))
def test_what_is_not_ours_has_no_tag(other: uuid.UUID | str) -> None:
    # A foreign UUID is ours by chance once in 2**52.
    assert tag_of(str(other)) == ""


@pytest.mark.parametrize(
    "near",
    [
        "7a746201-2345-4678-89ab-cdef01230000",  # version 4
        "7a746201-2345-8678-a9ab-cdef01230000",  # another variant nibble
        "7a746201-2345-8678-89ab-cdef01230001",  # filling
        "7a746301-2345-8678-89ab-cdef01230000",  # another mark
        "7a74620123458678-89ab-cdef01230000",
        "7a746201-2345-8678-89ab-cdef012300000",
        " 7a746201-2345-8678-89ab-cdef01230000",
        "7a746201-2345-8678-89ab-cdef01230000\n",
        "ztb-0123456789abcdef012",
        "ztb-0123456789abcdef01234",
        "ztb-0123456789ABCDEF0123",
        "ztb-0123456789abcdef0123\n",
        "",
    ],
)
def test_what_is_nearly_ours_has_no_tag(near: str) -> None:
    assert tag_of(near) == ""


@pytest.mark.parametrize("wrong", ["", "ztb-", "ztb-1", "ZTB-0123456789abcdef0123", "abc-0123456789abcdef0123"])
@pytest.mark.parametrize("as_uuid", [True, False])
def test_id_of_another_form_never_leaves(wrong: str, as_uuid: bool) -> None:
    with pytest.raises(InvariantBroken):
        wire_id(wrong, as_uuid=as_uuid)
