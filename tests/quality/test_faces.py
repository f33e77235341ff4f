"""Whether the speaker is seen, in the sampled frames or just before and after them."""

from __future__ import annotations

import numpy as np
import pytest

from merc.conversation import Conversation, Utterance
from merc.people.link import Bank
from merc.quality.bank import NO_FACE_KNOWN
from merc.quality.faces import NO_FACE, NOT_THE_SPEAKER, Likeness, judge_faces, to_search
from merc.quality.measure import Measured, failed
from merc.quality.options import CheckOptions
from merc.quality.utterances import NO_MEDIA, UNREADABLE, Subject, subjects_of

from .measuring import faces, unit

OPTIONS = CheckOptions()


def subjects(*speakers: str) -> list[Subject]:
    spoken = tuple(Utterance(f"u{n}", name, "x", meta={"media": f"u{n}.mp4"}) for n, name in enumerate(speakers))
    made = subjects_of([Conversation("d", spoken)], OPTIONS)
    for one in made:
        one.speaker = one.name
    return made


def likeness(made: list[Subject], *, rivals: bool = True) -> Likeness:
    return Likeness(Bank({name: unit(name)[None] for name in ("Ann", "Bob")}), made, rivals=rivals)


def at(cosine: float, person: str = "Ann", other: str = "nobody") -> Measured:
    """One frame with one face at this cosine to a person's template."""
    found = faces(person, frames=1)
    away = unit(other) - (unit(other) @ unit(person)) * unit(person)
    away /= np.linalg.norm(away)
    found["embeddings"] = (cosine * unit(person) + np.sqrt(1 - cosine**2) * away)[None].astype(np.float32)
    return found


def test_reasons() -> None:
    made = subjects("Ann", "Ann", "Ann", "Cid", "Ann", "Cid", "Ann")
    measured = {
        "u0": faces("Ann"),
        "u1": faces("stranger"),
        "u2": faces(),
        "u3": faces("somebody"),
        "u4": failed("u4.mp4: damaged"),
        "u6": faces(frames=0, lost="u6.mp4: 2 of 2 requested frames are missing"),
    }
    judge_faces(made, measured, {}, likeness=likeness(made))
    assert [one.reason for one in made] == [
        None,
        NOT_THE_SPEAKER,
        NO_FACE,
        NO_FACE_KNOWN,
        UNREADABLE,
        NO_MEDIA,
        UNREADABLE,
    ]


@pytest.mark.parametrize(("cosine", "kept"), [(0.31, True), (0.29, False)])
def test_threshold(cosine: float, kept: bool) -> None:
    made = subjects("Ann")
    judge_faces(made, {"u0": at(cosine)}, {}, likeness=likeness(made))
    assert made[0].kept is kept
    assert made[0].columns["best_face_cosine"] == pytest.approx(cosine, abs=1e-3)


def test_a_face_more_like_another_speaker_does_not_count() -> None:
    for rivals, kept in ((True, False), (False, True)):
        made = subjects("Ann", "Bob")
        measured = {"u0": at(0.45, other="Bob"), "u1": faces("Bob")}
        judge_faces(made, measured, {}, likeness=likeness(made, rivals=rivals))
        assert made[0].kept is kept


def test_frames_before_and_after_are_looked_at_only_after_failure() -> None:
    made = subjects("Ann", "Ann", "Ann")
    measured = {"u0": faces("Ann"), "u1": faces("stranger"), "u2": faces()}
    like = likeness(made)
    assert [one.id for one in to_search(made, measured, like)] == ["u1", "u2"]
    judge_faces(made, measured, {"u1": faces("Ann"), "u2": faces("other")}, likeness=like)
    assert [one.kept for one in made] == [True, True, False]
    assert made[2].findings[0][3] == "2 faces in 4 frames"
