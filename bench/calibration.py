"""Log loss and calibration of the late fusion against text alone, where voices are acted by people it has not heard.

    MERC_DATA=corpora python bench/calibration.py                    the half on which options were chosen
    MERC_DATA=corpora python bench/calibration.py --half untouched   the other dialogues and the other actors
    MERC_DATA=corpora python bench/calibration.py --clips            MELD's dev dialogue 29, from its eleven clips

Words are those of MELD's dev dialogues, read by the shipped text encoder; voices are those of RAVDESS, SAVEE and nEMO,
each judged by a head that was fitted without that corpus, at the trust of the shipped card or of the one named with
--card. ``merc.recipes.conversational`` describes the kinds of conversations. "Named" is the share of utterances with a
label, "right" how many of those are.
ECE has 15 bins; intervals resample dialogues.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[1]))

from merc import Conversation, Utterance, analyze
from merc.conversation import Evidence, Prediction
from merc.corpora import CONVERSATIONS
from merc.evaluation.calibration import expected_calibration_error, log_loss, softmax
from merc.heads.head import fusion_card, spoken_head
from merc.heads.late_fusion import LateFusion, Observation
from merc.labels import EKMAN7
from merc.paths import data_root
from merc.recipes import conversational as planting
from merc.recipes.late_fusion import spoken_logits
from merc.recipes.voice_head import LeftOut, heads_left_out
from tests.pipeline.joined import join

HALVES = ("tuning", "untouched")
RESAMPLES = 1000
HEAD = (
    f"\n{'text alone, then fused':42}{'n':>6}{'log loss':>17}{'difference':>26}{'ECE':>14}{'accuracy':>14}"
    f"{'named':>7}{'right':>7}"
)


@dataclass(frozen=True)
class Answers:
    """What was predicted: true classes ``(n,)``, text alone and fused ``(n, 7)``, labels, and dialogues ``(n,)``."""

    classes: np.ndarray
    text: np.ndarray
    fused: np.ndarray
    named: np.ndarray
    dialogues: np.ndarray

    @classmethod
    def joined(cls, parts: Sequence[Answers]) -> Answers:
        shift, moved = 0, []
        for part in parts:
            moved.append(replace(part, dialogues=part.dialogues + shift))
            shift = int(moved[-1].dialogues.max()) + 1
        names = cls.__dataclass_fields__
        return cls(**{name: np.concatenate([getattr(part, name) for part in moved]) for name in names})


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--half", choices=HALVES, default=HALVES[0])
    parser.add_argument("--seeds", type=int, default=3, help="plantings of each dialogue and corpus")
    parser.add_argument("--trust", type=float, help="one trust in every voice (default: of the shipped card)")
    parser.add_argument("--card", type=Path, help="folder of another card of the fusion")
    parser.add_argument("--corpora", action="store_true", help="print each corpus too")
    parser.add_argument("--clips", action="store_true", help="the eleven clips instead of planted dialogues")
    arguments = parser.parse_args()
    if arguments.clips:
        clips()
        return
    card = fusion_card(folder=arguments.card)
    if arguments.trust is not None:
        card = card | {"voice": card["voice"] | {"weight": arguments.trust, "levels": ()}}
    half = HALVES.index(arguments.half)
    voice = {name: card["voice"].get(name) for name in ("weight", "levels", "agreement")}
    flat = card.get("temperature_without_words", 1.0)
    print(f"{arguments.half} half, trust in the voice {voice}, temperature without words {flat}", end=", ")
    print(f"{arguments.seeds} plantings")
    talks = dialogues(card)[half::2]
    voices = heads_left_out(data_root())
    print(HEAD)
    for kind in planting.PLANTED_KINDS:
        found = {name: played(talks, one, kind, card, half, arguments.seeds) for name, one in voices.items()}
        line(kind, Answers.joined(list(found.values())))
        if arguments.corpora:
            for name, answers in found.items():
                line(f"    {name}", answers)


def dialogues(card: Mapping[str, Any]) -> list[planting.Talk]:
    """The dialogues of MELD dev with what the shipped text encoder says of their words."""
    head = spoken_head()
    if head is None:
        raise SystemExit("the shipped fusion reads no words in conversation")
    found = [one for one in CONVERSATIONS["meld"](data_root() / "meld") if one.meta["split"] == "dev"]
    logits = spoken_logits(found)
    return [
        planting.Talk(
            tuple(turn.speaker for turn in one),
            np.array([EKMAN7.index(str(turn.label)) for turn in one]),
            softmax(np.stack([logits[turn.id] for turn in one]) / head.temperature),
        )
        for one in found
    ]


def played(
    talks: Sequence[planting.Talk], voices: LeftOut, kind: str, card: Mapping[str, Any], half: int, seeds: int
) -> Answers:
    """Plant the voices of one half of a corpus's people in dialogues, and fuse them with the words."""
    prior = np.array([card["prior"][label] for label in EKMAN7])
    prior /= prior.sum()
    own = np.isin(voices.people, np.unique(voices.people)[half::2])
    rows = np.flatnonzero(own)
    clips = planting.Clips(voices.classes[own], voices.people[own])
    fusion = LateFusion(card | {"voice": card["voice"] | {"prior": by_label(voices.prior)}})
    parts = []
    for seed in range(seeds):
        for one in planting.plant(talks, clips, kind, prior=prior, seed=seed):
            placed = replace(one, clips=np.where(one.clips >= 0, rows[one.clips], -1))
            parts.append(answered(placed, voices, fusion, prior))
    return Answers.joined(parts)


