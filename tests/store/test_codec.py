"""The codec: every event and command comes back equal, from exactly one spelling."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import fields

from ztb.core.command import COMMAND_TYPES, Command, Place
from ztb.core.error import InvariantBroken, StoreCorrupt
from ztb.core.event import (
    EVENT_TYPES,
    Depth,
    Event,
    Flatten,
    Kill,
    OrderFilled,
    OrderRejected,
    Pause,
    Reconciled,
    Resume,
    Timer,
    Trade,
)
from ztb.core.step import DECISION_ROWS_MAX
from ztb.store.codec import (
    COMMAND_KINDS,
    EVENT_KINDS,
    decode,
    decode_decisions,
    decode_event,
    encode,
    encode_decisions,
)
from ztb.store.limits import BODY_BYTES_MAX

PLACE = Place(5, "c-1", "btc_jpy", 1, 100, 2_000_000, False, 7, "crossing_up")
PLACE_BODY = (
    b'{"ts_ns":5,"client_id":"c-1","instrument":"btc_jpy","side":1,"lots":100,"price":2000000,'
    b'"reduce_only":false,"sequence":7,"reason":"crossing_up"}'
)

# The names are in files on people's disks: a renamed class must not rename its kind.
FROZEN_KINDS = {
    "trade", "quote", "depth", "timer", "started", "reconciled", "feed", "order_recovered", "order_durable",
    "order_sent", "order_accepted", "order_filled", "order_rejected", "order_cancelled", "order_expired",
    "order_unknown", "order_not_placed", "cancel_failed", "pause", "kill", "resume", "stop", "place", "cancel",
    "look_up", "notify", "clock_measured", "breaker_turned",
}  # fmt: skip

LATER_MEMBERS = {
    Place: {"time_in_force", "purpose", "reference"}, OrderRejected: {"held_back"}, Reconciled: {"begun_ns"},
    Pause: {"instrument", "freeze"}, Kill: {"by"}, Resume: {"by"}, Flatten: {"then_stop", "kill", "holds", "by"},
}  # fmt: skip
"""Left out where they say nothing, so that records from before them keep their one spelling."""

ANY_VALUE: st.SearchStrategy[Any] = st.one_of(*(st.builds(type_) for type_ in (*EVENT_TYPES, *COMMAND_TYPES)))
ROWS = st.lists(
    st.tuples(
        st.integers(0, 2**63),
        st.text(max_size=10),
        st.sampled_from([-1, 0, 1]),
        st.text(max_size=10),
        st.lists(st.integers(), max_size=5).map(tuple),
        st.text(max_size=10),
    ),
    max_size=20,
)


def test_no_kind_was_lost_or_renamed() -> None:
    assert set(EVENT_KINDS) | set(COMMAND_KINDS) >= FROZEN_KINDS
    assert set(EVENT_KINDS.values()) == set(EVENT_TYPES)
    assert set(COMMAND_KINDS.values()) == set(COMMAND_TYPES)


def test_known_encoding() -> None:
    assert encode(PLACE) == ("place", PLACE_BODY)
    assert decode("place", PLACE_BODY) == PLACE


@pytest.mark.parametrize(
    ("event", "body"),
    [
        (OrderRejected(5, "c-1", "no"), b'{"ts_ns":5,"client_id":"c-1","code":"no","text":""}'),
        (OrderRejected(5, "c-1", "no", "why"), b'{"ts_ns":5,"client_id":"c-1","code":"no","text":"why"}'),
        (
            OrderRejected(5, "c-1", "killed", "why", held_back=True),
            b'{"ts_ns":5,"client_id":"c-1","code":"killed","text":"why","held_back":true}',
        ),
    ],
)
def test_a_rejection_of_a_journal_from_before_it_could_be_held_back_still_reads(
    event: OrderRejected, body: bytes
) -> None:
    assert encode(event) == ("order_rejected", body)
    assert decode("order_rejected", body) == event


def test_known_encoding_of_a_book() -> None:
    book = Depth(1, "btc_jpy", ((10, 1), (9, 2)), (), True)
    body = b'{"ts_ns":1,"instrument":"btc_jpy","bids":[[10,1],[9,2]],"asks":[],"is_snapshot":true,"venue_ns":0}'
    assert encode(book) == ("depth", body)
    assert decode("depth", body) == book


@given(ANY_VALUE)
def test_everything_comes_back_equal(value: Event | Command) -> None:
    kind, body = encode(value)
    back = decode(kind, body)
    assert back == value
    assert type(back) is type(value)


@given(ANY_VALUE)
def test_the_body_is_json_with_every_member_in_order(value: Event | Command) -> None:
    _, body = encode(value)
    plain = json.loads(body)
    names = [field.name for field in fields(value)]
    left_out = {name for name in names if name not in plain}
    assert left_out <= LATER_MEMBERS.get(type(value), set())
    assert list(plain) == [name for name in names if name not in left_out]
    assert json.dumps(plain, separators=(",", ":"), ensure_ascii=False).encode() == body


def test_bytes_do_not_depend_on_the_hash_seed() -> None:
    program = (
        "from ztb.core.command import Notify\nfrom ztb.core.event import OrderFilled\n"
        "from ztb.store.codec import encode, encode_decisions\n"
        "print(encode(OrderFilled(1, 'c', 't', 2, 3, 4, True)), encode(Notify(1, 'info', 'a', 'ü')))\n"
        "print(encode_decisions([(1, 'b', 0, 'r', (1, 2), '')]))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", program], env={"PYTHONHASHSEED": seed}, capture_output=True, check=True
        ).stdout
        for seed in ("0", "1", "77")
    }
    assert len(outputs) == 1
    assert b'"client_id":"c"' in outputs.pop()


@pytest.mark.parametrize(
    ("kind", "body", "says"),
    [
        ("nonsense", PLACE_BODY, "'nonsense' is no kind"),
        ("Place", PLACE_BODY, "'Place' is no kind"),
        ("order_filled", PLACE_BODY, "trade_id"),
        ("place", PLACE_BODY[:-1] + b',"extra":1}', "unknown member extra"),
        ("place", PLACE_BODY.replace(b'"lots":100,', b""), "lots"),
        ("place", PLACE_BODY.replace(b":100,", b":100.0,"), "int"),
        ("place", PLACE_BODY.replace(b":100,", b":null,"), "int"),
        ("place", PLACE_BODY.replace(b":100,", b':"100",'), "int"),
        ("place", PLACE_BODY.replace(b"false", b"0"), "bool"),
        ("place", PLACE_BODY.replace(b'"side":1', b'"side":true'), "int"),
        ("place", PLACE_BODY.replace(b":100,", b": 100,"), "one spelling"),
        ("place", PLACE_BODY.replace(b":100,", b":1e2,"), "int"),
        ("place", PLACE_BODY.replace(b'"c-1"', b'"c\\u002d1"'), "one spelling"),
        ("place", PLACE_BODY[:-1] + b',"lots":100}', "one spelling"),
        ("place", PLACE_BODY + b"\n", "one spelling"),
        ("place", PLACE_BODY[:40], "place"),
        ("place", b"", "place"),
        ("place", b"[]", "place"),
        ("place", b"\xff\xfe", "place"),
        ("place", b"[" * 100_000, "place"),
        ("trade", b'{"ts_ns":1,"instrument":"a","price":1,"lots":1,"side":1}', "missing member trade_id, venue_ns"),
    ],
)
def test_what_was_not_written_by_us_does_not_decode(kind: str, body: bytes, says: str) -> None:
    with pytest.raises(StoreCorrupt, match=says):
        decode(kind, body)


@given(st.integers(0, len(PLACE_BODY) - 1), st.integers(1, 255))
def test_a_changed_byte_never_goes_unnoticed(place: int, change: int) -> None:
    damaged = bytearray(PLACE_BODY)
    damaged[place] ^= change
    try:
        value = decode("place", bytes(damaged))
    except StoreCorrupt:
        return
    # Another letter or digit is a sound body of another order; the hash chain is there for that.
    assert value != PLACE
    assert encode(value) == ("place", bytes(damaged))


def test_an_event_is_asked_for() -> None:
    assert decode_event("timer", b'{"ts_ns":3}') == Timer(3)
    with pytest.raises(StoreCorrupt, match="is a command"):
        decode_event("place", PLACE_BODY)


def test_what_could_not_be_read_back_is_not_written() -> None:
    wrong: Any = 0.1
    with pytest.raises(InvariantBroken, match="cannot be recorded"):
        encode(OrderFilled(1, "c", "t", wrong, 3, 4))
    with pytest.raises(InvariantBroken, match="cannot be recorded"):
        encode(OrderFilled(1, "\ud800", "t", 2, 3, 4))
    with pytest.raises(InvariantBroken, match="cannot be recorded"):
        encode(OrderFilled(1, "c", "t", object(), 3, 4))  # type: ignore[arg-type]
    nothing: Any = "text"
    with pytest.raises(InvariantBroken, match="neither an event nor a command"):
        encode(nothing)


def test_unchecked_market_events_still_decode_strictly() -> None:
    wrong: Any = 0.5
    kind, body = encode(Trade(1, "a", wrong, 1, 1))
    with pytest.raises(StoreCorrupt):
        decode(kind, body)


def test_known_encoding_of_decisions() -> None:
    rows = [(1, "btc_jpy", 0, "no_crossing", (10, -20), ""), (2, "btc_jpy", 1, "crossing_up", (), "c-1")]
    body = b'[[1,"btc_jpy",0,"no_crossing",[10,-20],""],[2,"btc_jpy",1,"crossing_up",[],"c-1"]]'
    assert encode_decisions(rows) == body
    assert decode_decisions(body) == rows


def test_the_largest_batch_of_the_engine_fits_into_a_record() -> None:
    row = (
        1_790_000_000_000_000_000,
        "btc_jpy",
        -1,
        "crossing_down_through_the_middle",
        (10**8,) * 8,
        "refused: " + "x" * 40,
    )
    assert len(encode_decisions([row] * DECISION_ROWS_MAX)) <= BODY_BYTES_MAX


@given(ROWS)
def test_decisions_come_back_equal(rows: list[tuple[int, str, int, str, tuple[int, ...], str]]) -> None:
    assert decode_decisions(encode_decisions(rows)) == rows


@pytest.mark.parametrize(
    "body",
    [b"", b"{}", b"[1]", b'[[1,"a",0,"r",[1]]]', b'[[1,"a",0,"r",[1.5],""]]', b'[[1,"a",0,"r",[],"",1]]', b"[ ]"],
)
def test_damaged_decisions_do_not_decode(body: bytes) -> None:
    with pytest.raises(StoreCorrupt, match="decisions"):
        decode_decisions(body)
