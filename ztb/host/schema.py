"""The keys of a profile as data: which exist, what each allows, and which one somebody probably meant.

Everything is read off the models of ``ztb.host.profile``, so that messages and documentation cannot disagree with them.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterator
from decimal import Decimal
from typing import Any, Final, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, MaxLen, MinLen
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from ztb.host.profile import Profile
from ztb.host.toml_places import Key

PARAMETERS: Final[Key] = ("policy", "parameters")
"""Below this key every name is possible: only the policy knows its parameters."""


def dotted(key: Key) -> str:
    """``("limits", "position_max")`` as an operator writes it."""
    return ".".join(key)


def fields() -> dict[Key, FieldInfo]:
    """Every key of a profile that takes a value, in the order of the models."""
    return dict(_fields(Profile, ()))


def sections() -> dict[Key, str]:
    """Every section and what it is about."""
    found = {name: field.annotation for name, field in Profile.model_fields.items()}
    return {(name,): model.__doc__ or "" for name, model in found.items() if _is_model(model)}


def is_key(key: Key) -> bool:
    """Whether a value may stand at ``key``."""
    below_parameters = key[: len(PARAMETERS)] == PARAMETERS and len(key) == len(PARAMETERS) + 1
    return below_parameters or (key in _FIELDS and key != PARAMETERS)


def nearest(key: Key) -> str:
    """The key that was probably meant, dotted, or ""; a right name in the wrong section counts too."""
    names = {dotted(known): known for known in _FIELDS}
    same_name = [name for name, known in names.items() if known[-1] == key[-1]]
    if same_name:
        return same_name[0]
    near = difflib.get_close_matches(dotted(key), names, n=1, cutoff=0.75)
    if near:
        return near[0]
    last_names = {known[-1]: name for name, known in names.items()}
    near = difflib.get_close_matches(key[-1], last_names, n=1, cutoff=0.65)
    return last_names[near[0]] if near else ""


def allowed(key: Key) -> str:
    """What may stand at ``key``, in words."""
    field = _FIELDS.get(key)
    if field is None or key == PARAMETERS:
        return "a whole number, a text, true or false"
    kind = _kind(field.annotation)
    if get_origin(kind) is Literal:
        return "one of " + ", ".join(str(choice) for choice in get_args(kind))
    if kind is bool:
        return "true or false"
    if kind is int:
        return "a whole number" + _range(field)
    if kind is Decimal:
        return "a number" + _range(field)
    pattern = next((item.pattern for item in field.metadata if getattr(item, "pattern", None)), None)
    if pattern and field.examples:
        return "a text like " + ", ".join(map(str, field.examples))
    return f"a text of the form {pattern}" if pattern else "a text" + _range(field)


def default(key: Key) -> str:
    """What holds when nobody sets ``key``, in words."""
    field = _FIELDS[key]
    if field.is_required():
        return "must be given"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, bool):
        return f"default {str(value).lower()}"
    return f"default {value}" if value or value == 0 else "default: none"


def from_text(key: Key, text: str) -> object:
    """The value that ``text`` of an environment variable or option means at ``key``; no type is checked here."""
    field = _FIELDS.get(key)
    kind = None if field is None else _kind(field.annotation)
    if (kind is str or get_origin(kind) is Literal) or "\n" in text:
        return text
    try:
        value: object = tomllib.loads(f"value = {text}", parse_float=Decimal)["value"]
    except (tomllib.TOMLDecodeError, ValueError):
        return text
    return value if isinstance(value, int | Decimal | str) else text


def _fields(model: type[BaseModel], prefix: Key) -> Iterator[tuple[Key, FieldInfo]]:
    for name, field in model.model_fields.items():
        if _is_model(field.annotation):
            assert isinstance(field.annotation, type)
            yield from _fields(field.annotation, (*prefix, name))
        else:
            yield (*prefix, name), field


def _is_model(annotation: object) -> bool:
    return isinstance(annotation, type) and issubclass(annotation, BaseModel)


def _kind(annotation: Any) -> object:  # noqa: ANN401 - an annotation may be any object
    """The type behind Annotated and the like."""
    while get_origin(annotation) not in (None, Literal, Union, dict):
        annotation = get_args(annotation)[0]
    return annotation


def _range(field: FieldInfo) -> str:
    parts = []
    for item in field.metadata:
        match item:
            case Gt(gt=bound):
                parts.append(f"above {bound}")
            case Ge(ge=bound):
                parts.append(f"at least {bound}")
            case Le(le=bound):
                parts.append(f"at most {bound}")
            case MinLen(min_length=bound):
                parts.append(f"at least {bound} long")
            case MaxLen(max_length=bound):
                parts.append(f"at most {bound} long")
    return " " + " and ".join(parts) if parts else ""


_FIELDS: Final = fields()
