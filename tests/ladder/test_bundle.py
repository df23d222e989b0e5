"""The artifacts: complete, hashed, without secrets, and the same files give the same archive."""

from __future__ import annotations

import base64
import hashlib
import json
import zipfile
from contextlib import closing
from dataclasses import asdict
from pathlib import Path

import pytest

from tests.ladder.world import context_in, failed, mark_of, rung, session_body, write_journal
from ztb.core.instrument import BUY
from ztb.ladder import bundle
from ztb.ladder.context import LOGS, REPORTS, WORK, Context
from ztb.ladder.evidence import NAMES, Findings, Mark
from ztb.store.codec import encode_decisions
from ztb.store.journal import Journal

SECRET = "0123456789abcdef0123456789abcdef"
EVIDENCE = {"install": "i", "profile": "demo", "mode": "canary", "records": 0, "head_sha256": "00"}


@pytest.fixture
def context(tmp_path: Path) -> Context:
    """A run whose rungs have left what they leave."""
    context = context_in(tmp_path / "run")
    context.secrets.append(SECRET)
    write_journal(context.directory(WORK) / "live-lite-state", [
        ("session", session_body()),
        ("decisions", encode_decisions([(1, "btc_jpy", BUY, "crossing_up", (9_000_000,), "observing")])),
    ])  # fmt: skip
    context.sessions["live-lite"] = context.directory(WORK) / "live-lite-state"
    for name in ("live-lite", "kill-resume"):
        lines = [{"ts": "2024-03-05T12:00:00.000Z", "level": level, "log": name, "profile": "demo", "event": "e",
                  "text": ""} for level in ("INFO", "ERROR")]  # fmt: skip
        text = "".join(json.dumps(line) + "\n" for line in lines)
        (context.directory(LOGS) / f"trade-bot-{name}.log").write_text(text)
    (context.directory(REPORTS) / "replay_report.json").write_text("{}\n")
    bundle.collect(context, [rung(name) for name in NAMES[:-1]])
    return context


def judged(context: Context) -> Findings:
    findings = Findings()
    bundle.judge(context, findings)
    return findings


def names_of(archive: Path) -> list[str]:
    with zipfile.ZipFile(archive) as opened:
        return opened.namelist()


def test_the_tree_is_that_of_the_guide(context: Context) -> None:
    """A-33 to A-37, as the canary guide lists them."""
    _, archive = bundle.seal(context, verdict="GO", evidence=EVIDENCE)
    assert archive == context.out / "canary_report.zip"
    assert set(names_of(archive)) == {
        "logs/trade-bot.log", "logs/features.log", "logs/errors.log",
        "logs/trade-bot-live-lite.log", "logs/trade-bot-kill-resume.log",
        "metrics/system_metrics.json", "metrics/performance_metrics.json",
        "reports/replay_report.json", "reports/livelite_report.json", "reports/kill_resume_report.json",
        "reports/preflight_report.json", "reports/replay_rung_report.json",
        "config/.env.backup", "config/trade-config.json",
        "manifest.json",
    }  # fmt: skip


def test_the_logs_are_put_together(context: Context) -> None:
    logs = context.out / LOGS
    kinds = [json.loads(line)["log"] for line in (logs / "trade-bot.log").read_text().splitlines()]
    assert kinds == ["live-lite", "live-lite", "kill-resume", "kill-resume"]
    assert [json.loads(line)["level"] for line in (logs / "errors.log").read_text().splitlines()] == ["ERROR", "ERROR"]
    (feature,) = (logs / "features.log").read_text().splitlines()
    assert json.loads(feature)["inputs"] == [9_000_000]


def test_the_configuration_names_its_sources_and_no_credential(context: Context) -> None:
    plain = json.loads((context.out / "config/trade-config.json").read_text())
    assert plain["sha256"] == context.options.loaded.digest
    assert plain["values"]["sizing.capital"]["value"] == "1000000"
    profile, line = plain["values"]["sizing.capital"]["source"].rsplit(":", 1)
    assert Path(profile).read_text().splitlines()[int(line) - 1].startswith("capital = ")
    assert not [key for key in plain["values"] if key.startswith("credentials")]
    assignments = (context.out / "config/.env.backup").read_text()
    assert "ZTB_SIZING__CAPITAL=1000000\n" in assignments
    assert "CREDENTIALS" not in assignments


