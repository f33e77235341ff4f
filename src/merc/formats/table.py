"""Tables (``.csv``, ``.tsv``, ``.parquet``): one row per utterance, one column per probability."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from merc.conversation import Conversation, Evidence, Prediction, Timeline
from merc.edits import predicted_label
from merc.errors import FormatError
from merc.formats import clock, source
from merc.formats.columns import ACCEPTED, FIELDS, field_of, item
from merc.formats.source import Item, shown
from merc.parquet import encoded, parsed

MODALITIES = ("text", "voice", "face")
"""Modalities whose columns are always written, so that tables of several recordings can be joined."""

NOTE = "note"
CORRECTED = ("predicted", "corrected_by", "corrected_at", NOTE)
"""Columns of the corrected layer."""

_DELIMITERS = ",;\t|"
_FORMULA = re.compile("'*[=+\\-@\t\r]")  # how a spreadsheet tells a formula from a text, and such a text with our mark
_UTTERANCE = ("id", "start", "end", "speaker", "text", "label")


def columns(timeline: Timeline) -> dict[str, type]:
    """Columns of the table in order, with their types.

    The columns of the utterance are followed by ``p_<label>`` (fused distribution) and, for every modality,
    ``<modality>_label`` (the most probable label), ``<modality>_p_<label>`` and ``<modality>_missing`` (the reason).
    A system that predicts values on dimensions adds ``v_<dimension>``.
    Where people corrected labels or left notes, ``predicted``, ``corrected_by``, ``corrected_at`` and ``note`` are in
    between. A transcript has the columns of the utterance only.
    """
    names: dict[str, type] = {name: float if name in ("start", "end") else str for name in _UTTERANCE}
    if not timeline.labels:
        return names
    names |= {"confidence": float, "abstained": bool, "reason": str}
    if any(guess.correction or NOTE in one.meta for one, guess in timeline):
        names |= dict.fromkeys(CORRECTED, str)
    names |= {f"p_{label}": float for label in timeline.labels}
    names |= {f"v_{name}": float for guess in timeline.predictions for name in guess.values}
    seen = {evidence.modality: None for prediction in timeline.predictions for evidence in prediction.evidence}
    for modality in dict.fromkeys((*MODALITIES, *seen)):
        names[f"{modality}_label"] = str
        names |= {f"{modality}_p_{label}": float for label in timeline.labels}
        names[f"{modality}_missing"] = str
    return names


def rows(timeline: Timeline) -> Iterator[dict[str, Any]]:
    """Rows of the table: times to 1 ms, probabilities to 4 decimals; unknown values have no key."""
    for utterance, prediction in timeline:
        row: dict[str, Any] = {"id": utterance.id, "speaker": utterance.speaker, "text": utterance.text}
        if utterance.segment is not None:
            row["start"], row["end"] = (time / 1000 for time in clock.milliseconds(utterance.segment))
        if not timeline.labels:
            yield row | {"label": utterance.label}
            continue
        row |= {"label": prediction.label, "confidence": round(float(prediction.confidence), 4)}
        row |= {"abstained": bool(prediction.abstained), "reason": prediction.reason} | _correction(prediction)
        row[NOTE] = utterance.meta.get(NOTE)
        row |= _shares("p_", prediction.probabilities) | _shares("v_", prediction.values)
        for evidence in prediction.evidence:
            row |= _modality(evidence)
        yield row


def write_csv(timeline: Timeline, path: Path) -> None:
    """Write the table as CSV in UTF-8, with commas and ``\\n``.

    Kept: the predictions of every modality, times to 1 ms, probabilities to 4 decimals. Lost: words, details of the
    evidence, ``meta``, the difference between unknown and empty texts. A text that a spreadsheet would take for a
    formula has an apostrophe in front (``shielded``), which ``read_csv`` removes.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    names = columns(timeline)
    written = [",".join(map(_cell, names))]
    written.extend(",".join(_cell(shielded(row.get(name))) for name in names) for row in rows(timeline))
    path.write_bytes(source.utf8("\n".join(written) + "\n"))


def shielded(value: Any) -> Any:
    """A value of a table in CSV: a text that starts with ``=``, ``+``, ``-``, ``@``, a tab or a return gets a mark.

    >>> shielded("=1+1"), shielded("1+1"), shielded(-1.5), shielded("'=1+1")
    ("'=1+1", '1+1', -1.5, "''=1+1")
    """
    return f"'{value}" if isinstance(value, str) and _FORMULA.match(value) else value


def _bare(cell: str) -> str:
    """Inverse of ``shielded``."""
    return cell[1:] if cell.startswith("'") and _FORMULA.match(cell) else cell


def write_parquet(timeline: Timeline, path: Path) -> None:
    """Write the table as Parquet: as CSV, but with typed columns and null for unknown values.

    Raises:
        OSError: If the file cannot be written; ``merc.formats.write`` turns it into OutputError.
    """
    names = columns(timeline)
    cells = [{name: _clean(row.get(name)) for name in names} for row in rows(timeline)]
    path.write_bytes(encoded(names, cells))


def read_csv(path: Path) -> Conversation:
    """Read a table with a header, separated by comma, semicolon, tab or ``|``.

    Columns are recognised by the names in ``merc.formats.columns``; others go to ``meta``. Times are seconds or
    ``hh:mm:ss.mmm``.

    Raises:
        FormatError: If there is neither a text column nor times, or if a cell is malformed.
    """
    text, notes = source.decoded(path)
    text = text.lstrip()
    if text.lower().startswith("sep="):
        text = text.partition("\n")[2].lstrip()
    if not text:
        raise FormatError(f"{path.name} has no header line: expected the names of columns ({ACCEPTED})")
    with _long_cells(len(text)):
        names, cells = _cells(path, text)
    if wide := next((number for number, row in cells if len(row) > len(names)), None):
        raise FormatError(
            f"{path.name} line {wide} has more cells than the {len(names)} columns of the first row: "
            "quote the texts that contain the delimiter"
        )
    bare = _bare if _ours(names) or tuple(names[: len(_UTTERANCE)]) == _UTTERANCE else str
    records = [(number, dict(zip(names, map(bare, row), strict=False))) for number, row in cells]
    return conversation(path, names, records, notes=notes)


