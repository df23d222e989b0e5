"""Structured logs: one line for one record, readable on a terminal and JSON elsewhere (A-20).

Every line passes the redaction of secrets last, after all formatting, so that no exception text or venue answer can
carry one past it. Control characters are escaped: what a venue sends cannot forge a line or drive a terminal.
"""

from __future__ import annotations

import json
import logging
import os
import re
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final, Literal, TextIO

from ztb.core.error import UsageError
from ztb.host.secrets import redact

INFO: Final = logging.INFO
WARNING: Final = logging.WARNING
ERROR: Final = logging.ERROR

ROOT: Final = "ztb"
Form = Literal["auto", "text", "json"]

_UNSAFE: Final = re.compile("[\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""What JSON leaves as it is, and a terminal or a line reader does not: C1 controls, separators, direction marks."""


class LineHandler(logging.StreamHandler[TextIO]):
    """Writes lines; one that cannot be written is lost, because trading does not hang on its log."""

    def handleError(self, record: logging.LogRecord) -> None:
        return


class Log:
    """Writes records of one part of ztb; every call costs next to nothing while its level is off."""

    __slots__ = ("_logger",)

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger

    def event(self, event: str, text: str = "", /, *, level: int = INFO, **fields: object) -> None:
        """One record: ``event`` is a fixed code, ``text`` prose, ``fields`` the values (order, reason...)."""
        if self._logger.isEnabledFor(level):
            self._logger.log(level, text, extra={"event": event, "fields": fields})

    def warning(self, event: str, text: str = "", /, **fields: object) -> None:
        """``event`` at level WARNING."""
        self.event(event, text, level=WARNING, **fields)

    def error(self, event: str, text: str = "", /, **fields: object) -> None:
        """``event`` at level ERROR."""
        self.event(event, text, level=ERROR, **fields)

    def exception(self, event: str, text: str = "", /, **fields: object) -> None:
        """``event`` at level ERROR with the trace of the exception that is being handled."""
        self._logger.log(ERROR, text, extra={"event": event, "fields": fields}, exc_info=True)


def get_log(name: str) -> Log:
    """The log of one part, for example ``service``."""
    return Log(logging.getLogger(f"{ROOT}.{name}"))


def configure_log(
    *, profile: str = "", form: Form = "auto", stream: TextIO | None = None, environ: Mapping[str, str] = os.environ
) -> None:
    """Sends records to ``stream`` (standard error) and nowhere else; ZTB_LOG=json or text decides ``auto``."""
    target = sys.stderr if stream is None else stream
    close_log()
    _attach(target, JsonFormatter(profile) if _decided(form, target, environ) == "json" else TextFormatter())


def add_log_file(path: Path, *, profile: str) -> None:
    """Also appends the records, as JSON lines, to a file that only its owner can read."""
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise UsageError(f"{path}: {error.strerror}", remedy="name a file that this user may write") from None
    _attach(os.fdopen(descriptor, "a", encoding="utf-8"), JsonFormatter(profile))


def close_log() -> None:
    """Takes every destination away again."""
    root = logging.getLogger(ROOT)
    for handler in root.handlers[:]:
        root.removeHandler(handler)
        handler.close()


class JsonFormatter(logging.Formatter):
    """``{"ts": ..., "level": ..., "log": ..., "profile": ..., "event": ..., "text": ..., <fields>}``; time in UTC."""

    def __init__(self, profile: str) -> None:
        super().__init__()
        self._profile = profile

    def format(self, record: logging.LogRecord) -> str:
        fields: Mapping[str, object] = getattr(record, "fields", {})
        document: dict[str, Any] = {
            "ts": time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created)) + f".{int(record.msecs):03d}Z",
            "level": record.levelname,
            "log": record.name.removeprefix(f"{ROOT}."),
            "profile": self._profile,
            "event": getattr(record, "event", ""),
            "text": record.getMessage(),
        }
        # a field may not replace one of the members above
        document.update({name if name not in document else f"{name}_": value for name, value in fields.items()})
        if record.exc_info:
            document["trace"] = self.formatException(record.exc_info)
        line = json.dumps(document, ensure_ascii=False, default=str)
        return redact(_UNSAFE.sub(lambda found: f"\\u{ord(found[0]):04x}", line))


class TextFormatter(logging.Formatter):
    """``10:41:07.123 INFO  order_filled  text key=value``; local time."""

    def format(self, record: logging.LogRecord) -> str:
        clock = time.strftime("%H:%M:%S", time.localtime(record.created)) + f".{int(record.msecs):03d}"
        fields: Mapping[str, object] = getattr(record, "fields", {})
        parts = [f"{clock} {record.levelname:5} {getattr(record, 'event', '') or record.name}"]
        if message := record.getMessage():
            parts.append(" " + _one_line(message))
        parts.extend(f"{name}={_value(value)}" for name, value in fields.items())
        line = " ".join(parts)
        if record.exc_info:
            trace = self.formatException(record.exc_info)
            line += "\n" + "\n".join(_one_line(part) for part in trace.split("\n"))
        return redact(line)


def _attach(stream: TextIO, formatter: logging.Formatter) -> None:
    handler = LineHandler(stream)
    handler.setFormatter(formatter)
    root = logging.getLogger(ROOT)
    root.propagate = False
    root.setLevel(INFO)
    root.addHandler(handler)


def _decided(form: Form, stream: TextIO, environ: Mapping[str, str]) -> str:
    if form != "auto":
        return form
    wish = environ.get("ZTB_LOG", "")
    if wish in ("json", "text"):
        return wish
    return "text" if stream.isatty() else "json"


def _value(value: object) -> str:
    text = _one_line(str(value))
    return json.dumps(text, ensure_ascii=False) if not text or " " in text or '"' in text else text


def _one_line(text: str) -> str:
    if text.isprintable():
        return text
    return "".join(char if char.isprintable() else char.encode("unicode_escape").decode() for char in text)
