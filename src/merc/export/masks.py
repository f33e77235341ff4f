"""What an export leaves out: names, the file, words, voices, faces."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.conversation import Evidence, Prediction, Timeline, Utterance
from merc.edits import names
from merc.errors import InputError
from merc.formats import READERS
from merc.formats.table import NOTE
from merc.people.known_voices import NOTE as NAMED

_LEFT_OUT = "left out of this export"
_MODALITIES = MappingProxyType({"words": "text", "voices": "voice", "faces": "face"})
_NUMBERED = re.compile(r"(?:speaker|spk|voice|person)[ _-]*\d*", re.IGNORECASE)  # names that say nothing
_ENDINGS = "|".join((*READERS, "wav", "mp3", "m4a", "flac", "ogg", "mp4", "mkv", "mov", "webm", "avi", "mxf"))
_FILE = re.compile(rf"\S*[/\\]\S+|[\w-]+(?:\.[\w-]+)*\.(?:{_ENDINGS})\b", re.IGNORECASE)
_SHORTEST = 3  # letters of a part of a name that is replaced in texts


@dataclass(frozen=True, slots=True)
class Masks:
    """What is left out; false if nothing is.

    Args:
        pseudonyms: Speakers become P1, P2, …, also where their names are said.
        anonymise: As pseudonyms, and without the names of files, their hash, and what else a transcript says.
        without: Of "words", "voices" and "faces".

    Raises:
        InputError: If something unknown is to be left out.
    """

    pseudonyms: bool = False
    anonymise: bool = False
    without: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for name in self.without:
            if name not in _MODALITIES:
                raise InputError(f"cannot leave out '{name}': expected {', '.join(_MODALITIES)}")

    def __bool__(self) -> bool:
        return self.pseudonyms or self.anonymise or bool(self.without)


def masked(view: Timeline, masks: Masks) -> Timeline:
    """One layer of a timeline without what is left out; a note says what that is.

    Names are replaced where they are known as speakers, also single parts of them of three letters or more. Other
    names that somebody says stay: leave the words out if these could tell who speaks.
    """
    for name in masks.without:
        view = _without(view, name)
    if masks.pseudonyms or masks.anonymise:
        view = _pseudonyms(view)
    if masks.anonymise:
        view = _anonymous(view)
    said = ["Speakers have pseudonyms."] * (masks.pseudonyms or masks.anonymise)
    said += ["The names of files are left out."] * masks.anonymise
    said += [f"This export has no {' and no '.join(masks.without)}."] * bool(masks.without)
    return replace(view, notes=(*view.notes, *said))


def _without(view: Timeline, name: str) -> Timeline:
    modality = _MODALITIES[name]
    predictions = tuple(
        replace(
            guess,
            evidence=tuple(
                Evidence(one.modality, missing=_LEFT_OUT) if one.modality == modality else one for one in guess.evidence
            ),
        )
        for guess in view.predictions
    )
    made = replace(view, predictions=predictions)
    if name == "words":
        return replace(made, utterances=tuple(replace(one, text=None, words=(), meta={}) for one in view.utterances))
    if name == "faces":
        return replace(made, speakers=tuple(replace(one, face=False, face_reason=_LEFT_OUT) for one in view.speakers))
    return made


def _pseudonyms(view: Timeline) -> Timeline:
    people = {name: f"P{number}" for number, name in enumerate(names(view), 1)}
    corrections = [guess.correction for guess in view.predictions]
    who = {one.by: None for one in corrections if one}
    annotators = {name: f"annotator {number}" for number, name in enumerate(who, 1)}
    hide = _hiding({**annotators, **people})
    return replace(
        view,
        utterances=tuple(_hidden(one, people, hide) for one in view.utterances),
        predictions=tuple(_guess(one, annotators, hide) for one in view.predictions),
        speakers=tuple(
            replace(one, id=people[one.id], face_reason=_mapped(one.face_reason, hide)) for one in view.speakers
        ),
        notes=_mapped(_nameless(view.notes), hide),
        options=_mapped(view.options, hide),
    )


def _nameless(notes: Sequence[str]) -> list[str]:
    """Notes without those that say whose voice was stored, who may have another name by now."""
    return [note for note in notes if not note.startswith(NAMED)]


def _hiding(known: Mapping[str, str]) -> Callable[[str], str]:
    """A function that replaces names in a text, in whole and in parts; a part that several have becomes [name]."""
    found: dict[str, set[str]] = {}
    for name, pseudonym in known.items():
        parts = [] if _NUMBERED.fullmatch(name) else re.findall(r"[^\W\d_]+", name)
        for part in {name, *(part for part in parts if len(part) >= _SHORTEST)}:
            found.setdefault(part.casefold(), set()).add(pseudonym)
    listed = "|".join(re.escape(name) for name in sorted(found, key=len, reverse=True))
    pattern = re.compile(rf"(?<!\w)(?:{listed})(?!\w)" if listed else r"(?!)", re.IGNORECASE)

    def hide(text: str) -> str:
        return pattern.sub(lambda match: _only(found.get(match[0].casefold(), set())), text)

    return hide


def _only(pseudonyms: set[str]) -> str:
    return next(iter(pseudonyms)) if len(pseudonyms) == 1 else "[name]"


def _hidden(one: Utterance, people: Mapping[str, str], hide: Callable[[str], str]) -> Utterance:
    speaker = None if one.speaker is None else people[one.speaker]
    words = tuple(replace(word, text=hide(word.text)) for word in one.words)
    return replace(one, speaker=speaker, text=_mapped(one.text, hide), words=words, meta=_mapped(one.meta, hide))


def _guess(one: Prediction, annotators: Mapping[str, str], hide: Callable[[str], str]) -> Prediction:
    by = one.correction and replace(one.correction, by=annotators[one.correction.by])
    evidence = tuple(replace(e, missing=_mapped(e.missing, hide), detail=_mapped(e.detail, hide)) for e in one.evidence)
    return replace(one, reason=_mapped(one.reason, hide), evidence=evidence, correction=by)


def _anonymous(view: Timeline) -> Timeline:
    stem = Path(view.recording.name).stem

    def hide(text: str) -> str:
        shown = _FILE.sub("[file]", text)
        return shown.replace(stem, "[file]") if len(stem) >= _SHORTEST else shown

    recording = replace(view.recording, name=f"recording{Path(view.recording.name).suffix}", sha256="")
    kept = tuple(replace(one, meta={NOTE: one.meta[NOTE]} if NOTE in one.meta else {}) for one in view.utterances)
    return replace(
        view,
        recording=recording,
        utterances=kept,
        notes=_mapped(view.notes, hide),
        options=_mapped(view.options, hide),
    )


def _mapped(value: Any, change: Callable[[str], str]) -> Any:
    """A value with each text in it changed."""
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {name: _mapped(inner, change) for name, inner in value.items()}
    return tuple(_mapped(inner, change) for inner in value) if isinstance(value, tuple | list) else value
