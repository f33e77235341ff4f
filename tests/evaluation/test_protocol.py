"""Protocols divide as they say, refuse leaks and bad labels, and keep test sealed."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest

from merc.corpora import CORPORA, conversations_of
from merc.errors import UnknownName
from merc.evaluation.metrics import NAMES
from merc.evaluation.protocol import PROTOCOLS, Fold, Ledger, ProtocolError, default_protocol
from merc.labels import IEMOCAP4
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
    with pytest.raises(
        UnknownName, match="corpus 'cmu_mosi' has no protocol; expected one of affectnet, carer, ckplus"
    ):
        default_protocol("cmu_mosi")


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


TABLE = "conversation,speaker,text,label,valence,split\n" + "".join(
    f"d{n},s{n},Words {n} {label}.,{label},{n},{split}\n"
    for n, split in enumerate(("train", "train", "train", "dev", "test", "test"))
    for label in ("calm", "tense")
)


def manifest(folder: Path, stated: str = "", table: str = TABLE) -> str:
    (folder / "mine.csv").write_text(table)
    (folder / "mine.toml").write_text(stated)
    return f"manifest:{folder / 'mine.csv'}"


def folds_of(name: str) -> list[Fold]:
    protocol = PROTOCOLS[name]
    return protocol.folds(conversations_of(protocol.corpora))


def test_a_manifest_is_divided_by_its_column_split(tmp_path: Path) -> None:
    name = manifest(tmp_path)
    protocol = default_protocol(name)
    assert (protocol.name, protocol.corpus, protocol.label_set) == (name, name, ("calm", "tense"))
    (fold,) = folds_of(name)
    assert [len(part) for part in (fold.train, fold.valid, fold.test)] == [6, 2, 4]
    (drawn,) = folds_of(manifest(tmp_path, table=TABLE.replace(",dev", ",train")))
    assert [len(part) for part in (drawn.train, drawn.valid, drawn.test)] == [6, 2, 4]


def test_a_manifest_states_folds_labels_and_dimensions(tmp_path: Path) -> None:
    folds = folds_of(manifest(tmp_path, '[protocol]\nby = "speaker"\nfolds = 3\ndimensions = ["valence"]'))
    assert len(folds) == 3 and folds[0].train.targets and not folds[0].train.labels
    both = PROTOCOLS[manifest(tmp_path, '[protocol]\nlabels = ["calm"]\ndimensions = ["valence"]')]
    assert both.joint and both.label_set == ("calm",) and both.metric == "weighted_f1"


@pytest.mark.parametrize(
    ("stated", "table", "message"),
    [
        (
            "",
            TABLE.replace(",split", ",part"),
            r"states no protocol, and its rows have no split; fill the column split",
        ),
        ("", TABLE.replace(",test", ",train"), r"the column split has train, valid; expected train, dev"),
        ("", TABLE.replace("label", "mood"), r"mine\.csv has no label; fill the column label, or state dimensions"),
        ("[protocol]\nspeakers_apart = true", TABLE.replace("d4,s4", "d4,s0"), "speaker 's0' is in train and in test"),
        ('[protocol]\nmetric = "smell"', TABLE, "metric 'smell'; expected one of"),
    ],
)
def test_what_a_manifest_may_not_state(tmp_path: Path, stated: str, table: str, message: str) -> None:
    with pytest.raises(ProtocolError, match=message):
        folds_of(manifest(tmp_path, stated, table))
