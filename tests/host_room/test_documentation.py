"""docs/configuration.md says what the code does; ``python -m tests.host_room.test_documentation`` renews it."""

from __future__ import annotations

from pathlib import Path

from ztb.host import schema
from ztb.host.aliases import ALIASES
from ztb.host.bounds import BOUNDS
from ztb.host.layers import OTHER_VARIABLES

PAGE = Path(__file__).resolve().parents[2] / "docs" / "configuration.md"


def keys_table() -> str:
    """Every key, section by section."""
    rows = []
    section: tuple[str, ...] = ()
    for key, field in schema.fields().items():
        if len(key) > 1 and key[:1] != section:
            section = key[:1]
            rows.append(f"| **[{section[0]}]** | {schema.sections()[section]} | | |")
        name = schema.dotted((*key, "NAME") if key == schema.PARAMETERS else key)
        allowed = schema.allowed(key).replace("|", "\\|")
        default = schema.default(key).removeprefix("default").lstrip(": ")
        rows.append(f"| `{name}` | {field.description} | {allowed} | {default} |")
    return "\n".join(["| key | meaning | allowed | default |", "|---|---|---|---|", *rows])


def bounds_table() -> str:
    """What the kinds forbid."""
    rows = [
        f"| {kind} | `{schema.dotted(bound.key)}` | {bound.text()} | {bound.why} |"
        for kind, bounds in BOUNDS.items()
        for bound in bounds
    ]
    return "\n".join(["| kind | key | bound | why |", "|---|---|---|---|", *rows])


def aliases_table() -> str:
    """What the variables of older systems mean."""
    rows = [f"| `{name}` | {alias.meaning} |" for name, alias in ALIASES.items()]
    return "\n".join(["| variable | meaning |", "|---|---|", *rows])


TABLES = {"keys": keys_table, "bounds": bounds_table, "aliases": aliases_table}


def renewed(text: str) -> str:
    """The page with its tables as the code is now."""
    for name, table in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, _, rest = text.partition(begin)
        _, found, after = rest.partition(end)
        assert found, f"{PAGE} has no place for {name}"
        text = f"{before}{begin}{table()}\n{end}{after}"
    return text


def test_the_tables_are_what_the_code_does() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == renewed(text), "run: python -m tests.host_room.test_documentation"


def test_every_key_has_a_meaning() -> None:
    for key, field in schema.fields().items():
        assert field.description, schema.dotted(key)


def test_every_other_variable_is_explained() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert [name for name in OTHER_VARIABLES if name not in text] == []


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
