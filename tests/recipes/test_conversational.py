"""Conversations drawn from acted utterances, and the trust that fits them."""

from __future__ import annotations

import numpy as np
import pytest

from merc.errors import InputError
from merc.evaluation.calibration import softmax
from merc.labels import EKMAN7
from merc.recipes import conversational
from merc.recipes.conversational import (
    ANNOTATED,
    DECEIVING,
    FEW,
    HALF_NEUTRAL,
    ONE_MOOD,
    ONE_MOOD_EACH,
    VOICE_ALONE,
    WITHOUT_WORDS,
    Clips,
    Heard,
    Levels,
    Talk,
    drawn,
    earned_trust,
    fit_levels,
    plant,
)

NEUTRAL = EKMAN7.index("neutral")
PRIOR = np.array([0.111, 0.027, 0.027, 0.174, 0.472, 0.068, 0.121])


def test_conversations_are_of_one_person_and_of_their_kind() -> None:
    classes, people = np.tile(np.repeat(np.arange(7), 12), 3), [name for name in "abc" for _ in range(84)]
    found = drawn(classes, people, seed=1, each=2)
    assert {one.kind for one in found} == set(conversational.KINDS)
    for one in found:
        assert {people[row] for row in one.rows} == {one.person}
        assert len(set(one.rows.tolist())) == len(one.rows) <= conversational.LONGEST
        labels = classes[one.rows]
        if one.kind == HALF_NEUTRAL:
            assert (labels == NEUTRAL).sum() == 10
            assert np.bincount(labels, minlength=7).max(initial=0) == 10
            assert set(labels) == set(range(7))
        if one.kind == ONE_MOOD:
            assert len(set(labels)) == 1
    assert sorted({len(one.rows) for one in found if one.kind == FEW}) == [1, 2, 3, 5]
    alone = [one for one in found if one.person == "b"]
    again = drawn(classes[84:168], people[84:168], seed=1, each=2)
    assert [(one.rows + 84).tolist() for one in again] == [one.rows.tolist() for one in alone]


def test_a_person_without_neutral_or_with_few_utterances_is_drawn_as_far_as_there_are_any() -> None:
    found = drawn(np.array([0, 0, 3]), ["a", "a", "a"], seed=0, each=1)
    assert sorted(next(one.rows for one in found if one.kind == HALF_NEUTRAL)) == [0, 1, 2]
    with pytest.raises(InputError, match="3 classes, 1 people"):
        drawn(np.array([0, 0, 3]), ["a"], seed=0)


def test_trust_is_high_for_evidence_that_is_right_and_nought_for_noise() -> None:
    random = np.random.default_rng(0)
    classes = random.choice(7, 1000, p=PRIOR)
    kinds = random.choice(conversational.KINDS, 1000)
    true = 1.5 * np.eye(7)[classes] + random.normal(0, 1, (1000, 7))
    assert 0.9 < earned_trust(np.log(softmax(1.5 * true)), classes, kinds, PRIOR).trust <= 1
    half = earned_trust(2 * np.log(softmax(1.5 * true)), classes, kinds, PRIOR)
    assert 0.4 < half.trust < 0.6
    assert half.trusted < min(half.ignored, half.at_1)
    assert earned_trust(random.normal(0, 1, (1000, 7)), classes, kinds, PRIOR).trust < 0.05
    with pytest.raises(InputError, match="1000 rows, 10 classes"):
        earned_trust(true, classes[:10], kinds, PRIOR)


def test_a_kind_with_few_utterances_counts_as_much_as_one_with_many() -> None:
    classes = np.array([0] * 900 + [NEUTRAL] * 900 + [0] * 30 + [NEUTRAL] * 30)
    kinds = [HALF_NEUTRAL] * 1800 + [FEW] * 60
    right = np.where(np.arange(7) == classes[:, None], 4.0, 0.0)
    right[1800:] = np.roll(right[1800:], 1, axis=1)
    assert earned_trust(right, classes, kinds, PRIOR).trust < 0.6
    assert earned_trust(right, classes, [FEW] * 1860, PRIOR).trust > 0.9


