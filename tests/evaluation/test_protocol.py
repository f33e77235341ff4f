"""Protocols divide as they say, refuse leaks and bad labels, and keep test sealed."""

from __future__ import annotations

import json
import pickle
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.conversation import Conversation, Utterance
from merc.corpora import CORPORA
from merc.errors import InputError, UnknownName
from merc.evaluation.leaks import normalised
from merc.evaluation.metrics import NAMES
from merc.evaluation.protocol import PROTOCOLS, Fold, Ledger, ProtocolError, ProtocolWarning, default_protocol
from merc.labels import IEMOCAP4, SENTIMENT2
from tests.evaluation.made_corpora import iemocap, meld, relabelled


def opened(folds: Sequence[Fold]) -> list[set[str]]:
    return [set(fold.test.open("test of the test", ledger=Ledger()).labels) for fold in folds]


def test_names_and_variants() -> None:
    assert set(PROTOCOLS) >= {"meld-7", "iemocap4-session", "iemocap4-speaker", "iemocap6", "cmu-mosi"}
    for name, protocol in PROTOCOLS.items():
        assert protocol.name == name
        assert protocol.metric in NAMES
        assert protocol.corpus == "any" or all(corpus in CORPORA for corpus in protocol.corpora)
        assert all(variant in PROTOCOLS for variant in protocol.variants)
    assert [name for name, p in PROTOCOLS.items() if not p.comparable] == ["utterance-random"]
    with pytest.raises(UnknownName, match="unknown protocol 'meld7': did you mean 'meld-7'"):
        PROTOCOLS["meld7"]


def test_the_first_protocol_of_a_corpus_is_its_default() -> None:
    names = {corpus: default_protocol(corpus).name for corpus in ("meld", "iemocap", "cmu-mosi", "ravdess+tess+savee")}
    assert names == {
        "meld": "meld-7",
        "iemocap": "iemocap6",
        "cmu-mosi": "cmu-mosi",
        "ravdess+tess+savee": "speech3-speaker",
    }
    with pytest.raises(UnknownName, match="corpus 'cmu_mosi' has no protocol; expected one of cmu-mosi, emorynlp"):
        default_protocol("cmu_mosi")


def test_official_split_is_followed() -> None:
    (fold,) = PROTOCOLS["meld-7"].folds(meld())
    assert fold.train.conversations == tuple(f"train/dia{n}" for n in range(4))
    assert fold.valid.conversations == ("dev/dia0", "dev/dia1")
    assert fold.test.conversations == ("test/dia0", "test/dia1")
    assert len(fold.train) == 28


def test_sessions_are_tested_once_each_and_validation_is_drawn_by_seed() -> None:
    conversations = iemocap()
    folds = PROTOCOLS["iemocap4-session"].folds(conversations, seed=3)
    assert [fold.name for fold in folds] == [f"session-{n}" for n in range(1, 6)]
    tested = opened(folds)
    assert set.union(*tested) == {u.id for c in conversations for u in c if u.label not in (None, "fru")}
    assert sum(map(len, tested)) == len(set.union(*tested))
    for fold in folds:
        parts = [set(fold.train.conversations), set(fold.valid.conversations), set(fold.test.conversations)]
        assert set.union(*parts) == {c.id for c in conversations}
        assert sum(map(len, parts)) == len(conversations)
        assert {name.split("_")[1][:-2] for name in fold.valid.conversations} == {"impro", "script"}
    again = PROTOCOLS["iemocap4-session"].folds(conversations, seed=3)
    other = PROTOCOLS["iemocap4-session"].folds(conversations, seed=4)
    assert [f.valid for f in folds] == [f.valid for f in again]
    assert [f.valid for f in folds] != [f.valid for f in other]
    once = [PROTOCOLS["iemocap4-session:drawn-once"].folds(conversations, seed=seed) for seed in (3, 4)]
    first = PROTOCOLS["iemocap4-session"].folds(conversations, seed=0)
    assert [f.valid for f in once[0]] == [f.valid for f in once[1]] == [f.valid for f in first]
    assert [f.test.conversations for f in once[0]] == [f.test.conversations for f in folds]