def answered(one: planting.Planted, voices: LeftOut, fusion: LateFusion, prior: np.ndarray) -> Answers:
    """The predictions of one planted dialogue."""
    there = one.clips >= 0
    people = [str(name) for name, has in zip(one.people, there, strict=True) if has]
    heard = iter(voices.judged(one.clips[there], people))
    observations = []
    for clip, words, speaker in zip(one.clips, one.words, one.people, strict=True):
        text = Evidence("text", None, "no words") if np.isnan(words).any() else Evidence("text", by_label(words))
        voice = Evidence("voice", None, "no clip") if clip < 0 else Evidence("voice", by_label(next(heard)))
        observations.append(Observation((text, voice), {}, speaker))
    found = fusion.predict(observations)
    words = np.where(np.isnan(one.words), prior, one.words)
    fused = np.stack([row(prediction, own) for prediction, own in zip(found, words, strict=True)])
    named = np.array([prediction.label is not None for prediction in found])
    return Answers(one.classes, words, fused, named, np.zeros(len(words), dtype=np.int64))


def row(prediction: Prediction, words: np.ndarray) -> np.ndarray:
    """The fused probabilities; without any evidence those of the words, or of the prior that stands for them."""
    if prediction.probabilities is None:
        return words
    return np.array([prediction.probabilities[label] for label in EKMAN7])


def by_label(values: np.ndarray) -> dict[str, float]:
    return {label: float(value) for label, value in zip(EKMAN7, values, strict=True)}


def clips() -> None:
    """Print dialogue 29 utterance by utterance, with its words, speakers and bounds as a transcript."""
    with tempfile.TemporaryDirectory() as folder:
        recording = Path(folder) / "dialogue29.mkv"
        truth = join(data_root(), recording)
        said = [Utterance(f"u{n}", one.speaker, one.text, one.segment) for n, one in enumerate(truth)]
        timeline = analyze(recording, transcript=Conversation("dialogue29", tuple(said)))
    classes = np.array([EKMAN7.index(one.label) for one in truth])
    text, fused = [], []
    for one, (utterance, prediction) in zip(truth, timeline, strict=True):
        alone = {evidence.modality: evidence.probabilities for evidence in prediction.evidence}
        text.append([(alone["text"] or fusion_card()["prior"])[label] for label in EKMAN7])
        fused.append([(prediction.probabilities or {})[label] for label in EKMAN7])
        tops = [f"{name} {max(p, key=p.__getitem__) if p else 'missing'}" for name, p in alone.items()]
        print(
            f"{one.label:9}{prediction.label or '-':9}{prediction.confidence:.2f}  {', '.join(tops)}  {utterance.text}"
        )
    named = np.array([prediction.label is not None for prediction in timeline.predictions])
    print(HEAD)
    line("dialogue 29", Answers(classes, np.array(text), np.array(fused), named, np.arange(len(classes))))


def line(name: str, answers: Answers) -> None:
    """Print one row of the table."""
    classes, pair = answers.classes, (answers.text, answers.fused)
    loss = [log_loss(one, classes) for one in pair]
    low, high = interval(answers)
    right = answers.fused.argmax(1) == classes
    print(
        f"{name:42}{len(classes):6}"
        f"{loss[0]:9.3f}{loss[1]:8.3f}{loss[1] - loss[0]:+9.3f} [{low:+.3f}, {high:+.3f}]"
        + "".join(f"{expected_calibration_error(one, classes):7.3f}" for one in pair)
        + "".join(f"{(one.argmax(1) == classes).mean():7.3f}" for one in pair)
        + f"{answers.named.mean():7.3f}{right[answers.named].mean() if answers.named.any() else np.nan:7.3f}",
        flush=True,
    )


def interval(answers: Answers) -> tuple[float, float]:
    """The 95 % interval of the difference in log loss, over dialogues drawn with replacement."""
    places = np.arange(len(answers.classes)), answers.classes
    gain = np.log(np.maximum(answers.text[places], 1e-12)) - np.log(np.maximum(answers.fused[places], 1e-12))
    sums, counts = np.bincount(answers.dialogues, gain), np.bincount(answers.dialogues)
    drawn = np.random.default_rng(0).integers(len(sums), size=(RESAMPLES, len(sums)))
    low, high = np.quantile(sums[drawn].sum(1) / counts[drawn].sum(1), (0.025, 0.975))
    return float(low), float(high)


if __name__ == "__main__":
    main()
