"""The artifacts of a run (A-33 to A-37): collected, judged as the last rung, listed with their hashes, zipped.

A file that holds a secret is not hidden, it fails the run: there is no archive until a person has looked.
"""

from __future__ import annotations

import base64
import hashlib
import json
import os
import zipfile
from collections.abc import Iterable
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from ztb.core.error import ZtbError
from ztb.host.secrets import redact
from ztb.ladder import journal_facts, logs
from ztb.ladder.context import CONFIG, LOGS, METRICS, REPORTS, WORK, Context
from ztb.ladder.evidence import Findings, RungEvidence
from ztb.store.database import Identity
from ztb.store.reader import JournalReader

NAME: Final = "bundle"
MANIFEST: Final = "manifest.json"
ARCHIVE: Final = "canary_report.zip"
PAGE: Final = "canary_report.html"
RUN: Final = "run.json"
EVIDENCE: Final = "evidence.jsonl"
SECRET_LENGTH_MIN: Final = 8
REPORT_OF: Final = {
    "preflight": "preflight_report.json",
    "replay": "replay_rung_report.json",
    "live-lite": "livelite_report.json",
    "kill-resume": "kill_resume_report.json",
    NAME: "bundle_report.json",
}
TREE: Final = {
    "A-33": ("logs/trade-bot.log", "logs/features.log", "logs/errors.log"),
    "A-34": ("metrics/system_metrics.json", "metrics/performance_metrics.json"),
    "A-35": ("reports/replay_report.json", "reports/livelite_report.json", "reports/kill_resume_report.json"),
    "A-36": ("config/.env.backup", "config/trade-config.json"),
}
_TRADER_LOGS: Final = ("trade-bot-live-lite.log", "trade-bot-kill-resume.log")
"""In the order of the rungs."""
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""Of every member, so that equal files give equal archives."""


@dataclass(frozen=True)
class Entry:
    """One file of the bundle."""

    path: str
    size: int
    sha256: str


def collect(context: Context, rungs: list[RungEvidence]) -> None:
    """Write logs, metrics, reports and configuration into the run directory."""
    _logs(context)
    _metrics(context)
    for rung in rungs:
        write_json(context.directory(REPORTS) / REPORT_OF[rung.rung], asdict(rung))
    _configuration(context)


def judge(context: Context, findings: Findings) -> None:
    """Whether everything is there, and nothing that must not be. A run that ended early lacks reports, and fails."""
    for row, names in TREE.items():
        missing = [name for name in names if not (context.out / name).is_file()]
        told = f"missing: {', '.join(missing)}" if missing else ", ".join(names)
        findings.holds(row, "artifacts", not missing, told)
    files = files_of(context.out)
    found = [str(path.relative_to(context.out)) for path in files_with_secrets(context, files)]
    text = f"{len(context.secrets)} secrets looked for in {len(files)} files, found in: {', '.join(found) or 'none'}"
    findings.holds("A-36", "no secret in any file", not found, text)
    left = [str(path.relative_to(context.out)) for path in files_with_secrets(context, _work_files(context))]
    findings.holds("A-36", "no credential left beside the bundle", not left, ", ".join(left) or "none")


def export_evidence(journal: Path, target: Path) -> dict[str, Any]:
    """The journal's records as JSON lines, each with its hash; what a manifest must say to have them verified."""
    with closing(JournalReader(journal)) as reader, target.open("w") as file:
        identity: Identity = reader.identity
        for record in reader.read():
            head = f'{{"seq":{record.seq},"ts_ns":{record.ts_ns},"kind":{json.dumps(record.kind)},"body":'
            file.write(f'{head}{record.body.decode()},"hash":"{record.hash.hex()}"}}\n')
        newest = reader.head
    names = {"install": identity.install, "profile": identity.profile, "mode": identity.mode}
    return {**names, "records": newest.seq, "head_sha256": newest.hash.hex()}


def seal(context: Context, *, verdict: str, evidence: dict[str, Any]) -> tuple[str, Path | None]:
    """Write the manifest, and the archive unless a secret stands in a file; the manifest's SHA-256 and the archive."""
    files = files_of(context.out)
    manifest = context.out / MANIFEST
    write_json(manifest, {
        "run_id": context.options.run_id,
        "build": context.build,
        "verdict": verdict,
        "evidence": evidence,
        "files": [asdict(entry(context.out, path)) for path in files],
    })  # fmt: skip
    digest = hashlib.sha256(manifest.read_bytes()).hexdigest()
    if files_with_secrets(context, [*files, manifest]):
        return digest, None
    _archive(context.out, [*files, manifest])
    return digest, context.out / ARCHIVE


