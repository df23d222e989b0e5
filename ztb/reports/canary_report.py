"""The verdict of a canary run, for a browser and for a terminal, from the same checked value.

The rule: the page is one file that loads nothing and runs nothing; what came from outside is escaped. Verdicts are
told by word and sign, the colour only repeats them. What did not pass stands first on the page, and last, above the
verdict, on a terminal: where each reader looks.
"""

from __future__ import annotations

from collections.abc import Sequence
from string import Template
from typing import Any, Final

from ztb.reports.amounts import aligned
from ztb.reports.canary_run import CanaryRun, Criterion, Rung, canary_run, kind, moment_text, took_text, value_text
from ztb.reports.svg import checked_svg, element, printable, text_escaped

_SIGNS: Final = {"passed": "\u2714", "failed": "\u2718", "limited": "!", "open": "\u2013"}

_PAGE: Final = Template("""<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8"/>
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'"/>
<meta name="viewport" content="width=device-width, initial-scale=1"/>
<title>$title</title>
<style>
:root { --ink: #1c1c1c; --muted: #5c5c5c; --line: #d9d9d9; --soft: #f5f5f5; }
body { font: 15px/1.5 system-ui, "Segoe UI", "DejaVu Sans", Helvetica, Arial, sans-serif; color: var(--ink);
  background: #fff; max-width: 1040px; margin: 2rem auto; padding: 0 1.25rem; }
h1 { font-size: 1.5rem; margin: 0; } h2 { font-size: 1.15rem; margin: 2.2rem 0 .6rem; }
h1 small { display: block; color: var(--muted); font-size: .9rem; font-weight: normal; }
header { display: flex; justify-content: space-between; align-items: flex-start; gap: 1rem;
  border-bottom: 2px solid var(--ink); padding-bottom: 1rem; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1.25rem; margin: 1rem 0; }
dt { color: var(--muted); } dd { margin: 0; }
table { border-collapse: collapse; width: 100%; font-size: .88rem; }
th { text-align: left; color: var(--muted); font-weight: 600; border-bottom: 1px solid var(--ink); }
th, td { padding: .35rem .7rem .35rem 0; vertical-align: top; } td { border-bottom: 1px solid var(--line); }
table.criteria { table-layout: fixed; } .criteria th { width: 18%; } .criteria th:last-child { width: 13%; }
.criteria th.wide { width: auto; }
td.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td.value, code { font-variant-numeric: tabular-nums; overflow-wrap: anywhere; }
code { font: .8rem/1.4 ui-monospace, "DejaVu Sans Mono", Consolas, monospace; }
.badge { display: inline-block; padding: .05rem .55rem; border: 1.5px solid; border-radius: .3rem; font-weight: 700;
  font-size: .78rem; white-space: nowrap; }
header .badge { font-size: 1.4rem; padding: .25rem 1rem; }
h2 .badge { margin-left: .6rem; vertical-align: .1em; }
.passed { color: #00664b; background: #e6f5f0; } .failed { color: #a33600; background: #fdeee6; }
.limited { color: #7a5200; background: #fff5dc; } .open { color: #555; background: #f0f0f0; }
.muted { color: var(--muted); } ul { margin: .6rem 0; padding-left: 1.2rem; }
figure { margin: 1rem 0; } figure svg { width: 100%; height: auto; } figcaption { color: var(--muted); }
@media print { body { margin: 0; max-width: none; font-size: 11px; } section, figure { break-inside: avoid; }
  .badge { -webkit-print-color-adjust: exact; print-color-adjust: exact; } }
</style>
</head>
<body>
$body
</body>
</html>
""")


def render_canary_html(run: dict[str, Any]) -> str:
    """The page, complete in itself. UsageError when ``run`` lacks something, InvariantBroken for a bad chart."""
    told = canary_run(run)
    parts = [_header(told), _facts(told), _open_points(told), _overview(told), _charts(told)]
    parts += [_rung(rung) for rung in told.rungs]
    parts.append(_manifest(told))
    title = text_escaped(f"Canary run {told.run_id}: {told.verdict}")
    return _PAGE.substitute(title=title, body="\n".join(part for part in parts if part))


def render_canary_text(run: dict[str, Any]) -> str:
    """The same for a terminal; the last line is the verdict. UsageError when ``run`` lacks something."""
    told = canary_run(run)
    lines = [f"Canary run {printable(told.run_id)}", *aligned(told.facts()), ""]
    for rung in told.rungs:
        took = took_text(rung.started, rung.ended)
        lines.append(f"{printable(rung.name)}: {printable(rung.verdict)}  ({took})")
        lines += _columns([_text_row(criterion) for criterion in rung.criteria])
        lines += [f"  note: {printable(note)}" for note in rung.notes]
        lines.append("")
    if told.manifest:
        size = sum(entry.size for entry in told.manifest)
        files = "1 file" if len(told.manifest) == 1 else f"{len(told.manifest)} files"
        lines += [f"Bundle: {files}, {size:,} bytes", ""]
    missed = told.not_passed()
    if missed:
        lines.append("Not passed")
        lines += _columns([(printable(rung.name), *_text_row(criterion)) for rung, criterion in missed])
        lines.append("")
    lines += [told.summary(), f"Verdict: {printable(told.verdict)}"]
    return "\n".join(lines) + "\n"


