"""Values against their speaker's own: from all utterances, from few, from mostly neutral ones; and what is noted."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.errors import InputError
from merc.features.by_speaker import Known, per_known, per_speaker
from merc.features.feature import Feature, LazyRows
from tests.features.made_sequences import corpus, read_store, stored_rows

PEOPLE = "ABC"  # C is outside the training part
IDS = [f"{speaker}{turn}" for speaker in PEOPLE for turn in range(20)]
WHO = {name: name[0] for name in IDS}
LEARNED = [name for name in IDS if name[0] != "C"]


def made(*, spread: float = 1.0) -> Feature:
    """Two values: each speaker around a centre of its own."""
    random = np.random.default_rng(0)
    centres = {"A": -10.0, "B": 10.0, "C": 40.0}
    values = np.array([[centres[WHO[name]]] * 2 + spread * random.normal(size=2) for name in IDS])
    return Feature.of(IDS, values, source="t")


def block(feature: Feature, speaker: str) -> np.ndarray:
    return np.stack([feature.rows[name] for name in IDS if name[0] == speaker])


def test_per_speaker_values_are_measured_against_the_speaker_and_say_so() -> None:
    ids = [f"{speaker}{turn}" for speaker in "FM" for turn in range(20)] + ["x"]
    speakers = {name: name[0] for name in ids}
    values = np.concatenate([np.full((20, 1), 100.0), np.full((20, 1), -5.0), [[0.0]]])
    values[:40] += np.tile(np.linspace(-1, 1, 20), 2)[:, None]
    own = per_speaker(Feature.of(ids, values, source="t"), speakers)
    np.testing.assert_allclose(own.rows["F3"], own.rows["M3"], atol=1e-4)
    assert abs(float(own.rows["x"][0])) > 0.1  # too few utterances of its own: measured against all
    assert "without labels" in own.notes[0]


def test_sequences_are_standardised_by_speaker_when_they_are_read(tmp_path: Path) -> None:
    read = corpus(10)
    sequences = {
        turn.id: np.array([[9.0], [11.0]]) if turn.speaker == "F" else np.array([[1.0], [-1.0]])
        for one in read
        for turn in one
    }
    stored_rows(tmp_path, "frames", sequences)
    feature = per_speaker(read_store(tmp_path, "frames", read), {turn.id: turn.speaker for one in read for turn in one})
    assert isinstance(feature.rows, LazyRows) and feature.steps("d0_u0") == 2
    assert feature.rows["d0_u0"].tolist() == [[-1.0], [1.0]] and feature.rows["d0_u1"].tolist() == [[1.0], [-1.0]]


def test_token_numbers_cannot_be_standardised_by_speaker() -> None:
    words = Feature("words", 9, {"a": np.array([1, 5])}, kind="tokens")
    with pytest.raises(InputError, match="features 'words' are tokens, which cannot be standardised by speaker"):
        per_speaker(words, {"a": "F"})


def test_all_utterances_of_training_speakers_are_known_and_so_many_of_the_others() -> None:
    own = per_known(made(), WHO, Known(count=5, prior=0.0), training=LEARNED)
    for speaker in "AB":
        np.testing.assert_allclose(block(own, speaker).mean(0), 0, atol=1e-3)
        np.testing.assert_allclose(block(own, speaker).std(0), 1, atol=1e-3)
    raw = made()
    chosen = Known(count=5).chosen("C", [name for name in IDS if name[0] == "C"], ())
    rows = np.stack([raw.rows[name] for name in chosen])
    assert len(chosen) == 5
    wanted = np.clip((block(raw, "C") - rows.mean(0)) / rows.std(0), -5, 5)
    np.testing.assert_allclose(block(own, "C"), wanted, atol=1e-3)


def test_few_utterances_are_averaged_with_the_training_part() -> None:
    """Mean and variance are n / (n + k) those of n utterances, the rest those of the training part within speakers."""
    raw = made(spread=20.0)
    learned = np.concatenate([block(raw, "A"), block(raw, "B")])
    within = (block(raw, "A").var(0) + block(raw, "B").var(0)) / 2
    for count, prior in ((2, 2.0), (3, 1.0), (4, 12.0)):
        chosen = Known(count).chosen("C", [one for one in IDS if one[0] == "C"], ())
        rows, share = np.stack([raw.rows[name] for name in chosen]), count / (count + prior)
        mean = share * rows.mean(0) + (1 - share) * learned.mean(0)
        variance = share * rows.var(0) + (1 - share) * within
        own = per_known(raw, WHO, Known(count, prior=prior), training=LEARNED)
        wanted = np.clip((block(raw, "C") - mean) / np.sqrt(variance), -5, 5)
        np.testing.assert_allclose(block(own, "C"), wanted, atol=1e-3)


def test_one_utterance_has_no_deviation_of_its_own() -> None:
    raw = made()
    own = per_known(raw, WHO, Known(count=1, prior=0.0), training=LEARNED)
    within = np.sqrt((block(raw, "A").var(0) + block(raw, "B").var(0)) / 2)
    (name,) = Known(count=1).chosen("C", [one for one in IDS if one[0] == "C"], ())
    wanted = np.clip((block(raw, "C") - raw.rows[name]) / within, -5, 5)
    np.testing.assert_allclose(block(own, "C"), wanted, atol=1e-3)


def test_the_utterances_of_a_smaller_count_are_among_those_of_a_larger_one() -> None:
    ids = [name for name in IDS if name[0] == "C"]
    few, more = (Known(count).chosen("C", ids, ()) for count in (2, 10))
    assert few == more[:2] and len(set(more)) == 10
    assert Known(2, seed=1).chosen("C", ids, ()) != few or Known(2, seed=2).chosen("C", ids, ()) != few
    assert Known(99).chosen("C", ids, ()) != ids and len(Known(99).chosen("C", ids, ())) == 20


def test_mostly_neutral_utterances_are_known_as_in_conversation() -> None:
    ids = [name for name in IDS if name[0] == "C"]
    calm = set(ids[:8])
    for count, wanted in ((1, 1), (2, 1), (5, 4), (10, 7)):
        chosen = Known(count, neutral=0.7).chosen("C", ids, calm)
        assert (len(chosen), len(calm & set(chosen))) == (count, wanted)
    assert len(calm & set(Known(10, neutral=1.0).chosen("C", ids, calm))) == 8, "no more are there"
    assert not calm & set(Known(10, neutral=0.0).chosen("C", ids, calm))


def test_the_record_says_what_is_transductive_and_what_was_chosen_by_label() -> None:
    assert "those of test speakers too: transductive" in per_speaker(made(), WHO).notes[-1]
    notes = [per_known(made(), WHO, known, training=LEARNED).notes[-1] for known in (Known(5), Known(5, neutral=0.7))]
    assert all("5 utterances" in note and "transductive" in note for note in notes)
    assert "(drawn)" in notes[0] and "(70% of them neutral by annotation)" in notes[1]


def test_an_unknown_speaker_is_standardised_by_the_training_part() -> None:
    raw = made()
    own = per_known(raw, {name: None if name[0] == "C" else name[0] for name in IDS}, Known(5), training=LEARNED)
    both = np.concatenate([block(raw, "A"), block(raw, "B")])
    wanted = np.clip((block(raw, "C") - both.mean(0)) / both.std(0), -5, 5)
    np.testing.assert_allclose(block(own, "C"), wanted, atol=1e-3)
