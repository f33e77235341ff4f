"""The Mamba fusion trained without a single recording of three modalities: words of MELD, voices and faces of donors.

Every training utterance of MELD is joined, anew in every epoch, with the voice and the face of donors drawn by its
label from the training parts of the corpora of voices and of faces. Each modality is left out at times, and an
utterance counts as much as its donors can be believed. The epoch is chosen on the selection split, one half of MELD's
dev dialogues, joined with donors of the validation parts; the other half, the comparison split, is for
``research.paired_fusion.compare``.

Symbols: n utterances, 7 labels. Text is the vector of what reads the words, cut to the directions in which it varies
most; voice and face are emotion vectors (128) or the evidence of a head (7); each is a sequence of one step.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from merc.cache import file_hash, replacing
from merc.errors import InputError, WeightError
from merc.evaluation.calibration import fit_temperature, softmax
from merc.evaluation.metrics import confusion, weighted_f1
from merc.labels import EKMAN7
from merc.progress import Progress
from merc.training.contract import Plan, Task
from merc.training.contract import Run as LoopRun
from merc.training.device import seeded
from merc.training.loop import fit as run_loop
from merc.training.options import LoopOptions
from research.paired_fusion.donors import People

if TYPE_CHECKING:
    import torch

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
    """Whether an utterance counts as much as its donors can be believed."""
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
    """Epochs without a better figure on the selection split before training stops."""
    device: str = "cpu"
    """Of the training."""

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
    """Utterances of one part: vectors of their words ``(n, width)``, class numbers ``(n,)``, dialogues."""

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
            logits = self.system(batch_of(cut).to(next(self.system.parameters()).device)).logits
            if logits is None:
                raise InputError("the system predicts no classes")
            result: np.ndarray = logits[:, 0].double().cpu().numpy()
        return result

    def probabilities(self, inputs: Inputs) -> np.ndarray:
        """Calibrated probabilities ``(n, 7)``, rows sum to 1."""
        return softmax(self.logits(inputs) / self.temperature)

    def save(self, folder: Path, record: Mapping[str, Any]) -> dict[str, Any]:
        """Write ``mamba.safetensors`` and return the record with what is needed to load it again.

        The system is kept in float16; the directions are not, since a number that hardly varies has a large factor.
        """
        from safetensors.numpy import save_file

        tensors = {f"system.{k}": v.half().cpu().numpy() for k, v in self.system.state_dict().items()}
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
        known = {**record["options"], "absent": tuple(record["options"]["absent"])}
        options = PairedOptions(**known)
        text = Directions(tensors.pop("text.weight"), tensors.pop("text.bias"))
        system = new_system(options)
        system.load_state_dict({name.removeprefix("system."): torch.from_numpy(v) for name, v in tensors.items()})
        return cls(system, text, options, temperature=record["temperature"])


def new_system(options: PairedOptions) -> System:
    """The untrained Mamba fusion: sizes of the block as in the paper; evidence is projected to 128 numbers."""
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
    """Utterances with drawn donors, all present; and how far the donors of each can be believed ``(n, 2)``."""
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
    """Utterances, the donors that they may be joined with, and how faithful a draw is, by modality."""

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


class Donated:
    """Training data: in every epoch each utterance gets new donors and is without some of its modalities.

    Args:
        part: Utterances whose vectors are already cut, and their donors.
        options: How they are drawn.
    """

    def __init__(self, part: Part, options: PairedOptions) -> None:
        self.part, self.options = part, options
        self._inputs: Inputs = {}
        self._shares = np.empty(0)

    def plan(self, epoch: int, generator: torch.Generator, world: int = 1) -> list[Plan]:
        """Draw donors, and the order of the utterances."""
        import torch

        random = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator)))
        part, size = self.part, len(self.part.words.classes)
        inputs, quality = joined_with(part.words, part.people, part.faith, reads=self.options.reads, generator=random)
        there = random.random((size, len(MODALITIES))) >= self.options.absent
        there[~there.any(1), 0] = True  # words, where nothing is left
        self._inputs = {name: (inputs[name][0], there[:, place]) for place, name in enumerate(MODALITIES)}
        weighed = (1 + (quality * there[:, 1:]).sum(1)) / (1 + there[:, 1:].sum(1))
        self._shares = weighed if self.options.quality else np.ones(size)
        batches = np.array_split(random.permutation(size), -(-size // (self.options.batch * world)))
        return [Plan(tuple(rows.tolist())) for rows in batches]

    def load(self, plan: Plan) -> Batch:
        """The utterances of a batch with the donors of this epoch."""
        rows = np.array(plan.items)
        picked = {name: (values[rows], there[rows]) for name, (values, there) in self._inputs.items()}
        return batch_of(picked, classes=self.part.words.classes[rows], weights=self._shares[rows])


def fit(training: Part, choice: Part, options: PairedOptions, *, seed: int, progress: Progress | None = None) -> Run:
    """Train one fusion, keep the epoch with the best mean weighted F1 of text alone and of all three, calibrate it.

    Only ``choice`` is looked at for both. The same parts, options and seed give the same weights on one device.
    """
    cut = Directions.of(training.words.vectors, options.directions)
    with seeded(seed, threads=1):
        system = new_system(options)
    system.label_loss.configure(class_weights=None, smoothing=options.smoothing)
    words = replace(training.words, vectors=cut(training.words.vectors))
    task = Task(
        module=system,
        data=Donated(replace(training, words=words), options),
        loss=lambda module, batch: module(batch).losses,
        judge=lambda module: {"weighted_f1": _figure(PairedFusion(cast("System", module), cut, options), choice)},
        size=lambda batch: float(batch.weights.sum()),
    )
    loop = LoopOptions(
        seed=seed,
        learning_rate=options.learning_rate,
        weight_decay=options.weight_decay,
        epochs=options.epochs,
        patience=options.patience,
        device=options.device,
    )
    fitted = run_loop(task, loop, LoopRun(progress=progress))
    fusion = PairedFusion(system, cut, options)
    fusion.temperature = _temperature(fusion, choice)
    return Run(fusion, seed, fitted.best, round(fitted.history[fitted.best - 1]["weighted_f1"], 4))


def _drawn(fusion: PairedFusion, choice: Part) -> tuple[np.ndarray, np.ndarray]:
    """Logits of the selection split with text alone and with all three, ``(n, 7)`` each; always the same draw."""
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