@settings(max_examples=8, deadline=None)
@given(seed=st.integers(0, 2**31), dialogues=st.integers(2, 5))
def test_no_seed_lets_parts_share_a_dialogue(seed: int, dialogues: int) -> None:
    for name in ("iemocap4-session", "iemocap4-speaker:partner-excluded"):
        for fold in PROTOCOLS[name].folds(iemocap(dialogues=dialogues), seed=seed):
            parts = [set(fold.train.conversations), set(fold.valid.conversations), set(fold.test.conversations)]
            assert not (parts[0] & parts[1] or parts[0] & parts[2] or parts[1] & parts[2])


def test_speaker_folds_train_on_eight_and_validate_on_the_partner() -> None:
    folds = PROTOCOLS["iemocap4-speaker"].folds(iemocap())
    assert [fold.name for fold in folds] == [f"Ses{n:02d}{sex}" for n in range(1, 6) for sex in "FM"]
    for fold in folds:
        part = fold.test.open("check", ledger=Ledger())
        assert set(part.speakers.values()) == {fold.name}
        assert set(fold.valid.speakers.values()) == {fold.name[:5] + ("M" if fold.name[5] == "F" else "F")}
        assert len(set(fold.train.speakers.values())) == 8
        assert part.context >= part.scored | fold.valid.scored
        assert not part.context & fold.train.context
    apart = PROTOCOLS["iemocap4-speaker:partner-excluded"].folds(iemocap())
    assert opened(apart) == opened(folds)
    assert all(len(set(fold.valid.speakers.values()) - set(fold.train.speakers.values())) == 0 for fold in apart)
    assert all(fold.name[:5] not in {name[:5] for name in fold.valid.conversations} for fold in apart)


def test_utterances_that_do_not_count_stay_context() -> None:
    fold = PROTOCOLS["iemocap4-session"].folds(iemocap())[0]
    frustrated = {u.id for c in iemocap() for u in c if u.label == "fru"}
    assert not frustrated & (fold.train.scored | fold.valid.scored | fold.test.scored)
    assert frustrated <= fold.train.context | fold.valid.context | fold.test.context
    assert set(fold.train.counts) == set(IEMOCAP4)


def test_a_label_function_may_be_given() -> None:
    label = {"hap": "happy", "ang": "angry", "neu": "neutral", "sad": "sad"}
    fold = PROTOCOLS["iemocap4-session"].folds(iemocap(), label=lambda u: label.get(u.label or ""))[0]
    assert not any("exc" in (u.label or "") for c in iemocap() for u in c if u.id in fold.train.scored)


def test_random_utterances_warn_and_share_dialogues() -> None:
    with pytest.warns(ProtocolWarning, match="not comparable with any other"):
        (fold,) = PROTOCOLS["utterance-random"].folds(meld(train=40))
    assert set(fold.train.conversations) & set(fold.test.conversations)
    assert not PROTOCOLS["utterance-random"].comparable


def test_random_utterances_reward_knowing_the_dialogue() -> None:
    """Vectors that say only which dialogue an utterance is from: of use to nobody but a split that leaks."""
    generator = np.random.default_rng(0)
    made, vectors = [], {}
    for split, number in (("train", 60), ("dev", 12), ("test", 12)):
        for place in range(number):
            name, label = f"{split}/dia{place}", ("joy", "anger")[generator.integers(2)]
            centre = generator.normal(size=8)
            turns = tuple(Utterance(f"{name}_utt{n}", label=label) for n in range(8))
            vectors.update({turn.id: centre + 0.1 * generator.normal(size=8) for turn in turns})
            made.append(Conversation(name, turns, {"split": split}))

    def nearest(fold: Fold) -> float:
        known, part = list(fold.train.labels), fold.test.open("leak", ledger=Ledger())
        table = np.stack([vectors[name] for name in known])
        found = [known[int(((table - vectors[name]) ** 2).sum(1).argmin())] for name in part.labels]
        return float(
            np.mean([fold.train.labels[f] == label for f, label in zip(found, part.labels.values(), strict=True)])
        )

    two = replace(PROTOCOLS["meld-7"], label_set=("anger", "joy"))
    with pytest.warns(ProtocolWarning):
        (leaking,) = PROTOCOLS["utterance-random"].folds(made)
    assert nearest(leaking) > 0.97
    assert nearest(two.folds(made)[0]) < 0.7


