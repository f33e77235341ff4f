"""Drafts of stretches: the language of a stream, and times."""

import pytest

from merc.conversation import Segment, Utterance, Word
from merc.pipeline.live.draft import SETTLED, Languages, moved

from .scenes import stretch

ENGLISH, GERMAN = {"en": 0.9, "de": 0.05}, {"en": 0.1, "de": 0.8}


def test_a_given_language_is_the_language():
    languages = Languages("de")
    languages.add(ENGLISH, 100)
    assert languages.with_this(ENGLISH, 5).code == "de"


def test_the_language_is_decided_by_the_first_seconds_and_then_fixed():
    languages = Languages(None)
    assert languages.with_this(GERMAN, 2).code == "de"
    languages.add(ENGLISH, 10)
    assert languages.fixed is None
    assert languages.with_this(GERMAN, 2).code == "en"  # a name or a song misleads a single stretch
    languages.add(ENGLISH, SETTLED)
    assert languages.fixed is not None
    assert languages.fixed.probability == pytest.approx(0.9)
    languages.add(GERMAN, 1000)
    assert languages.with_this(GERMAN, 1000).code == "en"


def test_an_utterance_is_moved_with_its_words():
    said = Utterance("u", text="a", segment=Segment(0.5, 1), words=(Word("a", Segment(0.5, 1)),))
    later = moved(said, 10.25)
    assert later.segment == later.words[0].segment == Segment(10.75, 11.25)
    assert moved(Utterance("u"), 3).segment is None


def test_the_speech_of_a_stretch_in_its_own_samples():
    one = stretch(7.0, 2.0)
    assert one.local == Segment(0.0, 2.0)
