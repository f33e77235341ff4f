from __future__ import annotations

from merc.web.html import Html
from merc.web.tables import table


def test_numbers_are_aligned_to_the_right_and_the_last_row_may_be_a_sum() -> None:
    text = table(("name", "count", "share"), [("a<b", 1200, "50.0%"), ("sum", None, "1%")], foot=True)
    assert '<th scope="col">name</th><th scope="col" class="n">count</th><th scope="col" class="n">share</th>' in text
    assert '<th scope="row"><bdi>a&lt;b</bdi></th><td class="n">1,200</td><td class="n"><bdi>50.0%</bdi></td>' in text
    assert '<tr class="total"><th scope="row"><bdi>sum</bdi></th><td class="n">–</td>' in text


def test_cells_are_written_by_their_type() -> None:
    text = table(("name", "value"), [("truth", True), ("number", 0.12345), ("html", Html("<code>x</code>"))])
    assert "<td>yes</td>" in text
    assert "<td>0.123</td>" in text
    assert "<td><code>x</code></td>" in text


def test_a_table_may_have_no_head_and_be_named_by_a_heading() -> None:
    text = table((), [("beam", "1")], label="options")
    assert "<thead>" not in text
    assert '<div class="wide" tabindex="0" role="region" aria-labelledby="options">' in text


def test_a_table_without_rows_keeps_its_head() -> None:
    assert '<th scope="col">name</th>' in table(("name",), [])
