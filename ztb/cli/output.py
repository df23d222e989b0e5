"""How a command's outcome reaches the operator: text on two streams, or one JSON envelope on standard output.

No secret that the process has loaded, and no control character from outside, goes out with it.
"""

from __future__ import annotations

import os
import sys
import traceback

from ztb.cli.colour import painted, wants_colour
from ztb.cli.result import Result, error_envelope, printable
from ztb.core.error import ZtbError


def show_result(result: Result, envelope: str, *, quiet: bool) -> int:
    """Prints the ``envelope``, or the result as text where there is none; its exit code."""
    if envelope:
        print(_redacted(envelope), flush=True)
        return result.exit_code
    if result.text:
        text = _redacted(printable(result.text))
        print(painted(text) if wants_colour() else text, flush=True)
    if not quiet:
        for warning in result.warnings:
            print(_redacted(f"ztb: warning: {printable(warning)}"), file=sys.stderr)
    return result.exit_code


def show_error(command: str, error: ZtbError, as_json: bool) -> int:
    """Prints what went wrong, and what to do about it; its exit code. ZTB_DEBUG shows the trace as well."""
    if os.environ.get("ZTB_DEBUG"):
        print(_redacted("".join(traceback.format_exception(error))), end="", file=sys.stderr)
    if as_json:
        print(_redacted(error_envelope(command, error)), flush=True)
        return error.exit_code
    print(_redacted(f"ztb: error: {printable(error.message)}"), file=sys.stderr)
    if error.remedy:
        print(_redacted(f"  remedy: {printable(error.remedy)}"), file=sys.stderr)
    return error.exit_code


def drop_output() -> None:
    """What is still to be written goes nowhere: Python would flush it at exit and complain a second time."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _redacted(text: str) -> str:
    """``text`` without any secret that this process has loaded; nothing to do where none was."""
    secrets = sys.modules.get("ztb.host.secrets")
    return text if secrets is None else str(secrets.redact(text))
