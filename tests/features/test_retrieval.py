"""Retrieval of demonstrations: what may be shown, and in which order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.conversation import Conversation, Utterance
from merc.errors import InputError
from merc.evaluation.protocol import PROTOCOLS
from merc.features.retrieval import Divided, Example, Library, examples, label_in
from merc.labels import EKMAN7, EMORYNLP7, IEMOCAP6

HELD = "We were on a break, you know that"


def part(corpus: str, labels: tuple[str, ...], extra: dict[str, str]) -> Divided:
    """Dialogues of every split that say each label, and one more text in the second of each split."""
    made = []
    for split in ("train", "dev", "test"):
        for number in range(2):
            texts = [f"{corpus} {split} {number} says {label}" for label in labels]
            said = tuple(
                Utterance(f"{split}/dia{number}_utt{turn}", "Ann", text, label=label)
                for turn, (text, label) in enumerate(zip(texts, labels, strict=True))
            )
            if number and split in extra:
                said += (Utterance(f"{split}/dia{number}_more", "Ben", extra[split], label=labels[0]),)
            made.append(Conversation(f"{split}/dia{number}", said, {"split": split}))
    fold = PROTOCOLS[{"meld": "meld-7", "emorynlp": "emorynlp-7"}[corpus]].folds(made, seed=0)[0]
    return Divided(corpus, made, fold)


def test_only_training_utterances_are_shown_under_labels_of_the_set() -> None:
    found = examples([part("meld", EKMAN7, {}), part("emorynlp", EMORYNLP7, {})], EKMAN7)
    assert {one.dialogue for one in found} == {"train/dia0", "train/dia1"}
    assert len([one for one in found if one.corpus == "meld"]) == 14
    assert {one.label for one in found if one.corpus == "emorynlp"} == {"joy", "anger", "neutral", "sadness", "fear"}


def test_words_that_are_held_out_in_the_other_corpus_of_the_series_are_never_shown() -> None:
    meld = part("meld", EKMAN7, {"test": "Yeah.", "dev": HELD})
    short = examples([meld, part("emorynlp", EMORYNLP7, {"train": "yeah!"})], EKMAN7)
    assert "yeah!" not in {one.text for one in short}
    assert "train/dia1" in {one.dialogue for one in short if one.corpus == "emorynlp"}
    scene = examples([meld, part("emorynlp", EMORYNLP7, {"train": HELD.upper() + "!"})], EKMAN7)
    assert {one.dialogue for one in scene if one.corpus == "emorynlp"} == {"train/dia0"}


def test_the_nearest_come_first_and_never_from_the_querys_dialogue() -> None:
    made = [Example("meld", f"dia{n // 2}", f"u{n}", f"text {n}", "joy") for n in range(6)]
    vectors = np.array([[1, 0], [0.9, 0.1], [0.8, 0.3], [0.5, 0.5], [0.1, 0.9], [-1, 0]])
    library = Library(made, vectors)
    query = np.array([3.0, 0.0])
    assert [one.id for one in library.nearest(query, 3, corpus="meld", dialogue="none")] == ["u0", "u1", "u2"]
    assert [one.id for one in library.nearest(query, 3, corpus="meld", dialogue="dia0")] == ["u2", "u3", "u4"]
    assert [one.id for one in library.nearest(query, 2, corpus="iemocap", dialogue="dia0")] == ["u0", "u1"]
    assert len(library.nearest(query, 99, corpus="meld", dialogue="dia0")) == 4
    drawn = library.drawn(np.random.default_rng(0), 3, corpus="meld", dialogue="dia0")
    assert len({one.id for one in drawn}) == 3 and all(one.dialogue != "dia0" for one in drawn)
    with pytest.raises(InputError, match="6 examples, 1 vectors"):
        Library(made, vectors[:1])


def test_labels_are_those_of_the_set_or_none() -> None:
    assert label_in("Joyful", "emorynlp", EKMAN7) == "joy" and label_in("Peaceful", "emorynlp", EKMAN7) is None
    assert label_in("sadness", "meld", IEMOCAP6) == "sad" and label_in("disgust", "meld", IEMOCAP6) is None
    assert label_in("frustrated", "iemocap", EKMAN7) is None


def test_a_corpus_of_the_library_is_read_by_its_protocol(tmp_path: Path) -> None:
    from tests.recipes import made_meld

    read = Divided.of("meld", made_meld.tree(tmp_path))
    assert len(read.held_out) == 7 * (made_meld.SIZES["dev"] + made_meld.SIZES["test"])
    assert all(one.dialogue.startswith("train/") for one in examples([read], EKMAN7))
    with pytest.raises(InputError, match="library 'daily': expected corpora among meld, iemocap, emorynlp"):
        Divided.of("daily", tmp_path)
