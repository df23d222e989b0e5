"""Where settings come from: files, the environment, the command line. Each setting keeps its place.

A layer knows which keys exist but checks no value; the merge of all layers is checked once, at the end.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from ztb.core.error import ConfigError, UsageError
from ztb.host import schema
from ztb.host.aliases import ALIASES
from ztb.host.schema import dotted
from ztb.host.toml_places import Key, key_lines, line_of

FILE_BYTES_MAX: Final = 256 * 1024
"""A profile is a page of text; a larger file is not one."""

PREFIX: Final = "ZTB_"
OTHER_VARIABLES: Final = ("ZTB_CONFIG_DIR", "ZTB_DEBUG", "ZTB_KILL", "ZTB_LOG")
"""Variables of ztb that are no settings of a profile."""

REFUSED: Final = ("RISK_", "HEALTH_BROKER_", "HEALTH_GUARD_", "HEALTH_ORDER_", "HEALTH_WS_")
"""How limits of older systems begin; one that ztb does not know was meant to limit something."""


@dataclass(frozen=True, slots=True)
class Setting:
    """A value and where it was said: ``FILE:LINE``, ``environment NAME`` or ``option --set``."""

    value: object
    place: str


Layer = dict[Key, Setting]


def file_layer(path: Path) -> Layer:
    """The settings of one TOML file; ConfigError with the line if it cannot be read."""
    text = _read(path)
    try:
        document = tomllib.loads(text, parse_float=_number)
    except (ValueError, RecursionError) as error:
        found = re.search(r"\(at line (\d+), column \d+\)", str(error))
        place = f"{path}:{found[1]}" if found else str(path)
        raise ConfigError(f"{place}: not TOML: {error}", remedy=f"correct {path}") from None
    places = key_lines(text)
    return {key: Setting(value, f"{path}:{line_of(places, key) or 1}") for key, value in _leaves(document, ())}


def environment_layer(environ: Mapping[str, str]) -> tuple[Layer, list[str]]:
    """Settings named ``ZTB_SECTION__KEY``, and a warning for each variable of ours that means nothing."""
    layer: Layer = {}
    warnings = []
    for name in sorted(environ):
        if not name.startswith(PREFIX) or name in OTHER_VARIABLES:
            continue
        if "__" not in name:
            warnings.append(f"environment {name} means nothing to ztb; a setting is ZTB_SECTION__KEY")
            continue
        key = tuple(name[len(PREFIX) :].lower().split("__"))
        layer[key] = Setting(schema.from_text(key, environ[name]), f"environment {name}")
    return layer, warnings


def alias_layer(environ: Mapping[str, str], capital: Decimal) -> Layer:
    """Settings by the variable names of older systems; ConfigError if two disagree or one has no meaning."""
    layer: Layer = {}
    for name in sorted(environ):
        if name not in ALIASES:
            if name.startswith(REFUSED):
                family = name.partition("_")[0] + "_"
                known = ", ".join(alias for alias in ALIASES if alias.startswith(family))
                raise ConfigError(f"environment {name}: ztb knows no such limit", remedy=f"unset it; there are {known}")
            continue
        try:
            settings = ALIASES[name].convert(environ[name], capital)
        except ValueError as error:
            message = f"environment {name} = {environ[name]!r}: not allowed; allowed: {error}"
            raise ConfigError(message, remedy=f"correct or unset {name}") from None
        for key, value in settings.items():
            before = layer.get(key)
            if before is not None and before.value != value:
                message = f"environment {name} and {before.place} disagree about {dotted(key)}"
                raise ConfigError(message, remedy="unset one of them")
            layer[key] = Setting(value, f"environment {name}")
    return layer


def option_layer(overrides: Iterable[str]) -> Layer:
    """Settings of ``--set SECTION.KEY=VALUE``; the last of two counts."""
    layer: Layer = {}
    for override in overrides:
        name, equals, text = override.partition("=")
        key = tuple(name.strip().split("."))
        if not equals or not all(key):
            raise UsageError(f"--set {override}: not a setting", remedy="write --set SECTION.KEY=VALUE")
        if key == ("kind",):
            raise UsageError("--set kind: not possible", remedy="the kind of a profile stands in its file alone")
        layer[key] = Setting(schema.from_text(key, text.strip()), "option --set")
    return layer


def _read(path: Path) -> str:
    try:
        with path.open("rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except OSError as error:
        raise ConfigError(f"{path}: {error.strerror}", remedy="check the file and its permissions") from None
    if len(content) > FILE_BYTES_MAX:
        raise ConfigError(f"{path}: larger than {FILE_BYTES_MAX} bytes", remedy="this is no profile")
    try:
        return content.decode().replace("\r\n", "\n")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise ConfigError(f"{path}:{line}: not UTF-8", remedy="save the file as UTF-8") from None


def _number(text: str) -> Decimal:
    return Decimal(text.replace("_", ""))


def _leaves(table: Mapping[str, Any], prefix: Key) -> Iterator[tuple[Key, object]]:
    for name, value in table.items():
        key = (*prefix, name)
        if isinstance(value, dict) and value:
            yield from _leaves(value, key)
        elif not isinstance(value, dict) or (key not in schema.sections() and key != schema.PARAMETERS):
            yield key, value
