"""The bank of speakers' faces, and a reviewer's decisions on it."""

from __future__ import annotations

from merc.conversation import Conversation, Utterance
from merc.quality.bank import NO_FACE_KNOWN, REVIEWED, Decisions, build_bank, judge_bank, sampled, templates
from merc.quality.measure import Measured
from merc.quality.options import CheckOptions
from merc.quality.utterances import Subject, subjects_of

from .measuring import faces

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
