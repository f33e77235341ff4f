"""``merc bench texts``: fine-tuned text encoders compared, from the cards that ``merc train text-encoder`` wrote.

Wang & Beigi 2025 (QC-MERC), "the paper", reports the accuracy of a sample that shares texts between its parts; here it
is compared with the accuracy on texts that training has not.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from merc.backbones.backbone import MODES
from merc.errors import FormatError, InputError
from merc.labels import EKMAN7
from merc.recipes.samples import ITEMS, SAMPLES, TEXTS
from merc.recipes.text_encoder import CLEAN, NEW, SHARED
from merc.reporting import printing
from merc.reporting.card_page import rows as table
from merc.reporting.cards import Figure, Measurement, ModelCard
from merc.reporting.printing import NONE, number
from merc.reporting.records import Record
from merc.reporting.results_page import Section

SECTION = "adapt-texts"
METRICS = ("accuracy", "macro_f1")
PAPER = 0.8341
PAPER_TRAIN = 0.9008
SOURCE = "arXiv 2511.14969, III-B"

NOTE = (
    "MPNet and a classifier of two linear layers learn texts of CrowdFlower, CARER, GoEmotions, ISEAR and "
    "SemEval-2018, each alone; the best checkpoint is chosen by validation loss. Intervals resample texts; one seed. "
    "A sample that draws a text several times and then splits at random has copies on both sides, and its figure says "
    "how well training texts are remembered; what counts are the distinct texts, none of which is in two parts. The "
    f"paper has {100 * PAPER:.1f} % on test and {100 * PAPER_TRAIN:.1f} % on training texts ({SOURCE}), on a sample "
    "that it does not describe further than 6.2 k of each emotion from five corpora."
)


@dataclass(frozen=True, slots=True)
class Encoder:
    """The card of one fine-tuned encoder, and the name of its folder."""

    folder: str
    card: ModelCard

    @property
    def options(self) -> Mapping[str, object]:
        """The options of its training."""
        return self.card.training.options

    def measured(self, name: str) -> Measurement | None:
        """A row of the test part."""
        return self.card.result("test").row(name)

    @property
    def overall(self) -> Measurement:
        """The test part as a whole."""
        return self.card.result("test").rows[0]

    @property
    def train_accuracy(self) -> float:
        """On training texts."""
        return self.card.result("train").rows[0].value("accuracy")

    @property
    def shared(self) -> float:
        """The share of test texts that training has too."""
        return self.card.data.shared.share if self.card.data.shared else 0.0

    def counts(self, what: str) -> Mapping[str, int]:
        """Training items or distinct training texts by label."""
        return next(one.counts for one in self.card.data.samples if (one.of, one.part) == (what, "train"))


@dataclass(frozen=True, slots=True)
class TextsReport:
    """The cards of several encoders, in the order given."""

    found: tuple[Encoder, ...]

    def json(self) -> str:
        """Accuracy and macro F1 of each encoder on its test part, one JSON object a line."""
        lines = [_record(one, metric).to_dict() for one in self.found for metric in METRICS]
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)

    def tables(self) -> str:
        """The samples, what of them is remembered, the corpora, and recall by class."""
        return "\n\n".join([_samples(self.found), _parts(self.found), _corpora(self.found), _recalls(self.found)])

    def section(self) -> Section:
        """Its section on the pages of results: the tables and the commands that make them."""
        commands = "\n".join(f"    {line}" for line in [*map(_command, self.found), _own(self.found)])
        parts = ["## Text encoders fine-tuned on five corpora", "Made by", commands, NOTE, self.tables()]
        records = tuple(_record(one, metric) for one in self.found for metric in METRICS)
        return Section("texts", SECTION, "\n\n".join(parts), records)

    def pictures(self) -> Mapping[str, str]:
        """None."""
        return {}

    def saved(self) -> TextsReport:
        """The same."""
        return self


def gathered(folders: Sequence[Path]) -> TextsReport:
    """The cards in the folders of several trainings.

    Raises:
        InputError: for a folder without one.
        FormatError: for one that cannot be read or is of another version.
    """
    found = []
    for folder in folders:
        paths = [path for mode in MODES if (path := folder / f"text-{mode}.json").exists()]
        if not paths:
            raise InputError(f"{folder}: no text encoder; 'merc train text-encoder --out {folder}' writes one")
        found += [_read(path) for path in paths]
    return TextsReport(tuple(found))


def _read(path: Path) -> Encoder:
    card = ModelCard.read(path)
    if card.training.options.get("sample") not in SAMPLES or not any(one.name == "train" for one in card.results):
        raise FormatError(f"{path} is not the card of a text encoder; run 'merc train text-encoder' again")
    return Encoder(path.parent.name, card)


def _record(one: Encoder, metric: str) -> Record:
    """The figure of an encoder as records have it."""
    overall, shared = one.overall, one.shared
    mean, low, high = _interval(overall.figures[metric])
    known = f"{number(shared)} % of its test texts are in train"
    return Record(
        protocol=f"texts-{one.options['sample']}",
        system=f"MPNet, {one.options['mode']}, {one.folder}",
        modalities=("text",),
        metric=metric,
        mean=mean,
        sd=None,
        n=1,
        low=low,
        high=high,
        seeds=(int(str(one.options["seed"])),),
        label_counts=dict(overall.support),
        published=PAPER if metric == "accuracy" else None,
        source=f"{SOURCE} (another sample)" if metric == "accuracy" else None,
        comparable=not shared,
        why=known if shared else None,
        weight_hash=one.card.weights.sha256 if one.card.weights else None,
        figures={"share_known": shared, "train_accuracy": one.train_accuracy, "ece": overall.value("ece")},
        recalls={label: _interval(figure)[0] for label, figure in overall.by_class.items() if figure is not None},
    )


def _command(one: Encoder) -> str:
    options, start = one.options, one.card.training.start
    words = ["merc", "train", "text-encoder"]
    for name in ("mode", "sample", "epochs", "each_epoch"):
        words += ["--set", f"{name}={options[name]}"]
    words += ["--start", f"runs/{start.file}"] if start else []
    return shlex.join([*words, "--seed", str(options["seed"]), "--out", f"runs/{one.folder}"])


def _own(found: Sequence[Encoder]) -> str:
    folders = " ".join(dict.fromkeys(f"runs/{one.folder}" for one in found))
    return f"merc bench texts {folders} --results docs/results"


def _samples(found: Sequence[Encoder]) -> str:
    """A row for each encoder: what it was trained on and what it has on test."""
    lines = []
    for one in found:
        items, texts = (sum(one.counts(what).values()) for what in (ITEMS, TEXTS))
        calibration = one.card.calibration
        before = f"{calibration.ece_before:.3f} → {calibration.ece_after:.3f}" if calibration else NONE
        lines.append(
            (
                one.folder,
                SAMPLES[str(one.options["sample"])],
                one.options["mode"],
                f"{items:,} ({texts:,} distinct), {_readings(one)}",
                f"{one.overall.items or 0:,}, {number(one.shared)} % known from train",
                *(_percent(one.overall.figures[name]) for name in ("accuracy", "macro_f1", "weighted_f1")),
                number(one.train_accuracy),
                before,
            )
        )
    what = ("encoder", "texts", "mode", "train", "test")
    return table((*what, "accuracy", "macro F1", "weighted F1", "accuracy on train", "ECE"), lines)


def _readings(one: Encoder) -> str:
    """How many texts the epochs have read: of each class all that train, or as many as an epoch takes."""
    counts = one.counts(ITEMS).values()
    epochs, each = (int(str(one.options[name])) for name in ("epochs", "each_epoch"))
    most, start = each or max(counts), one.card.training.start
    return f"{epochs * sum(min(count, most) for count in counts):,} readings" + (
        f" after {start.file}" if start else ""
    )


def _parts(found: Sequence[Encoder]) -> str:
    """The test texts that training has too, those that it has not, and all without the noisy corpus."""
    names = {SHARED: "known from train", NEW: "not known", CLEAN: CLEAN}
    lines = [
        (one.folder, words, f"{part.items or 0:,}", *(_percent(part.figures[metric]) for metric in METRICS))
        for one in found
        for name, words in names.items()
        if (part := one.measured(name))
    ]
    head = ("encoder", "test texts", "items", "accuracy", "macro F1")
    words = "Test texts that training has too and those that it has not; and what CrowdFlower's noise costs:"
    return f"{words}\n\n{table(head, lines)}"


def _corpora(found: Sequence[Encoder]) -> str:
    names = sorted({source.name for one in found for source in one.card.data.sources})
    lines = [(one.folder, *(_both(one.measured(name)) for name in names)) for one in found]
    return f"By corpus, accuracy / macro F1:\n\n{table(('encoder', *names), lines)}"


def _recalls(found: Sequence[Encoder]) -> str:
    lines = []
    for one in found:
        recall = one.overall.by_class
        shown = (number(_interval(figure)[0]) if (figure := recall[label]) else NONE for label in EKMAN7)
        lines.append((one.folder, *shown))
    return f"Recall by class in percent:\n\n{table(('encoder', *EKMAN7), lines)}"


def _interval(figure: Figure) -> tuple[float, float, float]:
    return (figure, figure, figure) if isinstance(figure, int | float) else figure


def _percent(figure: Figure) -> str:
    """Such as ``67.4 [66.0, 68.8]``."""
    return printing.figure(*_interval(figure))


def _both(part: Measurement | None) -> str:
    return " / ".join(number(part.value(name)) for name in METRICS) if part else NONE
