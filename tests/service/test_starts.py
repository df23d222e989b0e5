"""How often a trader failed to start: counted on disk, and never the reason why one does not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from ztb.core.error import (
    ConfigError,
    CredentialError,
    InvariantBroken,
    StoreCorrupt,
    StoreError,
    StoreLocked,
    UsageError,
    VenueError,
)
from ztb.service.starts import FAILED_STARTS_MAX, STARTS_NAME, FailedStart, Starts

NETWORK = VenueError("no answer", kind="network", retryable=True)


def test_failures_in_a_row_are_kept_over_processes_until_one_start_succeeds(tmp_path: Path) -> None:
    assert not Starts(tmp_path).are_exhausted
    for number in range(1, FAILED_STARTS_MAX + 1):
        assert not Starts(tmp_path).are_exhausted
        Starts(tmp_path).count(NETWORK, ts_ns=number)
    again = Starts(tmp_path)
    assert again.are_exhausted
    assert again.failed[-1] == FailedStart(FAILED_STARTS_MAX, 69, "no answer")
    again.count(ValueError("a defect"), ts_ns=9)
    assert [one.exit_code for one in Starts(tmp_path).failed] == [69, 69, 1]
    Starts(tmp_path).clear()
    assert Starts(tmp_path).failed == ()


def test_a_success_between_failures_begins_the_row_anew(tmp_path: Path) -> None:
    for _ in range(5):
        Starts(tmp_path).count(NETWORK, ts_ns=1)
        Starts(tmp_path).count(NETWORK, ts_ns=2)
        Starts(tmp_path).clear()
        assert not Starts(tmp_path).are_exhausted


@pytest.mark.parametrize("kind", [UsageError, ConfigError, CredentialError, StoreLocked])
def test_what_the_operator_has_to_put_right_does_not_count(kind: type[Exception], tmp_path: Path) -> None:
    Starts(tmp_path).count(kind("put it right"), ts_ns=1)
    assert not (tmp_path / STARTS_NAME).exists()


@pytest.mark.parametrize("kind", [StoreError, StoreCorrupt, InvariantBroken, RuntimeError])
def test_everything_else_counts(kind: type[Exception], tmp_path: Path) -> None:
    Starts(tmp_path).count(kind("no"), ts_ns=1)
    assert len(Starts(tmp_path).failed) == 1


@pytest.mark.parametrize(
    "body", [b"", b"{", b"[]", b'{"failed": 3}', b'{"failed": [{}]}', b'{"failed": [[1]]}', b"\xff\xfe"]
)
def test_a_damaged_file_is_put_aside_and_keeps_nobody_from_starting(body: bytes, tmp_path: Path) -> None:
    (tmp_path / STARTS_NAME).write_bytes(body)
    starts = Starts(tmp_path)
    assert starts.failed == ()
    assert not (tmp_path / STARTS_NAME).exists()
    starts.count(NETWORK, ts_ns=1)
    assert len(json.loads((tmp_path / STARTS_NAME).read_text())["failed"]) == 1


def test_a_place_that_cannot_be_written_is_no_error_of_its_own(tmp_path: Path) -> None:
    starts = Starts(tmp_path / "nowhere")
    starts.count(NETWORK, ts_ns=1)
    assert Starts(tmp_path / "nowhere").failed == ()


def test_texts_are_bounded_and_the_file_is_private(tmp_path: Path) -> None:
    Starts(tmp_path).count(StoreError("x" * 100_000), ts_ns=1)
    path = tmp_path / STARTS_NAME
    assert path.stat().st_size < 2_000
    assert path.stat().st_mode & 0o077 == 0
    assert [entry.name for entry in tmp_path.iterdir()] == [STARTS_NAME]
