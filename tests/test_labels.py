"""Label sets and the maps between them."""

from __future__ import annotations

import pytest

from merc import labels

MAPS = [
    (labels.IEMOCAP10, labels.IEMOCAP10_TO_IEMOCAP6, labels.IEMOCAP6),
    (labels.IEMOCAP10, labels.IEMOCAP10_TO_IEMOCAP4, labels.IEMOCAP4),
    (labels.IEMOCAP10, labels.IEMOCAP10_TO_EKMAN7, labels.EKMAN7),
    (labels.IEMOCAP6, labels.IEMOCAP6_TO_IEMOCAP4, labels.IEMOCAP4),
    (labels.EMORYNLP7, labels.EMORYNLP7_TO_EKMAN7, labels.EKMAN7),
]


@pytest.mark.parametrize(("source", "mapping", "target"), MAPS)
def test_a_map_covers_its_source_and_names_labels_of_its_target(source: tuple, mapping: dict, target: tuple) -> None:
    assert tuple(mapping) == source
    assert {name for name in mapping.values() if name is not None} <= set(target)


def test_classes_are_merged_and_dropped_as_published() -> None:
    assert labels.IEMOCAP10_TO_IEMOCAP4["exc"] == labels.IEMOCAP10_TO_IEMOCAP4["hap"] == "happy"
    assert labels.IEMOCAP10_TO_IEMOCAP6["exc"] == "excited"
    assert labels.IEMOCAP10_TO_IEMOCAP4["fru"] is None


@pytest.mark.parametrize("name", labels.LABEL_SETS)
def test_label_sets_are_sorted_and_have_no_duplicates(name: str) -> None:
    members = labels.LABEL_SETS[name]
    assert list(members) == sorted(set(members))


def test_label_sets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        labels.LABEL_SETS["mine"] = ("a",)  # type: ignore[index]
