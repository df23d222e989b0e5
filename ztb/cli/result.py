"""What a command gives back, and how it is shown: text for people, one JSON envelope for programs.

A handler returns a ``Result`` and prints nothing itself; so every command has both forms.
"""

from __future__ import annotations

import argparse
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, TypeAlias

from ztb.core.error import ZtbError


@dataclass(frozen=True)
class Result:
    """``text`` is complete for a person and ``data`` for a program; the exit codes are those of the README."""

    data: dict[str, Any]
    text: str
    exit_code: int = 0
    warnings: tuple[str, ...] = ()


Handler: TypeAlias = Callable[[argparse.Namespace], Result]
"""What a verb sets with ``set_defaults(handler=...)``."""

Subparsers: TypeAlias = "argparse._SubParsersAction[argparse.ArgumentParser]"
"""What a noun's ``register`` gets."""


def result_envelope(command: str, result: Result) -> str:
    """The JSON envelope of a command that ran; exit code 0 is success, 1 and 3 are an answer but no success."""
    return _envelope(command, result.exit_code, result.data, [], result.warnings)


def error_envelope(command: str, error: ZtbError) -> str:
    """The JSON envelope of a command that gave up."""
    entry = {"code": error_code(error), "message": error.message, "remedy": error.remedy}
    return _envelope(command, error.exit_code, {}, [entry], ())


def error_code(error: ZtbError) -> str:
    """The fixed name of a kind of error: ``ConfigError`` is ``config_error``."""
    return re.sub(r"(?<!^)(?=[A-Z])", "_", type(error).__name__).lower()


def printable(text: str) -> str:
    """``text`` with control characters escaped: file names and exchanges' answers do not drive the terminal."""
    return "".join(
        char if char.isprintable() or char == "\n" else char.encode("unicode_escape").decode() for char in text
    )


def _envelope(
    command: str, exit_code: int, data: dict[str, Any], errors: list[dict[str, str]], warnings: tuple[str, ...]
) -> str:
    document = {
        "success": exit_code == 0,
        "exit_code": exit_code,
        "command": command,
        "data": data,
        "errors": errors,
        "warnings": list(warnings),
    }
    return json.dumps(document, ensure_ascii=False, default=_plain)


def _plain(value: object) -> str:
    """Decimal and paths as text; anything else in ``data`` is a mistake of the handler and raises."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Path):
        return str(value)
    raise TypeError(f"{type(value).__name__} has no JSON form")
