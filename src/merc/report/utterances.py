"""The list of all utterances, each with its predicted label, its confidence and the evidence of each modality."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from merc.conversation import Evidence, Prediction, Timeline, Utterance
from merc.edits import Assign, Rewrite
from merc.report.steps import by_time
from merc.report.summary import NO_LABEL, name_of, speakers
from merc.web.html import Html, Macros, macros

MANY = 200
"""Utterances beyond which the browser lays out only those in view."""


def utterance_list(timeline: Timeline, predicted: Timeline | None = None) -> Html:
    """Every utterance in order of time, as an ordered list.

    Args:
        timeline: The layer that is shown.
        predicted: The layer of the model, where the other one is shown: words and speakers that differ are added.
    """
    before = _before(predicted) if predicted else {}
    who = {name: position for position, name in enumerate(speakers(timeline))}
    items = (_item(timeline, index, who, before) for index in range(len(timeline)))
    return _parts().utterances(items, len(timeline) > MANY)


def filters(timeline: Timeline) -> Html:
    """The form that filters the list; hidden until the script has found that it can work."""
    return _parts().filters(speakers(timeline), timeline.labels, NO_LABEL)


def _before(predicted: Timeline) -> dict[str, Utterance]:
    """What the model heard, by utterance that a person gave other words or another speaker."""
    named = {edit.change.utterance: None for edit in predicted.edits if isinstance(edit.change, Assign | Rewrite)}
    return {one.id: one for one in predicted.utterances if one.id in named}


@dataclass(frozen=True, slots=True)
class _Item:
    """An utterance as the list shows it."""

    number: int
    """From 1, in order of time."""
    utterance: Utterance
    before: Utterance
    """What the model heard."""
    prediction: Prediction
    name: str
    who: int
    """Position of the speaker."""
    place: int | None
    """Position of the label; None for an abstention and for a label that is none of the timeline's."""
    reason: str
    """Why there is no label."""
    language: str | None
    labels: Sequence[str]
    brief: Sequence[tuple[str, int | None, str | None]]
    """Of each modality its name, and its most probable label with its position."""
    columns: Sequence[Evidence]
    """Of the table of evidence; empty where there is none."""
    by_time: Html
    no_label: str = NO_LABEL


def _item(timeline: Timeline, index: int, who: Mapping[str, int], before: Mapping[str, Utterance]) -> _Item:
    utterance, prediction = timeline.utterances[index], timeline.predictions[index]
    place = {label: position for position, label in enumerate(timeline.labels)}
    tops = [(one.modality, _best(one)) for one in prediction.evidence]
    shown = prediction.evidence or prediction.probabilities
    return _Item(
        number=index + 1,
        utterance=utterance,
        before=before.get(utterance.id, utterance),
        prediction=prediction,
        name=name_of(utterance),
        who=who[name_of(utterance)],
        place=place.get(prediction.label or ""),
        reason=_reason(prediction),
        language="en" if timeline.recording.translated else timeline.recording.language,
        labels=timeline.labels,
        brief=[(modality, place.get(best or ""), best) for modality, best in tops],
        columns=[_together(prediction), *prediction.evidence] if shown else (),
        by_time=by_time(timeline, utterance, prediction) if shown else Html(),
    )


def _reason(prediction: Prediction) -> str:
    reason = prediction.reason or "too uncertain to name one label"
    return f"{reason[0].upper()}{reason[1:].rstrip('.')}."


def _together(prediction: Prediction) -> Evidence:
    if prediction.probabilities:
        return Evidence("together", prediction.probabilities, None, _values(prediction))
    return Evidence("together", missing=prediction.reason or "no evidence")


def _values(prediction: Prediction) -> dict[str, float]:
    """Predicted values on dimensions, to two decimals."""
    return {name: round(value, 2) for name, value in prediction.values.items()}


def _best(evidence: Evidence) -> str | None:
    """The label that a modality alone finds most probable."""
    probabilities = evidence.probabilities
    return min(probabilities, key=lambda label: (-probabilities[label], label)) if probabilities else None


def _parts() -> Macros:
    return macros("merc.report", "utterances.html")
