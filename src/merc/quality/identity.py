"""Which bearers of one name are one person, by their faces and voices.

Each dialogue in which a name occurs gives a face (the person seen more while the name speaks than while others do) and
a voice (the mean over its utterances). Dialogues are joined while they are alike on average: by their faces where both
have one, else by their voices. Where there is neither, the rule over the annotation decides.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from merc.quality.bank import Decisions, build_bank, templates
from merc.quality.measure import Measured, failure
from merc.quality.options import CheckOptions
from merc.quality.speakers import Naming, role
from merc.quality.utterances import Subject

FACE = 0.55
"""Cosine of two mean faces from which they are one person's; between the means of one person's clips and those of two
people of one series."""
VOICE = 0.35
"""Cosine of two mean voices from which they are one person's, .1 more for a role and .1 less for a proper name; short
turns of one voice and of two overlap here, so that faces are preferred."""
_LEANING = 0.1


@dataclass(frozen=True, slots=True, eq=False)
class _Bearer:
    """The bearer of a name in one dialogue: mean face and voice as unit vectors, None where unknown."""

    place: str
    face: np.ndarray | None
    voice: np.ndarray | None


def name_by_media(
    subjects: Sequence[Subject],
    named: Mapping[str, Naming],
    *,
    sounds: Mapping[str, Measured],
    faces: Mapping[str, Measured],
) -> dict[str, Naming]:
    """Rename the speakers of utterances: a name that several persons share becomes one name per person.

    The person of most dialogues keeps the bare name unless the name is a role; the others carry the id of their first
    dialogue. Names of several people at once stay as they are.
    """
    result = dict(named)
    by_name: dict[str, dict[str, list[Subject]]] = {}
    for subject in subjects:
        naming = named[subject.id]
        if naming.name:
            by_name.setdefault(naming.name, {}).setdefault(subject.conversation, []).append(subject)
    seen = _faces(subjects, by_name, faces)
    for name, places in by_name.items():
        bearers = [_Bearer(place, seen.get((name, place)), _voice(own, sounds)) for place, own in places.items()]
        for place, person in _persons(name, bearers).items():
            for subject in places[place]:
                result[subject.id] = Naming(person, name=name)
    return result


def _faces(
    subjects: Sequence[Subject], by_name: Mapping[str, Mapping[str, Sequence[Subject]]], faces: Mapping[str, Measured]
) -> dict[tuple[str, str], np.ndarray]:
    """The mean face of each name in each dialogue, where one is known."""
    before = {subject.id: subject.speaker for subject in subjects}
    keys: dict[str, tuple[str, str]] = {}
    for name, places in by_name.items():
        for place, own in places.items():
            key = f"{name}\n{place}"
            keys[key] = (name, place)
            for subject in own:
                subject.speaker = key
    found = templates(build_bank(subjects, faces, Decisions({}), options=CheckOptions()))
    for subject in subjects:
        subject.speaker = before[subject.id]
    return {keys[key]: _unit(embeddings.mean(axis=0)) for key, embeddings in found.items()}


def _voice(own: Sequence[Subject], sounds: Mapping[str, Measured]) -> np.ndarray | None:
    voices = [
        _unit(sound["voice"])
        for subject in own
        if (sound := sounds.get(subject.id)) is not None
        and failure(sound) is None
        and np.isfinite(sound["voice"]).all()
    ]
    return _unit(np.mean(voices, axis=0)) if voices else None


def _unit(vector: np.ndarray) -> np.ndarray:
    result: np.ndarray = vector / max(float(np.linalg.norm(vector)), 1e-9)
    return result


def _persons(name: str, bearers: Sequence[_Bearer]) -> dict[str, str]:
    """The person behind a name in each dialogue."""
    groups = _joined([[_alike(one, other, role(name)) for other in bearers] for one in bearers])
    if len(set(groups)) == 1:
        return {bearer.place: name for bearer in bearers}
    first = {group: bearers[groups.index(group)].place for group in groups}
    largest = max(sorted(set(groups)), key=lambda group: groups.count(group))
    names = {group: f"{name} ({place})" for group, place in first.items()}
    if not role(name):
        names[largest] = name
    return {bearer.place: names[group] for bearer, group in zip(bearers, groups, strict=True)}


def _alike(one: _Bearer, other: _Bearer, shared: bool) -> float:
    """How much more alike than one person needs to be, in parts of what is possible: above 0 means one person."""
    if one.face is not None and other.face is not None:
        return float(one.face @ other.face) - FACE
    if one.voice is not None and other.voice is not None:
        return float(one.voice @ other.voice) - VOICE - (_LEANING if shared else -_LEANING)
    return -_LEANING if shared else _LEANING


def _joined(alike: Sequence[Sequence[float]]) -> list[int]:
    """Average linkage down to a mean likeness of 0; a group's number for each."""
    from scipy.cluster.hierarchy import fcluster, linkage
    from scipy.spatial.distance import squareform

    if len(alike) < 2:
        return [0] * len(alike)
    distances = 1 - np.array(alike)
    np.fill_diagonal(distances, 0)
    links = linkage(squareform((distances + distances.T) / 2, checks=False), "average")
    return [int(group) for group in fcluster(links, 1.0, "distance")]
