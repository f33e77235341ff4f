"""The report of one recording: a single page that needs no network, no script and no other file to be read."""

from __future__ import annotations

import re
from pathlib import Path

from merc import __version__
from merc.cache import replacing
from merc.conversation import Timeline
from merc.people.known_voices import NOTE as NAMED
from merc.report import charts
from merc.report.notice import NOTICE
from merc.report.summary import Row, axis, by_speaker
from merc.report.utterances import filters, utterance_list
from merc.web import palette
from merc.web.html import Html, Macros, Page, about, macros, masthead, resource, section
from merc.web.tables import table
from merc.web.words import counted, fact, length, listed, percent


def write(timeline: Timeline, path: str | Path) -> None:
    """Write the report of a timeline as one HTML file, complete or not at all.

    The page plays the recording where it lies next to it or one folder above.

    Args:
        timeline: As predicted, with its edits.
        path: The page, ``.html``.

    Raises:
        OutputError: the file cannot be written.

    Example:
        >>> import tempfile
        >>> from merc.conversation import Recording
        >>> timeline = Timeline(Recording("talk.wav", "0" * 64, 2.0, has_audio=True, has_video=False), (), ())
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     write(timeline, path := Path(folder, "report.html"))
        ...     "talk.wav" in path.read_text(encoding="utf-8")
        True
    """
    with replacing(Path(path)) as temporary:
        temporary.write_bytes(render(timeline).encode())


def render(timeline: Timeline) -> str:
    """The report of a timeline as the text of one HTML page; the same timeline gives the same text.

    Where people corrected it, the corrected layer is drawn; what the model predicted is next to each correction.

    Args:
        timeline: As predicted, with its edits.

    Returns:
        A whole page, with its styles and scripts.

    Example:
        >>> from merc.conversation import Recording
        >>> timeline = Timeline(Recording("talk.wav", "0" * 64, 2.0, has_audio=True, has_video=False), (), ())
        >>> "<title>talk.wav – predicted emotion labels</title>" in render(timeline)
        True
    """
    predicted, timeline = timeline, timeline.corrected
    return Page(
        title=f"{timeline.recording.name} – predicted emotion labels",
        header=_header(timeline, len(predicted.edits)),
        main=_sections(timeline, predicted),
        footer=_footer(timeline),
        style=resource("merc.report", "style.css") + palette.css(timeline.labels),
        script=resource("merc.report", "script.js"),
        skip=("utterances", "Skip to the utterances"),
    ).render()


def _sections(timeline: Timeline, predicted: Timeline) -> list[Html]:
    rows = by_speaker(timeline)
    spoken = [_over_time(timeline, rows), _by_speaker(timeline, rows), _utterances(timeline, predicted)]
    return [
        _notes(timeline),
        _parts().notice(NOTICE),
        *(spoken if len(timeline) else [_silence(timeline)]),
        _reading(timeline),
        section("limits", "What merc cannot do", _parts().limits()),
        _edits(predicted),
        _models(timeline),
        _options(timeline),
    ]


def _header(timeline: Timeline, edits: int) -> Html:
    recording, count = timeline.recording, len(timeline)
    abstained = sum(prediction.label is None for prediction in timeline.predictions)
    facts: list[tuple[str, object, str]] = [
        ("duration", length(recording.duration), ""),
        ("speakers" if len(by_speaker(timeline)) != 1 else "speaker", len(by_speaker(timeline)), ""),
        ("utterances" if count != 1 else "utterance", f"{count:,}", ""),
        ("language", *_language(timeline)),
    ]
    if recording.channel is not None:
        track = "" if recording.audio_track in (None, 1) else f", track {recording.audio_track}"
        facts.append(("sound", recording.channel + track, "the channel of the recording that was heard"))
    if count:
        facts.append(("without label", percent(abstained / count), f"{abstained:,} of {count:,} abstained"))
    if edits:
        facts.append(("edit" if edits == 1 else "edits", f"{edits:,}", "made by people after the analysis"))
    return masthead("Predicted emotion labels", recording.name, _lede(timeline) if count else "", facts)


