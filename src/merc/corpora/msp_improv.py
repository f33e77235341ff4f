"""MSP-IMPROV: twelve actors in six dyadic sessions, improvised, read and natural speech, rated by listeners.

The layout is that of the release as other readers of it describe it: ``Evalution.txt`` (so spelt; some copies correct
it to ``Evaluation.txt``) with a line for each turn and under it a line for each rater, and sounds such as
``session1/S01A/P/MSP-IMPROV-S01A-F01-P-FM01.wav``, which may lie in a folder ``Audio``. The table names them
``UTD-IMPROV-S01A-F01-P-FM01.avi``.
"""

from __future__ import annotations

import re
from pathlib import Path
from types import MappingProxyType
from typing import Any

from merc.corpora.corpus import Corpus, Item, Source, required
from merc.corpora.rows import lines_of
from merc.errors import FormatError

_EMOTIONS = {"A": "anger", "H": "happiness", "S": "sadness", "N": "neutral", "O": "other"}
_NONE = "X"  # no majority
_CONDITIONS = {"R": "target read", "S": "other improvised", "T": "target improvised", "P": "natural interaction"}
_RATINGS = ("activation", "valence", "dominance", "naturalness")

CORPUS = Corpus(
    name="msp-improv",
    title="MSP-IMPROV (Busso et al., IEEE Transactions on Affective Computing 2017)",
    modality="voice",
    source="https://www.lab-msp.com/MSP/MSP-Improv.html",
    licence="research only, on a signed licence",
    noncommercial=True,
    folder="audio/msp_improv",
    splits=("all",),
    to_ekman7=MappingProxyType(
        {"anger": "anger", "happiness": "joy", "sadness": "sadness", "neutral": "neutral", "other": None}
    ),
    why="happiness is joy; other has no class among the seven",
    defects=(
        "no official split: split by speaker or session",
        "the label is the plurality of the raters; where there is none (X) an item has no label",
        "activation is stored from 1 (high) to 5 (low), and is kept so",
    ),
    counts=MappingProxyType(
        {
            **{"all": 8438, "speakers": 12, "all anger": 792, "all happiness": 2644, "all sadness": 885},
            **{"all neutral": 3477, "all other": 85, "all without label": 555},
        }
    ),
    ratings=MappingProxyType(dict.fromkeys(("valence", "activation", "dominance"), (1.0, 5.0))),
)

_NAME = r"S(?P<sentence>\d{2})(?P<target>[AHSN])-(?P<speaker>[FM]0[1-6])-(?P<condition>[PRST])-(?P<turn>[FM]{2}\d{2,3})"
_NUMBER = r"\d+(?:\.\d+)?|NaN"
_TURN = re.compile(
    rf"UTD-IMPROV-(?P<name>{_NAME})\.avi;\s*(?P<label>[A-Z]);"
    rf"\s*A:(?P<activation>{_NUMBER})\s*;\s*V:(?P<valence>{_NUMBER})\s*;"
    rf"\s*D:(?P<dominance>{_NUMBER})\s*;\s*N:(?P<naturalness>{_NUMBER})\s*;\s*"
)


def read(root: Path) -> list[Item]:
    """Read the label and the mean ratings of each turn: 8,438 of twelve actors.

    ``meta`` has ``sentence``, ``target`` (the emotion of the scenario), ``condition``, ``session``, ``sex`` and
    ``activation``, ``valence``, ``dominance`` and ``naturalness`` (1 to 5, None where nobody rated it). ``source`` is
    None with ``media_missing`` in ``meta`` where the sound is missing. The lines of single raters are not read.

    Raises:
        InputError: If the table is missing.
        FormatError: If the line of a turn has another form or label, or a name is not unique.
    """
    spelt = "Evaluation.txt" if (root / "Evaluation.txt").exists() else "Evalution.txt"
    (path,) = required(root, spelt, corpus=CORPUS)
    sounds = {sound.stem: sound for sound in root.rglob("MSP-IMPROV-*.wav")}
    items: dict[str, Item] = {}
    for where, line in lines_of(path):
        if not line.startswith("UTD-IMPROV-"):
            continue
        match = _TURN.fullmatch(line)
        name = f"MSP-IMPROV-{match['name']}" if match else ""
        if match is None or match["label"] not in {*_EMOTIONS, _NONE} or name in items:
            raise FormatError(
                f"{where}: '{line[:60]}'; expected UTD-IMPROV-S01A-F01-P-FM01.avi; N; A:3.0; V:3.0; D:3.0 ; N:3.0; "
                f"with a label of {', '.join((*_EMOTIONS, _NONE))}, once"
            )
        items[name] = _item(name, match, sounds.get(name))
    return list(items.values())


def missing(root: Path) -> tuple[str, ...]:
    """Missing sounds by name."""
    return tuple(f"{item.id}.wav" for item in read(root) if item.source is None)


def _item(name: str, match: re.Match[str], sound: Path | None) -> Item:
    speaker = match["speaker"]
    meta: dict[str, Any] = {
        "sentence": match["sentence"],
        "target": _EMOTIONS[match["target"]],
        "condition": _CONDITIONS[match["condition"]],
        "session": int(speaker[1:]),
        "sex": "female" if speaker[0] == "F" else "male",
        **{rating: None if match[rating] == "NaN" else float(match[rating]) for rating in _RATINGS},
    }
    if sound is None:
        meta["media_missing"] = f"no {name}.wav"
    labels = () if match["label"] == _NONE else (_EMOTIONS[match["label"]],)
    source = None if sound is None else Source(sound)
    return Item(name, labels, source=source, speaker=f"msp-improv-{speaker}", meta=meta)
