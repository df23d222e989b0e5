"""The line of each key: by hand for each form of TOML, and by construction for random documents."""

from __future__ import annotations

import tomllib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.host.toml_places import key_lines, line_of


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a = 1\nb = 2", {("a",): 1, ("b",): 2}),
        ("# a = 1\n\nb = 2 # c = 3\n", {("b",): 3}),
        ("[s]\nx = 1\n[t]\nx = 2", {("s",): 1, ("s", "x"): 2, ("t",): 3, ("t", "x"): 4}),
        ("[s.t]\nx = 1", {("s", "t"): 1, ("s", "t", "x"): 2}),
        ("  [ s . 't' ]\n  x = 1", {("s", "t"): 1, ("s", "t", "x"): 2}),
        ("a.b.c = 1", {("a",): 1, ("a", "b"): 1, ("a", "b", "c"): 1}),
        ("'a.b' = 1\n\"c d\" = 2", {("a.b",): 1, ("c d",): 2}),
        ('a = """\nb = 1\n"""\nc = 2', {("a",): 1, ("c",): 4}),
        ("a = '''\n[s]\n'''\nc = 2", {("a",): 1, ("c",): 4}),
        ('a = """x\\"""\nb = 1"""\nc = 2', {("a",): 1, ("c",): 3}),
        ('a = """x""""\nc = 2', {("a",): 1, ("c",): 2}),
        ("a = [\n 1, # ]\n ']',\n 2]\nc = 2", {("a",): 1, ("c",): 5}),
        ('a = "[" \nc = 2', {("a",): 1, ("c",): 2}),
        ("a = '#'\nc = 2", {("a",): 1, ("c",): 2}),
        ("a = { b = 1, c = 2 }\nd = 1", {("a",): 1, ("d",): 2}),
        ("[[s]]\nx = 1\n[[s]]\nx = 2", {("s",): 1, ("s", "x"): 2}),
    ],
)
def test_each_form(text: str, expected: dict[tuple[str, ...], int]) -> None:
    tomllib.loads(text)
    assert key_lines(text) == expected


def test_a_key_in_an_inline_table_stands_at_its_table() -> None:
    places = key_lines("[s]\nt = { x = 1 }")
    assert line_of(places, ("s", "t", "x")) == 2
    assert line_of(places, ("unknown",)) == 0


VALUES = st.sampled_from(
    [
        "1",
        "true",
        '"text # [ = "',
        "'[{'",
        "[1, 2]",
        "[\n  1,\n  # comment ]\n  2,\n]",
        '"""\nk0 = 1\n[table]\n"""',
        "'''\n\n[x]\n'''",
        "{ x = 1 }",
        '"\\""',
    ]
)
NOISE = st.sampled_from(["", "# k9 = 1\n", "\n\n", "   # [table]\n"])


@given(st.lists(st.tuples(NOISE, st.booleans(), VALUES), max_size=12))
def test_lines_of_random_documents_are_those_where_the_keys_were_written(rows: list[tuple[str, bool, str]]) -> None:
    text = ""
    expected: dict[tuple[str, ...], int] = {}
    table: tuple[str, ...] = ()
    for number, (noise, opens_table, value) in enumerate(rows):
        text += noise
        if opens_table:
            table = (f"t{number}",)
            expected[table] = text.count("\n") + 1
            text += f"[t{number}]\n"
        key = (*table, f"k{number}")
        expected[key] = text.count("\n") + 1
        text += f"k{number} = {value}  # end\n"
    tomllib.loads(text)
    assert key_lines(text) == expected
