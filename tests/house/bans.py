"""What code in ``core`` and ``policies`` may not contain, because the same events must give the same bytes.

A finding is a line of text; ``findings`` reads one module. The check is syntactic and errs on the strict side: a
place that is right although it looks wrong is named in ``EXEMPT`` with its reason.
"""

from __future__ import annotations

import ast
from collections.abc import Iterator

from tests.house.floors import imports
from tests.house.source import Module

MODULES_ALLOWED = frozenset(
    {
        "__future__", "abc", "bisect", "collections", "dataclasses", "decimal", "enum", "functools", "hashlib",
        "heapq", "itertools", "json", "operator", "typing", "msgspec",
    }
)  # fmt: skip
"""Of the standard library: nothing that knows the time, the host, chance, a file, a thread or a network. Beyond it only
msgspec, whose structs are made three times as fast as dataclasses: the SMA job takes 11 % less for it."""

NAMES_BANNED = {
    "float": "float is not exact",
    "complex": "complex is made of floats",
    "open": "no input or output here",
    "print": "no input or output here",
    "input": "no input or output here",
    "eval": "code from text",
    "exec": "code from text",
    "compile": "code from text",
    "__import__": "imports must be visible",
    "hash": "the hash of a text changes with PYTHONHASHSEED",
    "id": "an address changes from run to run",
}

EXEMPT: dict[tuple[str, str], str] = {
    ("ztb.policies.registry", "import"): "finds the installed policies; runs once, before the first event",
}
"""(module, kind of finding) -> why it is right there."""

_SET_MAKERS = frozenset({"set", "frozenset"})
_SET_OPERATORS = (ast.BitOr, ast.BitAnd, ast.Sub, ast.BitXor)
_ORDER_TAKERS = frozenset({"list", "tuple", "iter", "next", "enumerate", "zip", "map", "filter", "reversed", "dict"})
"""Calls whose result depends on the order of what they are given; ``sorted``, ``len``, ``sum`` of ints do not."""


def findings(module: Module) -> list[str]:
    """Everything in ``module`` that is banned, as ``place:line: kind: detail``, exemptions taken off."""
    found = sorted({*_imports(module), *_expressions(module), *_set_orders(module)})
    return [
        f"{module.place}:{line}: {kind}: {detail}" for line, kind, detail in found if (module.name, kind) not in EXEMPT
    ]


def unused_exemptions(modules: tuple[Module, ...]) -> list[str]:
    """Exemptions that excuse nothing (any more)."""
    kinds = {
        (module.name, kind)
        for module in modules
        for _, kind, _ in (*_imports(module), *_expressions(module), *_set_orders(module))
    }
    return [f"{name}: {kind}" for name, kind in EXEMPT if (name, kind) not in kinds]


def _imports(module: Module) -> Iterator[tuple[int, str, str]]:
    for line, target in imports(module):
        top = target.split(".")[0]
        if top != "ztb" and top not in MODULES_ALLOWED:
            yield line, "import", top


def _expressions(module: Module) -> Iterator[tuple[int, str, str]]:
    for node in ast.walk(module.tree):
        match node:
            case ast.Constant(value=float() | complex()):
                yield node.lineno, "float literal", repr(node.value)
            case ast.Name(id=name) if name in NAMES_BANNED:
                yield node.lineno, "name", f"{name}: {NAMES_BANNED[name]}"
            case ast.BinOp(op=ast.Div()) | ast.AugAssign(op=ast.Div()):
                yield node.lineno, "true division", "use // or a named rounding"
            case ast.BinOp(op=ast.Pow(), right=ast.UnaryOp(op=ast.USub())):
                yield node.lineno, "negative power", "gives a float"
            case ast.AsyncFunctionDef() | ast.Await() | ast.AsyncFor() | ast.AsyncWith():
                yield node.lineno, "async", "the core waits for nothing"
            case ast.Attribute(attr="truediv"):
                yield node.lineno, "true division", "operator.truediv"
            case _:
                pass


def _set_orders(module: Module) -> Iterator[tuple[int, str, str]]:
    known = _set_names(module.tree)
    detail = "the order of a set changes with PYTHONHASHSEED; sort it or use a dict"
    for node in ast.walk(module.tree):
        taken: list[ast.expr] = []
        match node:
            case ast.For() | ast.comprehension():
                taken = [node.iter]
            case ast.Starred(value=value) | ast.YieldFrom(value=value):
                taken = [value]
            case ast.Call(func=ast.Name(id=name)) if name in _ORDER_TAKERS:
                taken = node.args
            case ast.Call(func=ast.Attribute(attr="join" | "extend" | "fromkeys")):
                taken = node.args
            case ast.Call(func=ast.Attribute(attr="pop", value=value), args=[]):
                taken = [value]
            case _:
                pass
        for value in taken:
            if _is_set(value, known):
                yield value.lineno, "set order", detail


def _set_names(tree: ast.Module) -> frozenset[str]:
    """Names and attributes that are given a set anywhere in the file, or annotated as one."""
    found: set[str] = set()
    for _ in range(3):  # A name may get its set from another name; three hops are plenty for one file.
        known = frozenset(found)
        for node in ast.walk(tree):
            match node:
                case ast.Assign(targets=targets, value=value) if _is_set(value, known):
                    found.update(_name(target) for target in targets)
                case ast.AnnAssign(target=target, annotation=annotation, value=given) if _says_set(annotation) or (
                    given is not None and _is_set(given, known)
                ):
                    found.add(_name(target))
                case ast.arg(arg=name, annotation=said) if said is not None and _says_set(said):
                    found.add(name)
                case _:
                    pass
    return frozenset(found - {""})


def _name(target: ast.expr) -> str:
    match target:
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name
        case _:
            return ""


def _says_set(annotation: ast.expr) -> bool:
    bare = annotation.value if isinstance(annotation, ast.Subscript) else annotation
    names = {"set", "frozenset", "Set", "AbstractSet", "FrozenSet", "MutableSet"}
    if _name(bare) in {"Final", "ClassVar"} and isinstance(annotation, ast.Subscript):
        return _says_set(annotation.slice)
    return _name(bare) in names


def _is_set(value: ast.expr, known: frozenset[str]) -> bool:
    match value:
        case ast.Set() | ast.SetComp():
            return True
        case ast.Call(func=ast.Name(id=name)):
            return name in _SET_MAKERS
        case ast.Name(id=name) | ast.Attribute(attr=name):
            return name in known
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _SET_OPERATORS):
            return _is_set(left, known) or _is_set(right, known)
        case _:
            return False
