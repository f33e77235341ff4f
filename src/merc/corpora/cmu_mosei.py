"""CMU-MOSEI: monologues of videos, each segment with sentiment from -3 to 3 and six emotions from 0 to 3.

The layout is that of the CMU Multimodal SDK (its ``computational_sequence/file_ops.py`` and ``CMU_MOSEI/README.md``),
and for the raw release as s3prl's ``downstream/mosei`` reads it:

    CMU_MOSEI_Labels.csd              HDF5: "All Labels"/data/VIDEO/features (n, 7) and intervals (n, 2)
    CMU_MOSEI_TimestampedWords.csd    HDF5: words/data/VIDEO/features (m, 1) text and intervals (m, 2)
    cmu_mosei_std_folds.py            the SDK's lists of videos of train, validation and test
    Raw/Transcript/Segmented/Combined/VIDEO.txt    VIDEO___NUMBER___START___END___TEXT, instead of the words
    Raw/Videos/Full/Combined/VIDEO.mp4, Raw/Audio/Full/WAV_16000/VIDEO.wav    recordings, where they are there

The ``.csd`` files may also lie in ``labels`` and ``languages``. A conversation is a video, its utterances the segments
in order of time; ids are those of the SDK, such as ``-3g5yACwYnA[2]``.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import MappingProxyType
from typing import Any

import numpy as np

from merc.conversation import Conversation, Segment, Utterance
from merc.corpora.corpus import Corpus, Item, items, required
from merc.corpora.rows import lines_of
from merc.errors import FormatError, InputError, require
from merc.labels import SENTIMENT2

EMOTIONS = ("happy", "sad", "anger", "surprise", "disgust", "fear")
"""In the order of the labels, after the sentiment."""
_LABELS, _WORDS = "CMU_MOSEI_Labels.csd", "CMU_MOSEI_TimestampedWords.csd"
_FOLDS = "cmu_mosei_std_folds.py"
_PARTS = {"standard_train_fold": "train", "standard_valid_fold": "dev", "standard_test_fold": "test"}
_APART = "unassigned"
_TRANSCRIPTS = "Raw/Transcript/Segmented/Combined"
_RECORDINGS = ("Raw/Videos/Full/Combined/{}.mp4", "Raw/Audio/Full/WAV_16000/{}.wav")
_PAUSE = "sp"
_NEAR = 0.05  # seconds by which the times of a transcript and of the labels may differ
_Timed = tuple[np.ndarray, np.ndarray]
"""Rows ``(n, d)`` and their times ``(n, 2)`` in seconds."""

CORPUS = Corpus(
    name="cmu-mosei",
    title="CMU-MOSEI, Multimodal Opinion Sentiment and Emotion Intensity (Zadeh et al., ACL 2018)",
    modality="conversation",
    source="http://multicomp.cs.cmu.edu/resources/cmu-mosei-dataset/",
    licence="research",
    noncommercial=True,
    folder="cmu_mosei",
    splits=("train", "dev", "test"),
    to_ekman7=MappingProxyType(dict.fromkeys(SENTIMENT2)),
    why="the label is the sentiment, which is no emotion; the six emotions are intensities of which several may hold",
    defects=(
        "the counts are those that papers report for the folds of the SDK, after its alignment to words; the file of "
        "labels has some more segments, and videos that are in no fold (split 'unassigned')",
        "a segment whose sentiment is 0 has no label: negative and positive leave it out, as papers since 2019 do",
        "monologues, mostly one speaker per video; who it is in several videos is not known",
    ),
    counts=MappingProxyType({"train": 16_326, "dev": 1_871, "test": 4_659}),
    variants=(
        "binary: sentiment below and above 0; seven classes: the sentiment rounded away from 0, as the SDK does",
        "emotions: an intensity from 0 to 3 each, present above 0",
    ),
)


def conversations(root: Path) -> list[Conversation]:
    """Read the labels with the words or the transcripts, and the recordings that are there.

    ``scores`` has ``sentiment`` and the six emotions. ``meta`` has ``split``, ``media`` and ``media_missing``.

    Raises:
        InputError: If the labels, the folds, or both words and transcripts are missing.
        MissingExtra: If h5py is not installed.
        FormatError: If a file is damaged, or a value is out of its range.
    """
    (folds,) = required(root, _FOLDS, corpus=CORPUS)
    parts = _parts(folds)
    words = _find(root, _WORDS, "languages")
    if words is None and not (root / _TRANSCRIPTS).is_dir():
        required(root, _WORDS, _TRANSCRIPTS, corpus=CORPUS)
    labelled = _find(root, _LABELS, "labels") or required(root, _LABELS, corpus=CORPUS)[0]
    with _sequences(labelled) as labels, _sequences(words) as spoken:
        return [_conversation(root, video, labels, spoken, parts) for video in labels.videos]


def read(root: Path) -> list[Item]:
    """The same segments as items, grouped by video."""
    return items(conversations(root))


def _find(root: Path, name: str, folder: str) -> Path | None:
    return next((path for path in (root / name, root / folder / name) if path.is_file()), None)


def _parts(path: Path) -> dict[str, str]:
    """The part of each video, from the lists of the SDK's module, which is parsed and never run."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"))
        assigned = {
            target.id: ast.literal_eval(node.value)
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name) and target.id in _PARTS
        }
    except (SyntaxError, ValueError, UnicodeDecodeError) as error:
        raise FormatError(f"{path}: {error}; expected lists of videos, as in the SDK's file of this name") from error
    if missing := sorted(set(_PARTS) - set(assigned)):
        raise FormatError(f"{path}: no {', '.join(missing)}; expected the SDK's file of this name")
    return _once(assigned, path)


