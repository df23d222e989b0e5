"""Secrets: where they come from, and how they stay out of everything that is written.

A secret never stands on a command line, in a profile or in a log. It comes from systemd's credentials, else from a
file that only its owner can read, else (with a warning) from the environment.
"""

from __future__ import annotations

import hmac
import json
import os
import re
import stat
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NoReturn, final
from urllib.parse import quote_plus

from ztb.core.error import CredentialError

SECRET_BYTES_MAX: Final = 16 * 1024
REDACTED: Final = "[redacted]"
REDACT_LENGTH_MIN: Final = 4
"""Shorter texts are no secrets, and replacing them would garble every line."""

_CREDENTIAL_NAME: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,63}")
_KEY_LINE: Final = re.compile(r"(?:^|\\n|\n)([A-Za-z0-9+/=]{16,})(?=\\n|\n|$)")
"""A line of the body of a private key, whose end may be written as two characters."""
_registered: set[str] = set()
_pattern: re.Pattern[str] | None = None


@final
class Secret:
    """A text that shows itself only to ``reveal``; made once, it is redacted from every log of the process."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value
        register(value)

    def reveal(self) -> str:
        """The text itself. Give it to the signer and to nothing else."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and hmac.compare_digest(self._value.encode(), other._value.encode())

    def __hash__(self) -> NoReturn:
        raise TypeError("a secret is no key of a table")

    def __reduce__(self) -> NoReturn:
        raise TypeError("a secret is not written anywhere")


@dataclass(frozen=True)
class Credential:
    """A secret with its origin; ``warning`` is "" unless the origin is a poor one."""

    secret: Secret
    source: str
    warning: str = ""


def register(value: str) -> None:
    """From now on ``redact`` replaces ``value``, as JSON or a URL writes it too, and each line of a private key."""
    global _pattern
    if len(value) < REDACT_LENGTH_MIN:
        return
    for text in (value, *_KEY_LINE.findall(value)):
        spellings = (text, json.dumps(text)[1:-1], json.dumps(text, ensure_ascii=False)[1:-1], quote_plus(text))
        _registered.update(spellings)
    # the longest first: one secret may begin with another one
    _pattern = re.compile("|".join(re.escape(text) for text in sorted(_registered, key=len, reverse=True)))


def redact(text: str) -> str:
    """``text`` without any secret of this process."""
    return text if _pattern is None else _pattern.sub(REDACTED, text)


def load_credential(
    name: str,
    *,
    file: str = "",
    variable: str = "",
    environ: Mapping[str, str] = os.environ,
    several_lines: bool = False,
) -> Credential:
    """The secret ``name`` (such as ``zaif-key``): systemd's credential, else ``file``, else the ``variable``."""
    assert _CREDENTIAL_NAME.fullmatch(name), name
    directory = environ.get("CREDENTIALS_DIRECTORY")
    if directory:
        path = Path(directory) / name
        if path.exists():
            # systemd made this directory for the service alone; its modes differ between versions
            return Credential(Secret(_read(path, private=False, several_lines=several_lines)), str(path))
    if file:
        path = Path(file)
        return Credential(Secret(_read(path, private=True, several_lines=several_lines)), str(path))
    if variable and environ.get(variable):
        warning = f"secret {name} comes from the environment variable {variable}: other processes may read it there"
        place = f"environment {variable}"
        return Credential(Secret(_alone(environ[variable], place, several_lines)), place, warning)
    ways = f"a credential {name} of the unit, a file with mode 0600 in the profile"
    raise CredentialError(
        f"secret {name} is missing", remedy=f"give {ways}{f', or the variable {variable}' if variable else ''}"
    )


def _read(path: Path, *, private: bool, several_lines: bool) -> str:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
    except OSError as error:
        raise CredentialError(f"{path}: {error.strerror}", remedy="check the path and its permissions") from None
    try:
        _check_file(path, os.fstat(descriptor), private=private)
        content = os.read(descriptor, SECRET_BYTES_MAX + 1)
    finally:
        os.close(descriptor)
    if len(content) > SECRET_BYTES_MAX:
        raise CredentialError(f"{path}: larger than {SECRET_BYTES_MAX} bytes", remedy="this is no secret")
    try:
        return _alone(content.decode(), str(path), several_lines)
    except UnicodeDecodeError:
        raise CredentialError(f"{path}: not UTF-8", remedy="write the secret as plain text") from None


def _alone(content: str, place: str, several_lines: bool) -> str:
    """The secret without the white space around it; CredentialError when it is none."""
    text = content.strip()
    if several_lines:
        text = text.replace("\r\n", "\n")
        if text and all(line.isprintable() for line in text.replace("\t", " ").split("\n")):
            return text
    if not text or not text.isprintable():
        what = "is empty" if not text else "has more than one line or control characters"
        raise CredentialError(f"{place}: {what}", remedy="write the secret alone on one line")
    return text


def _check_file(path: Path, status: os.stat_result, *, private: bool) -> None:
    if not stat.S_ISREG(status.st_mode):
        raise CredentialError(f"{path}: not a regular file", remedy="name a plain file")
    if not private:
        return
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise CredentialError(f"{path}: mode {mode:04o} lets others at the secret", remedy=f"chmod 600 {path}")
    if status.st_uid not in (0, os.geteuid()):
        raise CredentialError(f"{path}: belongs to user {status.st_uid}", remedy=f"chown {os.geteuid()} {path}")
