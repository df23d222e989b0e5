"""Loads a profile: finds it, merges every source in its order, checks the result and says where each value is from.

Order, later wins: the file ``profiles/NAME.toml``, its drop-ins ``NAME.toml.d/*.toml`` by name, aliases of older
systems, the environment ``ZTB_SECTION__KEY``, options. Whatever is wrong is a ConfigError with place and remedy.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from ztb.core.error import AmountError, ConfigError
from ztb.core.money import decimal_from_text
from ztb.host import bounds, schema
from ztb.host.layers import Layer, Setting, alias_layer, environment_layer, file_layer, option_layer
from ztb.host.paths import PROFILE_NAME
from ztb.host.profile import Profile
from ztb.host.schema import dotted
from ztb.host.toml_places import Key

SYSTEM_DIRECTORY: Final = Path("/etc/ztb")
SHIPPED_DIRECTORY: Final = Path(__file__).resolve().parents[2] / "etc"
"""Beside the package in a checkout, so that a fresh clone works."""

PROBLEMS_SHOWN_MAX: Final = 10
DEFAULT: Final = "default"
_CAPITAL: Final[Key] = ("sizing", "capital")


@dataclass(frozen=True)
class LoadedProfile:
    """A checked profile with its provenance."""

    name: str
    profile: Profile
    files: tuple[Path, ...]
    """What was read: the profile and its drop-ins."""
    sources: dict[str, str]
    """Dotted key to ``FILE:LINE``, ``environment NAME``, ``option --set`` or ``default``."""
    digest: str
    """SHA-256 of the effective values without the section credentials; two hosts that agree trade alike."""
    warnings: tuple[str, ...]

    def effective(self) -> dict[str, int | str | bool]:
        """Every value by its dotted key, amounts as text."""
        return effective(self.profile)


def load_profile(
    name: str,
    *,
    config_dir: Path | None = None,
    overrides: Iterable[str] = (),
    environ: Mapping[str, str] = os.environ,
) -> LoadedProfile:
    """The profile ``name``; ``overrides`` are texts ``section.key=value``."""
    path = find_profile(name, config_dir=config_dir, environ=environ)
    files = (path, *drop_ins(path))
    file_layers = [file_layer(file) for file in files]
    from_environment, warnings = environment_layer(environ)
    from_options = option_layer(overrides)
    capital = _capital(merge([*file_layers, from_environment, from_options]))
    settings = merge([*file_layers, alias_layer(environ, capital), from_environment, from_options])
    remedy = f"correct it, then `ztb config check --profile {name}`"
    _refuse(_unknown_keys(settings), remedy)
    profile = _validated(settings, path, remedy)
    sources = dict.fromkeys(effective(profile), DEFAULT)
    sources.update({dotted(key): setting.place for key, setting in settings.items()})
    _refuse([f"{sources[dotted(key)]}: {dotted(key)} {why}" for key, why in bounds.violations(profile)], remedy)
    warnings = [*warnings, *(f"{sources[dotted(key)]}: {dotted(key)} {why}" for key, why in bounds.idle(profile))]
    return LoadedProfile(name, profile, files, sources, digest(profile), tuple(warnings))


def find_profile(name: str, *, config_dir: Path | None, environ: Mapping[str, str]) -> Path:
    """The file of the profile ``name``. A directory that somebody named is the only one that is looked in."""
    directories = [directory / "profiles" for directory in search_path(config_dir, environ)]
    found = {directory: _toml_files(directory) for directory in directories}
    for directory in directories if PROFILE_NAME.fullmatch(name) else ():
        path = directory / f"{name}.toml"
        if path in found[directory]:
            return path
    known = sorted({file.stem for files in found.values() for file in files})
    looked = ", ".join(map(str, directories))
    remedy = f"profiles here: {', '.join(known)}" if known else "name another directory with --config-dir"
    raise ConfigError(f"there is no profile {name!r} in {looked}", remedy=remedy)


def search_path(config_dir: Path | None, environ: Mapping[str, str]) -> tuple[Path, ...]:
    """Where profiles are looked for, in this order."""
    if config_dir is not None:
        return (config_dir,)
    if environ.get("ZTB_CONFIG_DIR"):
        return (Path(environ["ZTB_CONFIG_DIR"]),)
    return (SYSTEM_DIRECTORY, SHIPPED_DIRECTORY)


def drop_ins(path: Path) -> list[Path]:
    """The files that amend the profile at ``path``, in the order in which they do."""
    return _toml_files(path.parent / f"{path.name}.d")


def _toml_files(directory: Path) -> list[Path]:
    """By name; none where there is no such directory. One that may not be looked into could hold limits: ConfigError.

    ``Path.glob`` would take it for an empty one.
    """
    try:
        return sorted(directory / name for name in os.listdir(directory) if name.endswith(".toml"))  # noqa: PTH208
    except (FileNotFoundError, NotADirectoryError):
        return []
    except OSError as error:
        raise ConfigError(f"{directory}: {error.strerror}", remedy="let the user that runs ztb read it") from None


def merge(layers: Iterable[Layer]) -> Layer:
    """One layer from many; a later one that names another policy drops the parameters of the earlier policy."""
    merged: Layer = {}
    for layer in layers:
        policy, before = layer.get(("policy", "name")), merged.get(("policy", "name"))
        if policy is not None and before is not None and policy.value != before.value:
            merged = {key: value for key, value in merged.items() if key[: len(schema.PARAMETERS)] != schema.PARAMETERS}
        merged.update(layer)
    return merged


def effective(profile: Profile) -> dict[str, int | str | bool]:
    """Every value by its dotted key; amounts are written in one way only, so that 0.0100 equals 0.01."""
    values: dict[str, int | str | bool] = {}
    for key in schema.fields():
        value = bounds.value_at(profile, key)
        if isinstance(value, dict):
            values.update({f"{dotted(key)}.{name}": value[name] for name in sorted(value)})
        elif isinstance(value, Decimal):
            text = f"{value:f}"
            values[dotted(key)] = text.rstrip("0").rstrip(".") if "." in text else text
        else:
            assert isinstance(value, int | str), key
            values[dotted(key)] = value
    return values


def digest(profile: Profile) -> str:
    """SHA-256 (hex) of the canonical JSON of the effective values, credentials left out."""
    values = {key: value for key, value in effective(profile).items() if not key.startswith("credentials.")}
    canonical = json.dumps(values, sort_keys=True, ensure_ascii=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


def _capital(settings: Layer) -> Decimal:
    """The capital as far as it is a number yet; 0 lets the check at the end tell what is wrong with it."""
    setting = settings.get(_CAPITAL)
    try:
        return decimal_from_text(str(setting.value)) if setting is not None else Decimal(0)
    except AmountError:
        return Decimal(0)


def _unknown_keys(settings: Layer) -> list[str]:
    problems = []
    for key, setting in settings.items():
        if schema.is_key(key):
            continue
        if key in schema.sections() or key == schema.PARAMETERS:
            problems.append(f"{setting.place}: {dotted(key)} is a section, not a value")
            continue
        near = schema.nearest(key)
        hint = f"did you mean {near}?" if near else "`ztb config keys` lists all"
        problems.append(f"{setting.place}: unknown key {dotted(key)}; {hint}")
    return problems


def _validated(settings: Layer, path: Path, remedy: str) -> Profile:
    tree: dict[str, Any] = {name: {} for (name,) in schema.sections()}
    for key, setting in settings.items():
        table = tree
        for name in key[:-1]:
            table = table.setdefault(name, {})
        table[key[-1]] = setting.value
    try:
        return Profile.model_validate(tree)
    except ValidationError as error:
        problems: dict[Key, str] = {}
        for details in error.errors(include_url=False):
            key, text = _problem(tuple(str(part) for part in details["loc"]), details, settings, path)
            problems.setdefault(key, text)
        _refuse(list(problems.values()), remedy)
        raise AssertionError("a validation error without problems") from error


def _problem(location: Key, details: Mapping[str, Any], settings: Layer, path: Path) -> tuple[Key, str]:
    """The key that one finding of pydantic is about, and the sentence for the operator."""
    if details["type"] == "missing":
        return location, f"{path}: {dotted(location)} is missing; allowed: {schema.allowed(location)}"
    key = next(location[:length] for length in range(len(location), 0, -1) if location[:length] in settings)
    setting: Setting = settings[key]
    shown = str(setting.value) if isinstance(setting.value, Decimal) else repr(setting.value)
    shown = shown if len(shown) <= 60 else shown[:57] + "..."
    why = f" ({details['ctx']['error']})" if details["type"] == "value_error" else ""
    return key, f"{setting.place}: {dotted(key)} = {shown}: not allowed{why}; allowed: {schema.allowed(key)}"


def _refuse(problems: list[str], remedy: str) -> None:
    if not problems:
        return
    shown = problems[:PROBLEMS_SHOWN_MAX]
    if len(problems) > len(shown):
        shown.append(f"and {len(problems) - len(shown)} more")
    raise ConfigError("\n  ".join(shown), remedy=remedy)
