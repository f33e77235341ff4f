from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings

from merc import formats
from merc.conversation import Segment, Timeline, Utterance, Word
from merc.errors import FormatError, InputError
from merc.formats import schema
from tests.formats.made_timelines import sample, timeline, timelines

DOCS = Path(__file__).parents[2] / "docs" / "reference"


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


def test_the_schema_in_the_package_is_that_of_the_models():
    shipped = resources.files("merc.formats").joinpath("timeline.schema.json").read_text("utf-8")
    assert json.loads(shipped) == schema.schema()


def test_a_written_file_follows_the_schema(tmp_path: Path):
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")
    jsonschema.validate(written(sample(), tmp_path), schema.schema())


def fields(made: dict[str, Any]) -> Iterator[str]:
    yield from made["properties"]
    for definition in made["$defs"].values():
        yield from definition.get("properties", ())


def test_every_field_is_documented():
    page = (DOCS / "timeline.md").read_text("utf-8")
    assert [name for name in fields(schema.schema()) if f"`{name}`" not in page] == []


def test_the_models_and_the_writer_have_the_same_fields(tmp_path: Path):
    def keys(value: Any, model: Any) -> None:
        names = {field.alias or name: field for name, field in model.model_fields.items()}
        assert list(value) == list(names)

    found = written(sample(), tmp_path)
    keys(found, schema.TimelineFields)
    keys(found["recording"], schema.RecordingFields)
    keys(found["speakers"][0], schema.SpeakerFields)
    keys(found["utterances"][0], schema.UtteranceFields)
    keys(found["utterances"][0]["evidence"][0], schema.EvidenceFields)
    keys(found["utterances"][0]["words"][0], schema.WordFields)
    keys(found["overlaps"][0], schema.StretchFields)
    keys(found["models"][0], schema.ModelFields)


def broken(path: list[Any], value: Any) -> dict[str, Any]:
    with tempfile.TemporaryDirectory() as folder:
        made = written(sample(), Path(folder))
    inner: Any = made
    for step in path[:-1]:
        inner = inner[step]
    inner[path[-1]] = value
    return made


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        (["schema"], "merc-timeline/2", "reads up to 'merc-timeline/1'; install a newer merc"),
        (["schema"], "merc-timeline/0", "has the schema 'merc-timeline/0', expected 'merc-timeline/1'"),
        (["schema"], {"a": 1}, "expected 'merc-timeline/1'"),
        (["utterances", 0, "start"], "0.25", r"at utterances.0.start: .*valid number \(found '0.25'\)"),
        (["utterances", 0, "confidence"], 1.5, r"at utterances.0.confidence: .*less than or equal to 1 \(found 1.5\)"),
        (["utterances", 1, "end"], None, "utterance u2 has only one of start and end"),
        (["utterances", 1, "end"], 0.5, "segment 1.2 to 0.5 s: expected 0 <= start < end"),
        (["utterances", 0, "evidence", 0, "missing"], "lost", "evidence 'text': expected either"),
        (["recording"], {"name": "x"}, "at recording.sha256: field required"),
        (["notes"], "none", "at notes: .*valid array"),
    ],
)
def test_a_broken_timeline_says_where(tmp_path: Path, path: list[Any], value: Any, message: str):
    (tmp_path / "t.json").write_text(json.dumps(broken(path, value)))
    with pytest.raises(FormatError, match=rf"t\.json.*{message}"):
        formats.read(tmp_path / "t.json")


def test_unknown_fields_are_passed_over(tmp_path: Path):
    (tmp_path / "t.json").write_text(json.dumps(broken(["utterances", 0, "later"], 1)))
    assert formats.read(tmp_path / "t.json") == sample()


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


def test_unusable_times_are_kept_and_noted(tmp_path: Path):
    found = listed(
        tmp_path,
        [
            {"start": -1, "end": 2, "text": "a"},
            {"start": 3, "end": 2, "text": "b"},
            {"start": 2, "end": 2, "text": "c"},
            {"start": 2, "text": "d"},
            {"start": 4, "end": 5, "text": "e"},
        ],
    )
    assert [one.segment for one in found] == [None, None, None, None, Segment(4, 5)]
    assert [one.meta.get("times") for one in found] == [(-1, 2), (3, 2), (2, 2), (2, None), None]
    assert found.meta["notes"] == (
        "call.json: the times of u1, u2, u3, u4 cannot be used (negative, reversed, empty or incomplete times).",
    )


def test_repeated_ids_are_numbered(tmp_path: Path):
    found = listed(tmp_path, [{"id": "a", "text": "x"}, {"id": "a", "text": "y"}])
    assert [(one.id, one.meta) for one in found] == [("u1", {"id": "a"}), ("u2", {"id": "a"})]
    assert found.meta["notes"] == ("call.json repeats the id a; its utterances are numbered u1 to u2.",)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("{", "call.json is not JSON (Expecting"),
        ("[" * 100_000, "call.json is nested too deeply"),
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


def test_infinite_times_are_not_used(tmp_path: Path):
    assert [
        one.segment
        for one in listed(tmp_path, '[{"text": "a", "start": 1, "end": 1e999}, {"text": "b", "start": NaN}]')
    ] == [None, None]
