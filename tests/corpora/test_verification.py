"""Verification: equal and unequal counts, what is missing, and every corpus in the data folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CORPORA, Count, Item, Verification, verify
from merc.corpora.verification import compare, tally
from merc.errors import InputError, UnknownName
from tests.corpora import trees


def test_tally_counts_splits_labels_groups_and_speakers() -> None:
    items = (
        Item("1", ("joy", "anger"), "train", speaker="A", group="g"),
        Item("2", ("joy",), "train", speaker="B", group="g"),
        Item("3", (), "test", speaker="A", group="h"),
    )
    counts = tally(items)
    assert (counts["train"], counts["test"], counts["all"]) == (2, 1, 3)
    assert (counts["train joy"], counts["train anger"], counts["all without label"]) == (2, 1, 1)
    assert (counts["train conversations"], counts["all conversations"], counts["speakers"]) == (1, 2, 2)


def test_items_of_a_corpus_without_splits_are_counted_once() -> None:
    assert tally([Item("1", ("joy",))])["all"] == 1


def test_rows_stand_in_the_order_of_the_splits() -> None:
    published = {"dev joy": 1, "speakers": 2, "test": 3, "train": 4, "train joy": 5}
    rows = compare(CORPORA["meld"], [], published)
    assert [row.what for row in rows] == ["train", "test", "speakers", "train joy", "dev joy"]
    assert rows[0] == Count("train", 4, 0)
    assert not rows[0].ok


def test_a_partial_copy_is_unequal_and_says_where(tmp_path: Path) -> None:
    result = verify("meld", trees.meld(tmp_path))
    assert not result.ok
    assert Count("train", 9989, 3) in result.unequal
    assert result.missing[0] == "MELD.Raw/train_splits: the clips of train are missing"


def test_a_copy_is_whole_when_all_counts_agree() -> None:
    assert Verification("x", (Count("all", 1, 1),), missing=("a",)).ok


@pytest.mark.parametrize("layout", [trees.emorynlp_tables, trees.emorynlp_json])
def test_emorynlp_is_compared_with_its_layout(tmp_path: Path, layout: object) -> None:
    assert callable(layout)
    rows = {row.what: row.expected for row in verify("emorynlp", layout(tmp_path)).rows}
    assert rows["train"] == (7551 if layout is trees.emorynlp_tables else 9934)


def test_iemocap_without_its_table_leaves_two_variants_out(tmp_path: Path) -> None:
    trees.iemocap(tmp_path)
    with pytest.raises(InputError, match="no dialogue Ses01M_impro01"):
        verify("iemocap", tmp_path)


def test_a_missing_or_unknown_corpus(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus 'carer': missing .*train\.txt"):
        verify("carer", tmp_path)
    with pytest.raises(UnknownName, match="unknown corpus 'mled': did you mean 'meld'"):
        verify("mled", tmp_path)


@pytest.mark.parametrize("name", CORPORA.own)
def test_every_corpus_of_the_data_folder_has_its_published_counts(name: str, data: Path) -> None:
    if not (data / CORPORA[name].folder).exists():
        pytest.skip(f"corpus '{name}' is not below {data} ({CORPORA[name].folder})")
    result = verify(name, data / CORPORA[name].folder)
    assert result.rows
    assert result.unequal == ()


def test_what_is_missing_from_the_data_folder_is_named(data: Path) -> None:
    meld = verify("meld", data / "meld")
    assert sum(line.startswith("dev/") for line in meld.missing) == 1109 - 11
    assert "dev/dia110_utt7: no clip in dev_splits_complete (not in the official release)" in meld.missing
    assert meld.orphans == ()
    assert verify("crema-d", data / "audio/crema_d").missing == ("AudioWAV: the audio files are missing",)
