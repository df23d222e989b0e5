"""Which policies exist, and how one is made from the text of a profile.

A policy is found by its entry point in the group ``ztb.policies``, ours like anybody else's. The rule: what is wrong
with a name, a parameter or somebody's package is a ConfigError that says what would be right; nothing is guessed.
Code of other packages runs here, at loading, so whatever it raises is caught and named.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Final

from ztb.core.error import ConfigError, ZtbError
from ztb.core.policy import Policy
from ztb.policies.none import NONE, NoPolicy

GROUP: Final = "ztb.policies"

_WHOLE_NUMBER: Final = re.compile(r"[+-]?[0-9]{1,18}")


def load_policy(name: str, parameters: Mapping[str, int | str | bool] | None = None) -> Policy:
    """The policy ``name`` made with ``parameters``; ConfigError naming what exists when it cannot be made.

    A number may come as text (``"10"``, from a command line) where the parameter's default is a number.
    """
    if name == NONE:  # no package can offer another one, and an emergency needs none to be installed
        return NoPolicy()
    entry = _find(name)
    policy_class = _load(entry)
    arguments = _arguments(name, policy_class, dict(parameters or {}))
    try:
        return policy_class(**arguments)
    except ZtbError:
        raise
    except Exception as error:
        raise ConfigError(
            f"policy {name} ({_origin(entry)}) does not accept {arguments!r}: {_one_line(error)}",
            remedy="correct the parameters of the policy",
        ) from error


def available() -> dict[str, str]:
    """Every policy's name with the first line of its description; one that cannot be loaded says so there."""
    described: dict[str, str] = {}
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        try:
            described[entry.name] = _first_line(_load(entry))
        except ConfigError as error:
            described[entry.name] = f"unusable: {error.message}"
    return described


def _find(name: str) -> EntryPoint:
    found = entry_points(group=GROUP)
    matching = [entry for entry in found if entry.name == name]
    if not matching:
        known = ", ".join(sorted({entry.name for entry in found})) or "none: ztb itself is not installed"
        raise ConfigError(f"there is no policy {name!r}", remedy=f"policies that exist: {known}")
    # Which of two would run must not depend on the order of a search path.
    if len({entry.value for entry in matching}) > 1:
        origins = ", ".join(sorted(f"{_origin(entry)}: {entry.value}" for entry in matching))
        raise ConfigError(
            f"policy {name} is offered more than once ({origins})", remedy="uninstall or rename all but one"
        )
    return matching[0]


def _load(entry: EntryPoint) -> type[Policy]:
    try:
        loaded: object = entry.load()
    except (Exception, SystemExit) as error:
        raise ConfigError(
            f"policy {entry.name} of {_origin(entry)} ({entry.value}) cannot be loaded: {_one_line(error)}",
            remedy="repair or uninstall that package",
        ) from error
    if not (isinstance(loaded, type) and issubclass(loaded, Policy)):
        raise ConfigError(
            f"policy {entry.name} of {_origin(entry)} ({entry.value}) is no subclass of ztb.core.policy.Policy",
            remedy="repair or uninstall that package",
        )
    return loaded


def _arguments(name: str, policy_class: type[Policy], parameters: dict[str, Any]) -> dict[str, Any]:
    known = _parameters(policy_class)
    shown = ", ".join(_signature_text(parameter) for parameter in known.values()) or "it takes none"
    for key in parameters:
        if key not in known:
            raise ConfigError(f"policy {name} has no parameter {key!r}", remedy=f"its parameters: {shown}")
    for key, parameter in known.items():
        if parameter.default is parameter.empty and key not in parameters:
            raise ConfigError(f"policy {name} needs the parameter {key!r}", remedy=f"its parameters: {shown}")
    return {key: _converted(name, known[key], value) for key, value in parameters.items()}


def _converted(name: str, parameter: inspect.Parameter, value: object) -> object:
    """``value`` in the type of the parameter's default; ConfigError when it has none such."""
    default = parameter.default
    if default is parameter.empty or default is None or type(value) is type(default):
        return value
    if type(default) is int and isinstance(value, str) and _WHOLE_NUMBER.fullmatch(value):
        return int(value)
    raise ConfigError(
        f"policy {name}: {parameter.name} = {value!r} is not of the right kind",
        remedy=f"use a value like {parameter.name} = {default!r}",
    )


def _parameters(policy_class: type[Policy]) -> dict[str, inspect.Parameter]:
    named = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(policy_class).parameters
    return {key: parameter for key, parameter in found.items() if parameter.kind in named}


def _signature_text(parameter: inspect.Parameter) -> str:
    if parameter.default is parameter.empty:
        return f"{parameter.name} (required)"
    return f"{parameter.name} = {parameter.default!r}"


def _origin(entry: EntryPoint) -> str:
    return f"{entry.dist.name} {entry.dist.version}" if entry.dist is not None else "an unknown package"


def _first_line(policy_class: type[Policy]) -> str:
    lines = (policy_class.__doc__ or "").strip().splitlines()
    return lines[0] if lines else "(no description)"


def _one_line(error: BaseException) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}"
