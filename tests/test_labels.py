"""Label sets and the names that they share."""

from __future__ import annotations

import pytest

from merc import labels


@pytest.mark.parametrize(
    ("label", "name"),
    [
        ("hap", "joy"),
        ("Joyful", "joy"),
        ("angry", "anger"),
        ("neutral state", "neutral"),
        ("exc", "excited"),
        ("x", "x"),
    ],
)
def test_label_sets_share_names(label: str, name: str) -> None:
    assert labels.common_name(label) == name


def test_the_seven_classes_have_their_own_names() -> None:
    assert tuple(map(labels.common_name, labels.EKMAN7)) == labels.EKMAN7


@pytest.mark.parametrize("name", labels.LABEL_SETS)
def test_label_sets_are_sorted_and_have_no_duplicates(name: str) -> None:
    members = labels.LABEL_SETS[name]
    assert list(members) == sorted(set(members))


def test_label_sets_cannot_be_changed() -> None:
    with pytest.raises(TypeError):
        labels.LABEL_SETS["mine"] = ("a",)  # type: ignore[index]
