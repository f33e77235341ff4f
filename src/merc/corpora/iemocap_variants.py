"""Subsets of IEMOCAP that papers use: which turns are included, with which labels."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from merc.conversation import Utterance
from merc.errors import FormatError, InputError
from merc.labels import LABEL_SETS
from merc.parquet import read
from merc.registry import Registry

SIDE_TABLE = "iemocap_utterances.parquet"
"""Table of turns with ``utt_id`` and ``label6_name``: the source of the standard six-class subset."""

COSMIC_VALID = (
    *("Ses01M_impro01", "Ses01M_script03_1", "Ses02F_impro02", "Ses02F_impro07", "Ses02M_script01_2"),
    *("Ses03F_impro01", "Ses03M_impro02", "Ses03M_impro08a", "Ses03M_script02_2", "Ses03M_script03_2"),
    *("Ses04F_impro07", "Ses04F_script02_1"),
)
"""The twelve validation dialogues of the split of COSMIC."""

TO_IEMOCAP6: Mapping[str, str | None] = MappingProxyType(
    {
        "ang": "angry",
        "dis": None,
        "exc": "excited",
        "fea": None,
        "fru": "frustrated",
        "hap": "happy",
        "neu": "neutral",
        "oth": None,
        "sad": "sad",
        "sur": None,
    }
)
"""The six classes keep their own labels; the four rare ones are dropped."""

TO_IEMOCAP4: Mapping[str, str | None] = MappingProxyType(
    {
        "ang": "angry",
        "dis": None,
        "exc": "happy",
        "fea": None,
        "fru": None,
        "hap": "happy",
        "neu": "neutral",
        "oth": None,
        "sad": "sad",
        "sur": None,
    }
)
"""The most frequent form of four classes: happy and excited are one, frustration and the rare ones are dropped."""

_NAMES6: Mapping[str, str] = MappingProxyType(
    {
        "anger": "angry",
        "excited": "excited",
        "frustration": "frustrated",
        "happiness": "happy",
        "neutral": "neutral",
        "sadness": "sad",
    }
)


@dataclass(frozen=True, slots=True)
class Variant:
    """A subset of turns.

    Args:
        name: Name with the number of turns.
        label_set: Name of its label set.
        counts: Number of turns by label.
        why: How it is defined.
        labels: Label of the subset by label of the release; None: the turn is excluded.
        table: Whether the labels come from the table instead, with the 53 happy turns without a majority.

    Example:
        >>> VARIANTS["iemocap4-5531"].count, dict(VARIANTS["iemocap4-5531"].counts)["happy"]
        (5531, 1636)
    """

    name: str
    label_set: str
    counts: Mapping[str, int]
    why: str
    labels: Mapping[str, str | None]
    table: bool = False

    @property
    def count(self) -> int:
        """Number of turns in the full release."""
        return sum(self.counts.values())

    def __str__(self) -> str:
        labels = ", ".join(f"{label} {number:,}" for label, number in self.counts.items())
        return f"{self.name}: {self.count:,} turns ({labels}); {self.why}"

    def label(self, utterance: Utterance) -> str | None:
        """Label of a turn in this subset; None if it is not included.

        Args:
            utterance: A turn as ``merc.corpora.iemocap`` reads it.

        Returns:
            The label in the label set of the subset; None if the turn is not included.

        Raises:
            InputError: If the subset needs the table and it is missing.
        """
        native = self.labels.get(utterance.label) if utterance.label else None
        if not self.table:
            return native
        if "label6" not in utterance.meta:
            raise InputError(
                f"variant '{self.name}': {SIDE_TABLE} not found next to the release; put it there, or use the variant "
                "without the 53 turns that have no majority (iemocap6-7380, iemocap4-4490), for training "
                "--protocol iemocap6:majority or iemocap4-session"
            )
        six = utterance.meta["label6"]
        return str(six) if six in LABEL_SETS[self.label_set] else None


_SIX = MappingProxyType(
    {"angry": 1103, "excited": 1041, "frustrated": 1849, "happy": 595, "neutral": 1708, "sad": 1084}
)
_FOUR = MappingProxyType({"angry": 1103, "happy": 595, "neutral": 1708, "sad": 1084})
_EXCITED = MappingProxyType({**TO_IEMOCAP4, "hap": None})
_HAPPY = MappingProxyType({**TO_IEMOCAP4, "exc": None})
_TABLED = "as published, with 53 happy turns without a majority, read from the table"

VARIANTS: Registry[Variant] = Registry(
    "variant of IEMOCAP",
    {
        v.name: v
        for v in (
            Variant(
                "iemocap4-5531",
                "iemocap4",
                MappingProxyType({**_FOUR, "happy": 1636}),
                "happy and excited are merged",
                TO_IEMOCAP4,
            ),
            Variant(
                "iemocap4-4936",
                "iemocap4",
                MappingProxyType({**_FOUR, "happy": 1041}),
                "excited replaces happy",
                _EXCITED,
            ),
            Variant(
                "iemocap4-4543", "iemocap4", MappingProxyType({**_FOUR, "happy": 648}), _TABLED, _HAPPY, table=True
            ),
            Variant("iemocap4-4490", "iemocap4", _FOUR, "happy by majority only, without excited", _HAPPY),
            Variant(
                "iemocap6-7433",
                "iemocap6",
                MappingProxyType({**_SIX, "happy": 648}),
                _TABLED,
                TO_IEMOCAP6,
                table=True,
            ),
            Variant("iemocap6-7380", "iemocap6", _SIX, "majority labels only", TO_IEMOCAP6),
        )
    },
)
"""Subsets by name; a name ends with the number of turns that papers print."""


def variant(name: str) -> Variant:
    """Look up a variant.

    Args:
        name: Such as ``iemocap4-5531``; ``VARIANTS`` has all.

    Returns:
        The variant of that name.

    Raises:
        UnknownName: If there is no such variant.

    Example:
        >>> variant("iemocap6-7433").table
        True
    """
    return VARIANTS[name]


def side_table(root: Path, release: Path) -> Path | None:
    """Path of the table in the root, in the release or next to it; None if there is none."""
    for folder in (root, release, release.parent):
        if (folder / SIDE_TABLE).is_file():
            return folder / SIDE_TABLE
    return None


def labels6(root: Path, release: Path) -> dict[str, str | None] | None:
    """Six-class label by id of a turn, from the table; None if there is no table.

    Raises:
        FormatError: If the table cannot be read, lacks a column or has an unknown label.
    """
    path = side_table(root, release)
    if path is None:
        return None
    columns = read(path, ("utt_id", "label6_name")).to_dict(as_series=False)
    if unknown := sorted({str(n) for n in columns["label6_name"] if n is not None and n not in _NAMES6}):
        raise FormatError(f"{path}: label6_name '{unknown[0]}'; expected one of {', '.join(_NAMES6)}")
    pairs = zip(columns["utt_id"], columns["label6_name"], strict=True)
    return {str(turn): None if name is None else _NAMES6[name] for turn, name in pairs}
