"""The list of all utterances, each with its predicted label, its confidence and the evidence of each modality."""

from __future__ import annotations

from collections.abc import Mapping

from merc.conversation import Evidence, Prediction, Timeline, Utterance
from merc.edits import Assign, Correction, Rewrite
from merc.report.charts import mark
from merc.report.steps import by_time
from merc.report.summary import NO_LABEL, name_of, speakers
from merc.web.html import safe
from merc.web.words import clock, fact, length, number, percent

MANY = 200
"""Utterances beyond which the browser lays out only those in view."""


def utterance_list(timeline: Timeline, predicted: Timeline | None = None) -> str:
    """Every utterance in order of time, as an ordered list.

    Args:
        timeline: The layer that is shown.
        predicted: The layer of the model, where the other one is shown: words and speakers that differ are added.
    """
    before = _before(predicted) if predicted else {}
    who = {name: position for position, name in enumerate(speakers(timeline))}
    place = {label: position for position, label in enumerate(timeline.labels)}
    items = "".join(_item(timeline, index, who, place, before) for index in range(len(timeline)))
    many = " many" if len(timeline) > MANY else ""
    return f'<ol class="utterances{many}">{items}</ol>'


def filters(timeline: Timeline) -> str:
    """The form that filters the list; hidden until the script has found that it can work."""
    people = "".join(f'<option value="{i}">{safe(name)}</option>' for i, name in enumerate(speakers(timeline)))
    labels = "".join(f'<option value="{i}">{safe(label)}</option>' for i, label in enumerate(timeline.labels))
    return (
        '<form class="filters" hidden aria-label="Filter the utterances">'
        f'<label>Speaker <select name="speaker"><option value="">all</option>{people}</select></label>'
        f'<label>Label <select name="label"><option value="">all</option>{labels}'
        f'<option value="none">{NO_LABEL} (abstained)</option></select></label>'
        '<label>Confidence from <input type="range" name="confidence" min="0" max="100" step="5" value="0">'
        "<output>0%</output></label>"
        '<p role="status"></p><button type="reset">Show all</button></form>'
    )


def _before(predicted: Timeline) -> dict[str, Utterance]:
    """What the model heard, by utterance that a person gave other words or another speaker."""
    named = {edit.change.utterance: None for edit in predicted.edits if isinstance(edit.change, Assign | Rewrite)}
    return {one.id: one for one in predicted.utterances if one.id in named}


def _was(what: str, before: str | None, now: str | None) -> str:
    return f'<small class="was">{what}: <bdi>{safe(before or "–")}</bdi></small>' if before != now else ""


def _item(
    timeline: Timeline, index: int, who: dict[str, int], place: dict[str, int], before: Mapping[str, Utterance]
) -> str:
    utterance, prediction = timeline.utterances[index], timeline.predictions[index]
    name = name_of(utterance)
    label = place.get(prediction.label or "", "none")
    code = "en" if timeline.recording.translated else timeline.recording.language
    language = f' lang="{safe(code)}"' if code else ""
    was = before.get(utterance.id, utterance)
    said = _was("recognised", was.text, utterance.text)
    text = f'<p class="text" dir="auto"{language}>{safe(utterance.text)}{said}</p>' if utterance.text else _NO_TEXT
    return (
        f'<li id="u{index + 1}" data-p="{who[name]}" data-l="{label}" data-c="{prediction.confidence * 100:.0f}"'
        f'{_span(utterance)}><div class="when">{_time(utterance)}</div>'
        f'<div class="who"><bdi>{safe(name)}</bdi>{_was("predicted", was.speaker, utterance.speaker)}</div>'
        f'{text}<div class="label">{_label(prediction, place)}</div>{_evidence(timeline, index, place)}</li>\n'
    )


_NO_TEXT = '<p class="text quiet">no words recognised</p>'


def _span(utterance: Utterance) -> str:
    segment = utterance.segment
    return f' data-s="{number(segment.start)}" data-e="{number(segment.end)}"' if segment else ""


def _time(utterance: Utterance) -> str:
    if utterance.segment is None:
        return '<span class="quiet">no time</span>'
    return f"<time>{clock(utterance.segment.start)}</time> <small>{length(utterance.segment.duration)}</small>"


