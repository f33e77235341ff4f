"""Rules of conversations divide as they say, and draw by seed alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc.conversation import Conversation, Utterance
from merc.evaluation.protocol import PROTOCOLS, Fold, Ledger, ProtocolError, ProtocolWarning
from merc.labels import SENTIMENT2
from tests.evaluation.made_corpora import iemocap, meld, relabelled


def opened(folds: Sequence[Fold]) -> list[set[str]]:
    return [set(fold.test.open("test of the test", ledger=Ledger()).labels) for fold in folds]


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


def both() -> list[Conversation]:
    """IEMOCAP with valence and MELD with sentiment, read together."""
    found = []
    for corpus, key, read in (("iemocap", "val", iemocap()), ("meld", "sentiment", meld())):
        for one in read:
            turns = tuple(replace(turn, id=f"{corpus}/{turn.id}", scores={key: 1.0}) for turn in one)
            split = one.meta.get("split") or f"Session{one.id[4]}" if corpus == "iemocap" else one.id.split("/")[0]
            meta = {**one.meta, "corpus": corpus, "split": split, "session": split}
            found.append(Conversation(f"{corpus}/{one.id}", turns, meta))
    return found


def test_valence_is_learned_on_one_corpus_and_tested_on_the_other() -> None:
    (fold,) = PROTOCOLS["valence-cross:meld"].folds(both())
    assert fold.name == "iemocap-to-meld"
    assert {name[:13] for name in fold.train.conversations} == {f"iemocap/Ses0{number}" for number in range(1, 5)}
    assert {name[:13] for name in fold.valid.conversations} == {"iemocap/Ses05"}
    assert fold.test.conversations == ("meld/test/dia0", "meld/test/dia1")
    (fold,) = PROTOCOLS["valence-cross:iemocap"].folds(both())
    assert fold.name == "meld-to-iemocap"
    assert {name.rsplit("/", 1)[0] for name in fold.train.conversations} == {"meld/train"}
    assert {name.rsplit("/", 1)[0] for name in fold.valid.conversations} == {"meld/dev"}
    assert {name[:11] for name in fold.test.conversations} == {"iemocap/Ses"} and len(fold.test.conversations) == 40
