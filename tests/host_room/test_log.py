"""Log lines: their two forms, their fields, redaction, and that nobody can forge one."""

from __future__ import annotations

import io
import json
import logging
import re
import stat
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.host.log import add_log_file, close_log, configure_log, get_log
from ztb.host.secrets import Secret


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def _quiet_afterwards() -> Iterator[None]:
    yield
    close_log()


def written(form: str = "json", profile: str = "demo") -> io.StringIO:
    """A stream that the log now goes to."""
    stream = io.StringIO()
    configure_log(profile=profile, form="json" if form == "json" else "text", stream=stream, environ={})
    return stream


def test_a_json_record_has_all_members() -> None:
    stream = written()
    get_log("service").event("order_filled", "bought", order="ztb-1", correlation="c1", reason="crossing_up", lots=3)
    (line,) = stream.getvalue().splitlines()
    record = json.loads(line)
    moment = datetime.fromisoformat(record.pop("ts"))
    assert abs((datetime.now(moment.tzinfo) - moment).total_seconds()) < 60
    assert moment.utcoffset() is not None
    assert record == {
        "level": "INFO",
        "log": "service",
        "profile": "demo",
        "event": "order_filled",
        "text": "bought",
        "order": "ztb-1",
        "correlation": "c1",
        "reason": "crossing_up",
        "lots": 3,
    }


def test_the_readable_form() -> None:
    stream = written("text")
    get_log("service").event("order_filled", "bought some", lots=3, reason="a b", empty="")
    pattern = r'\d\d:\d\d:\d\d\.\d{3} INFO  order_filled  bought some lots=3 reason="a b" empty=""\n'
    assert re.fullmatch(pattern, stream.getvalue())


@pytest.mark.parametrize(
    ("stream", "wish", "is_json"),
    [
        (Terminal(), "", False),
        (Terminal(), "json", True),
        (io.StringIO(), "", True),
        (io.StringIO(), "text", False),
        (io.StringIO(), "nonsense", True),
    ],
)
def test_the_form_follows_the_stream_and_the_operators_wish(stream: io.StringIO, wish: str, is_json: bool) -> None:
    configure_log(stream=stream, environ={"ZTB_LOG": wish})
    get_log("service").event("started")
    assert stream.getvalue().startswith("{") is is_json


def test_each_level_is_written_and_nothing_below_them() -> None:
    stream = written()
    log = get_log("service")
    log.event("a", level=logging.DEBUG)
    log.event("b")
    log.warning("c")
    log.error("d")
    records = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert [(record["event"], record["level"]) for record in records] == [
        ("b", "INFO"),
        ("c", "WARNING"),
        ("d", "ERROR"),
    ]


def test_a_field_cannot_replace_a_member() -> None:
    stream = written()
    get_log("service").event("real", "text", ts="never", profile="other")
    record = json.loads(stream.getvalue())
    assert record["profile"] == "demo"
    assert record["profile_"] == "other"
    assert record["ts_"] == "never"


@pytest.mark.parametrize("form", ["json", "text"])
def test_a_secret_never_reaches_a_line(form: str) -> None:
    stream = written(form)
    secret = Secret('hush-"hush"-1234')
    log = get_log("service")
    log.event("a", f"key is {secret.reveal()}")
    log.event("b", field=secret.reveal(), other=secret)
    log.event(secret.reveal())
    try:
        raise ValueError(f"bad key {secret.reveal()}")
    except ValueError:
        log.exception("c", "failed")
    assert "1234" not in stream.getvalue()
    assert stream.getvalue().count("[redacted]") >= 4


def test_a_trace_is_written_with_its_cause() -> None:
    stream = written()
    try:
        raise ValueError("inner")
    except ValueError:
        get_log("service").exception("failed", "why")
    record = json.loads(stream.getvalue())
    assert record["level"] == "ERROR"
    assert "ValueError: inner" in record["trace"]


@given(st.text())
def test_no_text_can_forge_a_line_or_drive_a_terminal(text: str) -> None:
    for form in ("json", "text"):
        stream = written(form)
        get_log("service").event("event", text, field=text)
        output = stream.getvalue()
        # str.splitlines knows every line separator of Unicode
        assert len(output.splitlines()) == 1
        assert not re.search("[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e]", output)
        output.encode()
        if form == "json":
            assert json.loads(output)["field"] == text


def test_a_percent_sign_is_just_text() -> None:
    stream = written()
    get_log("service").event("event", "100 % of %s %d")
    assert json.loads(stream.getvalue())["text"] == "100 % of %s %d"


def test_a_stream_that_breaks_stops_nobody() -> None:
    class Broken(io.StringIO):
        def write(self, text: str) -> int:
            raise OSError("no space left")

    configure_log(stream=Broken(), environ={})
    get_log("service").event("event", "text")


def test_a_file_gets_the_same_records_and_belongs_to_its_owner_alone(tmp_path: Path) -> None:
    stream = written(form="text")
    path = tmp_path / "run.log"
    add_log_file(path, profile="demo")
    get_log("service").event("fine")
    close_log()
    get_log("service").event("later")
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["fine"]
    assert "fine" in stream.getvalue()
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


def test_a_file_is_appended_to(tmp_path: Path) -> None:
    path = tmp_path / "run.log"
    for name in ("first", "second"):
        add_log_file(path, profile="demo")
        get_log("service").event(name)
        close_log()
    assert [json.loads(line)["event"] for line in path.read_text().splitlines()] == ["first", "second"]