def _label(prediction: Prediction, place: dict[str, int]) -> str:
    """The predicted label with its confidence; an abstention says what it leans to, and why it abstains.

    The label of a person says whose it is, and what was predicted.
    """
    sure = percent(prediction.confidence)
    if prediction.correction is not None:
        return _corrected(prediction, prediction.correction, place)
    if prediction.label is not None:
        chip = f'<b class="chip">{mark(place.get(prediction.label))}{safe(prediction.label)}</b>'
        return (
            f'{chip}<span class="sure l{place.get(prediction.label, 0)}" style="--p:{prediction.confidence * 100:.0f}">'
            f"confidence {sure}</span>"
        )
    lean = f"Leans to {safe(prediction.top)}, {sure}. " if prediction.top else ""
    reason = prediction.reason or "too uncertain to name one label"
    reason = safe(f"{reason[0].upper()}{reason[1:].rstrip('.')}.")
    return f'<b class="chip hollow">{mark(None)}{NO_LABEL}</b><span class="why">{lean}{reason}</span>'


def _corrected(prediction: Prediction, correction: Correction, place: dict[str, int]) -> str:
    label, predicted = prediction.label, correction.predicted
    look = mark(None if label is None else place.get(label))
    chip = f'<b class="chip{"" if label else " hollow"}">{look}{safe(label or NO_LABEL)}</b>'
    said = f"Predicted {safe(predicted)}, {percent(prediction.confidence)}." if predicted else "No label predicted."
    return f'{chip}<span class="why">{"Set" if label else "Rejected"} by {safe(correction.by)}. {said}</span>'


def _evidence(timeline: Timeline, index: int, place: dict[str, int]) -> str:
    """The evidence of each modality, collapsed. Optional end tags are omitted: there are 2,000 such tables."""
    prediction = timeline.predictions[index]
    if not prediction.evidence and not prediction.probabilities:
        return ""
    brief = " ".join(f"<span>{safe(e.modality)} {_best(e, place)}</span>" for e in prediction.evidence)
    columns = [_together(prediction), *prediction.evidence]
    heads = "".join(_head(column) for column in columns)
    lines = "".join(_line(timeline, position, columns) for position in range(len(timeline.labels)))
    return (
        f'<details><summary><span class="lead">Evidence</span> {brief}</summary><table><thead><tr><td></td>{heads}'
        f"<tbody>{lines}</table>{by_time(timeline, timeline.utterances[index], prediction)}</details>"
    )


def _together(prediction: Prediction) -> Evidence:
    if prediction.probabilities:
        return Evidence("together", prediction.probabilities, None, _values(prediction))
    return Evidence("together", missing=prediction.reason or "no evidence")


def _values(prediction: Prediction) -> dict[str, float]:
    """Predicted values on dimensions, to two decimals."""
    return {name: round(value, 2) for name, value in prediction.values.items()}


def _best(evidence: Evidence, place: dict[str, int]) -> str:
    """The label that a modality alone finds most probable, as its shape and its name."""
    if not evidence.probabilities:
        return "missing"
    probabilities = evidence.probabilities
    best = min(probabilities, key=lambda label: (-probabilities[label], label))
    return f"{mark(place.get(best))}{safe(best)}"


def _head(evidence: Evidence) -> str:
    detail = ", ".join(f"{key.replace('_', ' ')} {fact(value)}" for key, value in evidence.detail.items())
    return f"<th scope=col>{safe(evidence.modality)}" + (f"<small>{safe(detail)}</small>" if detail else "")


def _line(timeline: Timeline, position: int, columns: list[Evidence]) -> str:
    """One label's row: seven of them make seven small bars a modality, or the reason why it is missing."""
    label, cells = timeline.labels[position], []
    for evidence in columns:
        if evidence.probabilities:
            share = evidence.probabilities.get(label, 0.0)
            cells.append(f"<td style=--p:{share * 100:.0f}>{share * 100:.0f}")
        elif position == 0:
            cells.append(f"<td class=no rowspan={len(timeline.labels)}>{safe(evidence.missing or '')}")
    return f"<tr class=l{position}><th scope=row>{safe(label)}{''.join(cells)}"
