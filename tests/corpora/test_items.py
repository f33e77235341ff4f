"""Items become conversations of one utterance that say where they come from; corpora can be joined."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import CONVERSATIONAL, CONVERSATIONS, CORPORA, Item, Source, conversations_of
from merc.corpora.items import as_conversations
from merc.errors import InputError, UnknownName
from tests.corpora import trees


def test_an_item_keeps_what_is_known_of_it(tmp_path: Path) -> None:
    sound = Item(
        "a-1", ("calm",), "all", source=Source(tmp_path / "a.wav"), speaker="ravdess-01", meta={"level": "low"}
    )
    member = Item("a-2", ("angry",), source=Source(tmp_path / "b.zip", "x.wav"))
    first, second = as_conversations(CORPORA["ravdess"], [sound, member])
    (one,) = first
    assert (first.id, one.id, one.speaker, one.label) == ("ravdess/a-1", "ravdess/a-1", "ravdess/ravdess-01", "calm")
    assert first.meta == {"corpus": "ravdess", "split": "all", "cluster": "ravdess/ravdess-01"}
    assert one.meta["item"] is sound and one.meta["level"] == "low"
    assert one.meta["media"] == str(tmp_path / "a.wav")
    assert second.utterances[0].meta["media"] is None, "a member of an archive is no file of its own"
    assert second.meta["cluster"] == "ravdess/a-2"


def test_the_words_of_a_sound_are_its_transcript() -> None:
    said = Item("a-1", ("anger",), speaker="nemo-EB0", meta={"transcript": "Tak, nie."})
    (one,), (other,) = as_conversations(CORPORA["nemo"], [said, Item("a-2", ("anger",), speaker="nemo-EB0")])
    assert (one.text, other.text, said.text) == ("Tak, nie.", None, None)


def test_items_of_a_person_stand_together_and_groups_are_clusters() -> None:
    made = as_conversations(
        CORPORA["ckplus"],
        [Item("1", ("anger",), speaker="s1"), Item("2", ("fear",), group="g"), Item("3", ("anger",), speaker="s1")],
    )
    assert [one.id for one in made] == ["ckplus/1", "ckplus/3", "ckplus/2"]
    assert [one.meta["cluster"] for one in made] == ["ckplus/s1", "ckplus/s1", "ckplus/g"]


def test_several_labels_and_defects_are_no_label() -> None:
    two, bad = as_conversations(
        CORPORA["goemotions"], [Item("1", ("joy", "love")), Item("2", ("joy",), defect="a copy")]
    )
    assert (two.utterances[0].label, bad.utterances[0].label) == (None, None)


def test_every_corpus_can_be_read_as_conversations(tmp_path: Path) -> None:
    assert set(CONVERSATIONS) == {*CORPORA, *CONVERSATIONAL}
    faces = CONVERSATIONS["rafdb"](trees.rafdb(tmp_path) / "rafdb.zip")
    assert all(len(one) == 1 and one.id.startswith("rafdb/") for one in faces)
    assert {one.meta["split"] for one in faces} == {"train", "test"}


def test_joined_corpora_have_ids_of_their_own(tmp_path: Path) -> None:
    trees.meld(tmp_path / CORPORA["meld"].folder)
    trees.emorynlp_json(tmp_path / CORPORA["emorynlp"].folder)
    alone = conversations_of(["meld"], tmp_path)
    joined = conversations_of(["meld", "emorynlp"], tmp_path)
    assert joined[0].id == f"meld/{alone[0].id}"
    assert joined[0].utterances[0].id == f"meld/{alone[0].utterances[0].id}"
    assert {one.meta["corpus"] for one in joined} == {"meld", "emorynlp"}
    assert {turn.meta["corpus"] for one in joined for turn in one} == {"meld", "emorynlp"}


def test_what_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no corpus 'ravdess' at"):
        conversations_of(["ravdess"], tmp_path)
    with pytest.raises(UnknownName, match="unknown corpus 'cmu_mosi': did you mean 'cmu-mosi'"):
        conversations_of(["cmu_mosi"], tmp_path)
