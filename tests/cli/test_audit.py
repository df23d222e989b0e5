"""``ztb audit`` as an operator runs it: the real command in its own process."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from tests.store.samples import NOW_NS, documented_hash, filled_journal, open_journal, plain_records, tamper
from ztb.store.chain import genesis
from ztb.store.reader import JournalReader


def audit(*words: str | Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "ztb", "audit", *map(str, words)]
    return subprocess.run(command, capture_output=True, text=True)


def data_of(done: subprocess.CompletedProcess[str]) -> dict[str, object]:
    envelope = json.loads(done.stdout)
    assert envelope["exit_code"] == done.returncode
    data: dict[str, object] = envelope["data"]
    return data


def head_of(path: Path) -> str:
    reader = JournalReader(path)
    try:
        return reader.head.hash.hex()
    finally:
        reader.close()


def test_verify_says_that_it_is_whole(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 30)
    done = audit("verify", "--state-dir", tmp_path)
    assert done.returncode == 0, done.stderr
    assert "30 records, the chain is unbroken" in done.stdout
    assert f"ztb journal head seq=30 sha256={head_of(path)}" in done.stdout


def test_verify_as_json(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 30)
    done = audit("verify", "--state-dir", tmp_path, "--json")
    assert data_of(done) == {
        "path": str(path),
        "ok": True,
        "records": 30,
        "first_bad_seq": None,
        "reason": "",
        "head_hash": head_of(path),
    }
    assert done.stderr == ""


def test_verify_says_where_it_breaks(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 30)
    tamper(path, "UPDATE journal SET ts_ns = 0 WHERE seq = 12")
    done = audit("verify", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert "BROKEN at record 12" in done.stdout
    assert "11 records before it are good" in done.stdout
    assert "remedy:" in done.stdout
    data = data_of(audit("verify", "--state-dir", tmp_path, "--json"))
    assert (data["ok"], data["first_bad_seq"], data["records"]) == (False, 12, 11)


def test_verify_of_a_file_that_is_no_database(tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"x" * 10_000)
    done = audit("verify", "--state-dir", tmp_path)
    assert done.returncode == 1
    assert "not a database" in done.stdout
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize("verb", [["verify"], ["show"], ["export", "--out", "-"]])
def test_no_journal_is_a_usage_error(tmp_path: Path, verb: list[str]) -> None:
    done = audit(*verb, "--state-dir", tmp_path)
    assert done.returncode == 2
    assert f"there is no journal at {tmp_path / 'journal.db'}" in done.stderr
    assert "remedy:" in done.stderr
    assert "Traceback" not in done.stderr


def test_verify_beside_a_running_writer(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append_many(plain_records(10))
    journal.commit()
    assert audit("verify", "--state-dir", tmp_path).returncode == 0
    journal.append_many(plain_records(10, 11))
    assert journal.commit().seq == 20
    journal.close()


def test_an_export_can_be_verified_without_ztb(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 300)
    out = tmp_path / "records.jsonl"
    done = audit("export", "--state-dir", tmp_path, "--out", out)
    assert done.returncode == 0, done.stderr
    assert "300 records exported" in done.stdout
    assert out.stat().st_mode & 0o777 == 0o600
    reader = JournalReader(path)
    identity = reader.identity
    reader.close()
    link = genesis(identity.install, identity.profile, identity.mode)
    lines = out.read_text().splitlines()
    for seq, (line, expected) in enumerate(zip(lines, plain_records(300), strict=True), 1):
        row = json.loads(line)
        assert (row["seq"], row["ts_ns"], row["kind"], row["body"]) == (seq, expected[0], expected[1], {"n": seq})
        body = line[line.index('"body":') + 7 : line.index(',"hash":')].encode()
        link = documented_hash(link, seq, (row["ts_ns"], row["kind"], body))
        assert row["hash"] == link.hex()


def test_export_to_the_output_with_filters(tmp_path: Path) -> None:
    filled_journal(tmp_path, 30)
    span = ("--since", str(NOW_NS + 10), "--until", str(NOW_NS + 20))
    done = audit("export", "--state-dir", tmp_path, "--out", "-", "--kind", "place", "--kind", "trade", *span)
    assert done.returncode == 0, done.stderr
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    # plain_records: the kind goes round trade, place, order_filled with seq 0, 1, 2, ... and ts_ns is NOW_NS + seq
    assert [row["seq"] for row in rows] == [10, 12, 13, 15, 16, 18, 19]


def test_export_never_overwrites(tmp_path: Path) -> None:
    filled_journal(tmp_path, 3)
    out = tmp_path / "taken"
    out.write_text("precious")
    done = audit("export", "--state-dir", tmp_path, "--out", out)
    assert done.returncode == 2
    assert "File exists" in done.stderr
    assert out.read_text() == "precious"


def test_export_of_a_broken_chain_leaves_no_file(tmp_path: Path) -> None:
    path = filled_journal(tmp_path, 30)
    tamper(path, "DELETE FROM journal WHERE seq = 12")
    out = tmp_path / "records.jsonl"
    done = audit("export", "--state-dir", tmp_path, "--out", out)
    assert done.returncode == 65
    assert "breaks at record 12" in done.stderr
    assert not out.exists()


def test_a_body_that_is_no_json_is_exported_all_the_same(tmp_path: Path) -> None:
    journal = open_journal(tmp_path)
    journal.append(1, "odd", b"\xff\x00")
    journal.commit()
    journal.close()
    done = audit("export", "--state-dir", tmp_path, "--out", "-")
    row = json.loads(done.stdout)
    assert row["body_base64"] == "/wA="
    assert "body" not in row
    assert audit("show", "--state-dir", tmp_path).returncode == 0


def test_show_gives_the_newest(tmp_path: Path) -> None:
    filled_journal(tmp_path, 30)
    done = audit("show", "--state-dir", tmp_path, "--last", "2")
    assert done.returncode == 0, done.stderr
    lines = done.stdout.splitlines()
    assert len(lines) == 2
    # 1,790,000,000 s after the epoch by date(1): 2026-09-21 14:13:20 UTC
    assert lines[0].split() == ["29", "2026-09-21", "14:13:20.000", "order_filled", '{"n":29}']
    data = data_of(audit("show", "--state-dir", tmp_path, "--last", "1", "--kind", "place", "--json"))
    assert data["records"] == [{"seq": 28, "ts_ns": NOW_NS + 28, "kind": "place", "body": {"n": 28}}]
    assert data["head_seq"] == 30


def test_show_of_nothing_says_so(tmp_path: Path) -> None:
    filled_journal(tmp_path, 3)
    done = audit("show", "--state-dir", tmp_path, "--kind", "kill")
    assert (done.returncode, done.stdout) == (0, "no such records\n")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1790000000000000005", [5]),  # nanoseconds
        ("2026-09-21T14:13:20+00:00", [1, 2, 3, 4, 5]),
        ("2026-09-21T14:13:20", [1, 2, 3, 4, 5]),  # UTC when no zone is named
        ("2026-09-21T23:13:20+09:00", [1, 2, 3, 4, 5]),
        ("2026-09-21", [1, 2, 3, 4, 5]),
        ("2026-09-21T14:13:20.000001", []),  # a microsecond later than all of them
    ],
)
def test_times(tmp_path: Path, text: str, expected: list[int]) -> None:
    filled_journal(tmp_path, 5)
    done = audit("show", "--state-dir", tmp_path, "--since", text, "--json")
    records = data_of(done)["records"]
    assert isinstance(records, list)
    assert [record["seq"] for record in records] == expected


@pytest.mark.parametrize(
    "words", [["show", "--since", "yesterday"], ["show", "--last", "0"], ["show", "--last", "-3"], ["export"], ["burn"]]
)
def test_wrong_words_are_usage_errors(tmp_path: Path, words: list[str]) -> None:
    done = audit(*words, "--state-dir", tmp_path)
    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert "ztb: error:" in done.stderr


def test_without_a_state_directory_the_profile_names_it(tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    filled_journal(state, 4)
    done = audit("verify", "--profile", "demo", "--set", f"state.directory={state}", "--json")
    assert done.returncode == 0, done.stderr
    assert data_of(done)["records"] == 4


def test_the_head_line_is_what_sha256_gives(tmp_path: Path) -> None:
    """An empty journal's head is its genesis."""
    journal = open_journal(tmp_path)
    install = journal.identity.install
    journal.close()
    expected = hashlib.sha256(f"ztb journal 1\n{install}\ndemo\ndemo".encode()).hexdigest()
    assert f"seq=0 sha256={expected}" in audit("verify", "--state-dir", tmp_path).stdout
