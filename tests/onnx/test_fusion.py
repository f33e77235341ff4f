from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("onnx", reason="torch exports through onnx: pip install 'merc[onnx]'")

from merc.conversation import Evidence
from merc.errors import InputError
from merc.heads.head import fusion_card
from merc.heads.late_fusion import MODALITIES, LateFusion, Observation
from merc.labels import EKMAN7
from merc.onnx import heads
from merc.onnx.folder import write
from merc.onnx.fusion import Fusing
from merc.runtime import load

NAMES = ("Ann", "Ben", None)


def recording(count: int) -> tuple[dict[str, np.ndarray], list[str | None]]:
    """Probabilities by each modality, a third of them absent, and the speakers."""
    random = np.random.default_rng(0)
    features = {name: random.dirichlet([0.3] * len(EKMAN7), size=count) for name in MODALITIES}
    for values in features.values():
        values[random.random(count) < 1 / 3] = np.nan
    return features, [NAMES[one] for one in random.integers(len(NAMES), size=count)]


def by_the_head(card: dict[str, Any], features: dict[str, np.ndarray], people: list[str | None]) -> np.ndarray:
    """What late fusion predicts of the same; NaN where it has no evidence."""

    def evidence(name: str, row: np.ndarray) -> Evidence:
        known = dict(zip(EKMAN7, row.tolist(), strict=True))
        return Evidence(name, None, "not there") if np.isnan(row).any() else Evidence(name, known)

    observations = [
        Observation(tuple(evidence(name, features[name][place]) for name in MODALITIES), {}, speaker)
        for place, speaker in enumerate(people)
    ]
    nothing = dict.fromkeys(EKMAN7, np.nan)
    predicted = [one.probabilities or nothing for one in LateFusion(card).predict(observations)]
    return np.array([[one[label] for label in EKMAN7] for one in predicted])


@pytest.mark.parametrize("levels", [[], [[0.0, 0.3], [0.5, 0.3], [1.0, 0.4]]])
def test_five_hundred_utterances_have_the_probabilities_of_late_fusion(levels: list, tmp_path: Path) -> None:
    card = fusion_card()
    card["voice"] = {**card["voice"], "levels": levels, "agreement": 0.2}
    write(replace(heads.exported("late-fusion"), module=Fusing(LateFusion(card))), tmp_path)
    features, people = recording(500)
    found = load(tmp_path).probabilities(features, speakers=people)
    assert 0 < np.isnan(found[:, 0]).sum() < 50
    np.testing.assert_allclose(found, by_the_head(card, features, people), atol=1e-6)


def test_any_modality_may_be_left_out_and_what_is_no_probability_is_refused(tmp_path: Path) -> None:
    write(heads.exported("late-fusion"), tmp_path)
    model = load(tmp_path)
    text = np.full((2, 7), 1 / 7)
    np.testing.assert_allclose(model.probabilities({"text": text}), text, atol=1e-6)
    with pytest.raises(InputError, match=r"features 'voice' have the row \[2.0, 0.0, .*; expected probabilities of"):
        model.probabilities({"voice": 2 * np.eye(7)})
    with pytest.raises(InputError, match="features: none given; this model reads text"):
        model.probabilities({})
