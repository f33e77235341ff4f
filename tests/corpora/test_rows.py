"""Text files and tables: what is broken is named by file and row."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora.rows import lines_of, parsed, table, text_of
from merc.errors import FormatError, InputError


def test_a_header_may_have_other_columns_in_any_order() -> None:
    (row,) = parsed('b,"c, d",a\n1,x,2\n\n', "t.csv", ("a", "b"))
    assert (row["a"], row["b"], row["c, d"], row.where) == ("2", "1", "x", "t.csv, row 2")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a\n1\n", r"t.csv: required column b not found \(columns: a\); expected a, b"),
        ("a,b\n1\n", "t.csv, row 2: 1 cells beginning '1'; expected 2"),
        (
            'a,b\n1,2\n"3,4\n',
            "t.csv, row 3: unexpected end of data; expected a complete table; download the file again",
        ),
    ],
)
def test_a_malformed_table_is_named_by_its_row(text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        list(parsed(text, "t.csv", ("a", "b")))


@pytest.mark.parametrize(("cell", "message"), [("-1", "expected a whole number"), ("1.5", "a '1.5'"), ("٣", "a '٣'")])
def test_an_integer_has_ascii_digits_only(cell: str, message: str) -> None:
    (row,) = parsed(f"a\n{cell}\n", "t.csv", ("a",))
    with pytest.raises(FormatError, match=message):
        row.integer("a")


@pytest.mark.parametrize("cell", ["nan", "inf", "1e999", "", "1,5"])
def test_a_number_is_finite(cell: str) -> None:
    (row,) = parsed(f'a,b\n"{cell}",x\n', "t.csv", ("a",))
    with pytest.raises(FormatError, match="expected a number"):
        row.number("a")


def test_numbers_are_read() -> None:
    (row,) = parsed("a,b\n-1.5e2, 7 \n", "t.csv", ("a", "b"))
    assert (row.number("a"), row.integer("b")) == (-150.0, 7)


def test_bytes_of_another_encoding_are_named_by_line_or_kept(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(b"a\nit\x92s\n")
    with pytest.raises(FormatError, match=r"t\.csv, line 2: byte 0x92 is not UTF-8; download the file again"):
        text_of(path)
    assert [row["a"] for row in table(path, ("a",), lenient=True)] == ["it\x92s"]
    path.write_bytes(b"a\n\n\0")
    with pytest.raises(FormatError, match=r"t\.csv, line 3: a NUL byte; expected text in UTF-8"):
        text_of(path)
    with pytest.raises(InputError, match=r"cannot read .*gone\.csv: No such file"):
        text_of(tmp_path / "gone.csv")


def test_only_line_feeds_end_a_line(tmp_path: Path) -> None:
    path = tmp_path / "t.txt"
    path.write_bytes("a\u2028b\r\n \nc".encode())
    assert list(lines_of(path)) == [(f"{path}, line 1", "a\u2028b"), (f"{path}, line 3", "c")]
