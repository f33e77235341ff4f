"""The contract of every system: the batch that it reads, the output that it gives, and what describes it.

Symbols: B dialogues in a batch, T utterances in the longest of them, d the width of a modality, N the steps (tokens,
frames, samples) of all utterances of a batch together, S the steps of the longest utterance, C classes, A targets. A
system of level "utterance" gets dialogues of one (T = 1). Each modality has its own steps, in packed rows (``Rows``).

    >>> import torch
    >>> from merc.systems import Batch, Rows
    >>> frames = Rows(values=torch.ones(7, 40), lengths=torch.tensor([[4, 0], [2, 1]]))
    >>> batch = Batch.of({"voice": frames}, labels=torch.tensor([[0, 1], [2, 0]]))
    >>> batch.vectors("voice")[0].shape, batch.steps("voice")[0].shape
    (torch.Size([2, 2, 40]), torch.Size([4, 4, 40]))
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import Any, ClassVar, NoReturn

import torch
from torch import Tensor, nn

from merc.errors import InputError
from merc.nn.losses import UNLABELLED, LabelLoss
from merc.nn.rows import Rows, aligned_places
from merc.options import one_of

LEVELS = ("dialogue", "utterance")
READS = ("vectors", "steps", "cells", "tokens", "sound")
"""How a system reads a modality: a vector per utterance, vectors or grids of cells in sequence, numbers, samples."""


@dataclass(frozen=True, slots=True)
class Batch:
    """B dialogues, padded to T utterances.

    Attributes:
        rows: By modality its packed steps.
        mask: bool ``(B, T)``, True for a real utterance.
        speakers: int64 ``(B, T)``, numbers from 0 in order of appearance in the dialogue, 0 in padding.
        labels: int64 ``(B, T)``, ``UNLABELLED`` where an utterance has no label.
        weights: float ``(B, T)``, how much an utterance counts in the loss.
        people: int64 ``(B, T)``, speaker ids that are global in the corpus, -1 where unknown.
        targets: float ``(B, T, A)``, NaN where a target is absent; A may be 0.
        universal: int64 ``(B, T, F)``, fields of a universal label, -1 where unknown.
        ids: For each dialogue its utterance ids.
        source: Name of the corpus or task that the batch comes from; empty where there is only one.

    Raises:
        InputError: If a tensor does not have the shape of the mask.
    """

    rows: Mapping[str, Rows]
    mask: Tensor
    speakers: Tensor
    labels: Tensor
    weights: Tensor
    people: Tensor
    targets: Tensor
    universal: Tensor
    ids: tuple[tuple[str, ...], ...] = ()
    source: str = ""

    def __post_init__(self) -> None:
        size = self.mask.shape
        for name in ("speakers", "labels", "weights", "people", "targets", "universal"):
            shape, more = getattr(self, name).shape, int(name in ("targets", "universal"))
            if shape[:2] != size or len(shape) != 2 + more:
                raise InputError(f"batch: {name} has shape {tuple(shape)}; expected {tuple(size)} as the mask")
        for name, rows in self.rows.items():
            if (shape := rows.lengths.shape) != size:
                raise InputError(f"batch: lengths of modality '{name}' have shape {tuple(shape)}, not {tuple(size)}")

    @classmethod
    def of(cls, values: Mapping[str, Tensor | Rows], mask: Tensor | None = None, **others: Any) -> Batch:
        """A batch from tensors, with defaults for whatever is not given.

        Args:
            values: By modality ``Rows``, or vectors ``(B, T, d)`` that are present where the mask is True.
            mask: bool ``(B, T)``; by default all utterances are real.
            **others: Any other field of the batch; by default one speaker, no labels, weights of 1, no targets.

        Example:
            >>> batch = Batch.of({"text": torch.randn(2, 5, 768)})
            >>> batch.mask.shape, bool(batch.labelled.any())
            (torch.Size([2, 5]), False)
        """
        first = next(iter(values.values()))
        if mask is None:
            lengths = first.lengths if isinstance(first, Rows) else first[..., 0]
            mask = torch.ones_like(lengths, dtype=torch.bool)
        zeros = torch.zeros_like(mask, dtype=torch.int64)
        usual = {
            "speakers": zeros,
            "labels": zeros + UNLABELLED,
            "weights": mask.float(),
            "people": zeros - 1,
            "targets": zeros[..., None][..., :0].float(),
            "universal": zeros[..., None][..., :0],
        }
        rows = {name: one if isinstance(one, Rows) else Rows.of_vectors(one, mask) for name, one in values.items()}
        return cls(rows, mask, **{**usual, **others})

    @property
    def lengths(self) -> Tensor:
        """Real utterances in each dialogue: int64 ``(B,)``."""
        return self.mask.sum(1)

    @property
    def labelled(self) -> Tensor:
        """True where an utterance counts in the label loss: bool ``(B, T)``."""
        return self.mask & (self.labels != UNLABELLED)

    def modality(self, name: str) -> Rows:
        """The rows of the modality ``name``; raises InputError where the batch does not have it."""
        if name not in self.rows:
            raise InputError(f"the batch has no modality '{name}'; it has {', '.join(sorted(self.rows))}")
        return self.rows[name]

    def present(self, name: str) -> Tensor:
        """True where an utterance has the modality ``name``: bool ``(B, T)``."""
        return self.modality(name).present

    def vectors(self, name: str) -> tuple[Tensor, Tensor]:
        """One vector of ``name`` an utterance: ``(B, T, d)``, zeros where absent, and bool ``(B, T)``, True where
        present.
        """
        rows = self.modality(name)
        return rows.vectors(), rows.present

    def vectors_of(self, names: Collection[str]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """``vectors`` of the modalities ``names``: values by name, and presence by name."""
        values = {name: self.modality(name).vectors() for name in names}
        return values, {name: self.rows[name].present for name in names}

    def steps(self, name: str) -> tuple[Tensor, Tensor]:
        """The own steps of the modality ``name``: ``(B · T, S, d)``, zeros in padding, and bool ``(B · T, S)``."""
        return self.modality(name).steps()

    def aligned(
        self, names: Collection[str] | None = None, *, to: str = "text"
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Modalities on shared steps: by name ``(B · T, S, d)``, and masks, bool ``(B · T, S)``.

        The steps of an utterance are those of modality ``to``; where that is absent, those of the modality that has
        the most. Others are cut into chunks along them as ``merc.features.alignment`` says: a vector is repeated.

        Args:
            names: The modalities wanted; default: all.
            to: The modality whose steps are kept.
        """
        rows = {name: self.modality(name) for name in (self.rows if names is None else names)}
        lengths = {name: one.lengths.flatten() for name, one in rows.items()}  # (B · T,) each
        shared = torch.stack(list(lengths.values())).amax(0)
        if to in lengths:
            shared = torch.where(lengths[to] > 0, lengths[to], shared)
        values, masks = {}, {}
        for name, one in rows.items():
            if torch.equal(lengths[name], shared):
                values[name], masks[name] = one.steps()
                continue
            masks[name], places = aligned_places(shared, lengths[name])  # (B · T, S), (rows taken,)
            taken = one.values[places]
            values[name] = taken.new_zeros(*masks[name].shape, *taken.shape[1:])
            values[name][masks[name]] = taken
        return values, masks

    def without(self, name: str) -> Batch:
        """The same batch with the modality ``name`` absent everywhere."""
        return replace(self, rows={**self.rows, name: self.modality(name).where(torch.zeros_like(self.mask))})

    def to(self, device: str | torch.device) -> Batch:
        """The same batch on another ``device``."""
        named = {one.name: getattr(self, one.name) for one in fields(self)}
        moved: dict[str, Any] = {name: value.to(device) for name, value in named.items() if isinstance(value, Tensor)}
        return replace(self, rows={name: one.to(device) for name, one in self.rows.items()}, **moved)


