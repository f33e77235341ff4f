"""Model cards: what a model is, what it was trained on, how well it does and under which terms it may be used.

``ModelCard`` is the record, written as JSON beside the weights; ``page`` prints any of them as Markdown, so that heads,
late fusion and text encoders are described alike.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from merc import reading
from merc.cache import replacing
from merc.corpora import CORPORA
from merc.errors import FormatError, InputError

FORMAT = 2

Figure = float | tuple[float, float, float]
"""A value, or a value with the lower and upper end of its 95 % interval."""


@dataclass(frozen=True, slots=True)
class WeightFile:
    """The file of the trained parameters, beside the card."""

    file: str
    sha256: str
    bytes: int
    parameters: int | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """The pretrained encoder that the model reads through, and what of it was trained ("frozen": nothing)."""

    name: str
    sha256: str
    options: Mapping[str, Any] = field(default_factory=dict)
    mode: str = "frozen"


@dataclass(frozen=True, slots=True)
class Source:
    """A corpus that the model was trained on, how its labels were mapped, and how many items were left out and why."""

    name: str
    title: str
    source: str
    licence: str
    noncommercial: bool
    defects: tuple[str, ...] = ()
    labels: Mapping[str, str | None] = field(default_factory=dict)
    why: str = ""
    removed: Mapping[str, int] = field(default_factory=dict)

    @classmethod
    def of(cls, name: str, removed: Mapping[str, int] | None = None, *, mapped: bool = True) -> Source:
        """The corpus of a name.

        Args:
            name: In the registry of corpora.
            removed: Items left out by reason.
            mapped: Whether its labels were mapped to the seven; False where its own labels are predicted.
        """
        corpus = CORPORA[name]
        labels, why = (dict(corpus.to_ekman7), corpus.why) if mapped else ({}, "")
        terms = (corpus.title, corpus.source, corpus.licence, corpus.noncommercial)
        return cls(name, *terms, tuple(corpus.defects), labels, why, dict(removed or {}))


@dataclass(frozen=True, slots=True)
class Samples:
    """How many samples of each label a part holds; ``of`` is a corpus, or what is counted."""

    of: str
    part: str
    counts: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Shared:
    """How many of the test items have a text that the training part has too."""

    items: int
    share: float
    of: int


@dataclass(frozen=True, slots=True)
class Data:
    """What the model was trained, validated and tested on."""

    sources: tuple[Source, ...]
    split: str
    samples: tuple[Samples, ...] = ()
    shared: Shared | None = None


@dataclass(frozen=True, slots=True)
class SeedRun:
    """One of several trainings: its best epoch and its figures."""

    seed: int
    epoch: int
    figures: Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Change:
    """An option changed, and what it gives on validation: mean and standard deviation over seeds."""

    change: str
    macro_f1: float
    sd: float
    seeds: int


@dataclass(frozen=True, slots=True)
class Start:
    """The file whose parameters the training began with; its terms hold too."""

    file: str
    sha256: str


@dataclass(frozen=True, slots=True)
class Training:
    """How the model was trained; epochs count from 1."""

    method: str
    options: Mapping[str, Any]
    best_epoch: int | None = None
    history: tuple[Mapping[str, float], ...] = ()
    seeds: tuple[SeedRun, ...] = ()
    shipped_seed: int | None = None
    ablation: tuple[Change, ...] = ()
    start: Start | None = None


@dataclass(frozen=True, slots=True)
class Measurement:
    """Figures of one set of items; ``facts`` are further columns of its row."""

    name: str
    figures: Mapping[str, Figure]
    items: int | None = None
    by_class: Mapping[str, Figure | None] = field(default_factory=dict)
    support: Mapping[str, int] = field(default_factory=dict)
    facts: Mapping[str, str | int] = field(default_factory=dict)

    def value(self, figure: str) -> float:
        """A figure without its interval."""
        found = self.figures[figure]
        return found if isinstance(found, int | float) else found[0]


@dataclass(frozen=True, slots=True)
class Results:
    """A table of measurements.

    ``by_class`` names the figure of each class, ``confusion`` is that of the first row, ``figures`` are those of all
    rows together, which ``conclusion`` says in words.
    """

    name: str
    heading: str
    note: str
    rows: tuple[Measurement, ...]
    by_class: str = "recall"
    confusion: tuple[tuple[int, ...], ...] = ()
    figures: Mapping[str, float] = field(default_factory=dict)
    conclusion: str = ""

    def row(self, name: str) -> Measurement | None:
        """The measurement of a name, or None."""
        return next((one for one in self.rows if one.name == name), None)


@dataclass(frozen=True, slots=True)
class Calibration:
    """The temperature of the logits, and the expected calibration error on the test part before and after it."""

    temperature: float
    fitted_on: str
    ece_before: float
    ece_after: float


@dataclass(frozen=True, slots=True)
class Trust:
    """The weight of a head in late fusion, the gains in nats that it was derived from, and the head's prior.

    ``levels`` (pairs of a trust and its prior share) and ``agreement`` weigh each speaker's voice by how it goes with
    the words; see ``merc.heads.late_fusion``.
    """

    weight: float
    trust_left_out: float
    gain_left_out: float
    gain_in_conversation: float
    prior: Mapping[str, float]
    levels: tuple[tuple[float, float], ...] = ()
    agreement: float | None = None


@dataclass(frozen=True, slots=True)
class Component:
    """A model that is part of the fusion: a layer over the text head, or a fine-tuned encoder with its temperature."""

    title: str
    licence: str
    sha256: str
    name: str = ""
    file: str = ""
    bytes: int | None = None
    parameters: int | None = None
    temperature: float | None = None


@dataclass(frozen=True, slots=True)
class TextForm:
    """How text becomes probabilities in conversation: the form, and the calibration of the text head."""

    form: str
    fitted_on: str
    temperature: float
    bias: Mapping[str, float]
    layer: Component | None = None
    encoder: Component | None = None


@dataclass(frozen=True, slots=True)
class Abstention:
    """Confidence below which no label is predicted, and the rule that chose it."""

    threshold: float
    rule: str


@dataclass(frozen=True, slots=True)
class Fusion:
    """What ``merc.heads.late_fusion`` reads: hashes of heads, prior of conversation, text form, trust, threshold.

    ``temperature_without_words`` is that of the fused posterior of utterances without words.
    """

    heads: Mapping[str, str]
    prior: Mapping[str, float]
    text: TextForm
    voice: Trust
    face: Trust
    abstention: Abstention
    temperature_without_words: float = 1.0


@dataclass(frozen=True, slots=True)
class ModelCard:
    """The record of a trained model; sections that a model does not have are empty.

    Attributes:
        name: File name without ending.
        title: One line.
        summary: What it reads and what it is for.
        licence: Terms of the weights, from the terms of the corpora.
        labels: What it predicts.
        data: Corpora, split, counts.
        training: Method, options, epochs, seeds, ablation.
        results: Tables of figures, each with its note.
        base: The pretrained encoder.
        weights: The file of the parameters.
        calibration: Temperature, and calibration error before and after.
        prior: Mean posterior on validation, by label: what a head believes before it reads anything.
        fusion: The settings of late fusion.
        notes: Further paragraphs.

    Example:
        >>> from merc.paths import SHIPPED
        >>> card = ModelCard.read(SHIPPED / "voice.json")
        >>> card.base.name, card.labels[0], len(card.data.sources)
        ('whisper-base', 'anger', 3)
    """

    name: str
    title: str
    summary: str
    licence: str
    labels: tuple[str, ...]
    data: Data
    training: Training
    results: tuple[Results, ...] = ()
    base: Base | None = None
    weights: WeightFile | None = None
    calibration: Calibration | None = None
    prior: Mapping[str, float] | None = None
    fusion: Fusion | None = None
    notes: tuple[str, ...] = ()

    def result(self, name: str) -> Results:
        """The results of a name; raises InputError with the names where there are none."""
        for one in self.results:
            if one.name == name:
                return one
        raise InputError(
            f"card '{self.name}' has no results '{name}'; it has {', '.join(r.name for r in self.results)}"
        )

    def as_json(self) -> dict[str, Any]:
        """The card as JSON holds it."""
        return dict(json.loads(json.dumps({"format": FORMAT, **asdict(self)})))

    def page(self) -> str:
        """The card as Markdown."""
        from merc.reporting.card_page import page

        return page(self)

    def write(self, folder: Path) -> None:
        """Write ``NAME.json`` and ``NAME.md``.

        Raises:
            OutputError: the folder cannot be written.
        """
        text = json.dumps(self.as_json(), indent=1, ensure_ascii=False) + "\n"
        for suffix, content in ((".json", text), (".md", self.page())):
            with replacing(folder / f"{self.name}{suffix}") as temporary:
                temporary.write_text(content, encoding="utf-8")

    @classmethod
    def read(cls, path: Path) -> ModelCard:
        """The card of a JSON file.

        Raises:
            InputError: there is no such file.
            FormatError: it holds no card, or one of another format version.
        """
        from pydantic import TypeAdapter, ValidationError

        if not path.exists():
            raise InputError(f"{path}: no model card; 'merc train' writes one beside the weights")
        try:
            values = reading.json_object(path)
        except reading.Unreadable as error:
            raise FormatError(f"{path} cannot be read ({error}); run its 'merc train' again") from error
        if values.pop("format", None) != FORMAT:
            raise FormatError(f"{path} is not a model card of format {FORMAT}; run its 'merc train' again")
        try:
            return TypeAdapter(cls).validate_python(values)
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(map(str, first["loc"]))
            raise FormatError(f"{path}: {place}: {first['msg']}; run its 'merc train' again") from error


def terms(sources: Sequence[Source]) -> str:
    """The terms under which weights trained on some corpora may be used."""
    restricted = [one for one in sources if one.noncommercial]
    if not restricted:
        return "Apache-2.0"
    each = "; ".join(f"{one.name}: {one.licence}" for one in restricted)
    return f"non-commercial research, from the terms of its corpora ({each})"