def _lede(timeline: Timeline) -> str:
    everything = [row for rows in by_speaker(timeline).values() for row in rows]
    sentence = charts.describe(timeline, everything)
    return sentence[0].upper() + sentence[1:]


def _language(timeline: Timeline) -> tuple[object, str]:
    code, probability = timeline.recording.language, timeline.recording.language_probability
    if code is None:
        return "–", "not detected"
    sure = "" if probability is None else f"detected, {percent(probability)}"
    if timeline.recording.translated:
        sure += "; its words are Whisper's translation into English"
    return _parts().language(code), sure


def _notes(timeline: Timeline) -> Html:
    lost = [note for note in timeline.notes if not note.startswith(NAMED)]
    return section("notes", "What was lost or withheld", _parts().notes(lost)) if lost else Html()


def _silence(timeline: Timeline) -> Html:
    return _parts().silence("it has no sound" if not timeline.recording.has_audio else "no speech was found in it")


def _over_time(timeline: Timeline, rows: dict[str, list[Row]]) -> Html:
    step = axis(timeline).step
    column = (
        "Each column is an utterance. Faint bands only lead the eye to the speaker’s next utterance."
        if step is None
        else f"Each column averages what the speaker says within {_step(step)}; columns without speech stay empty."
    )
    lead = (
        f"{column} The height of a colour is the probability of its label; the stronger the colour, the more certain."
    )
    return section("over-time", "Over time", about(lead), charts.legend(timeline), charts.curves(timeline, rows))


def _step(seconds: float) -> str:
    return f"{seconds:g} s" if seconds < 60 else f"{seconds / 60:g} min"


def _by_speaker(timeline: Timeline, rows: dict[str, list[Row]]) -> Html:
    cards = [charts.share_card(timeline, name, own) for name, own in rows.items() if own]
    lead = "Top bar: share of speaking time per label; bottom bar: share of utterances."
    named = _parts().notes([note for note in timeline.notes if note.startswith(NAMED)])
    return section("by-speaker", "By speaker", about(lead), named, _parts().shares(cards))


def _beside(name: str) -> str:
    """The last part of a name, so that no page asks another folder or, on Windows, another machine for its recording.

    >>> _beside("//host/share/talk.mp4"), _beside("talk.mp4")
    ('talk.mp4', 'talk.mp4')
    """
    return re.split(r"[/\\]", name)[-1]


def _utterances(timeline: Timeline, predicted: Timeline) -> Html:
    recording = timeline.recording
    player = _parts().player(_beside(recording.name), "video" if recording.has_video else "audio")
    return section("utterances", "Utterances", player, filters(timeline), utterance_list(timeline, predicted))


def _reading(timeline: Timeline) -> Html:
    return section("reading", "How to read this page", _parts().reading(list(timeline.labels)))


def _edits(timeline: Timeline) -> Html:
    if not timeline.edits:
        return Html()
    rows = [(edit.at.replace("T", " ").removesuffix("Z"), edit.by, edit.change.sentence) for edit in timeline.edits]
    return section("edits", "Corrections", table(("when (UTC)", "who", "what"), rows, label="corrections"))


def _models(timeline: Timeline) -> Html:
    if not timeline.models:
        return Html()
    rows = [(one.slot, one.name, one.licence, _parts().code(one.sha256[:12])) for one in timeline.models]
    body = table(("job", "model", "licence", "SHA-256"), rows, label="models")
    return section("models", "Models and licences", body)


def _options(timeline: Timeline) -> Html:
    if not timeline.options:
        return Html()
    rows = [(name, fact(timeline.options[name])) for name in sorted(timeline.options)]
    return section("options", "Options", table((), rows, label="options"))


def _footer(timeline: Timeline) -> Html:
    recording = timeline.recording
    holds = [name for name, there in (("sound", recording.has_audio), ("pictures", recording.has_video)) if there]
    held = listed(holds) if holds else "neither sound nor pictures"
    return _parts().footer(__version__, recording, held, counted(len(timeline), "utterance"))


def _parts() -> Macros:
    return macros("merc.report", "report.html")
