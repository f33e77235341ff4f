"""The columns and kinds of the tables of a check."""

from __future__ import annotations

import pytest

from merc.errors import InputError
from merc.quality.findings import FINDINGS, Finding, expect, findings_table


def test_findings_become_a_table() -> None:
    one = Finding("u0", "c0", "text", "cosine", "remove", value=0.1, threshold=0.25, reason="cosine 0.10 below 0.25")
    table = findings_table([one])
    assert table.columns == list(FINDINGS)
    assert table.row(0, named=True)["value"] == 0.1
    assert expect(findings_table([]), FINDINGS, name="findings").height == 0


def test_a_finding_must_say_why() -> None:
    with pytest.raises(InputError, match="finding on 'u0': removed at step 'text' without a reason"):
        Finding("u0", "c0", "text", "cosine", "remove")
    with pytest.raises(InputError, match="finding on 'u0': step 'smell', expected speakers, audio"):
        Finding("u0", "c0", "smell", "cosine", "keep")
