"""Whether the speaker's face is seen while they speak.

In each frame the face most like the speaker's template counts if its cosine reaches the threshold; one such frame is
enough. Where the frames have none, those just before and after them are looked at; where these have none either, the
utterance is removed, with the reason. As in the analysis of recordings, a face that is more like another speaker of the
dialogue than like the speaker does not count: the threshold alone tells people of one series badly apart.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from merc.people.link import Bank
from merc.quality.bank import NO_FACE_KNOWN
from merc.quality.measure import Measured, failure, sound_only
from merc.quality.utterances import NO_MEDIA, UNREADABLE, Reading, Subject

NO_FACE = "no face"
NO_PICTURES = "the recordings are sound alone"
NOT_THE_SPEAKER = "not the speaker"


class Likeness:
    """How like their speaker the faces of an utterance are, by a bank of templates.

    With ``rivals``, faces that are more like another speaker of the dialogue are passed over.
    """

    def __init__(self, bank: Bank, subjects: Sequence[Subject], *, rivals: bool) -> None:
        self.bank = bank
        self._others: dict[str, set[str]] = {}
        for subject in subjects:
            if rivals and subject.speaker in bank.templates:
                self._others.setdefault(subject.conversation, set()).add(subject.speaker or "")

    def known(self, subject: Subject) -> bool:
        """Whether the face of the utterance's speaker is known."""
        return subject.speaker in self.bank.templates

    def best(self, subject: Subject, *measured: Measured | None) -> float | None:
        """The cosine of the face most like the speaker's template in any frame; None where there is none to compare."""
        speaker = subject.speaker or ""
        others = sorted(self._others.get(subject.conversation, set()) - {speaker})
        cosines = []
        for found in measured:
            for face in () if found is None or failure(found) else found["embeddings"]:
                own = self.bank.match(face, speaker)
                if all(own >= self.bank.match(face, other) for other in others):
                    cosines.append(own)
        return max(cosines, default=None)

    def accepts(self, cosine: float | None) -> bool:
        """Whether a cosine reaches the threshold, inclusive."""
        return cosine is not None and cosine >= self.bank.threshold


def to_search(subjects: Sequence[Subject], faces: Mapping[str, Measured], likeness: Likeness) -> list[Subject]:
    """The utterances whose frames do not show their known speaker: where it is worth looking just before and after."""
    return [
        subject
        for subject in subjects
        if subject.kept
        and likeness.known(subject)
        and (found := faces.get(subject.id)) is not None
        and failure(found) is None
        and not likeness.accepts(likeness.best(subject, found))
    ]


def without_pictures(faces: Mapping[str, Measured]) -> bool:
    """Whether the recordings are sound alone, as in a corpus of speech: one or more is, and none has a picture."""
    return any(map(sound_only, faces.values())) and not any(failure(found) is None for found in faces.values())


def judge_faces(
    subjects: Sequence[Subject], faces: Mapping[str, Measured], around: Mapping[str, Measured], *, likeness: Likeness
) -> None:
    """Keep the utterances that show their speaker in a frame, or just before or after one; remove the others."""
    for subject in subjects:
        found = faces.get(subject.id)
        reading = Reading("face", "best_cosine", None, likeness.bank.threshold)
        if found is None:
            subject.remove(reading, NO_MEDIA, detail=subject.missing)
        elif why := failure(found):
            subject.remove(reading, UNREADABLE, detail=why)
        elif not len(found["frames"]):
            subject.remove(reading, UNREADABLE, detail=str(found["lost"]) or "no frame could be decoded")
        elif not likeness.known(subject):
            subject.remove(reading, NO_FACE_KNOWN if len(found["times"]) else NO_FACE)
        else:
            _judge(subject, found, around.get(subject.id), likeness)


def _judge(subject: Subject, found: Measured, around: Measured | None, likeness: Likeness) -> None:
    looked = [found]
    cosine = likeness.best(subject, found)
    if not likeness.accepts(cosine) and around is not None and failure(around) is None:
        looked.append(around)
        cosine = likeness.best(subject, found, around)
    subject.columns["best_face_cosine"] = cosine
    reading = Reading("face", "best_cosine", cosine, likeness.bank.threshold)
    if likeness.accepts(cosine):
        subject.keep(reading)
        return
    frames, seen = (sum(len(part[name]) for part in looked) for name in ("frames", "times"))
    subject.remove(reading, NOT_THE_SPEAKER if seen else NO_FACE, detail=f"{seen} faces in {frames} frames")
