from __future__ import annotations

from dataclasses import fields

import pytest

from merc import weights
from merc.errors import InputError, MercError, WeightError
from merc.pipeline.options import AnalyzeOptions
from merc.server.intake.requests import RequestOptions, form_schema, options


@pytest.fixture(autouse=True)
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(weights.local, "present", lambda name: name == "whisper-base")


def test_the_options_are_those_of_an_analysis_without_the_servers_own() -> None:
    own = {one.name: one.default for one in fields(AnalyzeOptions)} | {}
    assert {name: one.default for name, one in RequestOptions.model_fields.items()} == {
        name: value for name, value in own.items() if name not in ("threads", "device")
    } | {"voices": False}, "the file of voices is the server's"


def test_a_system_is_named_and_no_folder_is_opened() -> None:
    assert options({"system": "clinic"}, strict=True) == {"system": "clinic"}


def test_texts_are_numbers_in_a_form_only() -> None:
    assert options({"speakers": "2", "video": "false"}, strict=False) == {"speakers": 2, "video": False}
    with pytest.raises(InputError, match="speakers is '2': expected a whole number"):
        options({"speakers": "2"}, strict=True)


@pytest.mark.parametrize(
    ("given", "why"),
    [
        ({"speakers": 0}, "speakers is 0: expected 1 to 100 on this server"),
        ({"beam": 10_000}, "beam is 10000: expected 1 to 10 on this server"),
        ({"threads": 64}, "unknown field 'threads'"),
        ({"device": "cuda"}, "unknown field 'device'"),
        ({"asr": "/etc"}, "asr is '/etc': expected one of tiny, tiny.en, base"),
        ({"language": "german"}, "language is 'german': expected an ISO 639 code"),
        ({"threshold": float("nan")}, "threshold is nan: expected 0 to 1"),
        ({"video": "perhaps"}, "video is 'perhaps': expected true or false"),
        ({"min_speakers": 4, "max_speakers": 2}, "min_speakers is 4: expected at most max_speakers"),
    ],
)
def test_what_is_wrong_is_said_in_the_commands_words(given: dict[str, object], why: str) -> None:
    with pytest.raises(MercError, match="^" + why.replace("(", r"\(")):
        options(given, strict=False)


def test_nothing_is_downloaded_by_a_request() -> None:
    with pytest.raises(WeightError, match="run 'merc weights get whisper-turbo'"):
        options({"asr": "turbo"}, strict=True)


def test_the_schema_has_both_bodies() -> None:
    form = form_schema()["content"]
    assert form["multipart/form-data"]["schema"]["required"] == ["file"]
    assert form["application/json"]["schema"]["required"] == ["path"]
    assert form["application/json"]["schema"]["properties"]["speakers"]["anyOf"][0] == {"type": "integer"}