@dataclass(frozen=True, slots=True)
class Output:
    """What a system gives for a batch.

    >>> silent = Output(logits=None)

    Attributes:
        logits: ``(B, T, C)``, or None for a system that predicts no classes.
        losses: Scalars by name, already weighted; training minimises their sum. Empty when nothing is labelled.
        extras: Whatever else a reader may want (attention, embeddings).
        representations: By modality ``(B, T, d)`` just before the fusion, for hooks that look at each modality alone.
        values: ``(B, T, A)``, predicted targets of a regression, or None.
        steps: By modality ``(B · T, S, d)`` where the fusion reads steps, of which the representation is the mean.
    """

    logits: Tensor | None
    losses: Mapping[str, Tensor] = field(default_factory=dict)
    extras: Mapping[str, Tensor] = field(default_factory=dict)
    representations: Mapping[str, Tensor] = field(default_factory=dict)
    values: Tensor | None = None
    steps: Mapping[str, Tensor] = field(default_factory=dict)

    @property
    def loss(self) -> Tensor:
        """The sum of all losses; raises InputError when there is none."""
        if not self.losses:
            raise InputError("no loss: the batch holds no labelled utterance")
        return torch.stack(list(self.losses.values())).sum()


@dataclass(frozen=True, slots=True)
class Published:
    """A figure that a source prints, with its protocol, and why it can or cannot be compared with ours.

    >>> seen = Published("meld", "weighted_f1", 66.2, "Table 2", comparable=False, why="chosen on test")
    """

    protocol: str  # one of ours, or in words
    metric: str  # as in records
    value: float  # percent
    source: str  # where it is printed
    comparable: bool  # with ours
    why: str  # it is, or is not
    modalities: tuple[str, ...] = ()  # none: all that the system reads


