"""Model cards: read what was written, refuse what is none; every shipped page is printed from its record."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from merc.errors import FormatError, InputError
from merc.paths import SHIPPED, SHIPPED_ENCODERS
from merc.reporting.card_page import interval
from merc.reporting.cards import Measurement, ModelCard, Source, terms

EVERY = sorted([*SHIPPED.glob("*.json"), *SHIPPED_ENCODERS.glob("*.json")])


@pytest.mark.parametrize("path", EVERY, ids=lambda path: path.stem)
def test_shipped_pages_are_printed_from_their_records(path: Path) -> None:
    card = ModelCard.read(path)
    assert path.with_suffix(".md").read_text(encoding="utf-8") == card.page()
    assert json.loads(path.read_text(encoding="utf-8")) == card.as_json()


def test_a_page_has_every_section_of_its_record() -> None:
    card = ModelCard.read(SHIPPED / "text.json")
    page = card.page()
    assert page.startswith(f"# {card.title}\n") and "does not say how somebody feels" in page
    assert card.base and card.weights and card.base.sha256 in page and card.weights.sha256 in page
    for source in card.data.sources:
        assert source.licence in page and source.source in page
    assert "| 2 (shipped) | 16 | 0.564 | 0.562 | 0.562 |" in page
    assert "| mean ± sd |  | 0.561 ± 0.002 | 0.563 ± 0.002 | 0.561 ± 0.001 |" in page
    assert "| **all** | train | 6200 | 1429 | 4528 | 6200 | 6200 | 6200 | 6122 | 36879 |" in page
    assert "| all | 3740 | 0.562 [0.546, 0.576] |" in page and "Recall by class:" in page
    assert "Temperature 1.652, fitted on the validation part" in page
    assert "the trust in late fusion: **" in ModelCard.read(SHIPPED / "voice.json").page()


def test_empty_sections_are_left_out() -> None:
    card = replace(ModelCard.read(SHIPPED / "voice.json"), results=(), calibration=None, weights=None)
    page = card.page()
    assert "## Results" not in page and "Calibration" not in page and "SHA-256 of the weights" not in page


def test_figures_are_printed_with_their_interval() -> None:
    assert [interval(one) for one in (None, 0.5, (0.5, 0.25, 0.75))] == ["–", "0.500", "0.500 [0.250, 0.750]"]
    row = Measurement("all", {"a": 0.5, "b": (0.25, 0.1, 0.4)})
    assert (row.value("a"), row.value("b")) == (0.5, 0.25)


def test_terms_are_those_of_the_corpora() -> None:
    free = Source("free", "t", "s", "CC BY", False)
    assert terms([free]) == "Apache-2.0"
    assert terms([free, replace(free, name="kept", licence="research", noncommercial=True)]) == (
        "non-commercial research, from the terms of its corpora (kept: research)"
    )


def test_what_is_no_card_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no model card; 'merc train' writes one"):
        ModelCard.read(tmp_path / "none.json")
    path = tmp_path / "card.json"
    for text, message in (("{", "cannot be read"), ("{}", "not a model card of format 2")):
        path.write_text(text)
        with pytest.raises(FormatError, match=message):
            ModelCard.read(path)
    broken = ModelCard.read(SHIPPED / "voice.json").as_json() | {"labels": 3}
    path.write_text(json.dumps(broken))
    with pytest.raises(FormatError, match="labels: .*run its 'merc train' again"):
        ModelCard.read(path)
    with pytest.raises(InputError, match="card 'voice' has no results 'dev'; it has conversation"):
        ModelCard.read(SHIPPED / "voice.json").result("dev")
