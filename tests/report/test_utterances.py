from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from merc import edits
from merc.conversation import Evidence, Prediction, Timeline
from merc.edits import Assign, Relabel, Rewrite
from merc.report.utterances import MANY, filters, utterance_list

Make = Callable[..., Timeline]


def test_each_utterance_has_its_label_confidence_and_evidence(make: Make) -> None:
    timeline = make(1)
    item = utterance_list(timeline)
    prediction = timeline.predictions[0]
    assert item.count("<li id=") == 1
    assert f"</i>{prediction.label}</b>" in item
    assert f"confidence {prediction.confidence * 100:.0f}%" in item
    assert item.count("<th scope=col>") == 4  # together, text, voice, face
    assert item.count("the speaker is never in the picture") == 1


def test_an_abstention_says_what_it_leans_to_and_why(make: Make) -> None:
    timeline = make(1)
    given = Prediction({"joy": 0.4, "anger": 0.3}, None, 0.4, True, "confidence is below 0.45")
    item = utterance_list(replace(timeline, predictions=(given,)))
    assert "Leans to joy, 40%. Confidence is below 0.45." in item
    assert 'class="chip hollow"' in item


def test_a_modality_without_evidence_is_named_missing(make: Make) -> None:
    timeline = make(1)
    given = Prediction(None, None, 0.0, True, None, (Evidence("face", missing="no video"),))
    item = utterance_list(replace(timeline, predictions=(given,)))
    assert "face missing" in item
    assert "Too uncertain to name one label." in item


def test_long_lists_are_laid_out_as_they_come_into_view(make: Make) -> None:
    assert 'class="utterances"' in utterance_list(make(MANY))
    assert 'class="utterances many"' in utterance_list(make(MANY + 1))


def test_the_filters_offer_every_speaker_and_label(make: Make) -> None:
    form = filters(make(4, speakers=3))
    assert form.count("<option") == 1 + 3 + 1 + 7 + 1


def test_a_correction_says_whose_it_is_and_what_was_predicted(make: Make) -> None:
    timeline = make(5)
    first = timeline.predictions[0]
    sure = f"Predicted {first.label}, {first.confidence * 100:.0f}%."
    set_ = utterance_list(edits.edited(timeline, Relabel("u0", "fear"), by="<Eve>").corrected)
    assert f'</i>fear</b><span class="why">Set by &lt;Eve&gt;. {sure}</span>' in set_
    rejected = utterance_list(edits.edited(timeline, Relabel("u0", None), by="Eve").corrected)
    assert f'</i>no label</b><span class="why">Rejected by Eve. {sure}</span>' in rejected
    given = utterance_list(edits.edited(timeline, Relabel("u4", "joy"), by="Eve").corrected)
    assert "Set by Eve. No label predicted." in given


def test_corrected_words_and_speakers_show_what_the_model_heard(make: Make) -> None:
    timeline = make(4)
    made = edits.edited(timeline, Rewrite("u0", "Did the vest come?"), Assign("u1", "Speaker 1"), by="Eve")
    shown = utterance_list(made.corrected, made)
    assert 'Did the vest come?<small class="was">recognised: <bdi>Did the letter come?</bdi></small>' in shown
    assert '<bdi>Speaker 1</bdi><small class="was">predicted: <bdi>Speaker 2</bdi></small>' in shown
    assert shown.count('class="was"') == 2
    assert 'class="was"' not in utterance_list(timeline, timeline)


def test_predicted_values_stand_beside_the_labels(make: Make) -> None:
    timeline = make(1)
    (given,) = timeline.predictions
    item = utterance_list(replace(timeline, predictions=(replace(given, values={"valence": 3.256}),)))
    assert "together<small>valence 3.26</small>" in item and "<small>valence" not in utterance_list(timeline)
