"""docs/risk.md says what the code does; ``python -m tests.service.test_risk_page`` renews its tables."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ztb.cli.main import NOUNS
from ztb.core.control import PERMITS, REFUSALS
from ztb.core.gate import REASONS
from ztb.core.reaction import REACTIONS
from ztb.service.health import WORDS
from ztb.service.signals import Signal, Thresholds
from ztb.service.vitals import Vitals

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "risk.md"
WINDOWS = {
    "order_error_rate": "5 minutes",
    "order_retry_rate": "5 minutes",
    "broker_latency_p95": "5 minutes",
    "guard_trip_count": "1 hour",
    "ws_staleness": "now",
}


def refusals() -> list[str]:
    return [f"| `{code}` | {words} |" for code, words in REASONS.items()]


def levels() -> list[str]:
    """From the strongest control to none."""

    def yes(permitted: bool) -> str:
        return "leave" if permitted else "stay"

    return [
        f"| {level.name.lower()} | {yes(permit.opening)} | {yes(permit.reducing)} | {yes(permit.cancels)} | "
        f"{f'`{REFUSALS[level]}`' if level in REFUSALS else ''} |"
        for level, permit in sorted(PERMITS.items(), reverse=True)
    ]


def reactions() -> list[str]:
    return [
        f"| `{one.code}` ({one.row}) | {one.status} | {one.words} | {one.action()} | "
        f"{'yes' if one.recoverable else 'no'} | {one.category} |"
        for one in REACTIONS.values()
    ]


def health() -> list[str]:
    return [
        f"| {state.name.lower()} | {words.status} | {words.monitor_status} | {words.go} | {words.exit_code} |"
        for state, words in WORDS.items()
    ]


def signals() -> list[str]:
    return [
        f"| `{signal.name}` | {_in_units(signal.warn, signal)} | {_in_units(signal.crit, signal)} | "
        f"{WINDOWS[signal.name]} |"
        for signal in Vitals(lambda: 0).signals(Thresholds(), trips=None, data_age_ns=None)
    ]


def _in_units(value: int, signal: Signal) -> str:
    match signal.unit:
        case "ppm":
            assert value % 10_000 == 0
            return f"{value // 10_000} %"
        case "ms" if value >= 10_000:
            return f"{value // 1_000} s"
    return f"{value} ms" if signal.unit == "ms" else str(value)


TABLES = {
    "refusals": ("refused with | because", refusals),
    "levels": ("level | orders that open | orders that shrink | cancels | refused with", levels),
    "reactions": ("code | status | what happened | what follows | passes by itself | category", reactions),
    "health": ("state | status | monitor_status | go | exit code", health),
    "signals": ("signal | from here on WARN | from here on CRIT | measured over", signals),
}


def renewed(text: str) -> str:
    """The page with its tables as the code is now."""
    for name, (head, rows) in TABLES.items():
        begin, end = f"<!-- {name} -->\n", f"<!-- end of {name} -->"
        before, found_begin, rest = text.partition(begin)
        _, found_end, after = rest.partition(end)
        assert found_begin, f"{PAGE} has no place for {name}"
        assert found_end, f"{PAGE} has no end of {name}"
        rule = "---|" * len(head.split("|"))
        table = "".join(f"{row}\n" for row in (f"| {head} |", f"|{rule}", *rows()))
        text = before + begin + table + end + after
    return text


def test_the_tables_are_what_the_code_does() -> None:
    text = PAGE.read_text(encoding="utf-8")
    assert text == renewed(text), "run: python -m tests.service.test_risk_page"


def test_every_trip_has_its_advice_and_nothing_else_has() -> None:
    text = PAGE.read_text(encoding="utf-8")
    section = text.partition("## At three in the morning")[2].partition("\n## ")[0]
    advised = re.findall(r"^\| `([a-z_]+)` \| (\S.*?) \| (\S.*?) \|$", section, re.MULTILINE)
    assert [code for code, _, _ in advised] == list(REACTIONS)


@pytest.mark.parametrize("page", ["docs/risk.md", "README.md"])
def test_commands_that_are_named_exist(page: str) -> None:
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`ztb ([a-z]+)", text)) | set(re.findall(r"^    ztb ([a-z]+)", text, re.MULTILINE))
    assert named <= set(NOUNS), sorted(named - set(NOUNS))


def test_the_readme_leads_to_it() -> None:
    assert "(docs/risk.md)" in (ROOT / "README.md").read_text(encoding="utf-8")


if __name__ == "__main__":
    PAGE.write_text(renewed(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
