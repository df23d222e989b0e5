"""The repository as the house rules see it: its files, parsed once."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
SHIPPED = ("ztb", "tui")
"""The packages that are installed on a host."""
NOT_OURS = frozenset({"build", "artifacts", "var", "node_modules"})
"""Top directories that tools and runs leave behind; hidden ones are passed over as well, but for .ci."""


@dataclass(frozen=True)
class Module:
    """One Python file; ``name`` is dotted, ``place`` the path for messages."""

    name: str
    place: str
    text: str
    tree: ast.Module

    @property
    def lines(self) -> int:
        return len(self.text.splitlines())


def parse(text: str, *, name: str) -> Module:
    """A module made of ``text``, for planted code."""
    return Module(name, name.replace(".", "/") + ".py", text, ast.parse(text))


def _dotted(path: Path) -> str:
    parts = list(path.relative_to(ROOT).with_suffix("").parts)
    if parts[-1] == "__init__":
        parts.pop()
    return ".".join(parts)


@cache
def modules_of(top: str) -> tuple[Module, ...]:
    """Every module under the top directory ``top``, in path order."""
    found = []
    for path in sorted((ROOT / top).rglob("*.py")):
        text = path.read_text(encoding="utf-8")
        found.append(Module(_dotted(path), str(path.relative_to(ROOT)), text, ast.parse(text, filename=str(path))))
    return tuple(found)


def shipped_modules() -> tuple[Module, ...]:
    """Every module that is installed on a host."""
    return tuple(module for top in SHIPPED for module in modules_of(top))


def text_files() -> Iterator[tuple[Path, str]]:
    """Every file of the repository that is text, generated and ignored ones left out."""
    tops = [
        path
        for path in sorted(ROOT.iterdir())
        if (not path.name.startswith(".") or path.name == ".ci") and path.name not in NOT_OURS
    ]
    for top in tops:
        for path in [top] if top.is_file() else sorted(top.rglob("*")):
            if not path.is_file() or "__pycache__" in path.parts or ".egg-info" in str(path):
                continue
            try:
                yield path, path.read_text(encoding="utf-8")
            except UnicodeDecodeError:
                continue  # A tape or a picture: no prose in it.
