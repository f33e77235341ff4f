"""``merc bench texts``: tuned text encoders side by side, from the records that ``merc adapt text --tune`` left.

What the source paper reports is the accuracy of a sample that shares texts between its parts; beside it stands what an
encoder knows of texts that it has never read.
"""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from merc.errors import FormatError, InputError
from merc.labels import EKMAN7
from merc.recipes.card import FORMAT
from merc.recipes.text_encoder import METHODS
from merc.recipes.text_sampling import SAMPLES
from merc.reporting.head_card import table
from merc.reporting.records import Record
from merc.reporting.results_page import Section, update

SECTION = "adapt-texts"
METRICS = ("accuracy", "macro_f1")
PAPER = 0.8341
PAPER_TRAIN = 0.9008
SOURCE = "arXiv 2511.14969, III-B"

NOTE = (
    "MPNet and a head of two linear layers learn texts of CrowdFlower, CARER, GoEmotions, ISEAR and SemEval-2018, "
    "each alone; the epoch is that of the least loss on validation. The interval is of texts drawn again; one seed. "
    "A sample that draws a text several times and then divides at random has copies on both sides, and its figure says "
    "how well training texts are remembered; what counts are the distinct texts, of which none is in two parts. The "
    f"source paper has {100 * PAPER:.1f} % on test beside {100 * PAPER_TRAIN:.1f} % on training texts ({SOURCE}), on a "
    "sample that it does not describe further than 6.2 k of each emotion from five corpora."
)


@dataclass(frozen=True, slots=True)
class TextsReport:
    """The records of several tunings, in the order given."""

    found: tuple[Mapping[str, Any], ...]

    def json(self) -> str:
        """Accuracy and macro F1 of each tuning on its test part, one JSON object a line."""
        lines = [_record(one, metric).to_dict() for one in self.found for metric in METRICS]
        return "\n".join(json.dumps(line, ensure_ascii=False) for line in lines)

    def tables(self) -> str:
        """The samples, what of them is remembered, the corpora, and recall by class."""
        return "\n\n".join([_samples(self.found), _parts(self.found), _corpora(self.found), _recalls(self.found)])

    def publish(self, path: Path) -> None:
        """Write the section of the texts in a document: the tables and the commands that make them."""
        commands = "\n".join(f"    {line}" for line in [*map(_command, self.found), _own(self.found)])
        parts = ["## Text encoders tuned on five corpora", "Made by", commands, NOTE, self.tables()]
        update(path, Section(SECTION, "\n\n".join(parts)))


def gathered(folders: Sequence[Path]) -> TextsReport:
    """The records in the folders of several tunings.

    Raises InputError for a folder without one, FormatError for one that cannot be read or is of another version.
    """
    found = []
    for folder in folders:
        paths = [path for method in METHODS if (path := folder / f"text-{method}.json").exists()]
        if not paths:
            raise InputError(
                f"{folder}: no tuned text encoder; 'merc adapt text --tune lora --out {folder}' leaves one"
            )
        found += [_read(path) for path in paths]
    return TextsReport(tuple(found))


