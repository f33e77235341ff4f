"""Small heads turn vectors of frozen encoders into emotion labels, trained on one-modality corpora."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from merc.errors import InputError
from merc.heads.head import NAMES, Head
from merc.recipes.head_options import AdaptOptions, default_options

if TYPE_CHECKING:
    from merc.recipes.card import Card

__all__ = ["NAMES", "AdaptOptions", "Head", "adapt", "default_options"]

TARGETS = (*NAMES, "fusion")


def adapt(
    modality: str,
    *,
    data: Path,
    out: Path,
    options: AdaptOptions | None = None,
    progress: Callable[[str, float, float], None] | None = None,
) -> Card:
    """Train the head of a modality ("text", "voice", "face") on the corpora below ``data``, or fit the "fusion".

    Writes ``<modality>.safetensors``, ``.json`` and ``.md`` into ``out`` (the fusion has no weights and needs the cards
    of the three heads there). Vectors are cached: a run that was killed goes on where it stopped. The same corpora,
    options and weights give the same files. Raises InputError for an unknown modality and missing or malformed
    corpora, WeightError for a missing encoder, OutputError where ``out`` cannot be written.
    """
    if modality not in TARGETS:
        raise InputError(f"modality '{modality}': expected {', '.join(TARGETS)}")
    chosen = options or default_options(modality)
    if modality == "fusion":
        from merc.recipes.late_fusion import fit_fusion

        card = fit_fusion(data, out, chosen, progress=progress)
        card.write(out)
        return card
    return _head(modality, (data, out), chosen, progress)


def _head(
    modality: str,
    places: tuple[Path, Path],
    options: AdaptOptions,
    progress: Callable[[str, float, float], None] | None,
) -> Card:
    from safetensors.numpy import save_file

    from merc.cache import replacing
    from merc.heads.mlp import stored
    from merc.recipes.card import head_card
    from merc.recipes.heads import ablation, crossed, embedded, fit, gather, tested

    data, out = places
    material = gather(modality, data, options, progress=progress)
    fitted = fit(material, options, progress=progress)
    results: dict[str, Any] = {"ablation": ablation(material, fitted, options, progress=progress)}
    if modality == "face":
        results["ablation"].append(embedded(material, options, progress=progress))
    if modality != "text":
        results["cross_corpus"] = crossed(material, options, progress=progress)
    results["test"] = tested(material, fitted, options)
    weights = out / f"{modality}.safetensors"
    with replacing(weights) as target:
        save_file(stored(fitted.chosen.weights), target)
    card = head_card(material, fitted, options, results=results, weights=weights)
    card.write(out)
    return card
