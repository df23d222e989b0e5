"""Whether a bundle, as a directory or as its archive, is what its run made: every file, and the chain of evidence.

What it finds is inconsistency. Who changes a file and the manifest with it is found only by comparing the manifest's
SHA-256, which the run printed, with the one that is shown here.
"""

from __future__ import annotations

import hashlib
import json
import zipfile
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import msgspec

from ztb.core.error import UsageError
from ztb.ladder.bundle import ARCHIVE, EVIDENCE, MANIFEST, files_of
from ztb.ladder.evidence import NAMES, Verdict, overall_of
from ztb.store.chain import Head, Row, check, genesis

FILE_BYTES_MAX: Final = 256 * 1024 * 1024
REMEDY: Final = "name the directory or the archive of a canary run"


class _Listed(msgspec.Struct):
    path: str
    size: int
    sha256: str


class _Evidence(msgspec.Struct):
    install: str
    profile: str
    mode: str
    records: int
    head_sha256: str


class _Manifest(msgspec.Struct):
    run_id: str
    build: str
    verdict: str
    evidence: _Evidence
    files: list[_Listed]


class _Line(msgspec.Struct):
    seq: int
    ts_ns: int
    kind: str
    body: msgspec.Raw
    hash: str


@dataclass(frozen=True)
class BundleReport:
    """``problems`` is empty for a bundle that is whole."""

    run_id: str
    verdict: str
    files: int
    records: int
    manifest_sha256: str
    problems: tuple[str, ...]


def check_bundle(path: Path) -> BundleReport:
    """Read everything again. UsageError when there is no bundle at ``path``."""
    contents = _from_archive(path) if path.is_file() else _from_directory(path)
    if MANIFEST not in contents:
        raise UsageError(f"{path}: there is no {MANIFEST}", remedy=REMEDY)
    try:
        manifest = msgspec.json.decode(contents[MANIFEST], type=_Manifest)
    except (msgspec.MsgspecError, UnicodeDecodeError) as error:
        raise UsageError(f"{path}: {MANIFEST} cannot be read: {error}", remedy=REMEDY) from None
    problems = [*_files(manifest, contents), *_chain(manifest, contents.get(EVIDENCE, b""))]
    if path.is_dir() and (path / ARCHIVE).exists():
        problems += _same(contents, _from_archive(path / ARCHIVE))
    digest = hashlib.sha256(contents[MANIFEST]).hexdigest()
    records = manifest.evidence.records
    return BundleReport(manifest.run_id, manifest.verdict, len(manifest.files), records, digest, tuple(problems))


def _from_directory(path: Path) -> dict[str, bytes]:
    if not path.is_dir():
        raise UsageError(f"{path}: there is nothing", remedy=REMEDY)
    names = [*files_of(path), *([path / MANIFEST] if (path / MANIFEST).exists() else [])]
    return {str(name.relative_to(path)): name.read_bytes() for name in names}


def _from_archive(path: Path) -> dict[str, bytes]:
    try:
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
            twice = [name for name, count in Counter(member.filename for member in members).items() if count > 1]
            if twice:
                raise UsageError(f"{path}: {twice[0]} is in it twice", remedy="no run makes such an archive")
            large = [member.filename for member in members if member.file_size > FILE_BYTES_MAX]
            if large:
                raise UsageError(f"{path}: {large[0]} is larger than {FILE_BYTES_MAX} bytes", remedy=REMEDY)
            return {member.filename: archive.read(member) for member in members}
    except (zipfile.BadZipFile, OSError, EOFError, ValueError) as error:
        raise UsageError(f"{path}: cannot be read as a zip archive: {error}", remedy=REMEDY) from None


def _files(manifest: _Manifest, contents: Mapping[str, bytes]) -> list[str]:
    listed = {entry.path: entry for entry in manifest.files}
    problems = [f"{name}: not in the manifest" for name in sorted(set(contents) - set(listed) - {MANIFEST})]
    for name, entry in sorted(listed.items()):
        content = contents.get(name)
        if content is None:
            problems.append(f"{name}: missing")
        elif len(content) != entry.size or hashlib.sha256(content).hexdigest() != entry.sha256:
            problems.append(f"{name}: changed, its SHA-256 is not that of the manifest")
    return problems


def _chain(manifest: _Manifest, text: bytes) -> list[str]:
    """The evidence is one chain from this run's genesis to the head of the manifest, and leads to its verdict."""
    told = manifest.evidence
    head = Head(0, genesis(told.install, told.profile, told.mode))
    try:
        lines = [msgspec.json.decode(line, type=_Line) for line in text.splitlines()]
        rows: list[Row] = [
            (line.seq, line.ts_ns, line.kind.encode(), bytes(line.body), bytes.fromhex(line.hash)) for line in lines
        ]
        bodies: list[dict[str, Any]] = [json.loads(bytes(line.body)) for line in lines]
        verdicts = {str(body["rung"]): Verdict(body["verdict"]) for body in bodies}
    except (msgspec.MsgspecError, ValueError, KeyError, TypeError) as error:
        return [f"{EVIDENCE}: cannot be read: {error}"]
    reached, found = check(head, rows)
    problems = [f"{EVIDENCE}: the chain breaks at record {found.seq}: {found.reason}"] if found is not None else []
    if not problems and (reached.seq, reached.hash.hex()) != (told.records, told.head_sha256):
        problems.append(f"{EVIDENCE}: ends at record {reached.seq}, not at the head that the manifest names")
    strange = sorted({str(body.get("run_id")) for body in bodies} - {manifest.run_id})
    if strange:
        problems.append(f"{EVIDENCE}: evidence of another run: {', '.join(strange)}")
    verdict = overall_of(verdicts, NAMES)
    if verdict.value != manifest.verdict:
        problems.append(f"{MANIFEST}: says {manifest.verdict}, the evidence says {verdict.value}")
    return problems


def _same(contents: Mapping[str, bytes], archived: Mapping[str, bytes]) -> list[str]:
    names = sorted(set(contents) | set(archived))
    return [f"{ARCHIVE}: {name} differs" for name in names if contents.get(name) != archived.get(name)]