def test_a_complete_bundle_passes(context: Context) -> None:
    assert failed(judged(context)) == {}


@pytest.mark.parametrize("name", [name for names in bundle.TREE.values() for name in names])
def test_a_missing_artifact_fails(context: Context, name: str) -> None:
    (context.out / name).unlink()
    assert failed(judged(context)) == {"artifacts": f"missing: {name}"}


@pytest.mark.parametrize("text", [SECRET, f'{{"key": "{SECRET}"}}', base64.b64encode(SECRET.encode()).decode()])
def test_a_secret_in_a_file_fails_and_there_is_no_archive(context: Context, text: str) -> None:
    (context.out / "logs/trade-bot-kill-resume.log").write_text(f"connecting with {text}\n")
    findings = judged(context)
    assert mark_of(findings, "no secret in any file") is Mark.FAIL
    assert "logs/trade-bot-kill-resume.log" in str(failed(findings)["no secret in any file"])
    digest, archive = bundle.seal(context, verdict="NO-GO", evidence=EVIDENCE)
    assert archive is None
    assert digest == hashlib.sha256((context.out / "manifest.json").read_bytes()).hexdigest()
    assert not (context.out / "canary_report.zip").exists()


def test_a_credential_left_in_the_work_directory_fails(context: Context) -> None:
    (context.out / "work/simulator-key").write_text(SECRET)
    assert failed(judged(context)) == {"no credential left beside the bundle": "work/simulator-key"}


def test_the_work_directory_is_not_in_the_bundle(context: Context) -> None:
    assert (context.out / "work/live-lite-state/journal.db").exists()
    assert [path for path in bundle.files_of(context.out) if "work" in path.parts] == []


def test_the_manifest_has_the_hash_of_every_file(context: Context) -> None:
    bundle.seal(context, verdict="GO", evidence=EVIDENCE)
    manifest = json.loads((context.out / "manifest.json").read_text())
    assert (manifest["verdict"], manifest["run_id"]) == ("GO", context.options.run_id)
    listed = {entry["path"]: entry for entry in manifest["files"]}
    with zipfile.ZipFile(context.out / "canary_report.zip") as archive:
        assert set(archive.namelist()) == {*listed, "manifest.json"}
        for name, entry in listed.items():
            content = archive.read(name)
            assert (len(content), hashlib.sha256(content).hexdigest()) == (entry["size"], entry["sha256"])


def test_equal_files_give_equal_archives(context: Context) -> None:
    _, archive = bundle.seal(context, verdict="GO", evidence=EVIDENCE)
    assert archive is not None
    first = archive.read_bytes()
    for path in bundle.files_of(context.out):
        path.touch()
    bundle.seal(context, verdict="GO", evidence=EVIDENCE)
    assert archive.read_bytes() == first


def test_the_evidence_is_exported_byte_for_byte(tmp_path: Path) -> None:
    path = tmp_path / "evidence.db"
    bodies = [json.dumps(asdict(rung(name)), sort_keys=True).encode() for name in NAMES]
    with closing(Journal.open(path, profile="demo", mode="canary", now_ns=1)) as journal:
        for number, body in enumerate(bodies):
            journal.append(number, "evidence", body)
        head = journal.commit()
    told = bundle.export_evidence(path, tmp_path / "evidence.jsonl")
    assert (told["records"], told["head_sha256"]) == (5, head.hash.hex())
    lines = (tmp_path / "evidence.jsonl").read_bytes().splitlines()
    assert [json.loads(line)["body"]["rung"] for line in lines] == list(NAMES)
    for line, body in zip(lines, bodies, strict=True):
        assert b'"body":' + body + b',"hash":' in line


def test_a_journal_that_cannot_be_read_does_not_stop_the_collection(context: Context) -> None:
    (context.directory(WORK) / "live-lite-state" / "journal.db").write_bytes(b"no database")
    bundle.collect(context, [])
    (line,) = (context.out / "logs/features.log").read_text().splitlines()
    assert json.loads(line)["rung"] == "live-lite"
