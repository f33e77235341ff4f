"""The step that a person takes: contact sheets of every speaker's faces, and a table of decisions to edit.

``decisions.csv`` has one row per face with the automatic choice in ``proposed``. A person writes into ``decision``:
``keep`` or ``drop`` for the face, ``remove utterance`` or ``remove speaker``; empty means as proposed. The next check
obeys.
"""

from __future__ import annotations

import base64
import csv
import io
import re
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from merc import __version__, cache, parquet
from merc.errors import FormatError, InputError, MediaError
from merc.media.clip import HEIGHT
from merc.progress import Progress
from merc.quality.bank import BankFace, Decisions
from merc.storage.remote import fetched
from merc.web.html import Html, Macros, Page, macros, masthead, section

DECISIONS = "decisions.csv"
BANK = "bank.csv"
CHOICES = ("", "keep", "drop", "remove utterance", "remove speaker")

_COLUMNS = ("face", "speaker", "utterance", "time", "person", "proposed", "decision")
_BOX = ("left", "top", "right", "bottom")
_SIDE = 112  # pixels of a face on the sheet


def read_decisions(path: Path) -> Decisions:
    """What a person has decided; nothing where the file is absent.

    Raises FormatError naming the row for a missing column or an unknown decision.
    """
    if not path.exists():
        return Decisions({})
    faces: dict[str, str] = {}
    speakers, utterances = set(), set()
    for number, row in _rows(path, ("face", "speaker", "utterance", "decision")):
        decision = " ".join(row["decision"].casefold().split())
        if decision not in CHOICES:
            raise FormatError(
                f"{path}, row {number}: decision '{row['decision']}'; expected {', '.join(CHOICES[1:])}, or nothing"
            )
        if decision in ("keep", "drop"):
            faces[row["face"]] = decision
        elif decision == "remove utterance":
            utterances.add(row["utterance"])
        elif decision == "remove speaker":
            speakers.add(row["speaker"])
    return Decisions(faces, frozenset(speakers), frozenset(utterances))


def write_bank(bank: Sequence[BankFace], path: Path) -> None:
    """Write the faces of all speakers, without pictures, for the contact sheets."""
    rows = [
        (face.id, face.speaker, face.utterance, repr(face.time), face.person, face.proposed, *map(repr, face.box))
        for face in bank
    ]
    _write_csv(path, (*_COLUMNS[:-1], *_BOX), rows)


def write_sheets(folder: str | Path, *, progress: Progress | None = None) -> list[Path]:
    """Write ``review/index.html``, a page per speaker, and ``decisions.csv`` into the folder of a check; returns them.

    Decisions that are already there stay. Raises InputError for a folder that holds no check with faces.
    """
    folder = Path(folder)
    if not (folder / BANK).exists() or not (folder / "verified.parquet").exists():
        raise InputError(f"{folder}: no {BANK} and verified.parquet; run 'merc check CORPUS --root R --out {folder}'")
    faces = [row for _, row in _rows(folder / BANK, (*_COLUMNS[:-1], *_BOX))]
    given = _given(folder / DECISIONS)
    table = [(*(row[name] for name in _COLUMNS[:-1]), given.get(row["face"], "")) for row in faces]
    _write_csv(folder / DECISIONS, _COLUMNS, table)
    pictures = _pictures(faces, _media(folder), progress)
    speakers: dict[str, list[dict[str, str]]] = {}
    for row in faces:
        speakers.setdefault(row["speaker"], []).append(row | {"decision": given.get(row["face"], "")})
    names = _file_names(list(speakers))
    pages = [folder / "review" / names[speaker] for speaker in speakers]
    for page, (speaker, rows) in zip(pages, speakers.items(), strict=True):
        _write_text(page, _sheet(speaker, rows, pictures))
    index = folder / "review" / "index.html"
    _write_text(index, _index(speakers, names))
    return [folder / DECISIONS, index, *pages]


def _given(path: Path) -> dict[str, str]:
    if not path.exists():
        return {}
    return {row["face"]: row["decision"] for _, row in _rows(path, ("face", "decision"))}


def _media(folder: Path) -> dict[str, str]:
    table = parquet.read(folder / "verified.parquet", ("utterance", "video"))
    return {name: media for name, media in table.iter_rows() if media}


def _pictures(
    faces: Sequence[Mapping[str, str]], media: Mapping[str, str], progress: Progress | None
) -> dict[str, str]:
    """The picture of each face as a data URI, decoded again because pictures are not stored."""
    by_file: dict[str, list[Mapping[str, str]]] = {}
    for face in faces:
        by_file.setdefault(media.get(face["utterance"], ""), []).append(face)
    pictures: dict[str, str] = {}
    for number, (path, rows) in enumerate(by_file.items(), start=1):
        pictures |= _crops(path, rows)
        if progress:
            progress("pictures", number, len(by_file))
    return pictures


