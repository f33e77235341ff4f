"""The JSON Schema and the models of timeline.json."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources
from pathlib import Path
from typing import Any

import pydantic
import pytest

from merc import edits, formats
from merc.conversation import Timeline
from merc.edits import Relabel
from merc.errors import FormatError
from merc.formats import schema
from tests.formats.made_timelines import sample

DOCS = Path(__file__).parents[2] / "docs" / "reference"


def written(made: Timeline, folder: Path) -> dict[str, Any]:
    return json.loads(formats.write(made, folder / "t.json").read_text("utf-8"))


@pytest.mark.skipif(
    tuple(map(int, pydantic.VERSION.split(".")[:2])) < (2, 13),
    reason="pydantic below 2.13 words the same schema otherwise",
)
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

    first, *rest = sample().predictions
    made = replace(
        sample(), predictions=(replace(first, values={"valence": 1.0}), *rest)
    )  # written where there are any
    found = written(edits.edited(made, Relabel("u1", "fear"), by="Eve"), tmp_path)
    keys(found, schema.TimelineFields)
    keys(found["edits"][0], schema.EditFields)
    keys(found["recording"], schema.RecordingFields)
    keys(found["speakers"][0], schema.SpeakerFields)
    keys(found["utterances"][0], schema.UtteranceFields)
    keys(found["utterances"][0]["evidence"][0], schema.EvidenceFields)
    keys(found["utterances"][0]["evidence"][1]["steps"], schema.StepsFields)
    keys(found["utterances"][0]["words"][0], schema.WordFields)
    keys(found["overlaps"][0], schema.StretchFields)
    keys(found["models"][0], schema.ModelFields)
    corrected = written(edits.edited(sample(), Relabel("u1", "fear"), by="Eve").corrected, tmp_path)
    keys(corrected["utterances"][0]["correction"], schema.CorrectionFields)


def edit(**change: Any) -> dict[str, Any]:
    return {"change": change, "by": "Eve", "at": "2026-01-02T03:04:05Z"}


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
        (["schema"], "merc-timeline/3", "reads up to 'merc-timeline/2'; install a newer merc"),
        (["schema"], "merc-timeline/0", "has the schema 'merc-timeline/0', expected 'merc-timeline/2'"),
        (["schema"], {"a": 1}, "expected 'merc-timeline/2'"),
        (["utterances", 0, "start"], "0.25", r"at utterances.0.start: .*valid number \(found '0.25'\)"),
        (["utterances", 0, "confidence"], 1.5, r"at utterances.0.confidence: .*less than or equal to 1 \(found 1.5\)"),
        (["utterances", 1, "end"], None, "utterance u2 has only one of start and end"),
        (["utterances", 1, "end"], 0.5, "segment 1.2 to 0.5 s: expected 0 <= start < end"),
        (["utterances", 0, "evidence", 0, "missing"], "lost", "evidence 'text': expected either"),
        (["utterances", 0, "evidence", 1, "steps", "end"], [0.75], "steps of utterance u1: expected as many ends"),
        (["recording"], {"name": "x"}, "at recording.sha256: field required"),
        (["notes"], "none", "at notes: .*valid array"),
        (["edits"], [edit(kind="bend")], r"at edits\.0\.change: .*'bend'"),
        (["edits"], [edit(kind="label", utterance="u1")], r"at edits\.0\.change\.label\.label: "),
        (["edits"], [edit(kind="label", utterance="u9", label="joy")], "no utterance 'u9' in call.mp4"),
    ],
)
def test_a_broken_timeline_says_where(tmp_path: Path, path: list[Any], value: Any, message: str):
    (tmp_path / "t.json").write_text(json.dumps(broken(path, value)))
    with pytest.raises(FormatError, match=rf"t\.json.*{message}"):
        formats.read(tmp_path / "t.json")


def test_unknown_fields_are_passed_over(tmp_path: Path):
    (tmp_path / "t.json").write_text(json.dumps(broken(["utterances", 0, "later"], 1)))
    assert formats.read(tmp_path / "t.json") == sample()


def test_a_file_from_before_there_were_steps_is_read(tmp_path: Path):
    old = broken(["notes"], [])
    for evidence in (one for utterance in old["utterances"] for one in utterance["evidence"]):
        del evidence["steps"]
    (tmp_path / "t.json").write_text(json.dumps(old))
    found = formats.read(tmp_path / "t.json")
    assert isinstance(found, Timeline)
    assert [evidence.steps for prediction in found.predictions for evidence in prediction.evidence] == [()] * 9
