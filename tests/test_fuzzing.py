"""Damaged files of each kind cost themselves alone: they are read, or refused with a reason."""

from __future__ import annotations

from pathlib import Path

import pytest

from bench.fuzz import KINDS
from bench.fuzzing.damage import DAMAGES
from bench.fuzzing.trying import CRASHED, Maker, cases


@pytest.mark.parametrize("kind", KINDS)
def test_damaged_files_are_read_or_refused(kind: str, tmp_path: Path) -> None:
    read = Maker(KINDS[kind].look).read
    found = {case: read(case) for case in cases(KINDS[kind], tmp_path, 3 * len(DAMAGES), seed=1)}
    for case, (seconds, reason) in found.items():
        assert seconds < 10, case
        assert reason is None or (len(reason) > 14 and not reason.startswith(CRASHED)), (case, reason)
    assert any(reason is None for _, reason in found.values()) and any(reason for _, reason in found.values())


def test_what_is_no_error_of_merc_is_a_crash(tmp_path: Path) -> None:
    (case,) = cases(KINDS["timelines"], tmp_path, 1, seed=0)
    _, reason = Maker(_broken).read(case)
    assert reason is not None and reason.startswith(f"{CRASHED}ZeroDivisionError at test_fuzzing.py:")


def _broken(folder: Path, file: Path) -> None:
    raise ZeroDivisionError(file)