def test_shared_texts_are_counted() -> None:
    assert normalised("  You’re — WHAT?! ") == "you re what"
    long = "I have never said that"
    conversations = relabelled(meld(), "train/dia0_utt0", text=long)
    conversations = relabelled(conversations, "train/dia0_utt1", text="Oh!")
    conversations = relabelled(conversations, "test/dia1_utt0", text="i have never said  that...")
    conversations = relabelled(conversations, "test/dia0_utt0", text="oh")
    conversations = relabelled(conversations, "test/dia0_utt1", text="...")
    (fold,) = PROTOCOLS["meld-7"].folds(relabelled(conversations, "train/dia1_utt0", text="?"))
    assert (fold.shared.same, fold.shared.long, fold.shared.of) == (2, 1, 14)


def test_test_labels_are_sealed_and_every_opening_is_written_down(tmp_path: Path) -> None:
    (fold,) = PROTOCOLS["meld-7"].folds(meld())
    assert "not opened" in repr(fold.test)
    assert not hasattr(fold.test, "labels")
    assert len(fold.test) == len(fold.test.ids) == 14
    ledger = Ledger(tmp_path / "runs" / "ledger.jsonl")
    part = fold.test.open("final result", ledger=ledger.of("concat", seed=1))
    fold.test.open("final result", ledger=ledger.of("concat", seed=2))
    fold.test.open("once more", ledger=ledger.of("concat", seed=1))
    assert part.counts == dict.fromkeys(sorted(part.counts), 2)
    lines = [json.loads(line) for line in (tmp_path / "runs" / "ledger.jsonl").read_text().splitlines()]
    assert [(line["system"], line["seed"], line["count"]) for line in lines] == [
        ("concat", 1, 1),
        ("concat", 2, 1),
        ("concat", 1, 2),
    ]
    assert [opening.reason for opening in ledger.repeated()] == ["once more"]
    with pytest.raises(InputError, match="give the reason for opening it"):
        fold.test.open(" ", ledger=ledger)
    (tmp_path / "runs" / "ledger.jsonl").write_text("{}\n")
    with pytest.raises(InputError, match=r"ledger.jsonl, line 1: not an opening of a test part"):
        fold.test.open("final result", ledger=ledger)


def test_memory_ledgers_are_shared_between_seeds() -> None:
    (fold,) = PROTOCOLS["meld-7"].folds(meld())
    ledger = Ledger()
    fold.test.open("a", ledger=ledger.of("x", seed=0))
    fold.test.open("b", ledger=ledger.of("x", seed=0))
    assert [opening.count for opening in ledger.openings] == [1, 2]


def test_blinded_conversations_hold_no_test_label() -> None:
    fold = PROTOCOLS["iemocap4-session"].folds(iemocap())[0]
    for conversation in fold.blinded(iemocap()):
        for utterance in conversation:
            if utterance.id in fold.train.scored | fold.valid.scored:
                assert utterance.label in IEMOCAP4
            else:
                assert utterance.label is None
                assert not utterance.meta
                assert utterance.text


def test_folds_travel_to_other_processes() -> None:
    (fold,) = PROTOCOLS["meld-7"].folds(meld())
    again = pickle.loads(pickle.dumps(fold))
    assert (again.train, again.valid, again.test.ids) == (fold.train, fold.valid, fold.test.ids)


