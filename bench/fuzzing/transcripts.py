"""Transcripts of all formats that merc reads: read, aligned to recognised words, written in all formats, read again."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from merc import formats
from merc.conversation import Conversation, Prediction, Segment, Timeline, Word
from merc.formats.transcript import as_timeline
from merc.labels import EKMAN7
from merc.speech.align import align

SAID = (
    ("Ann", "How nice that you could come!", 0.5, 2.1),
    ("Ben", "I came as soon as I heard, but the train was late.", 2.4, 5.0),
    ("Ann", "It doesn't matter [laughs] at all.", 5.2, 6.9),
    (None, "…", 7.0, 7.4),
    ("Ben", 'Well, 12 of them & <no> more; "really"?', 7.5, 10.25),
)
RECOGNISED = tuple(
    Word(word, Segment(start + 0.2 * place, start + 0.2 * place + 0.15), 0.9)
    for _, text, start, _ in SAID
    for place, word in enumerate(text.split())
)
SLOW = ("docx", "html", "xlsx")
"""Formats whose writing takes most of the time: done for a fifth of the files."""
OTHERS = {
    "audacity.txt": "0.5\t2.1\tHow nice\n2.4\t5.0\tI came as soon\n",
    "named.txt": "Ann: How nice!\nBen: I came as soon as I heard.\n\n[00:00:05] Ann: It doesn't matter\n",
    "otter.txt": "Ann  0:00\nHow nice that you could come!\n\nBen  0:02\nI came as soon as I heard.\n",
    "semicolons.csv": 'sep=;\nStart;Ende;Sprecher;Text\n0,5;2,1;Ann;How nice\n2,4;5,0;Ben;"I came; soon"\n',
    "whisper.json": '{"language": "en", "segments": [{"id": 0, "start": 0.5, "end": 2.1, "text": " How nice",'
    ' "words": [{"word": " How", "start": 0.5, "end": 0.8, "probability": 0.9}]}]}',
    "rolling.vtt": "WEBVTT\nKind: captions\n\n00:00:00.500 --> 00:00:02.100 align:start\n"
    "How<00:00:01.000><c> nice</c>\n\n"
    "00:00:02.100 --> 00:00:02.110\nHow nice\n\n00:00:02.110 --> 00:00:05.000\nHow nice\nI<00:00:03.000><c> came</c>\n",
}


def whole(folder: Path) -> None:
    """One transcript in each format that merc reads and writes, and other programs' forms."""
    from merc.conversation import Utterance

    spoken = tuple(
        Utterance(f"u{n}", who, text, Segment(start, end)) for n, (who, text, start, end) in enumerate(SAID, 1)
    )
    said = Conversation("talk", spoken, {})
    for name in sorted(set(formats.READERS.own) & set(formats.WRITERS.own)):
        formats.write(said, folder / f"talk.{name}")
    (folder / "talk.tsv").write_text((folder / "talk.csv").read_text().replace(",", "\t"))
    for name, text in OTHERS.items():
        (folder / name).write_text(text)


def look(folder: Path, file: Path) -> None:
    """What an analysis and an export do with a transcript."""
    found = formats.read(file)
    said = found.conversation if isinstance(found, Timeline) else found
    aligned = align(said, RECOGNISED, duration=12.0, speech=[Segment(0.5, 10.25)])
    align(said, (), duration=12.0)
    placed = replace(as_timeline(replace(said, utterances=aligned.utterances), "txt"), notes=aligned.notes)
    joy = Prediction({one: 1.0 if one == "joy" else 0.0 for one in EKMAN7}, "joy", 1.0, abstained=False)
    judged = replace(placed, predictions=(joy,) * len(placed.utterances), labels=EKMAN7)
    for name in formats.WRITERS.own:
        if name not in SLOW or file.stat().st_size % 5 == 0:
            _again(judged, folder / f"judged.{name}")
    for name in ("json", "csv"):
        _again(placed, folder / f"placed.{name}")


def _again(timeline: Timeline, path: Path) -> None:
    formats.write(timeline, path)
    if path.suffix != ".html" and any(one.segment and one.text for one in timeline.utterances):
        formats.read(path)