@dataclass(frozen=True, slots=True)
class Recipe:
    """How a system is trained by default; what its source does not give is our choice.

    >>> usual = Recipe(epochs=30, smoothing=0.1)
    """

    learning_rate: float = 1e-3  # of AdamW
    weight_decay: float = 1e-2  # of AdamW
    batch: int = 16  # dialogues, or utterances for a system of level "utterance"
    epochs: int = 60  # at most
    patience: int = 10  # epochs without a better validation figure before training ends
    clip: float = 1.0  # largest norm of the gradient
    smoothing: float = 0.0  # label smoothing
    class_weights: bool = False  # weigh classes by the inverse of their frequency in training
    standardise: tuple[str, ...] = ("voice", "face", "motion")  # modalities standardised by the training part
    curriculum: str | None = None  # name of a difficulty measure, None: all dialogues from the start


@dataclass(frozen=True, slots=True)
class Setup:
    """Changes of a system's options and recipe, and features in place of the usual ones.

    >>> as_published = Setup(training={"epochs": 30}, features="voice=egemaps")
    """

    options: Mapping[str, Any] = field(default_factory=dict)  # of the system, by name
    training: Mapping[str, Any] = field(default_factory=dict)  # of the recipe, by name
    features: str = ""  # as for --features; empty: the usual ones


@dataclass(frozen=True, slots=True)
class Description:
    """What ``merc systems`` prints about a system.

    >>> from merc.systems import SYSTEMS
    >>> SYSTEMS["concat"].description.level
    'dialogue'

    Raises:
        InputError: If the level, a way of reading or a modality is not known.
    """

    name: str  # in SYSTEMS
    title: str  # of the page
    paper: str  # reference, or "none"
    idea: str  # one sentence
    level: str  # "dialogue" or "utterance": what it reads at once
    modalities: tuple[str, ...]  # those that it can read, in the order of its symbols
    needs: tuple[str, ...]  # those that it cannot do without
    licence: str  # of the code
    published: tuple[Published, ...] = ()  # figures to compare with
    recipe: Recipe = field(default_factory=Recipe)  # how it is trained by default
    reads: Mapping[str, str] = field(default_factory=dict)  # by modality one of READS; not named: vectors
    steps: str = "own"  # "own" where each modality keeps its steps, "shared" where all are aligned to one sequence
    predicts_values: bool = False  # whether it can, on dimensions such as valence
    predicts_classes: bool = True  # whether it can
    by_protocol: Mapping[str, Setup] = field(default_factory=dict)  # what its source does otherwise on a corpus
    configurations: Mapping[str, Mapping[str, Setup]] = field(default_factory=dict)  # by name, then protocol; "": all

    def __post_init__(self) -> None:
        one_of(LEVELS, scope=f"system '{self.name}'", level=self.level)
        one_of(("own", "shared"), scope=f"system '{self.name}'", steps=self.steps)
        for modality, way in self.reads.items():
            if modality not in self.modalities or way not in READS:
                raise InputError(
                    f"system '{self.name}' reads {modality} as '{way}'; expected one of its modalities "
                    f"({', '.join(self.modalities)}) and one of {', '.join(READS)}"
                )


