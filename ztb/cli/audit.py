"""``ztb audit``: whether the journal is one unbroken chain, what it says, all of it as JSON lines, and past sessions
run again from it.

Reads only, also beside a running trader. What is shown or exported was verified on the way.
"""

from __future__ import annotations

import argparse
import base64
import os
import sys
from collections import deque
from collections.abc import Iterable, Iterator
from contextlib import closing, contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import BinaryIO, Final

import msgspec

from ztb.cli.options import add_profile_options, add_state_option, add_verbs, profile_from, whole
from ztb.cli.progress import progress
from ztb.cli.result import Result
from ztb.core.error import StoreCorrupt, StoreError, UsageError
from ztb.store.chain import Record
from ztb.store.database import JOURNAL_NAME, sync_directory
from ztb.store.reader import JournalReader
from ztb.store.verify import VerifyReport, verify

EPILOG: Final = """\
examples:
  ztb audit verify --state-dir D              exit code 1 when the chain breaks, and where
  ztb audit show --last 5 --kind order_filled
  ztb audit export --out records.jsonl --since 2026-01-31
  ztb audit replay --state-dir D --session 2  the same events, the same orders, byte for byte

`audit replay` exits 0 when all that was recorded came out again, 1 at the first difference, and 3 when something could
not be compared (a tape that lost its end in a crash, or is gone).
"""
SHOWN_RECORDS: Final = 20
SHOWN_RECORDS_MAX: Final = 10_000
SESSIONS_MAX: Final = 1_000_000
_SHOWN_BODY_LENGTH: Final = 160
_NS: Final = 1_000_000_000


def register(parser: argparse.ArgumentParser) -> None:
    """``ztb audit verify|export|show|replay``."""
    parser.description = "The journal of a trader: whether it is whole, what it says, and whether it comes out again."
    parser.epilog = EPILOG
    verbs = add_verbs(parser)
    check = verbs.add_parser("verify", help="whether the chain is unbroken; exit code 1 if not")
    export = verbs.add_parser("export", help="records as JSON lines")
    show = verbs.add_parser("show", help="the newest records")
    again = verbs.add_parser(
        "replay", help="run past sessions again from their records; exit code 1 if anything differs"
    )
    for verb in (check, export, show, again):
        add_profile_options(verb)
        add_state_option(verb)
    for verb in (export, show):
        verb.add_argument("--kind", action="append", metavar="KIND", help="only this kind; may be given again")
        verb.add_argument("--since", type=_time_ns, metavar="TIME", help="ISO 8601 (UTC if it names no zone) or ns")
        verb.add_argument("--until", type=_time_ns, metavar="TIME", help="the same, not included")
    export.add_argument("--out", type=Path, required=True, metavar="FILE", help="a new file, or - for the output")
    show.add_argument(
        "--last", type=whole(1, SHOWN_RECORDS_MAX), default=SHOWN_RECORDS, metavar="N", help=f"default {SHOWN_RECORDS}"
    )
    again.add_argument(
        "--session", type=whole(1, SESSIONS_MAX), metavar="N", help="only the N-th session (default: all)"
    )
    check.set_defaults(handler=verify_journal)
    again.set_defaults(handler=replay_sessions)
    export.set_defaults(handler=export_journal)
    show.set_defaults(handler=show_journal)


def verify_journal(args: argparse.Namespace) -> Result:
    """Walks the whole chain; a break is an answer (exit code 1) that names the first bad record."""
    path = _journal_path(args)
    with progress("verify", _records_expected(path)) as advance:
        report = verify(path, advance)
    data = {
        "path": str(path),
        "ok": report.ok,
        "records": report.records,
        "first_bad_seq": report.first_bad_seq,
        "reason": report.reason,
        "head_hash": report.head_hash,
    }
    return Result(data, _verify_text(report), exit_code=0 if report.ok else 1)


def export_journal(args: argparse.Namespace) -> Result:
    """One JSON object a line: seq, ts_ns, kind, body, hash. The body stands there byte for byte."""
    with closing(JournalReader(_journal_path(args))) as reader:
        count = 0
        with _target(args.out) as file, progress("export") as advance:
            for record in _between(reader.read(kinds=args.kind), args.since, args.until):
                file.write(export_line(record))
                count += 1
                advance(1)
        head = reader.head
    data = {"out": str(args.out), "records": count, "head_seq": head.seq, "head_hash": head.hash.hex()}
    # On the standard output the lines are the result, and a closing sentence would not be JSON.
    return Result(data, "" if args.out == Path("-") else f"{count} records exported to {args.out}")


def show_journal(args: argparse.Namespace) -> Result:
    """The newest records, one line each."""
    with closing(JournalReader(_journal_path(args))) as reader:
        found = _between(reader.read(kinds=args.kind), args.since, args.until)
        newest = deque(found, maxlen=args.last)
        head = reader.head
    rows = [
        {"seq": record.seq, "ts_ns": record.ts_ns, "kind": record.kind, "body": _plain_body(record)}
        for record in newest
    ]
    lines = [_record_text(record) for record in newest] or ["no such records"]
    return Result({"records": rows, "head_seq": head.seq}, "\n".join(lines))


