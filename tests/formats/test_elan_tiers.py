"""Tiers as users of ELAN build them."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from merc import formats
from merc.conversation import Segment

TYPES = "".join(f'<LINGUISTIC_TYPE LINGUISTIC_TYPE_ID="{name}"/>' for name in ("default-lt", "tx", "ft"))


def tier(name: str, annotations: str, **attributes: str) -> str:
    fields = {"LINGUISTIC_TYPE_REF": "default-lt", "TIER_ID": name, **attributes}
    return f"<TIER {' '.join(f'{key}={chr(34)}{value}{chr(34)}' for key, value in fields.items())}>{annotations}</TIER>"


def timed(name: str, start: int, end: int, text: str) -> str:
    return (
        f'<ANNOTATION><ALIGNABLE_ANNOTATION ANNOTATION_ID="{name}" TIME_SLOT_REF1="t{start}" TIME_SLOT_REF2="t{end}">'
        f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></ALIGNABLE_ANNOTATION></ANNOTATION>"
    )


def refers(name: str, to: str, text: str) -> str:
    return (
        f'<ANNOTATION><REF_ANNOTATION ANNOTATION_ID="{name}" ANNOTATION_REF="{to}">'
        f"<ANNOTATION_VALUE>{text}</ANNOTATION_VALUE></REF_ANNOTATION></ANNOTATION>"
    )


def read(folder: Path, *tiers: str, empty: tuple[int, ...] = ()) -> Any:
    """Time slots t1, t2, … stand at 1000, 2000, … ms, those in ``empty`` without a value."""
    slots = "".join(
        f'<TIME_SLOT TIME_SLOT_ID="t{n}"{"" if n in empty else f" TIME_VALUE={chr(34)}{n}000{chr(34)}"}/>'
        for n in range(10)
    )
    text = f"<ANNOTATION_DOCUMENT><TIME_ORDER>{slots}</TIME_ORDER>{''.join(tiers)}{TYPES}</ANNOTATION_DOCUMENT>"
    (folder / "call.eaf").write_text(text)
    return formats.read(folder / "call.eaf")


@pytest.mark.parametrize("values", [("A_001", "A_002"), ("1", "2"), ("x", "x"), ("", "")])
def test_words_below_ids_placeholders_and_nothing(tmp_path: Path, values: tuple[str, str]) -> None:
    root = tier("ref@Ann", timed("a", 1, 3, values[0]) + timed("b", 4, 6, values[1]))
    translated = tier("ft@Ann", refers("e", "a", "Nein.") + refers("f", "b", "Doch."), PARENT_REF="ref@Ann")
    words = tier("tx@Ann", refers("c", "a", "No.") + refers("d", "b", "Oh yes."), PARENT_REF="ref@Ann")
    found = read(tmp_path, root, translated, words)
    assert [(one.id, one.speaker, one.text, one.segment) for one in found] == [
        ("a", "Ann", "No.", Segment(1, 3)),
        ("b", "Ann", "Oh yes.", Segment(4, 6)),
    ]
    assert found.meta["notes"] == ("call.eaf: the words of 'ref@Ann' were read from its tier 'tx@Ann'.",)


def test_words_two_tiers_below_and_in_pieces(tmp_path: Path) -> None:
    root = tier("ref@Ann", timed("a", 1, 3, "s1"))
    middle = tier("part@Ann", refers("b", "a", "1") + refers("c", "a", "2"), PARENT_REF="ref@Ann")
    words = tier("words@Ann", refers("d", "b", "No") + refers("e", "c", "way."), PARENT_REF="part@Ann")
    assert [one.text for one in read(tmp_path, words, middle, root)] == ["No way."]


def test_sentences_with_times_of_their_own(tmp_path: Path) -> None:
    root = tier("Ann", timed("a", 1, 7, "speech"), PARTICIPANT="Ann Lee")
    below = tier("utterance", timed("b", 1, 3, "No, I can't.") + timed("c", 3, 7, "Not now."), PARENT_REF="Ann")
    found = read(tmp_path, root, below.replace('TIER_ID="utterance"', 'TIER_ID="utterance" PARTICIPANT="Ann Lee"'))
    assert [(one.speaker, one.text, one.segment) for one in found] == [
        ("Ann Lee", "No, I can't.", Segment(1, 3)),
        ("Ann Lee", "Not now.", Segment(3, 7)),
    ]


def test_words_with_times_below_their_sentence_or_below_nothing(tmp_path: Path) -> None:
    for text in ("Not now", ""):
        root = tier("Ann", timed("a", 1, 4, text))
        words = tier("words", timed("b", 1, 2, "Not") + timed("c", 2, 4, "now"), PARENT_REF="Ann")
        (one,) = read(tmp_path, root, words, empty=(2,))
        assert one.text == "Not now"
        assert [(word.text, word.segment) for word in one.words] == [("Not", Segment(1, 2)), ("now", Segment(2, 4))]


def test_gestures_and_notes_are_not_speech(tmp_path: Path) -> None:
    found = read(tmp_path, tier("Ann", timed("a", 1, 2, "Yes.")), tier("gesture@Ann", timed("b", 1, 2, "nods slowly")))
    assert [one.text for one in found] == ["Yes."]
    assert found.meta["notes"] == ("call.eaf: the tier 'gesture@Ann' was skipped, by name not speech.",)


def test_the_cost_is_linear_in_tiers(tmp_path: Path) -> None:
    tiers = [tier(f"S{n}", timed(f"a{n}", 1, 2, "Yes.")) for n in range(8000)]
    began = time.process_time()
    assert len(read(tmp_path, *tiers)) == 8000
    assert time.process_time() - began < 10  # the square of 8,000 took minutes
