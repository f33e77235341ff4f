"""A corpus becomes items: who is scored, labels, targets, speakers, and what is refused by name."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.features.feature import Feature
from merc.systems import UNLABELLED
from merc.training.data import collate
from merc.training.material import Material, refuse_unreadable
from tests.training.made_corpus import CLASSES, material, scored
from tests.training.made_mixed import ids, planted


def test_only_scored_utterances_carry_a_label() -> None:
    made = material()
    one = made.conversations[0].utterances[0].id
    items = made.items([one], level="dialogue")
    assert len(items) == 1
    assert (items[0].labels != UNLABELLED).sum() == 1
    alone = made.items([one], level="utterance")
    assert [item.ids for item in alone] == [(one,)]


def test_a_dialogue_of_one_utterance_and_one_speaker_only_are_read() -> None:
    read = (Conversation("d", (Utterance("a", speaker="F", label="sad"),)),)
    made = Material(read, {"text": Feature.of(["a"], np.ones((1, 2)), source="t")}, CLASSES, {"a": "sad"})
    batch = collate(made.items(["a"], level="dialogue"))
    assert batch.mask.tolist() == [[True]]
    assert batch.speakers.tolist() == [[0]]


def test_unknown_speakers_are_different_people() -> None:
    read = (Conversation("d", (Utterance("a", label="sad"), Utterance("b"))),)
    made = Material(read, {"text": Feature.of(["a"], np.ones((1, 2)), source="t")}, CLASSES, {"a": "sad"})
    assert collate(made.items(["a"], level="dialogue")).speakers.tolist() == [[0, 1]]


def test_a_label_outside_the_label_set_is_refused_by_name() -> None:
    made = material()
    with pytest.raises(InputError, match="utterance 'd0_u0': label 'bored'; expected one of angry, neutral, sad"):
        replace(made, labels={**made.labels, "d0_u0": "bored"})


def test_all_labels_missing_is_refused() -> None:
    made = material()
    with pytest.raises(InputError, match="no utterance has a label"):
        replace(made, labels={})
    with pytest.raises(InputError, match="no utterance to score"):
        made.items([], level="dialogue")


def test_scored_utterances_must_be_there() -> None:
    with pytest.raises(InputError, match="1 utterances to score are in no conversation, first 'nobody'"):
        material().items(["nobody"], level="dialogue")


def test_features_of_another_corpus_are_refused_with_both_kinds_of_ids() -> None:
    made = material()
    other = {"text": Feature.of(["Ses01F_impro01_F000"], np.ones((1, 5)), source="store")}
    with pytest.raises(InputError, match=r"ids like 'd0_u0', the features like 'Ses01F_impro01_F000'"):
        replace(made, features=other).items(scored(made, 0), level="dialogue")


def test_weights_of_quality_reach_the_batch() -> None:
    made = replace(material(), weights={"d0_u0": 0.25})
    batch = collate(made.items(scored(made, 0), level="dialogue"))
    assert batch.weights[0, :2].tolist() == [0.25, 1.0]
    with pytest.raises(InputError, match="weight -1"):
        replace(made, weights={"d0_u0": -1})


def test_targets_are_scores_by_name_and_nan_where_there_is_none() -> None:
    made = replace(planted("a", ("x", "y"), 3), targets=("act", "val"))
    batch = collate(made.items(ids(made), level="dialogue"))
    assert batch.targets.shape == (3, 2, 2)
    torch.testing.assert_close(batch.targets[0, 1, 1], batch.vectors("text")[0][0, 1, 4])
    torch.testing.assert_close(batch.targets[..., 0], -batch.vectors("text")[0][..., 4])
    assert batch.targets[..., 1].isnan().tolist() == [[True, False], [False, False], [False, True]]


def test_targets_of_utterances_that_are_not_scored_are_not_given() -> None:
    made = replace(planted("a", ("x", "y"), 2), targets=("act",))
    batch = collate(made.items(["a0_0"], level="dialogue"))
    assert batch.targets[..., 0].isnan().tolist() == [[False, True]]


def test_a_corpus_without_the_target_is_refused_with_what_it_has() -> None:
    with pytest.raises(
        InputError, match="corpus 'a' has no scores 'sentiment' to predict; its utterances have act, val"
    ):
        replace(planted("a", ("x", "y"), 2), targets=("sentiment",))
    read = (Conversation("d", (Utterance("u", label="x"),)),)
    features = {"text": Feature("made", 2, {"u": np.ones(2, np.float32)})}
    with pytest.raises(InputError, match="corpus 'b' has no scores 'val' to predict; its utterances have labels only"):
        Material(read, features, ("x",), {"u": "x"}, targets=("val",), corpus="b")


def test_people_are_the_speakers_of_the_corpus_while_speakers_are_those_of_the_dialogue() -> None:
    made = planted("a", ("x", "y"), 3)
    batch = collate(made.items(ids(made), level="dialogue"))
    assert batch.speakers.tolist() == [[0, 1]] * 3
    assert batch.people.tolist() == [[0, 2], [1, 3], [0, 2]]  # F0, F1, M0, M1 in the order of their names
    alone = made.items(["a2_1"], level="utterance")
    assert collate(alone).people.tolist() == [[2]] and collate(alone).speakers.tolist() == [[0]]
    unknown = replace(made.conversations[0], utterances=(Utterance("a0_0"),))
    nobody = Material((unknown,), made.features, ("x", "y"), {"a0_0": "x"})
    assert collate(nobody.items(["a0_0"], level="dialogue")).people.tolist() == [[-1]]


@pytest.mark.parametrize(
    ("kind", "ways", "message"),
    [
        ("tokens", {"text": "vectors"}, "system 'concat' reads text as vectors, but features 'x' are token numbers"),
        ("sound", {"text": "steps"}, "reads text as steps, but features 'x' are samples of sound"),
        ("values", {"text": "tokens"}, "reads text as tokens, but features 'x' are vectors"),
    ],
)
def test_features_that_a_system_cannot_read_are_refused(kind: str, ways: dict[str, str], message: str) -> None:
    feature = Feature("x", 3, {"a": np.zeros(3)}, kind=kind)
    with pytest.raises(InputError, match=message):
        refuse_unreadable({"text": feature}, ways, "concat")
    fits: dict[str, Any] = {"tokens": "tokens", "sound": "sound", "values": "steps"}
    refuse_unreadable({"text": feature}, {"text": fits[kind]}, "concat")
