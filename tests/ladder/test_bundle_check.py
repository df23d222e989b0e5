"""``ztb canary verify``: whatever is changed in a bundle is found, and a whole one has no problem."""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, replace
from pathlib import Path

import pytest

from tests.cli.command import ztb
from tests.ladder.world import context_in, rung
from ztb.core.error import UsageError
from ztb.ladder import bundle
from ztb.ladder.bundle_check import check_bundle
from ztb.ladder.evidence import NAMES, RungEvidence, Verdict
from ztb.store.journal import Journal

ALL = tuple(rung(name) for name in NAMES)


def sealed(out: Path, *, verdict: str = "GO", rungs: tuple[RungEvidence, ...] = ALL) -> Path:
    """A bundle with evidence and two other files."""
    context = context_in(out, build="build")
    (out / "logs").mkdir()
    (out / "logs/trade-bot.log").write_text("one\ntwo\n")
    (out / "run.json").write_text("{}\n")
    path = context.directory("work") / "evidence.db"
    with closing(Journal.open(path, profile="demo", mode="canary", now_ns=1)) as journal:
        for number, one in enumerate(rungs):
            journal.append(number, "evidence", json.dumps(asdict(one), sort_keys=True).encode())
        journal.commit()
    evidence = bundle.export_evidence(path, out / "evidence.jsonl")
    bundle.seal(context, verdict=verdict, evidence=evidence)
    return out


def test_a_whole_bundle_as_directory_and_as_archive(tmp_path: Path) -> None:
    out = sealed(tmp_path / "run")
    for path in (out, out / "canary_report.zip"):
        report = check_bundle(path)
        assert report.problems == ()
        assert (report.verdict, report.files, report.records) == ("GO", 3, 5)
        assert report.manifest_sha256 == hashlib.sha256((out / "manifest.json").read_bytes()).hexdigest()


def manifest_with(out: Path, change: Callable[[dict[str, object]], None]) -> None:
    path = out / "manifest.json"
    plain = json.loads(path.read_text())
    change(plain)
    path.write_text(json.dumps(plain))


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (lambda out: (out / "logs/trade-bot.log").write_text("one\nTWO\n"), "logs/trade-bot.log: changed"),
        (lambda out: (out / "logs/trade-bot.log").write_text("one\n"), "logs/trade-bot.log: changed"),
        (lambda out: (out / "run.json").unlink(), "run.json: missing"),
        (lambda out: (out / "more.txt").write_text(""), "more.txt: not in the manifest"),
        (lambda out: manifest_with(out, lambda m: m.update(verdict="CONDITIONAL")), "the evidence says GO"),
        (lambda out: manifest_with(out, lambda m: m.update(run_id="another")), "evidence of another run"),
    ],
)
def test_a_change_is_found(tmp_path: Path, change: Callable[[Path], object], problem: str) -> None:
    out = sealed(tmp_path / "run")
    (out / "canary_report.zip").unlink()
    change(out)
    (found,) = check_bundle(out).problems
    assert problem in found


def test_evidence_that_was_rewritten_breaks_the_chain(tmp_path: Path) -> None:
    """Also when its file stands in the manifest with the new hash."""
    rungs = [rung(name) for name in NAMES]
    rungs[3] = rung("kill-resume", Verdict.NO_GO)
    out = sealed(tmp_path / "run", verdict="NO-GO", rungs=tuple(rungs))
    path = out / "evidence.jsonl"
    path.write_text(path.read_text().replace('"verdict": "NO-GO"', '"verdict": "GO"'))
    content = path.read_bytes()

    def forged(manifest: dict[str, object]) -> None:
        files = manifest["files"]
        assert isinstance(files, list)
        for entry in files:
            if entry["path"] == "evidence.jsonl":
                entry.update(size=len(content), sha256=hashlib.sha256(content).hexdigest())
        manifest["verdict"] = "GO"

    manifest_with(out, forged)
    (out / "canary_report.zip").unlink()
    (found,) = check_bundle(out).problems
    assert "the chain breaks at record 4" in found


def test_evidence_that_was_shortened_does_not_reach_the_head(tmp_path: Path) -> None:
    out = sealed(tmp_path / "run")
    path = out / "evidence.jsonl"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    problems = check_bundle(out).problems
    assert any("not at the head" in problem for problem in problems)
    assert any("says GO, the evidence says NO-GO" in problem for problem in problems)


@pytest.mark.parametrize("text", ["no json\n", "{}\n", '{"seq":1,"ts_ns":0,"kind":"k","body":[],"hash":"zz"}\n'])
def test_evidence_that_is_none(tmp_path: Path, text: str) -> None:
    out = sealed(tmp_path / "run")
    (out / "evidence.jsonl").write_text(text)
    assert any("evidence.jsonl: cannot be read" in problem for problem in check_bundle(out).problems)


def test_an_archive_that_differs_from_its_directory(tmp_path: Path) -> None:
    out = sealed(tmp_path / "run")
    with zipfile.ZipFile(out / "canary_report.zip", "a") as archive:
        archive.writestr("more.txt", "more")
    assert check_bundle(out).problems == ("canary_report.zip: more.txt differs",)


def test_an_archive_that_holds_a_file_twice_is_refused(tmp_path: Path) -> None:
    """Two readers could see two different files under one name."""
    archive = sealed(tmp_path / "run") / "canary_report.zip"
    with zipfile.ZipFile(archive, "a") as opened, pytest.warns(UserWarning, match="Duplicate name"):
        opened.writestr("run.json", "{}")
    with pytest.raises(UsageError, match=r"run\.json is in it twice"):
        check_bundle(archive)


def test_a_verdict_is_what_the_evidence_gives(tmp_path: Path) -> None:
    rungs = tuple(replace(rung(name), verdict=Verdict.CONDITIONAL) for name in NAMES)
    assert check_bundle(sealed(tmp_path / "run", verdict="CONDITIONAL", rungs=rungs)).problems == ()


@pytest.mark.parametrize("make", ["nothing", "empty", "text", "manifest"])
def test_what_is_no_bundle(tmp_path: Path, make: str) -> None:
    path = tmp_path / "bundle"
    if make in ("empty", "manifest"):
        path.mkdir()
    if make == "text":
        path.write_text("no archive")
    if make == "manifest":
        (path / "manifest.json").write_text("{}")
    with pytest.raises(UsageError):
        check_bundle(path)


def test_the_command(tmp_path: Path) -> None:
    out = sealed(tmp_path / "run")
    good = ztb("canary", "verify", out)
    assert good.exit_code == 0
    assert "whole: compare the manifest's sha256" in good.stdout
    (out / "run.json").write_text("[]\n")
    bad = ztb("canary", "verify", out, "--json")
    assert bad.exit_code == 1
    assert json.loads(bad.stdout)["data"]["problems"] == [
        "run.json: changed, its SHA-256 is not that of the manifest",
        "canary_report.zip: run.json differs",
    ]
    none = ztb("canary", "verify", tmp_path / "absent")
    assert none.exit_code == 2
    assert "remedy" in none.stderr
