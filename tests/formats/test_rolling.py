"""Rolling captions: each line once, from when it appears."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc import formats
from merc.formats.rolling import unrolled
from merc.formats.source import Item

LINES = ["so I went there", "and she said no", "which I knew", "from the start"]


def stamped(line: str, start: float) -> str:
    """A line as YouTube writes it, each word behind the first with a stamp and a tag."""
    first, *others = line.split()
    rest = "".join(f"<00:00:{start + 0.2 * n:06.3f}><c> {word}</c>" for n, word in enumerate(others, 1))
    return first + rest


def youtube() -> str:
    """Captions of YouTube: two lines of which the second is spoken, and an instant in which the first is repeated."""
    cues, before = ["WEBVTT\nKind: captions\nLanguage: en\n"], " "
    for number, line in enumerate(LINES):
        start, end = 1.0 + 2 * number, 2.99 + 2 * number
        cues.append(
            f"00:00:{start:06.3f} --> 00:00:{end:06.3f} align:start position:0%\n{before}\n{stamped(line, start)}\n"
        )
        cues.append(f"00:00:{end:06.3f} --> 00:00:{end + 0.01:06.3f} align:start position:0%\n{line}\n \n")
        before = line
    return "\n".join(cues)


def test_captions_of_youtube(tmp_path: Path) -> None:
    (tmp_path / "a.vtt").write_text(youtube())
    found = formats.read(tmp_path / "a.vtt")
    assert [one.text for one in found] == LINES
    assert [(one.segment.start, one.segment.end) for one in found if one.segment] == [
        (1.0, 2.99),
        (3.0, 4.99),
        (5.0, 6.99),
        (7.0, 8.99),
    ]
    assert found.meta["notes"] == ("a.vtt has captions that repeat the lines before; each line was read once.",)


def test_subtitles_that_were_made_from_them(tmp_path: Path) -> None:
    shown = [[LINES[0]], [LINES[0]], LINES[0:2], [LINES[1]], LINES[1:3], [LINES[2]], LINES[2:4]]
    text = "".join(
        f"{n}\n00:00:0{n},000 --> 00:00:0{n},990\n" + "\n".join(lines) + "\n\n" for n, lines in enumerate(shown, 1)
    )
    (tmp_path / "a.srt").write_text(text)
    assert [one.text for one in formats.read(tmp_path / "a.srt")] == LINES


def test_three_lines_and_a_line_that_grows() -> None:
    rolls = [Item("\n".join(LINES[max(0, n - 2) : n + 1]), start=n, end=n + 1) for n in range(4)]
    assert [(one.text, one.start) for one in unrolled(rolls)[0]] == [(line, n) for n, line in enumerate(LINES)]
    words = ["so", "I", "went", "there"]
    grows = [Item(" ".join(words[: n + 1]), start=n, end=n + 1) for n in range(4)]
    assert [(one.text, one.start, one.end) for one in unrolled(grows)[0]] == [("so I went there", 0, 4)]


@pytest.mark.parametrize(
    "texts",
    [
        ["Kids are talking by the door."] * 6,  # one sentence in many moods
        ["No.", "No.", "Why?", "No."],
        ["- Yes.\n- No.", "No.", "Oh."],
    ],
)
def test_what_people_repeat_is_kept(texts: list[str]) -> None:
    items = [Item(text, start=n, end=n + 1) for n, text in enumerate(texts)]
    assert unrolled(items) == (items, False)
