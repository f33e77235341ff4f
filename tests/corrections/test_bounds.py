"""What a file says of bounds: cuts by id and by time, joins by growth, and what is neither."""

from __future__ import annotations

from dataclasses import replace

import pytest

from merc.conversation import Segment, Utterance
from merc.corrections import bounds
from merc.edits import Assign, Join, Relabel, Split
from merc.errors import InputError
from tests.edits.made_edits import talk, view


def rows(*changed: Utterance, gone: str = "") -> dict[str, Utterance]:
    found = {one.id: one for one in (*talk().utterances, *changed)}
    return {name: one for name, one in found.items() if name != gone}


def part(name: str, start: float, end: float) -> Utterance:
    return Utterance(name, "Speaker 2", "really", Segment(start, end))


def test_a_part_is_found_by_its_id_or_its_time_and_gets_the_id_of_the_cut() -> None:
    for name in ("u2.2", "a9"):
        after = rows(part(name, 3.0, 4.0))
        assert bounds.cuts("t.csv", talk(), after) == ([Split("u2", 3.0)], {"u2.2": "u2"})
        assert after["u2.2"] == part(name, 3.0, 4.0) and ("a9" in after) is False
    moved = rows(part("u2.2", 7.0, 8.0))
    assert bounds.cuts("t.csv", talk(), moved)[0] == [Split("u2", 3.0)], "cut in the middle, and moved later"


def test_parts_of_parts_come_from_one_utterance() -> None:
    changes, origins = bounds.cuts("t.csv", talk(), rows(part("u2.2", 3.0, 4.0), part("u2.2.2", 3.5, 4.0)))
    assert changes == [Split("u2", 3.0), Split("u2.2", 3.5)]
    assert origins == {"u2.2": "u2", "u2.2.2": "u2"}


def test_what_is_within_no_utterance_is_refused() -> None:
    for after in (rows(part("a9", 7.0, 8.0)), rows(part("a9", 2.0, 4.0), gone="u2"), rows(part("u4.2", 7.0, 8.0))):
        with pytest.raises(InputError, match=r"t\.csv has the utterance '(a9|u4\.2)', which the results do not have"):
            bounds.cuts("t.csv", talk(), after)


def test_one_that_is_gone_was_joined_with_the_one_that_grew_over_its_time_or_words() -> None:
    before = rows()
    longer = replace(before["u1"], segment=Segment(0.5, 5.0))
    assert bounds.joined("t.csv", before, before, rows(longer, gone="u3")) == {"u1": ["u3"]}
    said = replace(before["u2"], text="Is it really, now I left.")
    assert bounds.joined("t.csv", before, before, rows(said, gone="u4")) == {"u2": ["u4"]}
    assert bounds.joined("t.csv", ["u1"], before, rows(gone="u4")) == {}, "a file that cannot hold u4 does not lack it"
    with pytest.raises(InputError, match="lacks the utterance 'u3' of the results, and no other has grown over its"):
        bounds.joined("t.csv", before, before, rows(gone="u3"))


def test_joined_utterances_get_one_speaker_and_one_label() -> None:
    assert bounds.join(talk(), "u1", ["u3"], "joy") == ([Join(("u1", "u3"))], "u1")
    labelled = view(Relabel("u3", "fear"))
    assert bounds.join(labelled, "u3", ["u2"], "fear") == (
        [Assign("u2", "Speaker 1"), Relabel("u2", "fear"), Relabel("u3", "fear"), Join(("u2", "u3"))],
        "u2",
    )


def test_a_speaker_of_another_name_throughout_is_renamed_or_merged() -> None:
    before = rows()
    anna = [replace(before[name], speaker="Anna") for name in ("u1", "u3")]
    assert bounds.speakers(talk(), before, rows(*anna)) == {"Speaker 1": "Anna"}
    assert bounds.speakers(talk(), before, rows(anna[0])) == {}
    merged = replace(before["u4"], speaker="Speaker 2")
    assert bounds.speakers(talk(), before, rows(merged)) == {"Speaker 3": "Speaker 2"}
    swapped = replace(before["u2"], speaker="Speaker 3")
    assert bounds.speakers(talk(), before, rows(merged, swapped)) == {}
