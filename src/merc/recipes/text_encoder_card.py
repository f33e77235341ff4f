"""The tuned encoder on its test part: what the card of a tuning says, as a record and as a page."""

from __future__ import annotations

import shutil
from collections.abc import Container, Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np

from merc import weights
from merc.cache import file_hash, replacing
from merc.evaluation.calibration import expected_calibration_error, fit_temperature, softmax
from merc.evaluation.metrics import confusion
from merc.labels import EKMAN7
from merc.progress import Progress
from merc.recipes.card import FORMAT, Card, licence
from merc.recipes.head_options import AdaptOptions
from merc.recipes.heads import measured
from merc.recipes.samples import Sample, Selection
from merc.recipes.text_encoder import Course, TuneOptions, read, read_texts, reader_of, tune
from merc.recipes.text_sampling import SAMPLES, available, census, mixture, overlap, words

NOISY = "crowdflower"
"""The corpus whose test items are left out once: one worker a tweet, a class often not to be seen in the words."""


def adapt_encoder(
    data: Path, out: Path, options: TuneOptions, *, start: Path | None = None, progress: Progress | None = None
) -> Card:
    """Tune the sentence encoder on the texts below ``data``, measure it once on the test part, and write its card.

    ``start`` is what another tuning on the same texts left, to go on from. ``out`` takes the files of the epochs,
    ``text-<method>.json`` and ``.md``, and the chosen epoch as ``text-<method>.safetensors``; a killed run goes on
    there. Raises InputError for a missing corpus, for a start of other texts and for a folder that holds another
    tuning, MissingExtra without peft, WeightError without the weight 'mpnet'.
    """
    selection = mixture(options.sample, data, each=options.each, seed=options.seed)
    reader = reader_of(options)
    course = tune(selection, out, options=options, reader=reader, start=start, progress=progress)
    samples = _part(selection, "test")
    logits = read(reader, read_texts(samples, reader, longest=options.longest), progress=progress, stage="test")
    learned = _part(selection, "train")
    learned = learned[:: max(1, len(learned) // len(samples))]
    recalled = read(reader, read_texts(learned, reader, longest=options.longest), progress=progress, stage="train")
    name = f"text-{options.method}"
    kept = out / f"{name}.safetensors"
    with replacing(kept) as temporary:
        shutil.copyfile(course.path, temporary)
    texts = {"distinct_in_corpora": available(data), "by_part": census(selection), "overlap": overlap(selection)}
    record = _record(options, selection, course, weights_file=kept)
    if start:
        record["start"] = {"folder": start.parent.name, "file": start.name, "sha256": file_hash(start)}
    temperature = fit_temperature(course.validation, _classes(_part(selection, "validation")))
    record |= {
        "texts": texts,
        "temperature": round(temperature, 6),
        "test": tested(samples, logits, temperature, known=_known(selection)),
        "train": {"items": len(learned), "accuracy": round(float((recalled.argmax(1) == _classes(learned)).mean()), 4)},
    }
    card = TunedCard(name, record)
    card.write(out)
    return card


class TunedCard(Card):
    """The card of a tuning; its page is another than that of a head."""

    def markdown(self) -> str:
        """The card as a page."""
        from merc.reporting.text_encoder_card import tuned_page

        return tuned_page(self.record)


def tested(
    samples: Sequence[Sample], logits: np.ndarray, temperature: float, *, known: Container[str] = ()
) -> dict[str, Any]:
    """The figures of the test part: all, each corpus, all without the noisy one, and, where some have the words of a
    ``known`` text, these and the others apart; intervals resample texts."""
    classes, groups = _classes(samples), [words(sample) for sample in samples]
    probabilities = softmax(logits / temperature)

    def of(rows: Sequence[int]) -> dict[str, Any]:
        own = [groups[row] for row in rows]
        return measured(probabilities[list(rows)], classes[list(rows)], AdaptOptions(), groups=own)

    corpora = sorted({sample.corpus for sample in samples})
    overall = of(range(len(samples)))
    overall["ece_before_temperature"] = round(expected_calibration_error(softmax(logits), classes), 4)
    found = {
        "overall": overall,
        "by_corpus": {name: of([n for n, one in enumerate(samples) if one.corpus == name]) for name in corpora},
        "confusion": confusion(classes, logits.argmax(1), classes=len(EKMAN7)).tolist(),
    }
    seen = [n for n, text in enumerate(groups) if text in known]
    if 0 < len(seen) < len(samples):
        found |= {"shared": of(seen), "new": of(sorted(set(range(len(samples))) - set(seen)))}
    clean = [n for n, one in enumerate(samples) if one.corpus != NOISY]
    if clean:
        found["without_noisy"] = of(clean)
        found["noise_costs"] = _difference(found["without_noisy"], overall)
    return found


def _difference(better: Mapping[str, Any], worse: Mapping[str, Any]) -> dict[str, float]:
    return {name: round(better[name][0] - worse[name][0], 4) for name in ("accuracy", "macro_f1")}


def _record(options: TuneOptions, selection: Selection, course: Course, *, weights_file: Path) -> dict[str, Any]:
    corpora = sorted({sample.corpus for sample in selection.samples})
    return {
        "format": FORMAT,
        "name": weights_file.stem,
        "title": f"mpnet tuned on {', '.join(corpora)} ({options.method})",
        "labels": list(EKMAN7),
        "sample": options.sample,
        "stamp": SAMPLES[options.sample],
        "licence": licence(corpora),
        "encoder": {"encoder": "mpnet", "sha256": weights.WEIGHTS["mpnet"].sha256},
        "weights": {
            "file": weights_file.name,
            "sha256": file_hash(weights_file),
            "bytes": weights_file.stat().st_size,
        },
        "options": asdict(options) | {"learning_rate": options.reading.learning_rate},
        "removed": selection.removed,
        "epoch": course.epoch,
        "validation": list(course.history),
    }


def _known(selection: Selection) -> frozenset[str]:
    return frozenset(words(sample) for sample in _part(selection, "train"))


def _part(selection: Selection, name: str) -> list[Sample]:
    return [selection.samples[n] for n in selection.part(name)]


def _classes(samples: Sequence[Sample]) -> np.ndarray:
    return np.array([EKMAN7.index(sample.label) for sample in samples], dtype=np.int64)
