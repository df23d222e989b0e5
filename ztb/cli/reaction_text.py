"""The reaction table for people, in 80 columns: what each trip does; for ``ztb risk limits`` and ``ztb config``."""

from __future__ import annotations

import textwrap
from typing import Any, Final

from ztb.core.reaction import REACTIONS, SECOND_NS, Reaction

WIDTH: Final = 80
_CODE: Final = 28
_STATUS: Final = 10
_INDENT: Final = 2 + _CODE + _STATUS


def reaction_rows() -> list[dict[str, Any]]:
    """One row for each trip, as plain values, in the order of the table."""
    return [
        {
            "code": reaction.code,
            "requirement": reaction.row,
            "status": str(reaction.status),
            "category": str(reaction.category),
            "recoverable": reaction.recoverable,
            "words": reaction.words,
            "action": reaction.action(),
            "scope": str(reaction.scope),
            "cancels": str(reaction.cancels),
            "reduce_only": str(reaction.reduce_only),
            "kill": reaction.kill,
            "pause_seconds": reaction.pause_ns // SECOND_NS,
        }
        for reaction in REACTIONS.values()
    ]


def reaction_lines() -> list[str]:
    """The same as text: code and status, what happened, and what follows from it."""
    lines = ["what each trip does (fixed: another reaction needs another release; abort wins)"]
    for reaction in REACTIONS.values():
        lines += _row(reaction)
    return lines


def _row(reaction: Reaction) -> list[str]:
    words = textwrap.wrap(f"{reaction.words} ({reaction.row})", WIDTH - _INDENT)
    action = textwrap.wrap(f"-> {reaction.action()}", WIDTH - _INDENT, subsequent_indent="   ")
    head = f"  {reaction.code:{_CODE}}{reaction.status:{_STATUS}}{words[0]}"
    return [head, *(" " * _INDENT + line for line in (*words[1:], *action))]