def _ours(names: Sequence[str]) -> bool:
    """Whether a table has the columns of one that merc wrote of a timeline."""
    return {"confidence", "abstained", "reason"} <= set(names)


@contextmanager
def _long_cells(length: int) -> Iterator[None]:
    """The library refuses cells above 131,072 characters; here a cell may be as long as the file."""
    before = csv.field_size_limit(max(length, csv.field_size_limit()))
    try:
        yield
    finally:
        csv.field_size_limit(before)


def _cells(path: Path, text: str) -> tuple[list[str], list[tuple[int, list[str]]]]:
    """The names in the first row, and the other rows with their line numbers."""
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=_delimiter(text), skipinitialspace=True, strict=True)
    try:
        names = next(reader)
        _require_columns(path, names, text)  # before the rows: another format may have unbalanced quotation marks
        return names, [(reader.line_num, row) for row in reader if any(row)]
    except csv.Error as error:
        raise FormatError(
            f"{path.name} line {reader.line_num}: {error}; double the quotation marks inside quoted cells"
        ) from error


def read_parquet(path: Path) -> Conversation:
    """Read a Parquet table; columns are recognised by the names in ``merc.formats.columns``, others go to ``meta``.

    Raises:
        MissingExtra: If polars is not installed.
        FormatError: If the file is not Parquet, has neither a text column nor times, or has a malformed cell.
    """
    table = parsed(io.BytesIO(source.read_bytes(path)), Path(path.name))
    return conversation(path, table.columns, list(enumerate(table.to_dicts(), 1)))


def _require_columns(path: Path, names: Sequence[str], text: str) -> None:
    known = {field_of(name)[0] for name in names}
    if "text" not in known and not {"start", "end"} <= known and not {"start", "duration"} <= known:
        raise FormatError(
            f"{path.name} has the columns {shown(', '.join(map(str, names)))}; expected text, or start and end, among "
            f"them ({ACCEPTED}); {source.hint(path, text)}"
        )


def conversation(
    path: Path, names: Sequence[str], records: Sequence[tuple[int, Mapping[str, Any]]], *, notes: Sequence[str] = ()
) -> Conversation:
    """The utterances of a table.

    Args:
        path: The file, for messages.
        names: Its columns.
        records: Number of each row, and its values by column.
        notes: Sentences on what was guessed so far.

    Raises:
        FormatError: If there is neither a text column nor times, or if a cell is malformed.
    """
    _require_columns(path, names, "")
    items = [_row(path, number, record, ours=_ours(names)) for number, record in records]
    return source.conversation(path, items, notes=notes, meta={"format": path.suffix[1:].lower()})


def _row(path: Path, number: int, record: Mapping[str, Any], *, ours: bool) -> Item:
    try:
        if not ours:
            return item(record)
        kept = {name: value for name, value in record.items() if name in (*FIELDS, NOTE) and name != "label"}
        return item(kept, meta=_label(record))
    except ValueError as error:
        raise FormatError(f"{path.name} row {number}: {error}; correct the cell or leave it empty") from error


def _label(record: Mapping[str, Any]) -> dict[str, Any]:
    """The predicted label, or the one that a person set: by its name, or because it differs from the predicted one."""
    label = record.get("label") or None
    if record.get("corrected_by") or ("predicted" in record and label != (record["predicted"] or None)):
        return {"predicted": record.get("predicted") or None, "corrected": label}
    share = record.get("confidence")
    return {"predicted": label, "confidence": None if share in (None, "") else _share(share)}


def _share(written: Any) -> float:
    return float(str(written).replace(",", "."))


def _delimiter(text: str) -> str:
    first = text.splitlines()[0]

    def fit(delimiter: str) -> tuple[int, int]:
        names = next(csv.reader([first], delimiter=delimiter, skipinitialspace=True), [])
        return sum(field_of(name)[0] in FIELDS for name in names), len(names)

    return max(_DELIMITERS, key=fit)


def _shares(prefix: str, probabilities: Mapping[str, float] | None) -> dict[str, float]:
    return {f"{prefix}{label}": round(float(share), 4) for label, share in (probabilities or {}).items()}


def _correction(prediction: Prediction) -> dict[str, Any]:
    """What the model said of a label that a person set, and who set it; there is no confidence in such a label."""
    found: dict[str, Any] = {"predicted": predicted_label(prediction)}
    if one := prediction.correction:
        found |= {"corrected_by": one.by, "corrected_at": one.at, "confidence": None}
    return found


def _modality(evidence: Evidence) -> dict[str, Any]:
    name = evidence.modality
    top = Prediction(evidence.probabilities, None, 0.0, abstained=False).top
    return {f"{name}_label": top, f"{name}_missing": evidence.missing} | _shares(f"{name}_p_", evidence.probabilities)


def _clean(value: Any) -> Any:
    return source.utf8(value).decode() if isinstance(value, str) else value


def _cell(value: Any) -> str:
    if value is None:
        return ""
    written = str(value).lower() if isinstance(value, bool) else str(value)
    if value == "" or written != written.strip() or any(mark in written for mark in ',;"\n\r\t|'):
        return '"' + written.replace('"', '""') + '"'
    return written
