"""Columns of integers and texts: the narrowest width, back unchanged, and nothing but what was packed."""

from __future__ import annotations

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.store.tape_column import Cursor, pack_integers, pack_texts

HEAD_BYTES = 14

wide = st.integers(-(2**61), 2**61)
near = st.integers(-200, 200)
columns = st.one_of(st.lists(wide, max_size=50), st.lists(near, max_size=50))


@given(columns, st.booleans())
def test_integers_come_back(values: list[int], delta: bool) -> None:
    cursor = Cursor(pack_integers(values, delta=delta))
    assert list(cursor.integers(len(values))) == values
    cursor.expect_end()


@pytest.mark.parametrize(
    ("values", "width"),
    [
        ([0], 1),
        ([127, -128], 1),
        ([128], 2),
        ([-129], 2),
        ([32_767, -32_768], 2),
        ([32_768], 4),
        ([2**31 - 1, -(2**31)], 4),
        ([2**31], 8),
        ([-(2**31) - 1], 8),
        ([2**63 - 1, -(2**63)], 8),
    ],
)
def test_the_narrowest_width_that_holds_all_is_taken(values: list[int], width: int) -> None:
    packed = pack_integers(values)
    assert len(packed) == HEAD_BYTES + width * len(values)
    assert list(Cursor(packed).integers(len(values))) == values


def test_neighbours_take_one_byte_each_as_differences() -> None:
    times = [1_723_161_254_087_891_268 + 100 * number for number in range(1000)]
    assert len(pack_integers(times)) == HEAD_BYTES + 8 * 1000
    packed = pack_integers(times, delta=True)
    assert len(packed) == HEAD_BYTES + 1000
    assert struct.unpack("<cBIq", packed[:HEAD_BYTES]) == (b"b", 1, 1000, times[0])
    assert packed[HEAD_BYTES : HEAD_BYTES + 3] == bytes([0, 100, 100])


def test_an_empty_column_is_a_column() -> None:
    for delta in (False, True):
        cursor = Cursor(pack_integers([], delta=delta))
        assert list(cursor.integers(0)) == []
        cursor.expect_end()


@pytest.mark.parametrize(
    ("texts", "form"),
    [
        ([], b"0"),
        (["", ""], b"0"),
        (["0"], b"n"),
        (["3735683259", "3735683260"], b"n"),
        (["9" * 18], b"n"),
        (["9" * 19], b"t"),
        (["01"], b"t"),
        (["-1"], b"t"),
        (["1", ""], b"t"),
        (["٣"], b"t"),
        (["²"], b"t"),
        (["a,b\n", "約定"], b"t"),
        (["x" * 255], b"t"),
    ],
)
def test_texts_take_the_smallest_form_that_gives_them_back(texts: list[str], form: bytes) -> None:
    packed = pack_texts(texts)
    assert packed[:1] == form
    cursor = Cursor(packed)
    assert list(cursor.texts(len(texts))) == texts
    cursor.expect_end()


@given(st.lists(st.one_of(st.text(max_size=60), st.integers(0, 10**20).map(str), st.just("")), max_size=40))
def test_texts_come_back(texts: list[str]) -> None:
    cursor = Cursor(pack_texts(texts))
    assert list(cursor.texts(len(texts))) == texts
    cursor.expect_end()


@given(columns, columns)
def test_columns_follow_each_other(first: list[int], second: list[int]) -> None:
    cursor = Cursor(pack_integers(first) + pack_integers(second, delta=True))
    assert list(cursor.integers(len(first))) == first
    assert list(cursor.integers(len(second))) == second
    cursor.expect_end()


@given(st.binary(max_size=80), st.integers(0, 2**32))
def test_any_bytes_are_a_column_or_a_value_error(data: bytes, count: int) -> None:
    for read in (Cursor(data).integers, Cursor(data).texts):
        try:
            values = list(read(count) if count < 1000 else ())
        except (ValueError, struct.error):
            continue
        assert len(values) in (0, count)


@given(columns.filter(bool), st.integers(1, 20))
def test_a_column_that_is_cut_is_a_value_error(values: list[int], cut: int) -> None:
    packed = pack_integers(values)
    with pytest.raises(ValueError, match="a column"):
        Cursor(packed[: max(0, len(packed) - cut)]).integers(len(values))


def test_what_is_left_over_is_a_value_error() -> None:
    cursor = Cursor(pack_integers([1, 2]) + b"xyz")
    cursor.integers(2)
    with pytest.raises(ValueError, match="3 bytes are left over"):
        cursor.expect_end()


@pytest.mark.parametrize("count", [0, 1, 3, 2**31])
def test_another_count_than_the_block_says_is_a_value_error(count: int) -> None:
    with pytest.raises(ValueError, match="wrong head"):
        Cursor(pack_integers([1, 2])).integers(count)
