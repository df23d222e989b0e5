"""Help that fits the terminal: paragraphs are filled anew, examples stay as written or hang under themselves."""

from __future__ import annotations

import argparse
import re
import textwrap
from typing import Final

_GAP: Final = re.compile(r"(?<=\S) {2,}(?=\S)")
"""Between an example and the words that explain it."""
EXPLANATION_WIDTH_MIN: Final = 24
HANGING: Final = 6


class HelpFormatter(argparse.RawDescriptionHelpFormatter):
    """Folds description and epilog of every command; where there are no examples as argparse itself does it."""

    def _fill_text(self, text: str, width: int, indent: str) -> str:
        return textwrap.indent("\n".join(fitted(text, width - len(indent))), indent)


def fitted(text: str, width: int) -> list[str]:
    """Lines that are no longer than ``width``, where their words allow it."""
    lines: list[str] = []
    paragraph: list[str] = []
    for line in [*text.rstrip("\n").split("\n"), ""]:
        if line and not line.startswith(" ") and not line.endswith(":"):
            paragraph.append(line)
            continue
        if paragraph:
            lines += textwrap.wrap(" ".join(paragraph), width, break_long_words=False, break_on_hyphens=False)
            paragraph = []
        lines += _example(line, width)
    return lines[:-1]


def _example(line: str, width: int) -> list[str]:
    """A command and its explanation; what does not fit beside it goes below."""
    if len(line) <= width:
        return [line]
    gap = _GAP.search(line)
    if gap is None:
        hanging = " " * max(len(line) - len(line.lstrip()), HANGING)
        return textwrap.wrap(line, width, subsequent_indent=hanging, break_long_words=False, break_on_hyphens=False)
    room = width - gap.end()
    if room >= EXPLANATION_WIDTH_MIN:
        hanging = " " * gap.end()
        told = textwrap.wrap(line[gap.end() :], room, break_long_words=False)
        return [line[: gap.end()] + told[0], *(hanging + rest for rest in told[1:])]
    told = textwrap.wrap(line[gap.end() :], width - HANGING, break_long_words=False)
    return [line[: gap.start()], *(" " * HANGING + rest for rest in told)]
