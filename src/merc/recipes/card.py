"""The card of a head: what it was trained on and how well it does, as a record and as a page."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from merc.cache import file_hash, replacing
from merc.corpora import CORPORA
from merc.labels import EKMAN7
from merc.recipes.head_options import AdaptOptions
from merc.recipes.heads import Fitted, Material
from merc.recipes.samples import PARTS, TEST_SPEAKERS, VALIDATION_SPEAKERS

FORMAT = 1

_SPLITS = {
    "text": (
        "Official splits merged; texts with the same words once, texts with contradicting classes never; 80/10/10 "
        "within corpus and class, by a hash of the words; then at most {train_cap} training and {held_cap} held-out "
        "texts a class, each corpus in proportion. No text stands in two parts."
    ),
    "voice": (
        "By speaker: nobody is heard in two parts. Test: {test}. Validation: {validation}. Training: all others. "
        "Intervals resample utterances, not speakers: they say nothing of speakers beyond these."
    ),
    "face": (
        "RAF-DB: official test; a tenth of the official training pictures for validation (no identities are given). "
        "CK+: 60/20/20 by subject. Intervals resample pictures, in CK+ sequences."
    ),
}

_USES = {
    "text": "English sentences. Trained on written messages and reports, not on speech: see the card of the fusion.",
    "voice": "Speech of about half a second or more. Trained on acted speech only, in English.",
    "face": "Faces from the front. Trained on pictures from the web and posed sequences.",
}


@dataclass(frozen=True, slots=True)
class Card:
    """A record that JSON can hold, with its name; ``markdown`` is the same for readers."""

    name: str
    record: dict[str, Any]

    def markdown(self) -> str:
        """The card as a page."""
        from merc.reporting.head_card import page

        return page(self.record)

    def write(self, folder: Path) -> None:
        """Write ``<name>.json`` and ``<name>.md``; raises OutputError where the folder cannot be written."""
        text = json.dumps(self.record, indent=1, ensure_ascii=False) + "\n"
        for suffix, content in ((".json", text), (".md", self.markdown())):
            with replacing(folder / f"{self.name}{suffix}") as target:
                target.write_text(content, encoding="utf-8")


def head_card(
    material: Material, fitted: Fitted, options: AdaptOptions, *, results: dict[str, Any], weights: Path
) -> Card:
    """The card of a head whose layers lie in the file ``weights``; ``results`` are its measurements by name."""
    names = material.corpora
    seeds = results["test"]["seeds"]
    record = {
        "format": FORMAT,
        "name": material.modality,
        "title": f"{material.modality} head over {material.encoder['encoder']}, trained on {', '.join(names)}",
        "labels": list(EKMAN7),
        "use": _USES[material.modality],
        "licence": licence(names),
        "encoder": material.encoder,
        "weights": {
            "file": weights.name,
            "sha256": file_hash(weights),
            "bytes": weights.stat().st_size,
            "parameters": int(sum(layer.size for layer in fitted.chosen.weights.values())),
        },
        "data": {name: _corpus(name, material) for name in names},
        "split": _SPLITS[material.modality].format(
            train_cap=options.train_cap,
            held_cap=options.held_cap,
            test=", ".join(sorted(TEST_SPEAKERS)),
            validation=", ".join(sorted(VALIDATION_SPEAKERS)),
        ),
        "options": asdict(options),
        "shipped_seed": fitted.chosen.seed,
        "over_seeds": {
            name: _spread([run[name] for run in seeds]) for name in seeds[0] if name not in ("seed", "epoch")
        },
        "calibration": {"temperature": round(fitted.temperature, 6), "fitted_on": "validation part"},
        "prior": {label: round(float(p), 6) for label, p in zip(EKMAN7, fitted.prior, strict=True)},
        **results,
    }
    return Card(material.modality, record)


def licence(names: Sequence[str]) -> str:
    """The terms under which weights trained on some corpora may be used."""
    restricted = [name for name in names if CORPORA[name].noncommercial]
    if not restricted:
        return "Apache-2.0"
    terms = "; ".join(f"{name}: {CORPORA[name].licence}" for name in restricted)
    return f"non-commercial research, from the terms of its corpora ({terms})"


def _corpus(name: str, material: Material) -> dict[str, Any]:
    corpus = CORPORA[name]
    return {
        "title": corpus.title,
        "source": corpus.source,
        "licence": corpus.licence,
        "noncommercial": corpus.noncommercial,
        "map": dict(corpus.to_ekman7),
        "why": corpus.why,
        "defects": list(corpus.defects),
        "removed": material.selection.removed[name],
        "counts": {part: material.selection.counts()[name][part] for part in PARTS},
    }


def _spread(values: list[float]) -> dict[str, float]:
    return {
        "mean": round(float(np.mean(values)), 4),
        "sd": round(float(np.std(values, ddof=min(1, len(values) - 1))), 4),
    }