def test_unknown_label_is_named() -> None:
    with pytest.raises(ProtocolError, match=r"'train/dia0_utt0': label 'bored' is not in the label set of meld-7"):
        PROTOCOLS["meld-7"].folds(relabelled(meld(), "train/dia0_utt0", label="bored"))


def test_a_class_missing_in_train_is_named() -> None:
    rare = {f"train/dia{n}_utt2" for n in range(4)}
    with pytest.raises(ProtocolError, match=r"meld-7, official: train has no utterance labelled fear"):
        PROTOCOLS["meld-7"].folds(meld(), label=lambda u: None if u.id in rare else u.label)


def test_a_class_missing_in_validation_is_noted() -> None:
    rare = {f"dev/dia{n}_utt2" for n in range(2)}
    (fold,) = PROTOCOLS["meld-7"].folds(meld(), label=lambda u: None if u.id in rare else u.label)
    assert fold.notes == ("no validation utterance labelled fear",)


def test_empty_parts_and_no_labels_are_refused() -> None:
    with pytest.raises(ProtocolError, match="meld-7, official: test holds no labelled utterance"):
        PROTOCOLS["meld-7"].folds(meld(test=0))
    with pytest.raises(ProtocolError, match="meld-7, official: valid holds no labelled utterance"):
        PROTOCOLS["meld-7"].folds(meld(dev=0))
    with pytest.raises(ProtocolError, match="none of the 8 conversations has a label"):
        PROTOCOLS["meld-7"].folds(meld(), label=lambda u: None)


def test_ids_must_be_unique() -> None:
    with pytest.raises(ProtocolError, match="1 conversation ids occur more than once, first 'train/dia0'"):
        PROTOCOLS["meld-7"].folds([*meld(), meld()[0]])


def test_a_speaker_on_both_sides_is_named() -> None:
    name = "Ses02F_script00_F000"
    conversations = relabelled(iemocap(), name, speaker="Ses01F")
    with pytest.raises(ProtocolError, match=r"session-1: speaker 'Ses01F' is in (train|valid) and in test"):
        PROTOCOLS["iemocap4-session"].folds(conversations)


def test_unknown_split_session_and_speaker_are_named() -> None:
    odd = Conversation("dia0", (Utterance("u", label="joy"),))
    with pytest.raises(ProtocolError, match="'dia0': its split is 'dia0'; expected meta"):
        PROTOCOLS["meld-7"].folds([odd])
    with pytest.raises(ProtocolError, match="conversation 'dia0': no session in 'dia0'"):
        PROTOCOLS["iemocap4-session"].folds([odd], label=lambda u: "happy")
    with pytest.raises(ProtocolError, match="utterance 'Ses01F_script00_F000' has no speaker"):
        PROTOCOLS["iemocap4-speaker"].folds(relabelled(iemocap(), "Ses01F_script00_F000", speaker=None))
    with pytest.raises(ProtocolError, match="validation dialogue Ses01M_impro01 is not among the 40 conversations"):
        PROTOCOLS["iemocap6:majority"].folds(iemocap())


def test_mosi_draws_its_validation_videos() -> None:
    conversations = [
        Conversation(
            f"v{n}",
            tuple(Utterance(f"v{n}_{k}", label=SENTIMENT2[k % 2]) for k in range(4)),
            {"split": "test" if n > 11 else "train"},
        )
        for n in range(18)
    ]
    (fold,) = PROTOCOLS["cmu-mosi"].folds(conversations)
    assert (len(fold.train.conversations), len(fold.valid.conversations), len(fold.test.conversations)) == (10, 2, 6)
    assert fold.train.counts == {"negative": 20, "positive": 20}
    with pytest.raises(ProtocolError, match="label '2' is not in the label set of cmu-mosi; expected one of negative"):
        PROTOCOLS["cmu-mosi"].folds(relabelled(conversations, "v3_1", label="2"))