def _crops(path: str, rows: Sequence[Mapping[str, str]]) -> dict[str, str]:
    """The pictures of the faces of one file; none where it can no longer be read."""
    from merc.media.forward import VideoOptions
    from merc.media.video import frames

    at: dict[float, list[Mapping[str, str]]] = {}
    for row in rows:
        at.setdefault(float(row["time"]), []).append(row)
    found = {}
    try:
        with fetched(path) as local:
            for frame in frames(local, sorted(at), height=HEIGHT, options=VideoOptions(threads=1)):
                for row in at[frame.time]:
                    found[row["face"]] = _crop(frame.image, [float(row[name]) for name in _BOX])
    except MediaError:
        return found
    return found


def _crop(image: np.ndarray, box: Sequence[float]) -> str:
    """A face with some of what is around it, as a data URI."""
    import cv2

    height, width = image.shape[:2]
    left, top, right, bottom = (value * size for value, size in zip(box, (width, height, width, height), strict=True))
    reach = 0.35 * max(right - left, bottom - top)
    piece = image[
        max(0, round(top - reach)) : max(1, round(bottom + reach)),
        max(0, round(left - reach)) : max(1, round(right + reach)),
    ]
    scale = _SIDE / max(piece.shape[:2])
    size = (max(1, round(piece.shape[1] * scale)), max(1, round(piece.shape[0] * scale)))
    small = cv2.resize(piece, size, interpolation=cv2.INTER_AREA)
    _, data = cv2.imencode(".jpg", cv2.cvtColor(small, cv2.COLOR_RGB2BGR), [cv2.IMWRITE_JPEG_QUALITY, 80])
    return "data:image/jpeg;base64," + base64.b64encode(data.tobytes()).decode()


def _file_names(speakers: Sequence[str]) -> dict[str, str]:
    """One file name per speaker, in plain letters, all distinct."""
    slugs = (re.sub(r"[^a-z0-9]+", "-", name.casefold()).strip("-") for name in speakers)
    return {
        name: f"{number:03d}-{slug[:60]}.html" for number, (name, slug) in enumerate(zip(speakers, slugs, strict=True))
    }


def _sheet(speaker: str, rows: Sequence[Mapping[str, str]], pictures: Mapping[str, str]) -> str:
    parts = [_parts().back()]
    for proposed, title in (("keep", "Taken for the speaker"), ("drop", "Taken for somebody else")):
        chosen = [(row, pictures.get(row["face"])) for row in rows if row["proposed"] == proposed]
        parts.append(section(proposed, f"{title} ({len(chosen)})", _parts().faces(chosen)))
    return _page(speaker, *parts)


def _index(speakers: Mapping[str, Sequence[Mapping[str, str]]], names: Mapping[str, str]) -> str:
    found = [
        {
            "file": names[speaker],
            "speaker": speaker,
            "kept": sum(row["proposed"] == "keep" for row in rows),
            "faces": len(rows),
            "clips": len({row["utterance"] for row in rows}),
        }
        for speaker, rows in speakers.items()
    ]
    return _page("Speakers’ faces", _parts().speakers(found))


def _page(title: str, *body: Html) -> str:
    return Page(
        title=title,
        header=masthead("Review of a check", title, "", ()),
        main=(_parts().how(), *body),
        footer=_parts().footer(__version__),
        style=_STYLE,
    ).render()


def _parts() -> Macros:
    return macros("merc.quality.report", "review.html")


_STYLE = """
.faces{display:flex;flex-wrap:wrap;gap:1rem}
.faces figure{margin:0;width:9rem}
.faces img{height:112px;max-width:100%}
.faces figcaption{font-size:.75rem;overflow-wrap:anywhere}
"""


def _rows(path: Path, needed: Sequence[str]) -> list[tuple[int, dict[str, str]]]:
    """The rows with their line numbers; raises FormatError for a missing column or bytes that are no text."""
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: cannot be read ({error}); expected a csv file in UTF-8") from error
    reader = csv.DictReader(io.StringIO(text, newline=""))
    if missing := [name for name in needed if name not in (reader.fieldnames or ())]:
        raise FormatError(f"{path}: no column {', '.join(missing)}; expected {', '.join(needed)}")
    return [(reader.line_num, {name: row.get(name) or "" for name in reader.fieldnames or ()}) for row in reader]


def _write_csv(path: Path, head: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    target = io.StringIO()
    writer = csv.writer(target, lineterminator="\n")
    writer.writerow(head)
    writer.writerows(rows)
    _write_text(path, target.getvalue())


def _write_text(path: Path, text: str) -> None:
    with cache.replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")
