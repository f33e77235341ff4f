"""The grammar of --features: parsed, written, reduced and loaded."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile

from merc.conversation import Conversation, Utterance
from merc.corpora import CORPORA, Item, Source
from merc.corpora.items import as_conversations
from merc.errors import InputError
from merc.features import of_items
from merc.features.encoder import ENCODERS
from merc.features.spec import FeatureSpec, Place, parts
from merc.features.store import Feature, Writer
from merc.features.voice import VoiceEncoder


@pytest.mark.parametrize(
    ("text", "written"),
    [
        (" text=mpnet , voice=table", "text=mpnet,voice=table"),
        ("prepared", "text=prepared,voice=prepared,face=prepared"),
        ("voice=a:b+c~d", "voice=a:b+c~d"),
    ],
)
def test_what_is_parsed_is_written(text: str, written: str) -> None:
    chosen = FeatureSpec.parse(text)
    assert str(chosen) == written and FeatureSpec.parse(str(chosen)) == chosen


@pytest.mark.parametrize("text", ["", "text", "text=", "smell=x", "text=a,text=b"])
def test_what_does_not_follow_the_grammar(text: str) -> None:
    with pytest.raises(InputError, match="expected MODALITY=SOURCE"):
        FeatureSpec.parse(text)


def test_parts_and_properties() -> None:
    assert parts("a+b~c") == [["a"], ["b", "c"]] and parts("~/s:x") == [["~/s:x"]]
    assert FeatureSpec.parse("text=mpnet+meld-warm,voice=table").single
    for text in ("voice=campplus", "text=mpnet-tokens", "text=meld-warm-tokens", "voice=sound", "face=prepared"):
        assert not FeatureSpec.parse(text).single, text
    assert FeatureSpec.parse("text=words").fitted and not FeatureSpec.parse("text=mpnet").fitted
    assert FeatureSpec.parse("text=s/{fold}:a").by_fold and not FeatureSpec.parse("text=s:a").by_fold


def test_only_some_modalities_and_the_default_ones() -> None:
    chosen = FeatureSpec.usual("meld")
    assert dict(chosen.only(["voice"])) == {"voice": "attributes6"}
    with pytest.raises(InputError, match="no modality motion; they have text, voice, face; add motion=SOURCE"):
        chosen.only(["motion"])
    assert dict(FeatureSpec.usual("ravdess+tess")) == {"voice": "campplus"}
    assert dict(FeatureSpec.usual("rafdb")) == {"face": "facenet-expression"}
    with pytest.raises(InputError, match="corpus 'ravdess.rafdb' has no default features; name them"):
        FeatureSpec.usual("ravdess+rafdb")


class Peaks(VoiceEncoder):
    """Stands in for an encoder of sound: its loudest sample."""

    encoded = 0

    def encode(self, batch, *, progress=None):
        Peaks.encoded += len(batch)
        return np.array([np.full(192, np.abs(sound).max()) for sound in batch], np.float32)


def test_items_of_one_modality_are_encoded_now_and_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(ENCODERS._entries, "campplus", Peaks)
    items = []
    for number, peak in enumerate((0.25, 0.5)):
        path = tmp_path / f"{number}.wav"
        soundfile.write(path, np.full(8000, peak, np.float32), 16000, subtype="FLOAT")
        items.append(Item(f"i{number}", ("happy",), source=Source(path), speaker="x"))
    conversations = as_conversations(CORPORA["ravdess"], items)
    place = Place("ravdess", tmp_path)
    first = FeatureSpec.usual("ravdess").load(conversations, place=place)["voice"]
    assert {name: float(row[0]) for name, row in first.rows.items()} == {"ravdess/i0": 0.25, "ravdess/i1": 0.5}
    again = FeatureSpec.parse("voice=campplus").load(conversations, place=place)["voice"]
    assert Peaks.encoded == 2 and again.sha256 == first.sha256 and first.encoder["input"].startswith("16 kHz, trimmed")
    others = as_conversations(CORPORA["savee"], items[:1])
    joined = FeatureSpec.parse("voice=campplus").load([*others, *conversations], place=place)["voice"]
    assert Peaks.encoded == 2 + 1 and list(joined.rows) == ["savee/i0", "ravdess/i0", "ravdess/i1"]
    fewer = FeatureSpec.parse("voice=campplus").load(conversations[:1], place=place)["voice"]
    assert fewer.sha256 != first.sha256, "features are named by what they were made of"
    with pytest.raises(InputError, match="run 'merc prepare ravdess --encoders whisper-base-10hz' first"):
        FeatureSpec.parse("voice=whisper-base-10hz").load(conversations, place=place)


def test_sequences_of_several_corpora_come_from_their_stores(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    conversations = []
    for number, corpus in enumerate(("ravdess", "savee")):
        sound = Source(tmp_path / f"{corpus}.wav")
        conversations += as_conversations(CORPORA[corpus], [Item("i", ("happy",), source=sound, speaker="x")])
        feature = Feature("whisper-base-10hz", (2,), {"encoder": "x"}, sequence=True)
        with Writer(tmp_path / "cache" / "stores" / corpus, feature) as writer:
            writer.add(f"{corpus}/i", np.full((number + 1, 2), number, np.float32))
    place = Place("ravdess+savee", tmp_path)
    spec = FeatureSpec.parse("voice=whisper-base-10hz")
    found = spec.load(conversations, place=place, reads={"voice": "steps"})["voice"]
    assert {name: found.rows[name].tolist() for name in found.rows} == {
        "ravdess/i": [[0, 0]],
        "savee/i": [[1, 1], [1, 1]],
    }
    with pytest.raises(
        InputError, match="corpus 'tess' is not prepared .*'merc prepare tess --encoders whisper-base-10hz'"
    ):
        spec.load(conversations, place=Place("ravdess+savee+tess", tmp_path))


def test_conversations_need_a_prepared_store_for_sound(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    turns = [Conversation("d", (Utterance("a", text="x", meta={"media": "a.mp4"}),))]
    with pytest.raises(
        InputError, match="voice=campplus: corpus 'meld' is not prepared .*run 'merc prepare meld' first"
    ):
        FeatureSpec.parse("voice=campplus").load(turns, place=Place("meld", tmp_path))
    with Writer(tmp_path / "cache" / "stores" / "meld", Feature("campplus", (2,), {"encoder": "x"})) as writer:
        writer.add("a", np.ones(2, np.float32))
    assert FeatureSpec.parse("voice=campplus").load(turns, place=Place("meld", tmp_path))["voice"].width == 2
    assert of_items.DEFAULT["voice"] == "campplus"
