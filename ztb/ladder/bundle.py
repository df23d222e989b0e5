"""The artifacts of a run (A-33 to A-37): collected, searched for secrets, listed with their hashes, zipped.

A file that holds a secret is not hidden, it fails the run: the bundle is not made until a person has looked.
"""

from __future__ import annotations

import hashlib
import json
import os
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from ztb.core.error import UsageError
from ztb.host.secrets import redact
from ztb.ladder import journal_facts, logs
from ztb.ladder.context import CONFIG, LOGS, METRICS, REPORTS, WORK, Context
from ztb.ladder.evidence import RungEvidence

MANIFEST: Final = "manifest.json"
ARCHIVE: Final = "canary_report.zip"
PAGE: Final = "canary_report.html"
SECRET_LENGTH_MIN: Final = 8
_REPORT_OF: Final = {
    "preflight": "preflight_report.json",
    "replay": "replay_rung_report.json",
    "live-lite": "livelite_report.json",
    "kill-resume": "kill_resume_report.json",
}
_ZIP_TIME: Final = (1980, 1, 1, 0, 0, 0)
"""Of every member, so that equal runs give equal archives."""


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
        _write_json(context.directory(REPORTS) / _REPORT_OF[rung.rung], rung.to_dict())
    _configuration(context)


def seal(context: Context, page: str) -> list[Entry]:
    """Write the page, check every file for secrets, write manifest and archive; returns what the manifest lists."""
    (context.out / PAGE).write_text(page)
    files = bundle_files(context.out)
    _refuse_secrets(context, files)
    entries = [entry(context.out, path) for path in files]
    _write_json(context.out / MANIFEST, {
        "run_id": context.options.run_id,
        "build": context.build,
        "files": [vars(found) for found in entries],
    })  # fmt: skip
    _archive(context.out, [*files, context.out / MANIFEST])
    return entries


def entry(root: Path, path: Path) -> Entry:
    """Name, size and hash of one file."""
    content = path.read_bytes()
    return Entry(str(path.relative_to(root)), len(content), hashlib.sha256(content).hexdigest())


def bundle_files(root: Path) -> list[Path]:
    """Everything that goes into the bundle: not the work directory (states, accounts), not the bundle itself."""
    skipped = {root / ARCHIVE, root / MANIFEST}
    found = [path for path in root.rglob("*") if path.is_file() and path not in skipped]
    return sorted(path for path in found if (root / WORK) not in path.parents)


def _refuse_secrets(context: Context, files: list[Path]) -> None:
    secrets = [secret.encode() for secret in context.secrets if len(secret) >= SECRET_LENGTH_MIN]
    for path in files:
        content = path.read_bytes()
        if any(secret in content for secret in secrets):
            raise UsageError(
                f"{path} holds a secret: the bundle was not made", remedy="find out how it got there, then run again"
            )


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
    for path in sorted(directory.glob("trade-bot-*.log")):
        lines += path.read_text(errors="replace").splitlines()
        errors += [json.dumps(record) for record in logs.read(path).errors]
    _write_lines(directory / "trade-bot.log", lines)
    _write_lines(directory / "errors.log", errors)
    features: list[str] = []
    for state_dir in sorted(context.directory(WORK).glob("*-state")):
        features += journal_facts.decision_lines(state_dir)
    _write_lines(directory / "features.log", features)


def _metrics(context: Context) -> None:
    free_gb = os.statvfs(context.out).f_bavail * os.statvfs(context.out).f_frsize / 1e9
    system = {"run_id": context.options.run_id, "disk_free_gb": free_gb, **context.system_metrics}
    _write_json(context.directory(METRICS) / "system_metrics.json", system)
    performance = {"run_id": context.options.run_id, **context.performance_metrics}
    _write_json(context.directory(METRICS) / "performance_metrics.json", performance)


def _configuration(context: Context) -> None:
    """What was in force, with its sources; and the same as environment assignments. No credential is in either."""
    loaded = context.options.loaded
    values = {key: value for key, value in loaded.effective().items() if not key.startswith("credentials.")}
    directory = context.directory(CONFIG)
    _write_json(directory / "trade-config.json", {
        "profile": loaded.name,
        "sha256": loaded.digest,
        "policy": context.options.policy,
        "values": {key: {"value": value, "source": loaded.sources[key]} for key, value in values.items()},
    })  # fmt: skip
    assignments = [f"ZTB_{key.upper().replace('.', '__')}={value}" for key, value in values.items()]
    _write_lines(directory / ".env.backup", [redact(line) for line in assignments])


def _write_json(path: Path, plain: dict[str, Any]) -> None:
    path.write_text(redact(json.dumps(plain, indent=2, sort_keys=True, default=str)) + "\n")


def _write_lines(path: Path, lines: list[str]) -> None:
    path.write_text("".join(f"{line}\n" for line in lines))