def _once(assigned: Mapping[str, list[str]], path: Path) -> dict[str, str]:
    """The part of each video, which is in one list."""
    found: dict[str, str] = {}
    for name, videos in assigned.items():
        for video in videos:
            if found.setdefault(str(video), _PARTS[name]) != _PARTS[name]:
                raise FormatError(f"{path}: video '{str(video)[:60]}' is in two folds; expected one")
    return found


class _Sequences:
    """A computational sequence: rows and times by video; empty without a file."""

    def __init__(self, path: Path | None, data: Any) -> None:
        self._path, self._data = path, data
        self.videos: list[str] = sorted(data)

    def of(self, video: str) -> _Timed:
        """Features and intervals of a video; none where it has none."""
        if video not in self._data:
            return np.zeros((0, 0)), np.zeros((0, 2))
        try:
            features, times = (np.asarray(self._data[video][name][()]) for name in ("features", "intervals"))
        except (KeyError, OSError, AttributeError) as error:
            raise FormatError(f"{self._path}: video '{video}': {error}; expected features and intervals") from error
        if features.ndim != 2 or times.shape != (len(features), 2):
            raise FormatError(
                f"{self._path}: video '{video}': features {features.shape}, intervals {times.shape}; expected (n, d) "
                "and (n, 2)"
            )
        return features, times.astype(np.float64)


@contextmanager
def _sequences(path: Path | None) -> Iterator[_Sequences]:
    if path is None:
        yield _Sequences(None, {})
        return
    require("h5py", extra="hdf5", what=f"{path} needs {{}}")
    import h5py

    try:
        with h5py.File(path, "r") as file:
            roots = [one for one in file.values() if "data" in one]
            if len(roots) != 1:
                raise FormatError(f"{path}: {len(roots)} computational sequences; expected one group with 'data'")
            yield _Sequences(path, roots[0]["data"])
    except OSError as error:
        raise FormatError(f"{path}: {error}; expected HDF5 of the CMU Multimodal SDK") from error


def _conversation(
    root: Path, video: str, labels: _Sequences, spoken: _Sequences, parts: Mapping[str, str]
) -> Conversation:
    values, times = labels.of(video)
    split = parts.get(video, _APART)
    meta = {"split": split, **_media(root, video)}
    told = spoken.of(video) if spoken.videos else _lines(root / _TRANSCRIPTS / f"{video}.txt")
    turns = []
    for place in np.argsort(times[:, 0], kind="stable").tolist():
        name = f"{video}[{place}]"
        scores, segment = _scores(name, values[place]), _segment(name, times[place])
        text = _between(told, segment) if spoken.videos else _line(told, segment)
        label = None if scores["sentiment"] == 0 else SENTIMENT2[scores["sentiment"] > 0]
        turns.append(Utterance(name, video, text or None, segment, label=label, scores=scores, meta=meta))
    return Conversation(video, tuple(turns), {"split": split})


def _media(root: Path, video: str) -> dict[str, Any]:
    places = [one.format(video) for one in _RECORDINGS]
    found = next((root / one for one in places if (root / one).is_file()), None)
    return {"media": str(found)} if found else {"media": None, "media_missing": f"no {' or '.join(places)}"}


def _scores(name: str, row: np.ndarray) -> dict[str, float]:
    if len(row) != 1 + len(EMOTIONS):
        raise FormatError(f"segment {name}: {len(row)} labels; expected sentiment, {', '.join(EMOTIONS)}")
    found = {one: round(float(value), 6) for one, value in zip(("sentiment", *EMOTIONS), row, strict=True)}
    wrong = [one for one, value in found.items() if not (0 if one in EMOTIONS else -3) <= value <= 3]
    if wrong:
        raise FormatError(
            f"segment {name}: {wrong[0]} {found[wrong[0]]}; expected sentiment from -3 to 3, emotions from 0 to 3"
        )
    return found


def _segment(name: str, times: np.ndarray) -> Segment:
    try:
        return Segment(max(0.0, float(times[0])), float(times[1]))
    except InputError as error:
        raise FormatError(
            f"segment {name}: from {times[0]} to {times[1]}; expected seconds, start below end"
        ) from error


def _between(words: _Timed, segment: Segment) -> str:
    """The words whose middle lies in a segment."""
    rows, times = words
    middles = times.mean(1)
    inside = np.flatnonzero((middles >= segment.start) & (middles < segment.end))
    said = [row.decode("utf-8", "replace") if isinstance(row := rows[n][0], bytes) else str(row) for n in inside]
    return " ".join(word for word in said if word != _PAUSE)


def _lines(path: Path) -> _Timed:
    """The texts of a transcript ``(n, 1)`` with their times; none where there is no file."""
    texts: list[list[str]] = []
    times: list[tuple[float, float]] = []
    for where, line in lines_of(path) if path.is_file() else ():
        if not line.strip():
            continue
        parts = line.split("___", 4)
        try:
            times.append((float(parts[2]), float(parts[3])))
            texts.append([parts[4].strip()])
        except (ValueError, IndexError) as error:
            raise FormatError(f"{where}: '{line[:60]}'; expected VIDEO___NUMBER___START___END___TEXT") from error
    return np.array(texts, object).reshape(-1, 1), np.array(times, np.float64).reshape(-1, 2)


def _line(told: _Timed, segment: Segment) -> str:
    """The text of the line with the times of a segment."""
    texts, times = told
    for text, (start, end) in zip(texts, times, strict=True):
        if math.isclose(start, segment.start, abs_tol=_NEAR) and math.isclose(end, segment.end, abs_tol=_NEAR):
            return str(text[0])
    return ""
