"""Somebody else's package, as an installer would leave it: a module beside its ``dist-info`` on the search path."""

from __future__ import annotations

from pathlib import Path

import pytest


def install(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    *,
    entries: dict[str, str],
    modules: dict[str, str],
    distribution: str = "their-policies",
) -> None:
    """Lay the package down in ``folder`` and put that on ``sys.path`` for the test."""
    for module, source in modules.items():
        (folder / f"{module}.py").write_text(source)
    info = folder / f"{distribution.replace('-', '_')}-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {distribution}\nVersion: 2.5\n")
    lines = "\n".join(f"{name} = {value}" for name, value in entries.items())
    (info / "entry_points.txt").write_text(f"[ztb.policies]\n{lines}\n")
    monkeypatch.syspath_prepend(str(folder))
