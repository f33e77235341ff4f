"""Trust in voice and face in conversation, from MELD's derived table."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from merc.corpora import Item
from merc.errors import InputError
from merc.heads.voice import VoiceHead
from merc.labels import EKMAN7
from merc.recipes import fusion_weights
from merc.recipes.conversational import PLANTED_KINDS, VOICE_ALONE, WITHOUT_WORDS, FittedTrust, Levels, Talk
from merc.recipes.fusion_weights import (
    conversational_trust,
    heard,
    talks,
    temperature_without_words,
    trust,
    voice_levels,
)
from merc.recipes.voice_head import LeftOut
from merc.reporting import cards
from tests.recipes.made_up import acted, attributes

CROSSED = {"trust": 0.25, "log_loss_ignored": 1.9, "log_loss_trusted": 1.8}


def test_trust_in_conversation_is_that_on_left_out_corpora_only_where_attributes_tell_as_much(tmp_path: Path) -> None:
    attributes(tmp_path, 40)
    assert conversational_trust(tmp_path, "face", CROSSED)["weight"] == 0.25
    attributes(tmp_path, 40, told=False)
    found = conversational_trust(tmp_path, "voice", CROSSED)
    assert found["gain_in_conversation"] < 0.1
    assert found["weight"] < 0.25 * (max(found["gain_in_conversation"], 0) / 0.1) ** 0.5 + 1e-3


def test_trust_in_conversation_needs_the_derived_table(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"multimodal\.parquet is missing: the fusion needs MELD's table"):
        conversational_trust(tmp_path, "face", CROSSED)


def items(*said: tuple[str, str]) -> list[Item]:
    return [Item(f"{group}_{n}", (label,), speaker="Ann", group=group) for n, (group, label) in enumerate(said)]


def test_dialogues_keep_the_order_of_their_utterances() -> None:
    words = np.arange(21.0).reshape(3, 7)
    one, two = talks(items(("d0", "joy"), ("d1", "fear"), ("d0", "anger")), words)
    assert one.people == ("Ann", "Ann") and one.classes.tolist() == [EKMAN7.index("joy"), EKMAN7.index("anger")]
    assert one.words.tolist() == words[[0, 2]].tolist() and two.words.tolist() == words[[1]].tolist()


def spoken(count: int = 30) -> list[Talk]:
    random, found = np.random.default_rng(0), []
    for _ in range(count):
        classes = random.choice(7, 6, p=[0.1, 0.05, 0.05, 0.2, 0.4, 0.1, 0.1])
        words = np.full((6, 7), 0.1)
        words[np.arange(6), classes] = 0.4
        found.append(Talk(("Ann", "Bob") * 3, classes, words))
    return found


PRIOR = np.array([0.1, 0.05, 0.05, 0.2, 0.4, 0.1, 0.1])


def test_what_is_heard_is_of_one_half_of_the_actors_each_judged_in_its_conversation() -> None:
    voices, head = acted()
    found = heard(spoken(3), voices, VOICE_ALONE, PRIOR, seeds=2, half=1)
    assert len(found.classes) == 36 and len(head.spoke) == 6
    assert {name for people in head.spoke for name in people} <= {"a1", "a3"}
    assert len(set(found.speakers)) == 12, "expected two speakers in each of three dialogues, planted twice"
    assert (found.voices.argmax(1) == found.classes).all()
    assert found.voices.max() == pytest.approx(np.log(0.88 * 7))
    silent = heard(spoken(3), voices, WITHOUT_WORDS, PRIOR, seeds=1, half=0)
    assert silent.words == pytest.approx(np.tile(np.log(PRIOR), (18, 1)))


def test_the_levels_are_fitted_on_all_kinds_of_conversations_and_every_second_dialogue(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    voices, _ = acted()
    asked: list[tuple[str, int, int]] = []
    real = fusion_weights.heard

    def noted(given: Any, one: LeftOut, kind: str, prior: np.ndarray, *, seeds: int, half: int) -> Any:
        asked.append((kind, len(given), half))
        return real(given, one, kind, prior, seeds=1, half=half)

    monkeypatch.setattr(fusion_weights, "heard", noted)
    found = voice_levels(spoken(20), {"one": voices, "two": voices}, PRIOR)
    assert asked == [(kind, 10, 0) for _ in range(2) for kind in PLANTED_KINDS]
    words, single, levels = found.losses
    assert words > single > levels and found.single > 0.3


def test_voices_that_are_surer_than_right_get_a_temperature_without_words() -> None:
    voices, _ = acted()
    figures = cards.Trust(1.0, 1.0, 1.0, 0.0, {})
    honest = temperature_without_words(spoken(30), {"made": voices}, PRIOR, figures)
    random = np.random.default_rng(0)
    wrong = np.where(random.random(len(voices.classes)) < 0.5, random.integers(7, size=len(voices.classes)), -1)
    vectors = voices.vectors.copy()
    for row in np.flatnonzero(wrong >= 0):
        vectors[row] = np.roll(vectors[row], wrong[row])
    doubtful = temperature_without_words(spoken(30), {"made": replace(voices, vectors=vectors)}, PRIOR, figures)
    assert honest < 1 < doubtful, "voices of .88 that are always right, and ones that are often wrong"
    unheard = replace(figures, weight=0.0)
    assert temperature_without_words(spoken(30), {"made": voices}, PRIOR, unheard) == pytest.approx(1, abs=0.25)


def test_the_trust_of_a_voice_is_what_was_fitted(tmp_path: Path) -> None:
    (tmp_path / "meld").mkdir()
    attributes(tmp_path / "meld", 40)
    voice = VoiceHead.load()
    voice = replace(voice, card=json.loads(json.dumps(voice.card)))
    levels = Levels(((0.0, 0.12345), (1.0, 0.87654)), 0.25)
    found = trust(tmp_path, voice, FittedTrust(0.81234, levels, (1.0, 0.9, 0.8)))
    assert (found.weight, found.agreement) == (0.8123, 0.25)
    assert found.levels == ((0.0, 0.1235), (1.0, 0.8765))
    assert found.prior == voice.card["prior"]
    bounded = trust(tmp_path, voice)
    assert bounded.levels == () and bounded.weight <= bounded.trust_left_out
