"""The utterances under check, in order, with what the corpus says of each and what the steps have decided on it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from merc.conversation import Conversation, Segment, Utterance
from merc.quality.findings import VERIFIED, Finding, conform, findings_table
from merc.quality.options import CheckOptions, split_of

if TYPE_CHECKING:
    import polars as pl

NO_MEDIA = "no media"
UNREADABLE = "unreadable"


@dataclass(frozen=True, slots=True)
class Reading:
    """What a step looked at: its name, the measure, the value, and the threshold it is compared with."""

    step: str
    measure: str
    value: float | None = None
    threshold: float | None = None


@dataclass(frozen=True, slots=True)
class Clip:
    """Where an utterance is recorded: a file, and its part of it (None: the file is the utterance)."""

    path: Path
    segment: Segment | None


@dataclass(slots=True)
class Subject:
    """One utterance under check.

    ``name`` is the speaker as annotated, ``speaker`` the person after the first step; ``sound`` and ``picture`` say
    where it is recorded, ``missing`` why it is not, ``split_screen`` whether everyone has a side of the picture;
    ``step`` and ``reason`` are of the first step that removed it.
    """

    id: str
    conversation: str
    position: int
    length: int
    name: str | None
    text: str | None
    label: str | None
    split: str | None
    sound: Clip | None
    picture: Clip | None
    missing: str | None
    split_screen: bool = False
    speaker: str | None = None
    step: str | None = None
    reason: str | None = None
    columns: dict[str, str | float | None] = field(default_factory=dict)
    findings: list[tuple[Reading, str, str | None, str | None]] = field(default_factory=list)

    @property
    def kept(self) -> bool:
        """Whether no step has removed it yet."""
        return self.step is None

    def keep(self, reading: Reading) -> None:
        """A step keeps it; where an earlier step removed it, nothing is left to decide."""
        self._note(reading, "keep")

    def flag(self, reading: Reading, reason: str, *, detail: str | None = None) -> None:
        """A step keeps it, but somebody should look at it."""
        self._note(reading, "flag", reason, detail)

    def skip(self, reading: Reading, reason: str, *, detail: str | None = None) -> None:
        """A step could not be taken, and decides nothing."""
        self.findings.append((reading, "skip", reason, detail))

    def remove(self, reading: Reading, reason: str, *, detail: str | None = None) -> None:
        """A step removes it, unless an earlier one has."""
        self._note(reading, "remove", reason, detail)
        if self.kept:
            self.step, self.reason = reading.step, reason

    def _note(self, reading: Reading, verdict: str, reason: str | None = None, detail: str | None = None) -> None:
        if self.kept or self.step == reading.step:
            self.findings.append((reading, verdict, reason, detail))
        else:
            self.skip(reading, f"removed at step {self.step}", detail=detail)


def subjects_of(conversations: Sequence[Conversation], options: CheckOptions) -> list[Subject]:
    """The utterances that are to be checked, in order, with their positions in the whole dialogue.

    A recording is the utterance's own ``media``, else its conversation's, and is cut by the utterance's segment. Where
    the pictures lie apart in a ``video`` of the whole, the segment belongs to that, and ``media`` that no other
    utterance has is the utterance's clip.
    """
    uses = Counter(path for c in conversations for u in c if (path := _named(c, u, "media")))
    return [
        _subject(conversation, position, uses)
        for conversation in conversations
        for position, utterance in enumerate(conversation)
        if options.wants(conversation, utterance)
    ]


def _named(conversation: Conversation, utterance: Utterance, what: str) -> str | None:
    value = utterance.meta.get(what) or conversation.meta.get(what)
    return str(value) if value else None


def _subject(conversation: Conversation, position: int, uses: Mapping[str, int]) -> Subject:
    utterance = conversation.utterances[position]
    media = _named(conversation, utterance, "media")
    video = _named(conversation, utterance, "video")
    why = _named(conversation, utterance, "media_missing") or "the corpus names no recording"
    apart = "video" in conversation.meta or "video" in utterance.meta
    sound = Clip(Path(media), None if apart and uses[media] == 1 else utterance.segment) if media else None
    return Subject(
        id=utterance.id,
        conversation=conversation.id,
        position=position,
        length=len(conversation),
        name=utterance.speaker,
        text=utterance.text,
        label=utterance.label,
        split=split_of(conversation, utterance),
        sound=sound,
        picture=Clip(Path(video), utterance.segment) if video else sound,
        missing=None if media else why,
        split_screen=bool(conversation.meta.get("split_screen")),
    )


def tables(subjects: Sequence[Subject]) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The tables ``findings``, with a further column ``detail``, and ``verified`` of what was decided."""
    import polars as pl

    rows, details = [], []
    for subject in subjects:
        for reading, verdict, reason, detail in subject.findings:
            details.append(detail)
            rows.append(
                Finding(
                    utterance=subject.id,
                    conversation=subject.conversation,
                    step=reading.step,
                    measure=reading.measure,
                    verdict=verdict,
                    position=subject.position,
                    length=subject.length,
                    split=subject.split,
                    speaker=subject.speaker,
                    label=subject.label,
                    value=reading.value,
                    threshold=reading.threshold,
                    reason=reason,
                )
            )
    findings = findings_table(rows).with_columns(pl.Series("detail", details, dtype=pl.String))
    return findings, conform(
        (_row(subject) for subject in subjects), {**VERIFIED, "voice_cosine": "real", "video": "text"}
    )


def unmeasured(verified: pl.DataFrame) -> int:
    """How many utterances of the table have no recording, or one that cannot be read."""
    import polars as pl

    return len(verified.filter(pl.col("media").is_null() | pl.col("reason").is_in([NO_MEDIA, UNREADABLE])))


def _row(subject: Subject) -> dict[str, str | float | None]:
    return {
        "utterance": subject.id,
        "conversation": subject.conversation,
        "split": subject.split,
        "speaker": subject.speaker,
        "speaker_original": subject.name,
        "label": subject.label,
        "text": subject.text,
        "media": str(subject.sound.path) if subject.sound else None,
        "video": str(subject.picture.path) if subject.picture else None,
        "verdict": "keep" if subject.kept else "remove",
        "step": subject.step,
        "reason": subject.reason,
        **subject.columns,
    }