def _text_row(criterion: Criterion) -> tuple[str, ...]:
    measured = f"measured {value_text(criterion.measured)}"
    allowed = f"required {value_text(criterion.threshold)}"
    return (printable(criterion.verdict), printable(criterion.id), measured, allowed, printable(criterion.text))


def _columns(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Left-aligned columns; a cell of more than 28 characters pushes only its own row."""
    widths = [max((len(cell) for cell in column if len(cell) <= 28), default=0) for column in zip(*rows, strict=True)]
    padded = (("  ".join(f"{cell:<{width}}" for cell, width in zip(row, widths, strict=True))) for row in rows)
    return [f"  {row}".rstrip() for row in padded]


def _header(run: CanaryRun) -> str:
    small = element("small", {}, [text_escaped(run.summary())])
    heading = element("h1", {}, [text_escaped(f"Canary run {run.run_id}"), small])
    return element("header", {}, [heading, _badge(run.verdict)])


def _facts(run: CanaryRun) -> str:
    rows = (
        element("dt", {}, [text_escaped(name)]) + element("dd", {}, [text_escaped(value)])
        for name, value in run.facts()
    )
    return element("dl", {}, rows)


def _overview(run: CanaryRun) -> str:
    rows = []
    for rung in run.rungs:
        passed = sum(kind(criterion.verdict) == "passed" for criterion in rung.criteria)
        told = f"{passed} of {len(rung.criteria)}" if rung.criteria else "none evaluated"
        took = _cell(took_text(rung.started, rung.ended), "value")
        rows.append([_cell(rung.name), _cell(told, "value"), took, element("td", {}, [_badge(rung.verdict)])])
    return _section("Rungs", [_table(("Rung", "Criteria passed", "Duration", "Verdict"), rows)]) if rows else ""


def _open_points(run: CanaryRun) -> str:
    missed = run.not_passed()
    if not missed:
        return ""
    head = ("Rung", "Criterion", "Measured", "Required", "Verdict")
    rows = [[_cell(rung.name), *_criterion_cells(criterion)] for rung, criterion in missed]
    return _section("Not passed", [_table(head, rows)])


def _rung(rung: Rung) -> str:
    span = f"{moment_text(rung.started)} to {moment_text(rung.ended)}, {took_text(rung.started, rung.ended)}"
    parts = [element("p", {"class": "muted"}, [text_escaped(span)])]
    if rung.criteria:
        head = ("Criterion", "Measured", "Required", "Verdict")
        parts.append(_table(head, [_criterion_cells(criterion) for criterion in rung.criteria]))
    else:
        parts.append(element("p", {}, ["No criterion was evaluated."]))
    if rung.notes:
        parts.append(element("ul", {}, [element("li", {}, [text_escaped(note)]) for note in rung.notes]))
    return _section(f"Rung {rung.name}", parts, badge=_badge(rung.verdict))


def _charts(run: CanaryRun) -> str:
    figures = (
        element("figure", {}, [element("figcaption", {}, [text_escaped(chart.title)]), checked_svg(chart.svg)])
        for chart in run.charts
    )
    return _section("Charts", list(figures)) if run.charts else ""


def _manifest(run: CanaryRun) -> str:
    if not run.manifest:
        return ""
    rows = [
        [_cell(entry.path), _cell(f"{entry.size:,}", "number"), element("td", {}, [_code(entry.sha256)])]
        for entry in run.manifest
    ]
    return _section("Files of the bundle", [_table(("File", "Bytes", "SHA-256"), rows)])


def _criterion_cells(criterion: Criterion) -> list[str]:
    return [
        element("td", {}, [element("strong", {}, [text_escaped(criterion.id)]), " ", text_escaped(criterion.text)]),
        _cell(value_text(criterion.measured), "value"),
        _cell(value_text(criterion.threshold), "value"),
        element("td", {}, [_badge(criterion.verdict)]),
    ]


def _section(heading: str, parts: Sequence[str], *, badge: str = "") -> str:
    return element("section", {}, [element("h2", {}, [text_escaped(heading), badge]), *parts])


def _table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    names = (f'<th class="wide">{name}</th>' if name == "Criterion" else f"<th>{name}</th>" for name in head)
    top = element("tr", {}, names)
    body = (element("tr", {}, cells) for cells in rows)
    looks: dict[str, str | float] = {"class": "criteria"} if "Criterion" in head else {}
    return element("table", looks, [element("thead", {}, [top]), element("tbody", {}, body)])


def _cell(text: str, looks: str = "") -> str:
    return f'<td class="{looks}">{text_escaped(text)}</td>' if looks else f"<td>{text_escaped(text)}</td>"


def _code(text: str) -> str:
    return element("code", {}, [text_escaped(text)])


def _badge(verdict: str) -> str:
    looks = kind(verdict)
    return element("span", {"class": f"badge {looks}"}, [f"{_SIGNS[looks]} {text_escaped(verdict)}"])
