"""The Mamba fusion trained without a single recording of three modalities: words of MELD, voices and faces of others.

Every training utterance of MELD is joined, anew in every epoch, with the voice and the face of people drawn by its
label from the training parts of the corpora of voices and of faces. Each modality is left out at times, and an
utterance counts as much as its people can be believed. The epoch is chosen on one half of MELD's dev dialogues, joined
with people of the validation parts; the other half is for the comparison (see ``research.paired_fusion.compare``).

Symbols: n utterances, 7 labels. Text is the vector of what reads the words, cut to the directions in which it varies
most; voice and face are emotion vectors (128) or the evidence of a head (7); each is a sequence of one step.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from merc.cache import file_hash, replacing
from merc.errors import InputError, WeightError
from merc.evaluation.calibration import fit_temperature, softmax
from merc.evaluation.metrics import confusion, weighted_f1
from merc.labels import EKMAN7
from research.paired_fusion.donors import People

if TYPE_CHECKING:
    from merc.systems import Batch, System

FORMAT = 1
COMMAND = "python -m research.paired_fusion"
MODALITIES = ("text", "voice", "face")
READINGS = ("vectors", "evidence")
PAIRINGS = ("label", "conversation")

Inputs = Mapping[str, tuple[np.ndarray, np.ndarray]]
"""By modality the values ``(n, width)`` and whether they are there ``(n,)``."""


@dataclass(frozen=True, slots=True)
class PairedOptions:
    """Choices of one training; raises InputError for a value that cannot be used."""

    reads: str = "vectors"
    """Of voice and face: "vectors" of the shipped heads, or out-of-fold "evidence"."""
    pairing: str = "label"
    """People with the utterance's "label" always, or as often as matches what they contribute in "conversation"."""
    directions: int = 128
    """Of the text, as many as of voice and face; a linear model loses .011 nats, the block shrinks to an eighth."""
    absent: tuple[float, float, float] = (0.1, 0.5, 0.5)
    """How often text, voice and face are left out: a face is seldom seen well, words are seldom missing."""
    quality: bool = True
    """Whether an utterance counts as much as its people can be believed."""
    learning_rate: float = 3e-4
    """Of AdamW; the source's 1e-5 is for encoders that learn with the block."""
    weight_decay: float = 0.01
    """As in the source."""
    smoothing: float = 0.1
    """Of labels; the source has 0.2, which costs calibration."""
    batch: int = 64
    """Utterances."""
    epochs: int = 30
    """At most."""
    patience: int = 4
    """Epochs without a better choice figure until it stops."""

    def __post_init__(self) -> None:
        for name, known in (("reads", READINGS), ("pairing", PAIRINGS)):
            if getattr(self, name) not in known:
                raise InputError(f"{name} '{getattr(self, name)}': expected {' or '.join(known)}")
        for name in ("directions", "batch", "epochs", "patience"):
            if getattr(self, name) < 1:
                raise InputError(f"{name} {getattr(self, name)}: expected at least 1")
        if len(self.absent) != len(MODALITIES) or not all(0 <= share < 1 for share in self.absent):
            raise InputError(f"absent {self.absent}: expected a share from 0 to below 1 for each of three modalities")


@dataclass(frozen=True, slots=True)
class Words:
    """Utterances of one part: what reads the words makes of them ``(n, width)``, class numbers ``(n,)``, dialogues."""

    vectors: np.ndarray
    classes: np.ndarray
    dialogues: tuple[str, ...]

    def at(self, rows: np.ndarray) -> Words:
        """The utterances at some positions."""
        return Words(self.vectors[rows], self.classes[rows], tuple(self.dialogues[row] for row in rows))


@dataclass(frozen=True, slots=True)
class Directions:
    """The linear map that cuts the text: ``weight (k, width)``, ``bias (k,)``."""

    weight: np.ndarray
    bias: np.ndarray

    @classmethod
    def of(cls, vectors: np.ndarray, count: int) -> Directions:
        """The directions in which standardised vectors vary most; the signs are fixed, so that reruns agree."""
        mean, deviation = vectors.mean(0), vectors.std(0)
        deviation = np.where(deviation > 0, deviation, 1)
        scaled = (vectors - mean) / deviation
        axes = np.linalg.eigh(scaled.T @ scaled)[1][:, ::-1][:, :count].T  # (k, width)
        axes = axes * np.sign(axes[np.arange(len(axes)), np.abs(axes).argmax(1)])[:, None]
        weight = axes / deviation
        return cls(weight.astype(np.float32), (-weight @ mean).astype(np.float32))

    def __call__(self, vectors: np.ndarray) -> np.ndarray:
        """``(n, width)`` to ``(n, k)`` float32."""
        cut: np.ndarray = vectors.astype(np.float32) @ self.weight.T + self.bias
        return cut


