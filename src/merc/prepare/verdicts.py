"""The findings of a check as preparing needs them: which inputs are unusable, and what speakers look like."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np

from merc import parquet
from merc.cache import file_hash, key
from merc.conversation import Conversation
from merc.errors import FormatError, InputError
from merc.quality.rule import FaceRule

_SPOILT: Mapping[str, str] = {"audio": "sound", "voice": "sound", "face": "face", "bank": "face"}
"""The input that a step removes; other steps (speakers, text) remove all: it is not known what of it is wrong."""
_COLUMNS = ("utterance", "speaker", "verdict", "step", "reason")


@dataclass(frozen=True)
class Verdicts:
    """The verdicts of a check.

    ``removed`` maps utterances to (step, reason), ``speakers`` all checked utterances to their speaker, ``faces``
    speakers to their mean face, (512,) of length one, ``dialogues`` utterances to their dialogue. ``rule`` says when a
    face is the speaker's, as it did in the check. ``sha256`` names the tables that this was read from.
    """

    removed: Mapping[str, tuple[str, str]] = field(default_factory=dict)
    speakers: Mapping[str, str] = field(default_factory=dict)
    faces: Mapping[str, np.ndarray] = field(default_factory=dict)
    dialogues: Mapping[str, str] = field(default_factory=dict)
    sha256: str = ""
    rule: FaceRule = field(default_factory=FaceRule)

    @classmethod
    def read(cls, path: Path, conversations: Sequence[Conversation] = ()) -> Verdicts:
        """Read ``verified.parquet``, and the faces of speakers where the check has left them beside it.

        ``conversations`` are those that were checked: the faces are found by their clips. Raises InputError when the
        table cannot be read or is another, and when ``bank.csv`` is there without what was measured.
        """
        try:
            table = parquet.read(path, _COLUMNS)
        except (OSError, FormatError) as error:
            raise InputError(
                f"{path} is not a table of verdicts ({str(error).splitlines()[0]}): expected the columns "
                f"{', '.join(_COLUMNS)}; give 'verified.parquet' of 'merc check'"
            ) from error
        rows = table.select(_COLUMNS).rows()
        removed = {name: (step or "", reason or "") for name, _, verdict, step, reason in rows if verdict == "remove"}
        faces = known_faces(Path(path).parent, conversations)
        sha256 = key(file_hash(Path(path)), {name: face.tolist() for name, face in faces.items()})
        dialogues = {turn.id: one.id for one in conversations for turn in one}
        speakers = {name: speaker or "" for name, speaker, *_ in rows}
        return cls(removed, speakers, faces, dialogues, sha256, FaceRule.of(parquet.read(Path(path))))

    def reason(self, utterance: str, kind: str) -> str | None:
        """Why an utterance must not be encoded, or None.

        Args:
            utterance: Its id.
            kind: What an encoder would read of it; one of `merc.features.encoder.INPUTS`.
        """
        if utterance not in self.speakers:
            return "it was not checked"
        if utterance not in self.removed:
            return None
        step, reason = self.removed[utterance]
        if kind != _SPOILT.get(step, kind):
            return None
        return f"removed by the check, step {step}: {reason}"

    def face(self, utterance: str) -> bytes | None:
        """The bytes of the speaker's mean face, 512 float32 numbers, or None where it is not known."""
        known = self.faces.get(self.speakers.get(utterance, ""))
        return None if known is None else _bytes(known)

    def others(self, utterance: str) -> tuple[bytes, ...]:
        """The mean faces of the other speakers of its dialogue, as far as they are known; none without rivals."""
        if not self.rule.rivals:
            return ()
        own, dialogue = self.speakers.get(utterance, ""), self.dialogues.get(utterance)
        present = self._present.get(dialogue or "", frozenset()) - {own}
        return tuple(_bytes(self.faces[name]) for name in sorted(present) if name in self.faces)

    @cached_property
    def _present(self) -> Mapping[str, frozenset[str]]:
        """By dialogue who speaks in it."""
        found: dict[str, set[str]] = {}
        for name, speaker in self.speakers.items():
            found.setdefault(self.dialogues.get(name, ""), set()).add(speaker)
        return {dialogue: frozenset(names) for dialogue, names in found.items()}


def _bytes(face: np.ndarray) -> bytes:
    return np.ascontiguousarray(face, np.float32).tobytes()


def known_faces(folder: Path, conversations: Sequence[Conversation]) -> dict[str, np.ndarray]:
    """The mean face of each speaker, (512,) of length one, from the folder of a check; empty where it has none.

    The decisions of a reviewer in ``decisions.csv`` take precedence. Raises InputError when ``bank.csv`` names faces
    and what was measured of them is gone.
    """
    from merc.quality import review

    if not (folder / review.BANK).exists():
        return {}
    decided = review.read_decisions(folder / review.DECISIONS)
    kept: dict[str, list[np.ndarray]] = {}
    bank = _Measured(folder, conversations)
    for row in _rows(folder / review.BANK):
        keep = decided.faces.get(row["face"], row["proposed"]) == "keep"
        if keep and row["speaker"] not in decided.speakers and row["utterance"] not in decided.utterances:
            kept.setdefault(row["speaker"], []).append(bank.embedding(row))
    means = {speaker: np.mean(faces, axis=0, dtype=np.float64) for speaker, faces in sorted(kept.items())}
    return {speaker: np.asarray(mean / np.linalg.norm(mean), np.float32) for speaker, mean in means.items()}


class _Measured:
    """What a check measured of the faces of clips, looked up by the rows of its bank."""

    def __init__(self, folder: Path, conversations: Sequence[Conversation]) -> None:
        from merc.quality.measure import Store
        from merc.quality.options import CheckOptions
        from merc.quality.utterances import subjects_of

        self._folder, self._store = folder, Store(folder / "measured")
        self._pictures = {subject.id: subject.picture for subject in subjects_of(conversations, CheckOptions())}

    def embedding(self, row: Mapping[str, str]) -> np.ndarray:
        """The embedding of the face of one row."""
        from merc.quality.measure import clip_task

        clip = self._pictures.get(row["utterance"])
        task = clip_task("faces", clip) if clip else None
        if task is None or not self._store.has(task):
            raise InputError(
                f"{self._folder}: what was measured of '{row['utterance']}' is gone, and with it the face of "
                f"{row['speaker']}: run 'merc check' again with the same clips"
            )
        measured = self._store.load(task)
        box = np.array([float(row[side]) for side in ("left", "top", "right", "bottom")])
        same = np.flatnonzero((measured["times"] == float(row["time"])) & (measured["boxes"] == box).all(axis=1))
        if not len(same):
            raise InputError(f"{self._folder}: no face {row['face']} was measured: run 'merc check' again")
        face: np.ndarray = measured["embeddings"][same[0]]
        return face


def _rows(path: Path) -> list[dict[str, str]]:
    import csv

    with path.open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))