class System(nn.Module):
    """Base of all systems: ``forward(batch) -> Output``.

    A subclass states ``description`` and ``Options`` (a frozen dataclass) and calls ``losses`` for the cross-entropy,
    so that label smoothing and class weights work alike everywhere. One that can predict values passes ``dimensions``
    on, gives its last layer ``outputs`` numbers and returns ``predicted``; training adds a loss unless it has "values".

    Args:
        inputs: Width by modality, a subset of the modalities that the system can read; for token numbers the size
            of the vocabulary, for sound 1.
        classes: Number of classes; 0: it predicts values alone.
        options: An instance of ``Options``; None: its defaults.
        dimensions: Number of values to predict; 0: it predicts classes alone.

    Raises:
        InputError: If a modality cannot be read or one that is needed is missing.

    Example:
        >>> from merc.systems import SYSTEMS
        >>> system = SYSTEMS["concat"]({"text": 768, "voice": 192}, 7).eval()
        >>> system(Batch.of({"text": torch.randn(1, 3, 768), "voice": torch.randn(1, 3, 192)})).logits.shape
        torch.Size([1, 3, 7])
    """

    description: ClassVar[Description]
    Options: ClassVar[type]
    target_mean: Tensor
    target_deviation: Tensor

    def __init__(self, inputs: Mapping[str, int], classes: int, options: Any = None, *, dimensions: int = 0) -> None:
        super().__init__()
        self._check(inputs, classes, dimensions)
        self.inputs = {name: inputs[name] for name in self.description.modalities if name in inputs}
        self.classes = classes
        self.options = self.Options() if options is None else options
        self.label_loss = LabelLoss(classes)
        self.dimensions = dimensions
        self.outputs = classes + dimensions  # of the last layer: a logit of each class, then a value of each dimension
        if dimensions:
            self.register_buffer("target_mean", torch.zeros(dimensions))
            self.register_buffer("target_deviation", torch.ones(dimensions))

    def _check(self, inputs: Mapping[str, int], classes: int, dimensions: int) -> None:
        described = self.description
        unknown, missing = sorted(set(inputs) - set(described.modalities)), sorted(set(described.needs) - set(inputs))
        if unknown or missing or not inputs:
            problem = f"cannot read {', '.join(unknown)}" if unknown else f"needs {', '.join(missing) or 'a modality'}"
            raise InputError(
                f"system '{described.name}' {problem}; it reads {', '.join(described.modalities)} and needs "
                f"{', '.join(described.needs) or 'any of them'}; the features have {', '.join(inputs)}"
            )
        if classes and not described.predicts_classes:
            raise InputError(f"system '{described.name}' predicts no classes; expected dimensions alone")
        if classes < 2 and not dimensions:
            raise InputError(f"system '{described.name}': {classes} class; expected two or more")

    @classmethod
    def reading(cls, options: Any = None) -> dict[str, str]:
        """How each modality is read under ``options`` (None: the default ones): by modality one of ``READS``."""
        return {name: cls.description.reads.get(name, "vectors") for name in cls.description.modalities}

    @classmethod
    def level(cls, options: Any = None) -> str:
        """What it reads at once under ``options`` (None: the default ones): one of ``LEVELS``."""
        return cls.description.level

    @classmethod
    def refuse_reads(cls) -> NoReturn:
        """Raise InputError for a request to read otherwise than the system can, naming those that can."""
        from merc.systems import SYSTEMS

        ways = ", ".join(f"{modality} as {way}" for modality, way in cls.reading().items())
        able = [other for other, kind in SYSTEMS.items() if any(one.name == "reads" for one in fields(kind.Options))]
        always = [other for other, kind in SYSTEMS.items() if "steps" in kind.description.reads.values()]
        raise InputError(
            f"system '{cls.description.name}' reads {ways} and in no other way; {', '.join(able)} can read steps "
            f"(--set system.reads=steps), {', '.join(always)} always do"
        )

    def forward(self, batch: Batch) -> Output:
        """Turn a ``batch`` into logits and, where there are labels, losses; the base raises NotImplementedError."""
        raise NotImplementedError

    def encoders(self) -> Mapping[str, Sequence[nn.Parameter]]:
        """By modality the parameters that serve it alone, for hooks that scale their gradients; empty: none."""
        return {}

    def predicted(
        self, last: Tensor, batch: Batch, extras: Mapping[str, Tensor], representations: Mapping[str, Tensor]
    ) -> Output:
        """The output of ``last`` ``(B, T, outputs)`` for a ``batch``: logits and their loss, values (de-standardised),
        or both, with ``extras`` and ``representations`` as they are."""
        logits = last[..., : self.classes] if self.classes else None
        losses = {} if logits is None else self.losses(logits, batch)
        values = last[..., self.classes :] * self.target_deviation + self.target_mean if self.dimensions else None
        return Output(logits, losses, extras, representations, values)

    def begin_epoch(self, epoch: int) -> None:
        """Called before each ``epoch`` of training, from 1, and where one is resumed."""

    def losses(self, logits: Tensor, batch: Batch, **others: Tensor) -> dict[str, Tensor]:
        """The label loss of ``logits`` on a ``batch``, and ``others``; nothing when no utterance of it has a label."""
        known = batch.labelled.any()
        return {"label": self.label_loss(logits, batch.labels, weights=batch.weights), **others} if known else {}