class PairedFusion:
    """A trained Mamba fusion over words, voice and face of single utterances, with its calibration."""

    def __init__(self, system: System, text: Directions, options: PairedOptions, *, temperature: float = 1.0) -> None:
        self.system, self.text, self.options, self.temperature = system.eval(), text, options, temperature

    def logits(self, inputs: Inputs) -> np.ndarray:
        """Uncalibrated logits ``(n, 7)`` float64 of text ``(n, width)``, voice, face; what is not there is ignored."""
        import torch

        cut = {**inputs, "text": (self.text(inputs["text"][0]), inputs["text"][1])}
        with torch.inference_mode():
            result: np.ndarray = self.system(batch_of(cut)).logits[:, 0].double().numpy()
        return result

    def probabilities(self, inputs: Inputs) -> np.ndarray:
        """Calibrated probabilities ``(n, 7)``, rows sum to 1."""
        return softmax(self.logits(inputs) / self.temperature)

    def save(self, folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write ``mamba.safetensors`` and return the record with what is needed to load it again.

        The system is kept in float16; the directions are not, since a number that hardly varies has a large factor.
        """
        from safetensors.numpy import save_file

        tensors = {f"system.{k}": v.half().numpy() for k, v in self.system.state_dict().items()}
        tensors |= {"text.weight": self.text.weight, "text.bias": self.text.bias}
        path = folder / "mamba.safetensors"
        with replacing(path) as target:
            save_file({name: np.ascontiguousarray(value) for name, value in tensors.items()}, target)
        written = {
            "file": path.name,
            "sha256": file_hash(path),
            "bytes": path.stat().st_size,
            "parameters": int(sum(value.size for value in tensors.values())),
        }
        return {
            "format": FORMAT,
            "options": asdict(self.options),
            "temperature": round(self.temperature, 6),
            **record,
            "weights": written,
        }

    @classmethod
    def load(cls, folder: Path) -> PairedFusion:
        """Load the weights and the card from a folder; raises WeightError for a missing or another file."""
        page = folder / "mamba.json"
        if not page.exists():
            raise WeightError(f"mamba fusion: {page} is missing; run '{COMMAND}'")
        return cls.of(json.loads(page.read_text(encoding="utf-8")), folder)

    @classmethod
    def of(cls, record: Mapping[str, Any], folder: Path) -> PairedFusion:
        """The fusion of a card whose weights lie in a folder; raises WeightError where they are not the card's."""
        import torch
        from safetensors.numpy import load_file

        path = folder / record["weights"]["file"]
        if not path.exists() or file_hash(path) != record["weights"]["sha256"]:
            raise WeightError(f"mamba fusion: {path} is not the file of its card; run '{COMMAND}'")
        tensors = {name: value.astype(np.float32) for name, value in load_file(path).items()}
        options = PairedOptions(**{**record["options"], "absent": tuple(record["options"]["absent"])})
        text = Directions(tensors.pop("text.weight"), tensors.pop("text.bias"))
        system = new_system(options)
        system.load_state_dict({name.removeprefix("system."): torch.from_numpy(v) for name, v in tensors.items()})
        return cls(system, text, options, temperature=record["temperature"])


def new_system(options: PairedOptions) -> System:
    """The untrained Mamba fusion: the source's sizes of the block; evidence is brought to 128 numbers before it."""
    from merc.systems.mamba import MambaFusion, MambaFusionOptions

    wide, projected = (128, 0) if options.reads == "vectors" else (len(EKMAN7), 128)
    widths = {"text": options.directions, "voice": wide, "face": wide}
    return MambaFusion(widths, len(EKMAN7), MambaFusionOptions(modality_width=projected))


def batch_of(inputs: Inputs, *, classes: np.ndarray | None = None, weights: np.ndarray | None = None) -> Batch:
    """Utterances as a batch of sequences of one step."""
    import torch

    from merc.systems import UNLABELLED, Batch, Rows

    size = len(inputs["text"][0])
    rows = {
        name: Rows.of_vectors(torch.from_numpy(values.astype(np.float32))[:, None], torch.from_numpy(there)[:, None])
        for name, (values, there) in inputs.items()
    }
    labels = np.full(size, UNLABELLED) if classes is None else classes
    shares = np.ones(size) if weights is None else weights
    return Batch.of(
        rows,
        torch.ones(size, 1, dtype=torch.bool),
        labels=torch.from_numpy(labels.astype(np.int64))[:, None],
        weights=torch.from_numpy(shares.astype(np.float32))[:, None],
    )


def joined_with(
    words: Words,
    people: Mapping[str, People],
    faith: Mapping[str, float],
    *,
    reads: str,
    generator: np.random.Generator,
) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Utterances beside drawn people, all present; and how far the people of each can be believed ``(n, 2)``."""
    there = np.ones(len(words.classes), dtype=bool)
    inputs, quality = {"text": (words.vectors, there)}, []
    for name in ("voice", "face"):
        rows = people[name].draw(words.classes, faith=faith[name], generator=generator)
        inputs[name] = (getattr(people[name], reads)[rows], there)
        quality.append(people[name].quality[rows])
    return inputs, np.stack(quality, axis=1)


def only(inputs: Inputs, *names: str) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """The same utterances with no other modality than these."""
    return {name: (values, there & (name in names)) for name, (values, there) in inputs.items()}


@dataclass(frozen=True, slots=True)
class Part:
    """Utterances, the people that they may be joined with, and how faithful a draw is, by modality."""

    words: Words
    people: Mapping[str, People]
    faith: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Run:
    """A finished training: the fusion of its best epoch (from 1) and the figure by which that was chosen."""

    fusion: PairedFusion
    seed: int
    epoch: int
    chosen_by: float


def fit(
    training: Part,
    choice: Part,
    options: PairedOptions,
    *,
    seed: int,
    progress: Callable[[str, float, float], None] | None = None,
) -> Run:
    """Train one fusion, keep the epoch with the best mean weighted F1 of text alone and of all three, calibrate it.

    Only ``choice`` is looked at for both. The same parts, options and seed give the same weights on one processor.
    """
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            return _run(training, choice, options, seed, progress)
    finally:
        torch.set_num_threads(threads)


def _run(
    training: Part,
    choice: Part,
    options: PairedOptions,
    seed: int,
    progress: Callable[[str, float, float], None] | None,
) -> Run:
    import torch

    cut = Directions.of(training.words.vectors, options.directions)
    system = new_system(options)
    system.label_loss.configure(class_weights=None, smoothing=options.smoothing)
    optimiser = torch.optim.AdamW(system.parameters(), lr=options.learning_rate, weight_decay=options.weight_decay)
    words = replace(training.words, vectors=cut(training.words.vectors))
    generator = np.random.default_rng(seed)
    best: tuple[float, int, dict[str, torch.Tensor]] = (-1.0, 0, {})
    for epoch in range(1, options.epochs + 1):
        _epoch(system, optimiser, replace(training, words=words), options, generator)
        figure = _figure(PairedFusion(system, cut, options), choice)
        if figure > best[0]:
            best = figure, epoch, {name: value.clone() for name, value in system.state_dict().items()}
        if progress:
            progress(f"mamba, seed {seed}", epoch, options.epochs)
        if epoch - best[1] >= options.patience:
            break
    system.load_state_dict(best[2])
    fusion = PairedFusion(system, cut, options)
    fusion.temperature = _temperature(fusion, choice)
    return Run(fusion, seed, best[1], round(best[0], 4))


def _epoch(
    system: System, optimiser: Any, training: Part, options: PairedOptions, generator: np.random.Generator
) -> None:
    """One pass over the utterances, each with new people; words of a batch are already cut."""
    from torch.nn.utils import clip_grad_norm_

    inputs, quality = joined_with(
        training.words, training.people, training.faith, reads=options.reads, generator=generator
    )
    size = len(training.words.classes)
    there = generator.random((size, len(MODALITIES))) >= options.absent
    there[~there.any(1), 0] = True  # words, where nothing is left
    shares = (1 + (quality * there[:, 1:]).sum(1)) / (1 + there[:, 1:].sum(1)) if options.quality else np.ones(size)
    system.train()
    for rows in np.array_split(generator.permutation(size), -(-size // options.batch)):
        picked = {name: (inputs[name][0][rows], there[rows, place]) for place, name in enumerate(MODALITIES)}
        optimiser.zero_grad(set_to_none=True)
        system(batch_of(picked, classes=training.words.classes[rows], weights=shares[rows])).loss.backward()
        clip_grad_norm_(system.parameters(), 1.0)
        optimiser.step()


def _drawn(fusion: PairedFusion, choice: Part) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the choice part with text alone and with all three, ``(n, 7)`` each; always the same draw."""
    fusion.system.eval()
    inputs, _ = joined_with(
        choice.words, choice.people, choice.faith, reads=fusion.options.reads, generator=np.random.default_rng(0)
    )
    return fusion.logits(only(inputs, "text")), fusion.logits(inputs)


def _figure(fusion: PairedFusion, choice: Part) -> float:
    true = choice.words.classes
    matrices = [confusion(true, raw.argmax(1), classes=len(EKMAN7)) for raw in _drawn(fusion, choice)]
    return float(np.mean([weighted_f1(matrix) for matrix in matrices]))


def _temperature(fusion: PairedFusion, choice: Part) -> float:
    return fit_temperature(np.concatenate(_drawn(fusion, choice)), np.tile(choice.words.classes, 2))