def said(count: int, *, seed: int = 0) -> list[Talk]:
    """Dialogues of two people with words that are right with probability .7."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(count):
        classes = random.choice(7, 8, p=PRIOR / PRIOR.sum())
        words = np.full((8, 7), 0.05)
        words[np.arange(8), classes] = 0.7
        found.append(Talk(("Ann", "Bob") * 4, classes, words))
    return found


CLIPS = Clips(np.tile(np.repeat(np.arange(7), 4), 3), np.repeat(["x", "y", "z"], 28))


@pytest.mark.parametrize("kind", conversational.PLANTED_KINDS)
def test_each_speaker_has_one_actor_and_a_clip_of_the_label(kind: str) -> None:
    talks = said(40)
    found = plant(talks, CLIPS, kind, prior=PRIOR / PRIOR.sum(), seed=3)
    for talk, one in zip(talks, found, strict=True):
        assert len(set(zip(talk.people, one.people, strict=True))) == 2
        assert [CLIPS.people[clip] for clip in one.clips if clip >= 0] == [
            person for person, clip in zip(one.people, one.clips, strict=True) if clip >= 0
        ]
    agree = np.mean([(CLIPS.classes[one.clips] == one.classes).mean() for one in found])
    assert agree == 1 if kind != DECEIVING else agree < 0.5
    again = plant(talks, CLIPS, kind, prior=PRIOR / PRIOR.sum(), seed=3)
    assert all((a.clips == b.clips).all() for a, b in zip(found, again, strict=True))


def test_the_kinds_are_what_they_say() -> None:
    talks, prior = said(60), PRIOR / PRIOR.sum()

    def planted(kind: str) -> list:
        return plant(talks, CLIPS, kind, prior=prior, seed=0)

    assert all((one.classes == talk.classes).all() for one, talk in zip(planted(ANNOTATED), talks, strict=True))
    assert all(np.isnan(one.words).all() for one in planted(WITHOUT_WORDS))
    assert all((one.words[:, NEUTRAL] == 0.7).all() for one in planted(VOICE_ALONE))
    told = np.concatenate([one.classes for one in planted(VOICE_ALONE)])
    assert (told == NEUTRAL).mean() == pytest.approx(0.7, abs=0.06), "labels follow the words' own posterior"
    for one in planted(ONE_MOOD_EACH):
        assert all(len(set(one.classes[place::2])) == 1 for place in (0, 1))
        assert (one.words.argmax(1) == one.classes).all()
    shown = np.concatenate([CLIPS.classes[one.clips] for one in planted(DECEIVING)])
    assert np.bincount(shown, minlength=7) / len(shown) == pytest.approx(prior, abs=0.06)


def voiced(*, honest: float, seed: int = 0, people: int = 300) -> Heard:
    """Ten utterances a person, whose voices tell the label for a share of the people, and nothing for the others."""
    random, prior = np.random.default_rng(seed), PRIOR / PRIOR.sum()
    classes = random.choice(7, (people, 10), p=prior)
    shown = np.where(random.random(people)[:, None] < honest, classes, random.choice(7, classes.shape, p=prior))
    told = np.where(random.random(classes.shape) < 0.7, classes, random.choice(7, classes.shape))
    words = prior * np.where(told[..., None] == np.arange(7), 0.7 + 0.3 / 7, 0.3 / 7)  # Bayes' rule
    words /= words.sum(2, keepdims=True)
    voices = np.full((people, 10, 7), 0.02)
    np.put_along_axis(voices, shown[..., None], 0.88, 2)
    speakers = tuple(np.repeat(np.arange(people), 10).tolist())
    flat = classes.ravel()
    return Heard(np.log(words).reshape(-1, 7), np.log(voices * 7).reshape(-1, 7), flat, speakers, np.ones(len(flat)))


def test_levels_tell_voices_that_say_something_from_those_that_do_not() -> None:
    prior = PRIOR / PRIOR.sum()
    mixture = fit_levels(voiced(honest=0.6), prior)
    words, single, levels = mixture.losses
    assert words > single > levels + 0.05
    assert mixture.levels.agreement > 0.2
    held_out = voiced(honest=0.6, seed=1)
    assert held_out.loss(mixture.levels, prior) == pytest.approx(levels, abs=0.05)
    never = fit_levels(voiced(honest=0.0), prior)
    assert never.losses[2] == pytest.approx(never.losses[0], abs=0.02)


LEVELS = Levels(((0.0, 0.4), (1.0, 0.6)), 0.7)


def test_each_utterance_counts_by_its_share() -> None:
    prior, heard = PRIOR / PRIOR.sum(), voiced(honest=0.5, people=40)
    honest = np.repeat(np.arange(40) < 20, 10)
    first = Heard(heard.words, heard.voices, heard.classes, heard.speakers, honest.astype(float))
    cut = Heard(*(a[honest] for a in (heard.words, heard.voices, heard.classes)), heard.speakers[:200], np.ones(200))
    assert first.loss(LEVELS, prior) == pytest.approx(cut.loss(LEVELS, prior))
