"""JSON: timelines and transcripts."""

from __future__ import annotations

import json
import re
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from merc import formats
from merc.conversation import Evidence, Segment, Step, Timeline, Utterance, Word
from merc.errors import FormatError, InputError
from merc.formats import schema
from tests.edits.made_edits import edited, talk
from tests.formats.made_timelines import sample, timeline, timelines


def test_json_does_not_shadow_the_standard_library():
    import json

    import merc.formats.native

    assert json.loads("1") == 1
    assert merc.formats.native.SCHEMA == "merc-timeline/2"


def back(made: Timeline) -> Any:
    with tempfile.TemporaryDirectory() as folder:
        return formats.read(formats.write(made, Path(folder) / "t.json"))


def written(made: Timeline, folder: Path) -> dict[str, Any]:
    return json.loads(formats.write(made, folder / "t.json").read_text("utf-8"))


def test_everything_comes_back():
    assert back(sample()) == sample()


@settings(max_examples=40, deadline=None, derandomize=True)
@given(timelines())
def test_any_timeline_comes_back(made: Timeline):
    assert back(made) == made


@settings(max_examples=20, deadline=None, derandomize=True)
@given(st.data())
def test_edits_come_back_and_so_does_the_corrected_layer_alone(data: st.DataObject):
    made = data.draw(edited(talk()))
    assert back(made) == made
    assert back(made).corrected == made.corrected
    assert back(made.corrected) == made.corrected


def test_a_file_of_version_1_has_no_edits(tmp_path: Path):
    old = written(sample(), tmp_path)
    old["schema"] = "merc-timeline/1"
    del old["edits"]
    for one in old["utterances"]:
        del one["correction"]
    (tmp_path / "old.json").write_text(json.dumps(old))
    assert formats.read(tmp_path / "old.json") == sample()


def test_numbers_are_rounded_and_keys_keep_their_order(tmp_path: Path):
    words = (Word("a", Segment(0.10049, 0.1005), 0.123456),)
    found = written(
        timeline(Utterance("u1", "A", "a", Segment(0.1, 0.10001), words, meta={"b": 1 / 3, "a": 1})), tmp_path
    )
    [one] = found["utterances"]
    assert list(found) == list(schema.schema()["properties"])
    assert (one["start"], one["end"]) == (0.1, 0.101)
    assert one["words"] == [{"text": "a", "start": 0.1, "end": 0.101, "probability": 0.1235}]
    assert list(one["meta"].items()) == [("a", 1), ("b", 0.333333)]
    assert list(one["probabilities"]) == found["labels"]


def test_steps_are_columns_and_their_labels_must_agree(tmp_path: Path):
    voice = written(sample(), tmp_path)["utterances"][0]["evidence"][1]["steps"]
    assert (voice["start"], voice["end"]) == ([0.25, 0.75], [0.75, 1.5])
    assert list(voice["probabilities"]) == list(sample().labels)
    assert voice["probabilities"]["neutral"] == [0.6, 0.0833]
    made, segment = sample(), Segment(0, 0.5)
    mixed = Evidence("voice", {"joy": 1.0}, steps=(Step(segment, {"joy": 1.0}), Step(segment, {"anger": 1.0})))
    broken = replace(made, predictions=(replace(made.predictions[0], evidence=(mixed,)), *made.predictions[1:]))
    with pytest.raises(InputError, match="steps of utterance u1 have different labels"):
        formats.write(broken, tmp_path / "t.json")


def test_rewriting_what_was_read_gives_the_same_bytes(tmp_path: Path):
    made = timeline(Utterance("u1", "A", "a", Segment(1 / 3, 2 / 3), scores={"valence": 2 / 3}))
    first = formats.write(made, tmp_path / "a.json")
    second = formats.write(formats.read(first), tmp_path / "b.json")  # type: ignore[arg-type]
    assert first.read_bytes() == second.read_bytes()


def test_numpy_values_and_lone_surrogates_can_be_written(tmp_path: Path):
    import numpy as np

    meta = {"n": np.int64(3), "x": np.float32(0.5), "v": np.array([1, 2]), "nan": float("nan"), "p": Path("a")}
    [one] = written(timeline(Utterance("u1", "A", "\ud800!", Segment(0, 1), meta=meta)), tmp_path)["utterances"]
    assert one["text"] == "\ufffd!"
    assert one["meta"] == {"n": 3, "x": 0.5, "v": [1, 2], "nan": None, "p": "a"}


