"""What an analysis needs of a trained fold, so that it can do without the corpus: written beside the weights."""

from __future__ import annotations

import re
from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from merc.corpora import CORPORA
from merc.evaluation.calibration import fit_temperature

if TYPE_CHECKING:
    from merc.recipes.request import Prepared
    from merc.recipes.systems import Trained


def facts(prepared: Prepared, trained: Trained) -> dict[str, Any]:
    """The system, its options and labels, how it reads, its temperature and terms, as JSON can hold them.

    ``refused`` is why no recording can be analysed by it, or empty.

    Args:
        prepared: The request of the run.
        trained: The best checkpoint of a fold.
    """
    corpora = [CORPORA[name] for name in prepared.protocol.corpora]
    return {
        "system": prepared.request.system,
        "title": prepared.kind.description.title,
        "corpus": "; ".join(one.title for one in corpora),
        "protocol": re.sub(r"(?<=^manifest:).*/", "", prepared.protocol.name),  # a timeline names no folder
        "licence": f"{prepared.kind.description.licence}; trained on: {'; '.join(one.licence for one in corpora)}",
        "options": asdict(trained.system.options),
        "classes": list(trained.material.classes),
        "dimensions": list(prepared.protocol.dimensions),
        "level": prepared.level,
        "reads": dict(prepared.reading),
        "sources": dict(prepared.sources),
        "per_speaker": list(prepared.options.per_speaker),
        "temperature": _temperature(trained),
        "refused": _refused(prepared),
    }


def _temperature(trained: Trained) -> float:
    """The temperature that validation gives, 1 without classes; as ``merc evaluate`` fits it."""
    from merc.recipes.systems import score

    if not trained.material.classes or not trained.fold.valid.labels:
        return 1.0
    valid, logits = score(trained, trained.fold.valid, labels=trained.material.classes)
    return fit_temperature(logits, valid.true)


def _refused(prepared: Prepared) -> str:
    if prepared.text_model:
        return "it reads words with a language model of its own, which the run does not hold"
    if prepared.upstream:
        return "it reads the states of a speech encoder that is a file of its own"
    if prepared.options.speaker_known is not None:
        return "its features are standardised by known utterances of each speaker, which a recording does not have"
    if not prepared.classes and not prepared.protocol.regression:
        return "its classes are not known"
    return ""
