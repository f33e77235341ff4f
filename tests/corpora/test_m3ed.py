"""M3ED: the annotation, the lists of series, and sounds where they are there."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from merc.corpora import CONVERSATIONS, READERS
from merc.errors import FormatError, InputError
from merc.evaluation.protocol import default_protocol
from tests.corpora.trees import touch, write

ROLES = {
    "A": {"Name": "房似锦", "Age": "young", "Gender": "female", "OtherName": []},
    "B": {"Name": "朱闪闪", "Age": "young", "Gender": "female", "OtherName": []},
}


def said(speaker: str, text: str, emotion: str) -> dict[str, Any]:
    votes = {"EmoAnnotator1": emotion, "EmoAnnotator2": "Neutral", "EmoAnnotator3": emotion}
    return {
        **{"StartTime": "00:00:00:01", "EndTime": "00:00:01:04", "Text": text, "Speaker": speaker},
        "EmoAnnotation": {**votes, "final_mul_emo": emotion, "final_main_emo": emotion},
    }


def tree(root: Path, dialogue: dict[str, Any] | None = None, *, listed: str = "anjia") -> Path:
    turns = {f"anjia_1_{number}": said("AB"[number % 2], f"句{number}", "Happy") for number in (10, 9, 1)}
    content = {"anjia": {"anjia_1": {"SpeakerInfo": ROLES, "Dialog": turns, **(dialogue or {})}}}
    write(root / "annotation.json", json.dumps(content, ensure_ascii=False))
    for part, series in (("train", listed), ("val", "other"), ("test", "third")):
        write(root / f"splitInfo/movie_list_{part}.txt", series)
    return root


def test_dialogues_in_the_order_of_their_utterances(tmp_path: Path) -> None:
    touch(tree(tmp_path), "modality_speech/B_anjia_1_1.wav", "modality_speech/B_anjia_1_10.wav")
    (one,) = CONVERSATIONS["m3ed"](tmp_path)
    assert (one.id, one.meta["split"]) == ("anjia_1", "train")
    assert [(turn.id, turn.speaker, turn.text) for turn in one] == [
        ("anjia_1_1", "anjia 朱闪闪", "句1"),
        ("anjia_1_9", "anjia 朱闪闪", "句9"),
        ("anjia_1_10", "anjia 房似锦", "句10"),
    ]
    first, second, third = one
    assert (first.label, first.meta["votes"], first.meta["age"]) == ("Happy", ("Happy", "Neutral", "Happy"), "young")
    assert Path(first.meta["media"]).name == "B_anjia_1_1.wav"
    assert Path(third.meta["media"]).name == "B_anjia_1_10.wav"  # the letter of the other speaker
    assert (second.meta["media"], second.meta["media_missing"]) == (None, "no sound of anjia_1_9")
    assert READERS["m3ed"](tmp_path)[0].group == "anjia_1"
    assert default_protocol("m3ed").label(first) == "Happy"


@pytest.mark.parametrize(
    ("dialogue", "message"),
    [
        (
            {"Dialog": {"anjia_1_1": said("A", "句", "Bored")}},
            "utterance anjia_1_1: label 'Bored'; expected one of Happy",
        ),
        ({"Dialog": {"anjia_1_1": said("C", "句", "Sad")}}, "SpeakerInfo of C: 'None'; expected an object"),
        ({"Dialog": {"x": said("A", "句", "Sad")}}, "utterance 'x'; expected a name that ends in a number"),
        ({"Dialog": {"anjia_1_1": {}}}, "Text 'None'; expected a string"),
        ({"Dialog": []}, r"dialogue anjia_1, Dialog: '\[\]'; expected an object"),
    ],
)
def test_what_does_not_fit_is_named(tmp_path: Path, dialogue: dict[str, Any], message: str) -> None:
    with pytest.raises(FormatError, match=message):
        CONVERSATIONS["m3ed"](tree(tmp_path, dialogue))


def test_series_are_in_one_part(tmp_path: Path) -> None:
    with pytest.raises(FormatError, match="series 'anjia' is in none of splitInfo"):
        CONVERSATIONS["m3ed"](tree(tmp_path, listed="another"))
    with pytest.raises(FormatError, match=r"movie_list_val\.txt, line 1: series 'other' is in two parts"):
        CONVERSATIONS["m3ed"](tree(tmp_path, listed="anjia\nother"))


def test_damaged_and_missing_files_are_named(tmp_path: Path) -> None:
    write(tree(tmp_path) / "annotation.json", "{")
    with pytest.raises(FormatError, match=r"annotation\.json: .*expected JSON"):
        CONVERSATIONS["m3ed"](tmp_path)
    with pytest.raises(InputError, match=r"corpus 'm3ed': missing .*annotation\.json"):
        CONVERSATIONS["m3ed"](tmp_path / "empty")