def replay_sessions(args: argparse.Namespace) -> Result:
    """Past sessions through the engine once more, from the journal and their tapes alone."""
    from ztb.cli.audit_text import EXIT_UNPROVEN, audit_data, audit_text
    from ztb.service.audit_replay import audit  # and with it the whole engine

    path = _journal_path(args)
    with progress("audit replay") as advance:
        done = audit(path.parent, only=args.session, advance=advance)
    exit_code = 0 if all(one.is_proven for one in done) else EXIT_UNPROVEN
    if any(one.difference is not None for one in done):
        exit_code = 1
    return Result({"path": str(path), "sessions": [audit_data(one) for one in done]}, audit_text(done), exit_code)


def export_line(record: Record) -> bytes:
    """A record as one line; a body that is no JSON is given as base64 under another name."""
    line: dict[str, object] = {"seq": record.seq, "ts_ns": record.ts_ns, "kind": record.kind}
    try:
        msgspec.json.decode(record.body)
        line["body"] = msgspec.Raw(record.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        line["body_base64"] = base64.b64encode(record.body).decode()
    line["hash"] = record.hash.hex()
    return msgspec.json.encode(line) + b"\n"


def _journal_path(args: argparse.Namespace) -> Path:
    if args.state_dir is not None:
        return _newest_journal(Path(args.state_dir).absolute())
    from ztb.host.paths import state_directory  # and the profile's own directory, which takes a while to load

    loaded = profile_from(args)
    return _newest_journal(state_directory(loaded.name, configured=loaded.profile.state.directory))


def _newest_journal(directory: Path) -> Path:
    """The journal in ``directory``; where a trader kept one for each exchange that it started, the newest of those."""
    own = directory / JOURNAL_NAME
    below = sorted(directory.glob(f"exchange-*/{JOURNAL_NAME}"))
    return below[-1] if below and not own.exists() else own


def _verify_text(report: VerifyReport) -> str:
    if report.ok:
        return f"{report.path}: {report.records} records, the chain is unbroken\n{report.head_line()}"
    place = "" if report.first_bad_seq is None else f" at record {report.first_bad_seq}"
    lines = [
        f"{report.path}: BROKEN{place}",
        f"  {report.reason}",
        f"  {report.records} records before it are good",
        "  remedy: keep the file as evidence; restore a backup, or start with an empty state directory",
    ]
    return "\n".join(lines)


def _between(records: Iterable[Record], since_ns: int | None, until_ns: int | None) -> Iterator[Record]:
    for record in records:
        if since_ns is not None and record.ts_ns < since_ns:
            continue
        if until_ns is not None and record.ts_ns >= until_ns:
            continue
        yield record


def _record_text(record: Record) -> str:
    body = record.body.decode(errors="replace")
    shown = body if len(body) <= _SHOWN_BODY_LENGTH else body[:_SHOWN_BODY_LENGTH] + f" ... ({len(record.body)} bytes)"
    moment = datetime.fromtimestamp(record.ts_ns // _NS, UTC)
    return (
        f"{record.seq:>8}  {moment:%Y-%m-%d %H:%M:%S}.{record.ts_ns % _NS // 1_000_000:03}  {record.kind:16}  {shown}"
    )


def _plain_body(record: Record) -> object:
    try:
        return msgspec.json.decode(record.body)
    except (msgspec.MsgspecError, UnicodeDecodeError):
        return base64.b64encode(record.body).decode()


def _records_expected(path: Path) -> int | None:
    """For the progress bar alone; what is wrong with a damaged file is told by the verification itself."""
    try:
        with closing(JournalReader(path)) as reader:
            return reader.head.seq
    except StoreCorrupt:
        return None


@contextmanager
def _target(out: Path) -> Iterator[BinaryIO]:
    """A new private file, complete and on the disk when left, or removed; ``-`` is the standard output."""
    if out == Path("-"):
        yield sys.stdout.buffer
        sys.stdout.buffer.flush()
        return
    try:
        descriptor = os.open(out, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{out} cannot be made: {error.strerror}", remedy="name a new file with --out") from None
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        sync_directory(out.absolute().parent)
    except OSError as error:
        out.unlink()
        raise StoreError(f"{out}: writing failed: {error.strerror}", remedy="look at the disk's space") from error
    except BaseException:
        out.unlink()
        raise


def _time_ns(text: str) -> int:
    """Unix nanoseconds of what the operator wrote, without passing through a float."""
    if text.isdecimal() and len(text) > 8:  # shorter is an ISO date such as 20260101
        return int(text)
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        raise argparse.ArgumentTypeError(f"{text!r} is no ISO 8601 time and no nanoseconds") from None
    since_epoch = (moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - datetime(1970, 1, 1, tzinfo=UTC)
    return (since_epoch.days * 86_400 + since_epoch.seconds) * _NS + since_epoch.microseconds * 1_000
