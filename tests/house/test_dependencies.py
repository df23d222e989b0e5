"""What is imported, what is declared and what is locked are the same, and every lock is hashed."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.house.floors import third_party
from tests.house.source import ROOT, shipped_modules

LOCKS = ("build", "run", "dev")


def _listed(kind: str) -> set[str]:
    lines = (ROOT / "requirements" / f"{kind}.in").read_text(encoding="utf-8").splitlines()
    return {line for line in lines if line and not line.startswith(("#", "-"))}


def _locked(kind: str) -> dict[str, str]:
    text = (ROOT / "requirements" / f"{kind}.lock").read_text(encoding="utf-8")
    return dict(re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE))


def _declared() -> set[str]:
    return set(tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["dependencies"])


def test_what_is_imported_is_declared() -> None:
    imported = {name.replace("_", "-"): module.place for module in shipped_modules() for name in third_party(module)}
    assert {name: place for name, place in imported.items() if name not in _declared()} == {}


def test_what_is_declared_is_imported() -> None:
    imported = {name.replace("_", "-") for module in shipped_modules() for name in third_party(module)}
    assert _declared() - imported == set()


def test_the_project_and_the_list_of_requirements_agree() -> None:
    assert _declared() == _listed("run")


@pytest.mark.parametrize("kind", LOCKS)
def test_everything_listed_is_locked_with_hashes_and_without_an_index(kind: str) -> None:
    text = (ROOT / "requirements" / f"{kind}.lock").read_text(encoding="utf-8")
    assert _listed(kind) <= set(_locked(kind))
    assert "://" not in text
    assert not re.search(r"^\s*--(index|extra|find|trusted)", text, re.MULTILINE)
    requirements = re.split(r"^(?=[a-z0-9])", text, flags=re.MULTILINE)[1:]
    assert len(requirements) == len(_locked(kind))
    assert [one.split(" ")[0] for one in requirements if not re.search(r"--hash=sha256:[0-9a-f]{64}", one)] == []


def test_the_locks_agree_on_every_version() -> None:
    # One .venv serves make run and make test: a difference would make them undo each other.
    build, run, dev = (_locked(kind) for kind in LOCKS)
    assert build.items() <= run.items() <= dev.items()
