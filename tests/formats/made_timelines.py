"""Timelines made by code: one that shows every field, and a hypothesis strategy for hostile ones."""

from __future__ import annotations

import re
import tempfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from merc import formats
from merc.conversation import (
    Evidence,
    Model,
    Prediction,
    Recording,
    Segment,
    Speaker,
    Step,
    Timeline,
    Utterance,
    Word,
)
from merc.labels import EKMAN7


def spread(top: str, share: float = 0.7) -> dict[str, float]:
    rest = round((1 - share) / (len(EKMAN7) - 1), 4)
    return {label: share if label == top else rest for label in EKMAN7}


STEPS = (Step(Segment(0.25, 0.75), spread("neutral", 0.6)), Step(Segment(0.75, 1.5), spread("joy", 0.5)))


def prediction(label: str | None = "joy", confidence: float = 0.71, top: str = "joy") -> Prediction:
    evidence = (
        Evidence("text", spread(top), detail={"tokens": 5}),
        Evidence("voice", spread("neutral", 0.4), detail={"seconds": 1.25}, steps=STEPS),
        Evidence("face", missing="no face was seen while Anna spoke"),
    )
    held = label is None
    return Prediction(spread(top), label, confidence, held, "confidence below 0.5" if held else None, evidence)


def timeline(*utterances: Utterance, predictions: tuple[Prediction, ...] = (), name: str = "call.mp4") -> Timeline:
    made = predictions or tuple(prediction() for _ in utterances)
    return Timeline(Recording(name, "0" * 64, 60.0, has_audio=True, has_video=True), utterances, made)


def sample() -> Timeline:
    """Three utterances of two speakers, two at once: a label, an abstention, and one without any evidence."""
    return Timeline(
        Recording("call.mp4", "ab" * 32, 9.5, True, True, "en", 0.9912),
        (
            Utterance(
                "u1",
                "Anna",
                "I can't believe it!",
                Segment(0.25, 1.5),
                (Word("I", Segment(0.25, 0.4), 0.99), Word("can't", Segment(0.4, 0.8), 0.5)),
                label="surprise",
                scores={"valence": 0.25},
                meta={"times": (0.2, 1.6), "source": {"line": 3}},
            ),
            Utterance("u2", "Ben <b>", 'He said "no" & left', Segment(1.2, 2.001)),
            Utterance("u3", None, "…", Segment(3.0, 4.0)),
            Utterance("u4", "Anna", "nobody knows when", None),
        ),
        (
            prediction(),
            prediction(None, 0.38),
            Prediction(None, None, 0.0, True, "no modality had evidence"),
            prediction("anger", 1.0, "anger"),
        ),
        speakers=(Speaker("Anna", 2.25, True), Speaker("Ben <b>", 0.801, False, "no face moved with this voice")),
        overlaps=(Segment(1.2, 1.5),),
        models=(Model("text", "mpnet", "Apache-2.0", "cd" * 32),),
        options={"threads": 1, "vad": {"threshold": 0.5}, "language": None},
        notes=("The last second could not be decoded.",),
    )


HARD = st.sampled_from(
    [
        "",
        " ",
        "-->",
        "00:00:01,000 --> 00:00:02,000",
        "1\n\n2",
        'say "hi"; a,b\t|',
        "<v Bob>&amp;</v> <i>x</i>",
        "]]> <!-- & -->",
        "=SUM(A1)",
        "😀 שלום مرحبا",
        "a\r\nb\rc",
        "[joy .71]",
        "[? .00]",
        "Ben: yes: no",
        "- dash\n- dash",
        'item [1]:\nxmin = 3 "',
        "42",
        "<NA>",
        "Anna#2",
        "label@Anna",
        "{\\an8}up",
        "?",
        "NA",
        "100%",
    ]
)
TEXT = st.one_of(HARD, st.text(st.characters(exclude_categories=("Cs", "Cc")), max_size=20), st.none())
SPEAKER = st.one_of(st.none(), st.sampled_from(["Anna", "Ben", "spk 1"]), HARD)


@st.composite
def segments(draw: Any) -> Segment:
    start = draw(st.integers(0, 5_000))
    return Segment(start / 1000, (start + draw(st.integers(1, 3_000))) / 1000)


@st.composite
def predictions(draw: Any) -> Prediction:
    shares = st.integers(0, 10_000).map(lambda n: n / 10_000)
    label = draw(st.one_of(st.none(), st.sampled_from(EKMAN7)))
    full = st.fixed_dictionaries(dict.fromkeys(EKMAN7, shares))
    probabilities = draw(full if label else st.one_of(st.none(), full))
    evidence = tuple(
        Evidence(name, draw(full), steps=tuple(draw(st.lists(st.builds(Step, segments(), full), max_size=3))))
        if draw(st.booleans())
        else Evidence(name, missing=draw(HARD))
        for name in ("text", "face")
    )
    return Prediction(probabilities, label, draw(shares), label is None, draw(TEXT), evidence)


@st.composite
def timelines(draw: Any, speaker: Any = SPEAKER, text: Any = TEXT, spoken: Any = HARD) -> Timeline:
    """Up to six utterances in order of time, overlapping at will, some without a time; all numbers already rounded."""
    spans = draw(st.lists(st.one_of(segments(), st.none()), max_size=6))
    spans.sort(key=lambda span: (span is None, span or Segment(0, 1)))
    utterances = []
    for number, span in enumerate(spans, 1):
        word = (Word(draw(spoken), span, 0.5),) if span and draw(st.booleans()) else ()
        utterances.append(Utterance(f"u{number}", draw(speaker), draw(text), span, word))
    return Timeline(
        Recording(draw(HARD) or "x", "0" * 64, 10.0, True, False),
        tuple(utterances),
        tuple(draw(predictions()) for _ in utterances),
        options={"note": draw(TEXT)},
        notes=("a", "b"),
    )


def timed(made: Timeline) -> list[tuple[Utterance, Prediction]]:
    """The utterances that formats of time can hold, in order of time."""
    return sorted((pair for pair in made if pair[0].segment), key=lambda pair: pair[0].segment)  # type: ignore[arg-type, return-value]


def through(made: Timeline, extension: str) -> list[Utterance]:
    """The utterances after writing and reading; none if no utterance has a time."""
    with tempfile.TemporaryDirectory() as folder:
        path = formats.write(made, Path(folder) / f"t.{extension}")
        return list(formats.read(path)) if timed(made) else []  # type: ignore[arg-type]


def in_lines(text: str | None) -> str:
    """A text as subtitles keep it: lines stripped, no blank lines."""
    return "\n".join(line.strip() for line in re.split(r"\r\n|\r|\n", text or "") if line.strip())


def in_name(name: str | None) -> str:
    """A name as subtitles keep it: single spaces."""
    return " ".join((name or "").split())


def predicted(prediction: Prediction) -> dict[str, Any]:
    """What subtitles keep of a prediction."""
    return {"predicted": prediction.label, "confidence": float(f"{prediction.confidence:.2f}")}
