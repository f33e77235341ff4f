from __future__ import annotations

import ast
import base64
import doctest
import hashlib
import re
from pathlib import Path

import pytest

import merc
from merc.web import html
from merc.web.html import Html, Page, masthead, resource, safe, section

PACKAGE = Path(merc.__file__).parent
TEMPLATES = sorted(PACKAGE.rglob("templates/*.html"))


def test_the_examples_of_the_docstrings_hold() -> None:
    assert doctest.testmod(html).failed == 0


def test_text_is_escaped_and_html_is_not() -> None:
    assert safe("<a href='x'>\"&\x00") == "&lt;a href=&#39;x&#39;&gt;&#34;&amp;\ufffd"
    assert safe(Html("<i>&amp;</i>")) == "<i>&amp;</i>"
    assert safe(Html("<i>") + "<b>") == "<i>&lt;b&gt;"  # plain text that is joined to it is escaped
    assert safe("".join([Html("<i>"), "<b>"])) == "&lt;i&gt;&lt;b&gt;"  # joined to plain text it is plain text again


def test_a_page_without_a_script_allows_none() -> None:
    page = Page(
        "A & B", Html("<h1>A</h1>"), [Html("<p>one</p>"), Html(), Html("<p>two</p>")], Html("<p>end</p>")
    ).render()
    assert "<title>A &amp; B</title>" in page
    assert "<main>\n<p>one</p>\n<p>two</p>\n</main>" in page
    assert "script" not in page
    assert "default-src 'none'; style-src 'unsafe-inline'; img-src data:; base-uri 'none'; form-action 'none'" in page


def test_a_page_allows_its_own_script_by_hash() -> None:
    page = Page("A", Html(), [], Html(), script="let x = 1;", skip=("list", "To the list")).render()
    digest = base64.b64encode(hashlib.sha256(b"let x = 1;").digest()).decode()
    assert f"script-src 'sha256-{digest}'; img-src data:; media-src 'self' file: blob:;" in page
    assert "<script>let x = 1;</script>" in page
    assert '<a class="skip" href="#list">To the list</a>' in page


def test_the_style_of_a_page_follows_that_of_all_pages() -> None:
    page = Page("A", Html(), [], Html(), style=".own { color: red; }").render()
    style = re.search(r"<style>(.*?)</style>", page, re.DOTALL)[1]  # type: ignore[index]
    assert style == resource("merc.web", "base.css") + ".own { color: red; }"


def test_the_masthead_leaves_out_what_is_empty() -> None:
    head = masthead("Kind", "A <title>", "", [("facts", 3, ""), ("more", Html("<b>4</b>"), "of 5")])
    assert head == (
        '<p class="kind">Kind</p><h1><bdi>A &lt;title&gt;</bdi></h1><dl class="facts"><div><dt>facts</dt><dd>3</dd>'
        "</div><div><dt>more</dt><dd><b>4</b><small>of 5</small></dd></div></dl>"
    )


def test_a_section_is_labelled_by_its_heading() -> None:
    assert section("a", "A & B", Html("<p>x</p>")) == (
        '<section aria-labelledby="a"><h2 id="a">A &amp; B</h2>\n<p>x</p></section>'
    )


def test_a_part_that_was_not_marked_as_html_is_escaped() -> None:
    page = Page("A", "<h1>A</h1>", ["<script>x</script>"], "<p>end</p>").render()  # type: ignore[arg-type]
    assert "<h1>" not in page and "<script>" not in page and "<p>end" not in page
    assert "&lt;script&gt;x&lt;/script&gt;" in page
    assert section("a", "A", "<p>x</p>").endswith("&lt;p&gt;x&lt;/p&gt;</section>")  # type: ignore[arg-type]


@pytest.mark.parametrize("path", TEMPLATES, ids=lambda path: path.stem)
def test_no_template_switches_escaping_off(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert not re.search(r"\|\s*safe\b|autoescape|Markup", text)
    assert not re.search(r"=\{\{", text.replace("--p:{{", "").replace("class=l{{", "").replace("rowspan={{", ""))


def test_pages_are_joined_nowhere_else() -> None:
    """Outside templates no element of a page is written, but in the palette's and pages' own styles."""
    rooms = [PACKAGE / name for name in ("report", "web", "quality", "server")]
    joined = {
        path.relative_to(PACKAGE).as_posix()
        for room in rooms
        for path in room.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.JoinedStr) and re.search(r"</?[a-z]+[ >]", ast.unparse(node))
    }
    assert joined == set()