@pytest.mark.parametrize("share", [1.5, -0.1, float("nan")])
def test_a_probability_out_of_range_is_refused(tmp_path: Path, share: float):
    made = sample()
    object.__setattr__(made.predictions[0], "confidence", share)
    with pytest.raises(InputError, match=f"probability of utterance u1 is {share}: expected a number from 0 to 1"):
        formats.write(made, tmp_path / "t.json")


def listed(tmp_path: Path, value: Any) -> Any:
    (tmp_path / "call.json").write_text(value if isinstance(value, str) else json.dumps(value))
    return formats.read(tmp_path / "call.json")


def test_a_plain_list(tmp_path: Path):
    found = listed(
        tmp_path,
        [
            {"start": 0, "end": "00:01.5", "text": "Hi", "speaker": "A", "emotion": "joy", "more": [1, 2]},
            {"begin": 2.0, "duration": 0.5, "utterance": "Bye", "name": 7},
            {"start_ms": 3000, "end_ms": 3500},
        ],
    )
    assert [(one.speaker, one.text, one.segment, one.label) for one in found] == [
        ("A", "Hi", Segment(0, 1.5), "joy"),
        ("7", "Bye", Segment(2, 2.5), None),
        (None, None, Segment(3, 3.5), None),
    ]
    assert found.utterances[0].meta == {"more": (1, 2)}
    assert (found.id, found.meta["format"], found.meta["notes"]) == ("call", "json", ())


def test_whisper_and_whisperx(tmp_path: Path):
    words = [
        {"word": " Hello", "start": 0.1, "end": 0.4, "probability": 0.9},
        {"word": "42"},
        {"word": "you.", "start": 0.5, "end": 0.9, "score": 0.8},
        {"word": "x", "start": 0.9, "end": 0.9},
    ]
    segment = {"id": 0, "seek": 0, "start": 0.1, "end": 0.9, "text": " Hello 42 you.", "speaker": "S0", "words": words}
    found = listed(tmp_path, {"text": "…", "segments": [segment, {"start": 1, "end": 2, "text": ""}], "language": "en"})
    first = found.utterances[0]
    assert (first.id, first.speaker, first.text, first.segment) == ("u1", "S0", "Hello 42 you.", Segment(0.1, 0.9))
    assert first.words == (Word("Hello", Segment(0.1, 0.4), 0.9), Word("you.", Segment(0.5, 0.9), 0.8))
    assert (found.meta["language"], found.meta["format"], first.meta) == ("en", "whisper", {})


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "call.json is not JSON (Expecting"),
        ("[" * 100_000, "call.json is nested too deeply"),
        ('[{"text": "hi", "x": ' + '{"a":' * 600 + "1" + "}" * 600 + "}]", "call.json is nested deeper than 64 levels"),
        ('[{"text": "hi", "x": ' + "[" * 480 + "]" * 480 + "}]", "call.json is nested deeper than 64 levels"),
        ("7", "call.json is a int without 'schema' or 'segments'"),
        ("{}", "call.json is a dict without 'schema' or 'segments'"),
        ("[]", "call.json has no utterance: expected at least one"),
        ('{"segments": []}', "call.json has no utterance"),
        ('["a"]', "call.json entry 1 is 'a', expected an object with 'text'"),
        ('[{"foo": 1, "bar": 2}]', "call.json: no entry has text or times; expected keys like"),
        ('[{"text": "a", "start": "soon"}]', "call.json entry 1: start 'soon' is not a time, expected seconds or"),
        ('[{"text": "a", "start": true}]', "call.json entry 1: start is True, expected seconds"),
        ('[{"text": "a", "start": 1' + "0" * 400 + "}]", "call.json entry 1: start '1000"),
    ],
)
def test_other_json_says_what_was_expected(tmp_path: Path, value: str, message: str):
    with pytest.raises(FormatError, match=re.escape(message)):
        listed(tmp_path, value)


def test_predicted_values_come_back_and_are_written_only_where_there_are_any(tmp_path: Path) -> None:
    made = sample()
    first, *rest = made.predictions
    valued = replace(made, predictions=(replace(first, values={"valence": 3.25}), *rest))
    for one, count in ((made, 0), (valued, 1)):
        path = formats.write(one, tmp_path / "t.json")
        assert path.read_text("utf-8").count('"values"') == count
        back = formats.read(path)
        assert [dict(guess.values) for _, guess in back] == [dict(guess.values) for _, guess in one]
