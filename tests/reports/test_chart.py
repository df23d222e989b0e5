"""The picture: well-formed, alone, and every sample and fill at its place."""

from __future__ import annotations

import re
from pathlib import Path
from xml.etree import ElementTree

import pytest

from tests.reports.scene import INSTRUMENT, at, recorded
from ztb.core.instrument import BUY, SELL
from ztb.reports.chart import BUY_COLOUR, HEIGHT, SELL_COLOUR, WIDTH, price_equity_chart
from ztb.reports.curve import CurvePoint, FillMark
from ztb.reports.svg import checked_svg

SVG = "{http://www.w3.org/2000/svg}"

POINTS = [CurvePoint(at(0), 1000, 100_000), CurvePoint(at(50), 1100, 99_000), CurvePoint(at(100), 1050, 101_000)]
FILLS = [FillMark(at(0), 1000, BUY, 10), FillMark(at(50), 1100, SELL, 5)]


def drawn(
    points: list[CurvePoint] = POINTS, fills: list[FillMark] = FILLS, title: str = "A title", subtitle: str = "more"
) -> ElementTree.Element:
    markup = price_equity_chart(title=title, subtitle=subtitle, instrument=INSTRUMENT, points=points, fills=fills)
    return ElementTree.fromstring(checked_svg(markup))


def texts(root: ElementTree.Element) -> list[str]:
    return [node.text or "" for node in root.iter(f"{SVG}text")]


def paths(root: ElementTree.Element, attribute: str, value: str) -> list[list[tuple[float, float]]]:
    """The corners of every path with this look."""
    return [
        [(float(x), float(y)) for x, y in re.findall(r"([\d.]+) ([\d.]+)", node.get("d", ""))]
        for node in root.iter(f"{SVG}path")
        if node.get(attribute) == value
    ]


def test_both_lines_have_a_corner_for_each_sample_in_proportion() -> None:
    price, equity = paths(drawn(), "stroke", "#222222")
    assert [x for x, _ in price] == [x for x, _ in equity]
    (x0, x1, x2), (y0, y1, y2) = [x for x, _ in price], [y for _, y in price]
    assert x1 - x0 == pytest.approx(x2 - x1, abs=0.2)
    assert y0 - y1 == pytest.approx(2 * (y2 - y1), abs=0.3)
    assert y0 > y1, "a higher price stands higher"
    assert max(y for _, y in price) < min(y for _, y in equity), "the panels do not overlap"


def test_fills_are_triangles_that_point_at_their_price() -> None:
    root = drawn()
    price = paths(root, "stroke", "#222222")[0]
    # The first path of each colour is the legend's.
    (buy,), (sell,) = paths(root, "fill", BUY_COLOUR)[1:], paths(root, "fill", SELL_COLOUR)[1:]
    (left, right, tip) = buy
    assert left[1] == right[1] > tip[1] > price[0][1], "up, and below the price"
    assert tip[0] == price[0][0]
    (left, right, tip) = sell
    assert left[1] == right[1] < tip[1] < price[1][1], "down, and above the price"
    assert tip[0] == price[1][0]
    titles = [node.text for node in root.iter(f"{SVG}title")]
    assert titles[1:] == ["BUY 1.0 at 1000", "SELL 0.5 at 1100"]


def test_the_drawdown_is_shaded_under_the_former_peak() -> None:
    root = drawn()
    equity = paths(root, "stroke", "#222222")[1]
    (area,) = [corners for corners in paths(root, "fill", "#f3d9c6") if corners]
    assert set(equity) <= set(area)
    assert (equity[1][0], equity[0][1]) in area or equity[0][1] == area[0][1], "the height of the first equity goes on"


def test_units_ticks_and_last_values_are_told() -> None:
    told = texts(drawn())
    assert {"A title", "more", "Price (JPY per BTC)", "Equity (JPY)", "Time (UTC)"} <= set(told)
    assert {"BUY fill", "SELL fill", "drawdown"} <= set(told)
    assert {"1,000", "1,050", "1,100"} <= set(told)
    assert {"12:00:00", "12:00:30", "12:01:30"} <= set(told)
    assert told[-1] == "1,010.00"


def test_everything_stays_on_the_paper() -> None:
    root = ElementTree.fromstring(recorded_svg())
    assert root.get("viewBox") == f"0 0 {WIDTH} {HEIGHT}"
    for node in root.iter():
        for key, limit in (("x", WIDTH), ("x1", WIDTH), ("x2", WIDTH), ("y", HEIGHT), ("y1", HEIGHT), ("y2", HEIGHT)):
            assert 0 <= float(node.get(key, "0")) <= limit
        for x, y in re.findall(r"([-\d.]+) ([-\d.]+)", node.get("d", "")):
            assert 0 <= float(x) <= WIDTH
            assert 0 <= float(y) <= HEIGHT


def recorded_svg() -> str:
    report = recorded().finish(
        tape="t", tape_sha256="0", policy="p", parameters={"a": 1}, events=7, begin_ns=at(0), end_ns=at(70)
    )
    return report.to_svg()


def test_a_report_draws_all_its_fills() -> None:
    root = ElementTree.fromstring(recorded_svg())
    assert len(paths(root, "fill", BUY_COLOUR)) == 1 + 3
    assert len(paths(root, "fill", SELL_COLOUR)) == 1 + 4
    assert "p a=1 on btc_jpy" in texts(root)


def test_titles_are_escaped() -> None:
    root = drawn(title="<script>&\"'\x00]]>", subtitle="</svg>")
    assert "<script>&\"'\ufffd]]>" in texts(root)
    assert "</svg>" in texts(root)


def test_nothing_to_draw_says_no_data() -> None:
    root = drawn(points=[], fills=[])
    assert "no data" in texts(root)
    assert paths(root, "stroke", "#222222") == []


@pytest.mark.parametrize(
    "points",
    [[CurvePoint(at(0), 1000, 0)], [CurvePoint(at(0), 1000, 5), CurvePoint(at(9), 1000, 5)]],
    ids=["one sample", "nothing moves"],
)
def test_a_flat_run_is_a_line_in_the_middle(points: list[CurvePoint]) -> None:
    price, equity = paths(drawn(points=points, fills=[]), "stroke", "#222222")
    assert {y for _, y in price} == {228.0}
    assert {y for _, y in equity} == {490.0}


def test_a_long_equity_is_written_as_exactly_as_there_is_room() -> None:
    points = [CurvePoint(at(0), 1000, 10**13), CurvePoint(at(9), 1000, 10**13 + 50_001)]
    assert texts(drawn(points=points, fills=[]))[-1] == "100,000,000,500"


def test_it_refers_to_nothing_outside_itself(tmp_path: Path) -> None:
    markup = recorded_svg()
    assert re.findall(r"[a-z]+://[^\"' ]+", markup) == ["http://www.w3.org/2000/svg"]
    assert not re.search(r"href|url\(|<script|<style|<image|@import", markup)
