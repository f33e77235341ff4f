"""What a stream remembers: causal context, revised speakers, bounded memory."""

import numpy as np
import pytest

from merc.conversation import Evidence
from merc.labels import EKMAN7
from merc.pipeline.live import history
from merc.pipeline.live.history import History, speaking
from merc.pipeline.live.options import StreamOptions

from .scenes import PEOPLE, draft, job, stretch


@pytest.fixture
def read(monkeypatch):
    """The words are judged by their length; what was read with them is noted."""
    seen = []

    def latest_text(job, before, text, speaker):
        seen.append((list(before), text, speaker))
        rest = 0.1 / 6
        return Evidence("text", {one: 0.9 if one == EKMAN7[len(text) % 7] else rest for one in EKMAN7}), None

    monkeypatch.setattr(history, "latest_text", latest_text)
    return seen


def add(one, start, text, voice):
    return list(one.add(draft(stretch(start), text, voice)))


def test_an_utterance_is_read_after_those_before_it(read):
    one = History(job(), StreamOptions())
    add(one, 0, "a", PEOPLE[0])
    add(one, 3, "bb", PEOPLE[1])
    assert read == [([], "a", "Speaker 1"), ([("a", "Speaker 1")], "bb", "Speaker 2")]


def test_times_and_names_are_those_of_the_stream(read):
    one = History(job(), StreamOptions())
    add(one, 0, "a", PEOPLE[0])
    ((said, prediction),) = add(one, 7.5, "bb", PEOPLE[1])
    assert (said.id, said.speaker, said.segment.start, said.segment.end) == ("u0002", "Speaker 2", 7.5, 9.5)
    assert said.words[0].segment == said.segment
    assert [part.modality for part in prediction.evidence] == ["text", "voice", "face"]
    assert prediction.evidence[2].missing == "a live analysis has sound alone"


def test_what_comes_later_changes_no_label_of_before(read):
    texts = ["a", "bb", "ccc", "dddd", "eeeee", "ffffff"]
    whole, part = History(job(), StreamOptions()), History(job(), StreamOptions())
    first = [add(part, 3 * n, text, PEOPLE[n % 2]) for n, text in enumerate(texts[:3])]
    assert [add(whole, 3 * n, text, PEOPLE[n % 2]) for n, text in enumerate(texts)][:3] == first


def test_a_changed_speaker_is_a_revision_with_its_label(read):
    one = History(job(), StreamOptions(divide=1))
    mixed = PEOPLE[0] + 0.8 * PEOPLE[1]
    add(one, 0, "a", mixed)
    for n in range(3):
        add(one, 3 + 3 * n, "b" * n + "b", PEOPLE[1])
    second = [add(one, 20 + 3 * n, "c" * n + "c", PEOPLE[0])[0][0].speaker for n in range(3)]
    revised = {said.id: said for said, _ in one.revised(now=True)}
    speakers = {f"u{n + 5:04d}": name for n, name in enumerate(second)} | {
        name: said.speaker for name, said in revised.items()
    }
    assert revised
    assert speakers["u0005"] == speakers["u0006"] == speakers["u0007"]
    assert all(prediction.probabilities for _, prediction in one.revised(now=True))  # nothing more changes
    assert not list(one.revised(now=True))


def test_revisions_come_after_so_many_stretches(read):
    one = History(job(), StreamOptions(divide=3))
    asked = []
    one._voices.divide = lambda: asked.append(one._stretches) or []
    for n in range(6):
        add(one, 3 * n, "a", PEOPLE[0])
        list(one.revised())
    assert asked == [3, 6]


def test_memory_is_bounded(read):
    one = History(job(), StreamOptions(history=5))
    for n in range(60):
        add(one, 3 * n, "a", PEOPLE[n % 2])
    assert len(one._said) == 5
    assert len(one._texts) == history._CONTEXT
    assert one.count == 60


def test_words_that_are_no_evidence_are_no_context(read):
    one = History(job(), StreamOptions())
    ((_, prediction),) = add(one, 0, "...", PEOPLE[0])
    assert "has no words" in prediction.evidence[0].missing
    add(one, 3, "yes", PEOPLE[0])
    assert read == [([], "yes", "Speaker 1")]


def test_seconds_of_each_speaker(read):
    one = History(job(), StreamOptions())
    said = [add(one, 3 * n, "a", PEOPLE[n % 2])[0][0] for n in range(3)]
    assert speaking(said) == {"Speaker 1": pytest.approx(4), "Speaker 2": pytest.approx(2)}
    assert np.isclose(said[2].segment.end, 8)
