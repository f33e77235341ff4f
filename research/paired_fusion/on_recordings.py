"""The two fusions on real recordings: MELD's clips, where they are there, judged by the late and by the Mamba one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import Cache, file_hash
from merc.conversation import Conversation, Segment, Utterance
from merc.corpora import CONVERSATIONS, CORPORA
from merc.errors import InputError
from merc.heads.head import Head, fusion_card, joined, spoken_head
from merc.heads.late_fusion import LateFusion, Observation
from merc.heads.voice import VoiceHead
from merc.labels import EKMAN7
from merc.media.audio import probe
from merc.pipeline.options import AnalyzeOptions, Job
from merc.pipeline.recognizer import examine
from merc.progress import Progress
from research.paired_fusion.compare import HELD_OUT, PairedCard, compete
from research.paired_fusion.decision import decision
from research.paired_fusion.fusion import Inputs, PairedFusion

_FLOOR = 1e-6


def judge(data: Path, heads: Path, out: Path, *, progress: Progress | None = None) -> PairedCard:
    """Train and compare the Mamba fusion, judge the recordings with both, decide, and write its card into ``out``.

    Without the clips of MELD's dialogue below ``data`` nothing is decided for it. Raises what ``compete`` raises.
    """
    made, ways = compete(data, heads, out, progress=progress)
    record = made.record
    clips = None
    if known := recordings(data, progress=progress):
        labels, observations = known
        clips = judged(HELD_OUT, labels, observations, PairedFusion.of(record, out))
        for row, run in zip(record["ways"], ways, strict=True):
            row["clips"] = judged(HELD_OUT, labels, observations, run.fusion)["mamba"]
        record["clips"] = clips
    record["decision"] = decision(record["comparison"], clips)
    made.write(out)
    return made


def recordings(data: Path, *, progress: Progress | None = None) -> tuple[list[str], list[Observation]] | None:
    """Annotated labels and observations of the held-out dialogue's clips, each with its official words.

    None where a clip is missing.
    """
    spoken = {one.id: one for one in CONVERSATIONS["meld"](data / CORPORA["meld"].folder)}.get(HELD_OUT)
    if spoken is None or not all(utterance.meta.get("media") for utterance in spoken):
        return None
    observations = []
    for number, utterance in enumerate(spoken):
        observations += observed(Path(utterance.meta["media"]), alone(utterance))
        if progress:
            progress("recordings", number + 1, len(spoken))
    return [str(utterance.label) for utterance in spoken], observations


def alone(utterance: Utterance) -> Conversation:
    """An utterance as the transcript of its own clip."""
    end = probe(Path(utterance.meta["media"])).duration
    return Conversation(utterance.id, (replace(utterance, segment=Segment(0.0, end), label=None, meta={}),))


def observed(path: Path, transcript: Conversation) -> list[Observation]:
    """What ``analyze`` knows of each utterance of a recording before the fusion."""
    job = Job(path, probe(path), file_hash(path), AnalyzeOptions(language="en", threads=1), Cache(), None)
    return list(examine(job, transcript).observations)


def judged(
    name: str, annotated: Sequence[str], observations: Sequence[Observation], fusion: PairedFusion
) -> dict[str, Any]:
    """Both fusions beside the annotation: right labels, log loss, and what each says of every utterance."""
    words = [_only_words(observation) for observation in observations]
    told = {
        "late": (late(observations), late(words)),
        "mamba": (
            fusion.probabilities(inputs(observations, fusion.options.reads)),
            fusion.probabilities(inputs(words, fusion.options.reads)),
        ),
    }
    true = np.array([EKMAN7.index(label) for label in annotated])
    result: dict[str, Any] = {"dialogue": name}
    for who, (all_of_it, worded) in told.items():
        result[who] = {
            "right": int((all_of_it.argmax(1) == true).sum()),
            "log_loss": round(float(-np.log(all_of_it[np.arange(len(true)), true]).mean()), 4),
            "right_words_alone": int((worded.argmax(1) == true).sum()),
        }
    result["utterances"] = [
        {
            "annotated": label,
            "seen": "+".join(item.modality for item in observation.evidence if item.probabilities is not None),
            **{who: _said(both[0][number]) for who, both in told.items()},
        }
        for number, (label, observation) in enumerate(zip(annotated, observations, strict=True))
    ]
    return result


def late(observations: Sequence[Observation]) -> np.ndarray:
    """Probabilities ``(n, 7)`` of the late fusion; the prior of conversation where nothing is known."""
    card = fusion_card()
    predictions = LateFusion(card).predict(observations)
    rows = [one.probabilities or card["prior"] for one in predictions]
    return np.array([[row[label] for label in EKMAN7] for row in rows])


def inputs(observations: Sequence[Observation], reads: str) -> Inputs:
    """What the Mamba fusion reads of observations: text ``(n, width)``, voice and face as evidence ``(n, 7)``.

    The text is the vector of the encoder that reads the conversation, else the head's emotion vector and the embedding.
    Raises InputError for a fusion that reads emotion vectors, which the shipped voice head does not have.
    """
    if reads != "evidence":
        raise InputError(f"the voice head that ships has no emotion vectors: reads is '{reads}', expected 'evidence'")
    priors = {"voice": VoiceHead.load().card["prior"], "face": Head.load("face").card["prior"]}
    vectors = [observation.vectors.get("text") for observation in observations]
    if spoken := spoken_head():
        found = {"text": _stacked(vectors, spoken.width)}
    else:
        text = Head.load("text")
        found = {"text": _stacked([None if v is None else _told(text, v) for v in vectors], text.width + 128)}
    for name, prior in priors.items():
        found[name] = _stacked([_evidence(observation, name, prior) for observation in observations], len(EKMAN7))
    return found


def _told(head: Head, vector: np.ndarray) -> np.ndarray:
    result: np.ndarray = joined(head.emotion_vector(vector[None]), vector[None])[0]
    return result


def _evidence(observation: Observation, name: str, prior: Mapping[str, float]) -> np.ndarray | None:
    """Log posterior over the head's prior, None where the modality is missing."""
    posterior: Mapping[str, float] | None = next(
        (item.probabilities for item in observation.evidence if item.modality == name), None
    )
    if posterior is None:
        return None
    return np.array([np.log(max(posterior[y], _FLOOR)) - np.log(max(prior[y], _FLOOR)) for y in EKMAN7])


def _stacked(rows: Sequence[np.ndarray | None], width: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows ``(n, width)``, zeros where there is none, and whether there is one ``(n,)``."""
    there = np.array([row is not None for row in rows])
    return np.stack([np.zeros(width) if row is None else row for row in rows]).astype(np.float32), there


def _only_words(observation: Observation) -> Observation:
    """The same with the text alone."""
    return Observation(
        tuple(item for item in observation.evidence if item.modality == "text"),
        {name: vector for name, vector in observation.vectors.items() if name == "text"},
    )


def _said(row: np.ndarray) -> str:
    return f"{EKMAN7[int(row.argmax())]} {row.max():.2f}"
