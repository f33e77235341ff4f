"""MSP-IMPROV: the line of a turn stands above those of its raters."""

from __future__ import annotations

from pathlib import Path

import pytest

from merc.corpora import READERS, verify
from merc.errors import FormatError, InputError
from tests.corpora.trees import touch, write

TURN = "UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.333333; V:2.333333; D:NaN ; N:3.666667;\n"
OTHER = "UTD-IMPROV-S03H-M06-R-FM02.avi; X; A:2.0; V:3.0; D:3.0 ; N:3.0;\n"
RATER = "UTD-SSI-p1; Angry; Frustrated; A:3.000000; V:2.000000; D:NaN; N:4.000000;\n"


@pytest.mark.parametrize("spelt", ["Evalution.txt", "Evaluation.txt"])
def test_turns_and_their_sounds(tmp_path: Path, spelt: str) -> None:
    write(tmp_path / spelt, f"{TURN}{RATER}\n{OTHER}{RATER}\n")
    touch(tmp_path, "Audio/session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav")
    first, second = READERS["msp-improv"](tmp_path)
    assert (first.id, first.labels, first.speaker) == ("MSP-IMPROV-S01A-F01-P-FM01", ("neutral",), "msp-improv-F01")
    assert first.source is not None
    assert {name: first.meta[name] for name in ("target", "condition", "session", "valence", "dominance")} == {
        **{"target": "anger", "condition": "natural interaction", "session": 1},
        **{"valence": 2.333333, "dominance": None},
    }
    assert (second.labels, second.speaker, second.meta["sex"]) == ((), "msp-improv-M06", "male")
    assert verify("msp-improv", tmp_path).missing == ("MSP-IMPROV-S03H-M06-R-FM02.wav",)


@pytest.mark.parametrize("line", [TURN.replace("; N; ", "; Q; "), TURN.replace("F01", "F07"), TURN + TURN])
def test_lines_that_do_not_fit_are_named(tmp_path: Path, line: str) -> None:
    write(tmp_path / "Evalution.txt", line)
    with pytest.raises(FormatError, match=r"Evalution\.txt, line \d: 'UTD-IMPROV-S01A-F0.*expected UTD-IMPROV"):
        READERS["msp-improv"](tmp_path)


def test_a_missing_table_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"corpus 'msp-improv': missing .*Evalution\.txt"):
        READERS["msp-improv"](tmp_path)
