"""SVG elements: escaped whatever comes in, and a gate for what may stand inside a page."""

from __future__ import annotations

from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ztb.core.error import InvariantBroken
from ztb.reports.svg import checked_svg, element, label, path, printable

HEAD = '<svg xmlns="http://www.w3.org/2000/svg">'


@given(text=st.text(alphabet=st.characters(codec="utf-8")), value=st.text(alphabet=st.characters(codec="utf-8")))
def test_any_text_comes_back_from_a_parser(text: str, value: str) -> None:
    node = ElementTree.fromstring(label(1, 2.25, text, data_x=value))
    shown = "".join(character if character.isprintable() or character == " " else "" for character in text)
    parsed = "".join(character for character in node.text or "" if character.isprintable() or character == " ")
    assert parsed.replace("\ufffd", "") == shown.replace("\ufffd", "")
    assert list(node) == []
    assert (node.get("x"), node.get("y")) == ("1", "2.2")
    assert set(node.attrib) == {"x", "y", "data-x"}


def test_printable_text_cannot_steer_a_terminal() -> None:
    assert printable("a\x1b[31m\n\tb\x9b1mc\x00") == "a\ufffd[31m b\ufffd1mc\ufffd"


def test_a_path_joins_stretches_on_one_height() -> None:
    assert path([(0, 5), (1, 5), (2, 5), (3, 6), (4, 6)]) == "M0.0 5.0L2.0 5.0L3.0 6.0L4.0 6.0"
    assert path([(0, 5)]) == "M0.0 5.0"
    assert path([]) == ""


def test_a_plain_picture_may_stand_in_a_page() -> None:
    markup = HEAD + element("g", {"fill": "none"}, [label(0, 0, "<b>")]) + "</svg>"
    assert checked_svg(markup) == markup


@pytest.mark.parametrize(
    "markup",
    [
        HEAD,
        "text",
        "<svg></svg>",
        '<g xmlns="http://www.w3.org/2000/svg"/>',
        HEAD + "<script>alert(1)</script></svg>",
        HEAD + "<image/></svg>",
        HEAD + "<foreignObject/></svg>",
        HEAD + "<style>@import 'x'</style></svg>",
        HEAD + '<use href="#a"/></svg>',
        HEAD + '<g onclick="x()"/></svg>',
        HEAD + '<g OnLoad="x()"/></svg>',
        HEAD + '<text xmlns:l="http://www.w3.org/1999/xlink" l:href="http://x/"/></svg>',
        HEAD + '<rect fill="url(http://x/)"/></svg>',
        HEAD + '<rect style="background: red"/></svg>',
        HEAD + '<h:script xmlns:h="http://www.w3.org/1999/xhtml"/></svg>',
        '<!DOCTYPE svg [<!ENTITY a "b">]>' + HEAD + "<text>&a;</text></svg>",
    ],
)
def test_a_picture_that_does_or_loads_anything_is_refused(markup: str) -> None:
    with pytest.raises(InvariantBroken, match="a chart "):
        checked_svg(markup)
