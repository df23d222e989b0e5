"""``ztb policy list``: ours, somebody else's, and one that cannot be loaded."""

from __future__ import annotations

import json
from pathlib import Path

from tests.cli.command import clean_environ, ztb

THEIRS = '''
from ztb.core.policy import Policy

class Theirs(Policy):
    """Does nothing, and says so."""
'''


def package(folder: Path, entries: str, **modules: str) -> dict[str, str]:
    """Lay a distribution down in ``folder``; the environment in which it is installed."""
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source)
    info = folder / "their_policies-2.5.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: their-policies\nVersion: 2.5\n")
    (info / "entry_points.txt").write_text(f"[ztb.policies]\n{entries}\n")
    return clean_environ(PYTHONPATH=str(folder))


def test_the_shipped_policies_are_listed_with_a_sentence_each() -> None:
    outcome = ztb("policy", "list")
    assert outcome.exit_code == 0
    lines = [line.split(maxsplit=1) for line in outcome.stdout.splitlines()]
    assert [name for name, _ in lines] == ["buy_hold", "rsi_reversion", "sma_fast_slow"]
    assert all(text.endswith(".") for _, text in lines)


def test_somebody_elses_policy_is_listed_too(tmp_path: Path) -> None:
    outcome = ztb(
        "policy", "list", "--json", environ=package(tmp_path, "theirs = their_policy:Theirs", their_policy=THEIRS)
    )
    data = json.loads(outcome.stdout)["data"]
    assert data["policies"]["theirs"] == "Does nothing, and says so."


def test_one_that_cannot_be_loaded_is_listed_with_the_reason(tmp_path: Path) -> None:
    environ = package(tmp_path, "broken = their_policy:Theirs", their_policy="raise ValueError('no licence')")
    outcome = ztb("policy", "list", environ=environ)
    assert outcome.exit_code == 0
    assert "broken         unusable: policy broken of their-policies 2.5" in outcome.stdout
    assert "no licence" in outcome.stdout
    assert "ztb: warning: policy broken is unusable" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_a_policy_that_is_not_there_is_answered_with_those_that_are() -> None:
    listed = [line.split()[0] for line in ztb("policy", "list").stdout.splitlines()]
    outcome = ztb("replay", "--policy", "sma_slow_fast")
    assert outcome.exit_code == 78
    assert "there is no policy 'sma_slow_fast'" in outcome.stderr
    assert f"policies that exist: {', '.join(listed)}" in outcome.stderr
