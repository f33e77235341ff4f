"""The label maps of IEMOCAP's variants cover its ten labels and merge and drop classes as published."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from merc.corpora import CORPORA
from merc.corpora.iemocap_variants import TO_IEMOCAP4, TO_IEMOCAP6
from merc.labels import EKMAN7, EMORYNLP7, IEMOCAP4, IEMOCAP6, IEMOCAP10


@pytest.mark.parametrize(
    ("source", "mapping", "target"),
    [
        (IEMOCAP10, TO_IEMOCAP6, IEMOCAP6),
        (IEMOCAP10, TO_IEMOCAP4, IEMOCAP4),
        (IEMOCAP10, CORPORA["iemocap"].to_ekman7, EKMAN7),
        (EMORYNLP7, CORPORA["emorynlp"].to_ekman7, EKMAN7),
    ],
)
def test_a_map_covers_its_source_and_names_labels_of_its_target(
    source: tuple[str, ...], mapping: Mapping[str, str | None], target: tuple[str, ...]
) -> None:
    assert tuple(mapping) == source
    assert {name for name in mapping.values() if name is not None} <= set(target)


def test_classes_are_merged_and_dropped_as_published() -> None:
    assert TO_IEMOCAP4["exc"] == TO_IEMOCAP4["hap"] == "happy"
    assert TO_IEMOCAP6["exc"] == "excited"
    assert TO_IEMOCAP4["fru"] is None