def _read(path: Path) -> dict[str, Any]:
    try:
        record = dict(json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise FormatError(f"{path} cannot be read ({error}); run its 'merc adapt text' again") from error
    if record.get("format") != FORMAT or "train" not in record or record.get("sample") not in SAMPLES:
        raise FormatError(f"{path} is no record of this version; run its 'merc adapt text' again, which takes minutes")
    return {**record, "folder": path.parent.name}


def _record(one: Mapping[str, Any], metric: str) -> Record:
    """The figure of a tuning as records have it."""
    overall, shared = one["test"]["overall"], one["texts"]["overlap"]["share"]
    mean, low, high = overall[metric]
    known = f"{100 * shared:.1f} % of its test texts are in train"
    return Record(
        protocol=f"texts-{one['sample']}",
        system=_name(one),
        modalities=("text",),
        metric=metric,
        mean=mean,
        sd=None,
        n=1,
        low=low,
        high=high,
        seeds=(one["options"]["seed"],),
        label_counts=overall["support"],
        published=PAPER if metric == "accuracy" else None,
        source=f"{SOURCE} (another sample)" if metric == "accuracy" else None,
        comparable=not shared,
        why=known if shared else None,
        weight_hash=one["weights"]["sha256"],
        figures={"share_known": shared, "train_accuracy": one["train"]["accuracy"], "ece": overall["ece"]},
        recalls={label: figure[0] for label, figure in overall["recall"].items()},
    )


def _name(one: Mapping[str, Any]) -> str:
    return f"MPNet, {one['options']['method']}, {one['folder']}"


def _command(one: Mapping[str, Any]) -> str:
    options = one["options"]
    words = ["merc", "adapt", "text", "--tune", options["method"], "--sample", one["sample"]]
    words += ["--epochs", str(options["epochs"]), "--each-epoch", str(options["each_epoch"])]
    words += ["--start", f"tuned/{one['start']['folder']}/{one['start']['file']}"] if "start" in one else []
    return shlex.join([*words, "--seed", str(options["seed"]), "--out", _folder(one)])


def _own(found: Sequence[Mapping[str, Any]]) -> str:
    return f"merc bench texts {' '.join(dict.fromkeys(map(_folder, found)))} --results docs/results.md"


def _folder(one: Mapping[str, Any]) -> str:
    return f"tuned/{one['folder']}"


def _samples(found: Sequence[Mapping[str, Any]]) -> str:
    """A row for each tuning: what it learned and what it has on test."""
    rows = []
    for one in found:
        test, shared = one["test"]["overall"], one["texts"]["overlap"]
        train = one["texts"]["by_part"]["train"].values()
        items, texts = (sum(counts[what] for counts in train) for what in ("items", "texts"))
        rows.append(
            (
                one["folder"],
                one["stamp"],
                one["options"]["method"],
                f"{items:,} ({texts:,} distinct), {_readings(one)}",
                f"{test['items']:,}, {100 * shared['share']:.1f} % known from train",
                *(_percent(test[name]) for name in ("accuracy", "macro_f1", "weighted_f1")),
                f"{100 * one['train']['accuracy']:.1f}",
                f"{test['ece_before_temperature']:.3f} → {test['ece']:.3f}",
            )
        )
    what = ("tuning", "texts", "method", "train", "test")
    return table((*what, "accuracy", "macro F1", "weighted F1", "accuracy on train", "ECE"), rows)


def _readings(one: Mapping[str, Any]) -> str:
    """How many texts the epochs have read: of each class all that train, or as many as an epoch takes."""
    options, train = one["options"], one["texts"]["by_part"]["train"].values()
    most = options["each_epoch"] or max(counts["items"] for counts in train)
    read = options["epochs"] * sum(min(counts["items"], most) for counts in train)
    return f"{read:,} readings" + (f" after {one['start']['folder']}" if "start" in one else "")


def _parts(found: Sequence[Mapping[str, Any]]) -> str:
    """The test texts that training has too, those that it has not, and all without the noisy corpus."""
    names = {"shared": "known from train", "new": "not known", "without_noisy": "all without CrowdFlower"}
    rows = [
        (one["folder"], words, f"{part['items']:,}", *(_percent(part[m]) for m in METRICS))
        for one in found
        for name, words in names.items()
        if (part := one["test"].get(name))
    ]
    head = ("tuning", "test texts", "items", "accuracy", "macro F1")
    words = "Test texts that training has too and those that it has not; and what CrowdFlower's noise costs:"
    return f"{words}\n\n{table(head, rows)}"


def _corpora(found: Sequence[Mapping[str, Any]]) -> str:
    names = sorted({name for one in found for name in one["test"]["by_corpus"]})
    rows = [(one["folder"], *(_both(one["test"]["by_corpus"].get(name)) for name in names)) for one in found]
    return f"By corpus, accuracy / macro F1:\n\n{table(('tuning', *names), rows)}"


def _recalls(found: Sequence[Mapping[str, Any]]) -> str:
    rows = []
    for one in found:
        recall = one["test"]["overall"]["recall"]
        shown = (f"{100 * recall[label][0]:.1f}" if recall[label] else "–" for label in EKMAN7)
        rows.append((one["folder"], *shown))
    return f"Recall by class in percent:\n\n{table(('tuning', *EKMAN7), rows)}"


def _percent(figure: Sequence[float]) -> str:
    """Such as ``67.4 [66.0, 68.8]``."""
    mean, low, high = (100 * value for value in figure)
    return f"{mean:.1f} [{low:.1f}, {high:.1f}]"


def _both(part: Mapping[str, Any] | None) -> str:
    return " / ".join(f"{100 * part[name][0]:.1f}" for name in METRICS) if part else "–"
