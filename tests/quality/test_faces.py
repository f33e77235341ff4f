"""The bank of speakers' faces, a person's decisions on it, and whether the speaker is seen."""

from __future__ import annotations

import numpy as np
import pytest

from merc.conversation import Conversation, Utterance
from merc.people.link import Bank
from merc.quality.bank import NO_FACE_KNOWN, REVIEWED, Decisions, build_bank, judge_bank, sampled, templates
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


def bank_of(made: list[Subject], measured: dict[str, Measured], decisions: Decisions | None = None) -> dict[str, set]:
    bank = build_bank(made, measured, decisions or Decisions({}), options=OPTIONS)
    return {name: {f.id for f in bank if f.speaker == name and f.decision == "keep"} for name in ("Ann", "Bob")}


def test_speaker_is_the_person_seen_more_than_while_others_speak() -> None:
    made = subjects("Ann", "Bob", "Ann", "Bob")
    measured = {
        "u0": faces("Bob", "Ann"),  # both are seen while either speaks, but
        "u1": faces("Bob"),
        "u2": faces("Ann"),
        "u3": faces("Ann", "Bob"),
    }
    kept = bank_of(made, measured)
    assert kept["Ann"] == {"u0@0.50#1", "u0@1.50#1", "u2@0.50#0", "u2@1.50#0"}
    assert kept["Bob"] == {"u1@0.50#0", "u1@1.50#0", "u3@0.50#1", "u3@1.50#1"}


def test_speaker_off_screen_has_no_template() -> None:
    made = subjects("Ann", "Bob", "Ann", "Bob")
    measured = {name: faces("Bob") for name in ("u0", "u1", "u2", "u3")}
    bank = build_bank(made, measured, Decisions({}), options=OPTIONS)
    assert "Ann" not in templates(bank)
    judge_bank(made, bank, Decisions({}))
    assert [one.findings[0][2] for one in made[::2]] == [NO_FACE_KNOWN, NO_FACE_KNOWN]
    assert all(one.kept for one in made)


def test_decisions_overrule() -> None:
    made = subjects("Ann", "Bob", "Ann", "Bob")
    measured = {"u0": faces("Ann", "Bob"), "u1": faces("Bob"), "u2": faces("Ann"), "u3": faces("Bob")}
    decisions = Decisions(
        {"u0@0.50#0": "drop", "u0@1.50#1": "keep"}, speakers=frozenset({"Bob"}), utterances=frozenset({"u2"})
    )
    assert bank_of(made, measured, decisions)["Ann"] == {"u0@1.50#0", "u0@1.50#1", "u2@0.50#0", "u2@1.50#0"}
    bank = build_bank(made, measured, decisions, options=OPTIONS)
    judge_bank(made, bank, decisions)
    assert [(one.kept, one.reason) for one in made] == [
        (True, None),
        (False, REVIEWED),
        (False, REVIEWED),
        (False, REVIEWED),
    ]


def test_sample_is_spread_and_bounded() -> None:
    made = subjects(*["Ann"] * 40)
    chosen = [one.position for one in sampled(made, 15)]
    assert len(chosen) == 15 and chosen[0] == 0 and chosen[-1] == 39
    assert chosen == sorted(set(chosen))
    assert sampled(made[:3], 15) == made[:3]


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
