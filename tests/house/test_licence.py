"""Every file that ships is under a licence that debian/copyright names, and the market data is attributed."""

from __future__ import annotations

import fnmatch
import re
import tomllib

import pytest

from tests.house.source import ROOT

COPYRIGHT = ROOT / "debian" / "copyright"
DATA = sorted(path.relative_to(ROOT) for path in (ROOT / "ztb" / "data").glob("*") if path.is_file())


def _stanzas() -> list[dict[str, str]]:
    """The stanzas of the machine-readable file (DEP-5), continuation lines joined."""
    stanzas = []
    for block in re.split(r"\n\s*\n", COPYRIGHT.read_text(encoding="utf-8").strip()):
        lines = [line for line in block.splitlines() if not line.startswith("#")]
        fields = re.findall(r"^(\S+):[ \t]*(.*(?:\n[ \t].*)*)", "\n".join(lines), re.MULTILINE)
        stanzas.append({name: re.sub(r"\n\s*", "\n", value).strip() for name, value in fields})
    return stanzas


def _covers(stanza: dict[str, str], path: str) -> bool:
    return any(fnmatch.fnmatchcase(path, pattern) for pattern in stanza.get("Files", "").split())


def _stanza_of(path: str) -> dict[str, str]:
    """The last stanza that matches is the one that holds."""
    matching = [stanza for stanza in _stanzas() if _covers(stanza, path)]
    assert matching, f"{path} is under no Files: of debian/copyright"
    return matching[-1]


def test_the_project_is_mit_everywhere() -> None:
    licence = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert licence.startswith("MIT License\n")
    assert "The ztb authors" in licence
    assert tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["license"] == "MIT"
    assert _stanza_of("ztb/core/money.py")["License"].split("\n")[0] in {"MIT", "Expat"}


def test_the_copyright_file_is_machine_readable() -> None:
    header = _stanzas()[0]
    assert header["Format"] == "https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/"


def test_every_licence_that_is_named_is_given_in_full() -> None:
    stanzas = _stanzas()
    named = {stanza["License"].split("\n")[0] for stanza in stanzas if "Files" in stanza}
    given = {stanza["License"].split("\n")[0] for stanza in stanzas if "\n" in stanza.get("License", "")}
    assert named
    assert named <= given


@pytest.mark.parametrize("path", [path for path in DATA if path.suffix == ".tape"], ids=str)
def test_recorded_market_data_has_its_own_attribution(path: object) -> None:
    stanza = _stanza_of(str(path))
    assert stanza["Files"] != "*"
    assert "nkaz001" in stanza["Copyright"]


def test_the_shipped_data_includes_a_tape() -> None:
    assert any(path.suffix == ".tape" for path in DATA)
