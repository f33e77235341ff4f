"""A trained system in place of the late fusion: the vectors of a conversation in, one prediction per utterance out."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace

import numpy as np
import torch
from torch.nn.utils.rnn import pad_sequence

from merc.conversation import Evidence, Prediction
from merc.errors import InputError
from merc.evaluation.calibration import softmax
from merc.features.by_speaker import per_speaker
from merc.features.feature import Feature
from merc.heads.late_fusion import Observation, decide
from merc.pipeline.trained.run import TrainedRun
from merc.systems import Batch
from merc.systems import Rows as Packed

LONGEST = 128
"""Utterances of a dialogue that are read at once; a longer recording is read in pieces."""


class SystemFusion:
    """Predictions of a trained run.

    The evidence of a modality is what the system predicts from that modality alone.

    Args:
        run: The run.
        threshold: Confidence below which no label is given; None: every utterance gets one.

    Raises:
        InputError: for a threshold that is no probability.
    """

    def __init__(self, run: TrainedRun, *, threshold: float | None = None) -> None:
        self.run, self.threshold = run, threshold or 0.0
        if not 0 <= self.threshold <= 1:
            raise InputError(f"abstention threshold {self.threshold}: expected a probability from 0 to 1")

    def predict(self, observations: Sequence[Observation]) -> list[Prediction]:
        """One prediction per observation, in the same order; none where no modality that the run reads is there."""
        read = [name for name in self.run.system.inputs if name in self.run.encoders]
        rows = {name: self._scaled(name, observations) for name in read}
        if not any(one.vectors for one in observations):
            return list(map(_nothing, observations))
        whole, values = self._judged(rows, observations, read)
        alone = (
            {name: self._judged(rows, observations, (name,))[0] for name in read} if len(read) > 1 else {read[0]: whole}
        )
        return [
            self._prediction(whole[place], values[place], {name: alone[name][place] for name in one.vectors}, one)
            if one.vectors
            else _nothing(one)
            for place, one in enumerate(observations)
        ]

    def _prediction(
        self, row: np.ndarray, values: np.ndarray, alone: dict[str, np.ndarray], one: Observation
    ) -> Prediction:
        known = {item.modality: item for item in one.evidence}
        seen = {
            name: Evidence(name, self._by_label(own), None, _detail(one.vectors[name])) for name, own in alone.items()
        }
        evidence = tuple({**known, **seen}[name] for name in ("text", "voice", "face") if name in {**known, **seen})
        decided = decide(self._by_label(row), threshold=self.threshold, evidence=evidence)
        measured = dict(zip(self.run.dimensions, map(float, values), strict=True))
        return replace(decided, values=measured) if measured else decided

    def _by_label(self, row: np.ndarray) -> dict[str, float]:
        return {label: float(p) for label, p in zip(self.run.labels, row, strict=True)}

    def _scaled(self, name: str, observations: Sequence[Observation]) -> list[np.ndarray | None]:
        """The rows of a modality by utterance, standardised as in training."""
        ids = [str(place) for place in range(len(observations))]
        rows = {one: found.vectors[name] for one, found in zip(ids, observations, strict=True) if name in found.vectors}
        feature = Feature(name, self.run.system.inputs[name], rows)
        if name in self.run.per_speaker and rows:
            who = {one: found.speaker for one, found in zip(ids, observations, strict=True)}
            feature = per_speaker(feature, who)
        scaling = self.run.scalings.get(name)
        return [
            None if one not in rows else feature.rows[one] if scaling is None else scaling(feature.rows[one])
            for one in ids
        ]

    def _judged(
        self, rows: dict[str, list[np.ndarray | None]], observations: Sequence[Observation], used: Collection[str]
    ) -> tuple[np.ndarray, np.ndarray]:
        """Probabilities ``(n, C)`` and values ``(n, A)`` by the modalities named; the others are absent."""
        count, alone = len(observations), self.run.level == "utterance"
        size, together = (1, LONGEST) if alone else (LONGEST, 1)
        dialogues = [range(first, min(first + size, count)) for first in range(0, count, size)]
        logits = np.zeros((count, len(self.run.labels)))
        values = np.zeros((count, len(self.run.dimensions)))
        for first in range(0, len(dialogues), together):
            own = dialogues[first : first + together]
            output = self._output(
                own, {name: rows[name] if name in used else [None] * count for name in rows}, observations
            )
            for line, places in enumerate(own):
                for turn, place in enumerate(places):
                    logits[place], values[place] = output[0][line, turn], output[1][line, turn]
        return softmax(logits / self.run.temperature), values

    def _output(
        self,
        dialogues: Sequence[Sequence[int]],
        rows: Mapping[str, Sequence[np.ndarray | None]],
        observations: Sequence[Observation],
    ) -> tuple[np.ndarray, np.ndarray]:
        """Logits ``(B, T, C)`` and values ``(B, T, A)`` of some dialogues."""
        mask = _padded([torch.ones(len(places), dtype=torch.bool) for places in dialogues])
        who = [[observations[place].speaker or f"unknown {place}" for place in places] for places in dialogues]
        speakers = _padded([torch.tensor(_in_order(names)) for names in who])
        packed = {name: _packed(own, dialogues, self.run.system.inputs[name]) for name, own in rows.items()}
        device = next(self.run.system.parameters()).device
        with torch.inference_mode():
            output = self.run.system(Batch.of(packed, mask, speakers=speakers).to(device))
        logits, values = output.logits, output.values
        shape = (*mask.shape, 0)
        return (
            np.zeros(shape) if logits is None else logits.double().cpu().numpy(),
            np.zeros(shape) if values is None else values.double().cpu().numpy(),
        )


def _packed(rows: Sequence[np.ndarray | None], dialogues: Sequence[Sequence[int]], width: int) -> Packed:
    """The rows of a modality end to end ``(N, d)``, with the number of each utterance's ``(B, T)``."""
    counts = [torch.tensor([0 if (row := rows[place]) is None else len(row) for place in one]) for one in dialogues]
    own = [row for one in dialogues for place in one if (row := rows[place]) is not None]
    values = np.concatenate([np.zeros((0, width), np.float32), *own]).astype(np.float32)
    return Packed(torch.from_numpy(values), _padded(counts))


def _padded(rows: Sequence[torch.Tensor]) -> torch.Tensor:
    return pad_sequence(list(rows), batch_first=True)


def _in_order(names: Sequence[str]) -> list[int]:
    """The number of each turn's speaker, in order of appearance."""
    order: dict[str, int] = {}
    return [order.setdefault(name, len(order)) for name in names]


def _detail(rows: np.ndarray) -> dict[str, int]:
    return {"steps": len(rows)} if len(rows) > 1 else {}


def _nothing(one: Observation) -> Prediction:
    return Prediction(None, None, 0.0, True, "no modality that the run reads is there", one.evidence)