def entry(root: Path, path: Path) -> Entry:
    """Name, size and hash of one file."""
    content = path.read_bytes()
    return Entry(str(path.relative_to(root)), len(content), hashlib.sha256(content).hexdigest())


def files_of(root: Path) -> list[Path]:
    """Everything that goes into the bundle: not the work directory (states), not the bundle itself."""
    skipped = {root / ARCHIVE, root / MANIFEST}
    found = [path for path in root.rglob("*") if path.is_file() and path not in skipped]
    return sorted(path for path in found if (root / WORK) not in path.parents)


def files_with_secrets(context: Context, files: Iterable[Path]) -> list[Path]:
    """Those that hold a secret of this run, as it is or as base64."""
    plain = [secret.encode() for secret in context.secrets if len(secret) >= SECRET_LENGTH_MIN]
    needles = [*plain, *(base64.b64encode(secret).rstrip(b"=") for secret in plain)]
    return [path for path in files if _holds_any(path.read_bytes(), needles)]


def _holds_any(content: bytes, needles: Iterable[bytes]) -> bool:
    return any(needle in content for needle in needles)


def write_json(path: Path, plain: dict[str, Any]) -> None:
    """Indented, sorted, without secrets of this process."""
    path.write_text(redact(json.dumps(plain, indent=2, sort_keys=True, default=str)) + "\n")


def _work_files(context: Context) -> list[Path]:
    return sorted(path for path in context.directory(WORK).rglob("*") if path.is_file())


def _archive(root: Path, files: list[Path]) -> None:
    fresh = root / f".{ARCHIVE}.new"
    with zipfile.ZipFile(fresh, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in files:
            member = zipfile.ZipInfo(str(path.relative_to(root)), date_time=_ZIP_TIME)
            member.compress_type = zipfile.ZIP_DEFLATED
            member.external_attr = 0o644 << 16
            archive.writestr(member, path.read_bytes())
    fresh.replace(root / ARCHIVE)


def _logs(context: Context) -> None:
    """trade-bot.log: all traders' lines in order; errors.log: those of errors; features.log: what the policy saw."""
    directory = context.directory(LOGS)
    lines: list[str] = []
    errors: list[str] = []
    for path in (directory / name for name in _TRADER_LOGS):
        lines += path.read_text(errors="replace").splitlines() if path.exists() else []
        errors += [json.dumps(record) for record in logs.read(path).errors]
    _write_lines(directory / "trade-bot.log", lines)
    _write_lines(directory / "errors.log", errors)
    features: list[str] = []
    for name, state_dir in context.sessions.items():
        try:
            features += journal_facts.decision_lines(state_dir)
        except ZtbError as error:  # a rung that judges this journal says more about it
            features.append(json.dumps({"rung": name, "error": error.message}))
    _write_lines(directory / "features.log", features)


def _metrics(context: Context) -> None:
    disk = os.statvfs(context.out)
    directory, run_id = context.directory(METRICS), context.options.run_id
    system = {"run_id": run_id, "disk_free_gb": disk.f_bavail * disk.f_frsize / 1e9, **context.system_metrics}
    write_json(directory / "system_metrics.json", system)
    write_json(directory / "performance_metrics.json", {"run_id": run_id, **context.performance_metrics})


def _configuration(context: Context) -> None:
    """What was in force, with its sources; and the same as environment assignments. No credential is in either."""
    loaded = context.options.loaded
    values = {key: value for key, value in loaded.effective().items() if not key.startswith("credentials.")}
    directory = context.directory(CONFIG)
    write_json(directory / "trade-config.json", {
        "profile": loaded.name,
        "sha256": loaded.digest,
        "policy": context.options.policy,
        "values": {key: {"value": value, "source": loaded.sources[key]} for key, value in values.items()},
    })  # fmt: skip
    assignments = [f"ZTB_{key.upper().replace('.', '__')}={value}" for key, value in values.items()]
    _write_lines(directory / ".env.backup", [redact(line) for line in assignments])


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
