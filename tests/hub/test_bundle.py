from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError, WeightError
from merc.features.store import Feature, Writer
from merc.hub.bundle import bundle


def _run(folder: Path, protocol: str) -> Path:
    (folder / "fold").mkdir(parents=True)
    (folder / "run.json").write_text(json.dumps({"request": {"protocol": protocol, "system": "concat"}}))
    for name in ("best.json", "best-12.safetensors", "state.json", "state-1.safetensors", "history.jsonl", "said.json"):
        (folder / "fold" / name).write_text("{}")
    (folder / "ledger.jsonl").write_text("")
    return folder


def test_a_run_has_the_terms_of_its_corpus_and_only_what_was_trained(tmp_path: Path) -> None:
    made = bundle(_run(tmp_path / "run", "meld-7"))
    assert (made.kind, made.licence.partition(" (")[0]) == (
        "run",
        "non-commercial research, from the terms of its corpora",
    )
    assert set(made.files) == {"run.json", "ledger.jsonl", "fold/best.json", "fold/best-12.safetensors"}
    assert made.left_out["fold/state.json"] == "only resumes the training"
    assert made.left_out["fold/said.json"] == "no part of the trained system"
    assert "license: other" in made.page


def test_a_run_on_a_corpus_of_ones_own_needs_terms(tmp_path: Path) -> None:
    folder = _run(tmp_path / "run", "manifest:/data/mine.csv")
    with pytest.raises(InputError, match="the terms of its corpus are not known; state those of"):
        bundle(folder)
    assert bundle(folder, licence="CC0").licence == "CC0"
    (folder / "fold" / "best-12.safetensors").unlink()
    with pytest.raises(InputError, match="has no trained weights: run its 'merc train' to the end"):
        bundle(folder, licence="CC0")


def test_of_a_store_only_the_description_is_passed_on(tmp_path: Path) -> None:
    with Writer(tmp_path / "s", Feature("f", (2,), {"encoder": "x"}, corpus="c", licence="research only")) as writer:
        writer.add("u", np.zeros(2, np.float32))
    made = bundle(tmp_path / "s")
    assert (made.kind, made.licence, list(made.files)) == ("store", "research only", ["f/meta.json"])
    assert made.left_out == {"f/shard-00000.safetensors": "derived from the corpus, whose terms hold for it"}
    with Writer(tmp_path / "t", Feature("f", (2,), {"encoder": "x"})) as writer:
        writer.add("u", np.zeros(2, np.float32))
    with pytest.raises(InputError, match=r"meta.json states no licence of the corpus; state it with --licence"):
        bundle(tmp_path / "t")


def test_weights_travel_with_their_card(head: Path) -> None:
    (head / "timeline.json").write_text("{}")
    made = bundle(head)
    assert (made.kind, made.licence) == ("model", "CC0")
    assert set(made.files) == {"mine.json", "mine.md", "mine.safetensors"}
    assert made.left_out == {"timeline.json": "no card names it"}
    (head / "other.safetensors").write_bytes(b"")
    with pytest.raises(WeightError, match=r"other.safetensors has no model card: no licence is known"):
        bundle(head)
    (head / "other.safetensors").rename(head / "mine.safetensors")
    with pytest.raises(WeightError, match=r"mine.safetensors: missing, or not the file that mine.json names"):
        bundle(head)


def test_other_kinds_of_files_are_refused(head: Path, tmp_path: Path) -> None:
    (head / "model.pkl").write_bytes(b"")
    with pytest.raises(InputError, match=r"model.pkl is of kind .pkl: expected .safetensors, .json, .md; move it out"):
        bundle(head)
    (head / "model.pkl").unlink()
    (head / "link.json").symlink_to(head / "mine.json")
    with pytest.raises(InputError, match=r"link.json is a link"):
        bundle(head)
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="has no run.json, no model card and no feature store"):
        bundle(tmp_path / "empty")
    with pytest.raises(InputError, match="none: no such folder"):
        bundle(tmp_path / "none")
