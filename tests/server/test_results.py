from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi import FastAPI
from fastapi.testclient import TestClient
from httpx import Response

from merc import formats
from merc.conversation import Timeline
from merc.corrections import Results
from merc.edits import edited
from merc.edits.changes import Relabel
from merc.export import FORMATS
from merc.formats import written
from merc.server import problems
from merc.server.problems import Problem
from merc.server.results import beside, results_router
from tests.edits.made_edits import talk

AT = "/v1/analyses/call"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    written.save(talk(), tmp_path / "call.merc", formats.files(["json", "csv"]))
    (tmp_path / talk().recording.name).write_bytes(bytes(range(100)))
    return tmp_path / "call.merc"


@pytest.fixture
def client(folder: Path) -> Iterator[TestClient]:
    def find(name: str) -> Path:
        if name != "call":
            raise Problem(404, f"there is no analysis '{name}'")
        return folder

    app = FastAPI()
    problems.install(app)
    app.include_router(results_router(find))
    with TestClient(app) as found:
        yield found


def patch(client: TestClient, n: str, /, **fields: Any) -> Response:
    return client.patch(f"{AT}/utterances/{n}", json={"by": "Eve", **fields})


def labels(client: TestClient, layer: str) -> list[str | None]:
    found = client.get(f"{AT}/timeline.json", params={"layer": layer}).json()
    return [one["label"] for one in found["utterances"]]


@pytest.mark.parametrize("name", [name for name in FORMATS if name not in ("svg", "pdf", "png")])
def test_every_format_of_the_export_is_given(client: TestClient, name: str) -> None:
    answer = client.get(f"{AT}/timeline.{name}")
    assert answer.status_code == 200, answer.text
    assert answer.headers["content-disposition"].startswith("attachment; filename*=utf-8''")
    assert answer.content


def test_a_format_of_several_files_is_an_archive(client: TestClient) -> None:
    with zipfile.ZipFile(io.BytesIO(client.get(f"{AT}/timeline.audformat").content)) as archive:
        assert archive.namelist() == ["audformat/db.yaml", "audformat/db.utterances.csv"]


def test_corrections_are_in_one_layer_and_predictions_stay_in_the_other(client: TestClient, folder: Path) -> None:
    answer = patch(client, "1", label="fear", words="How odd!", speaker="Anna", start=0.0, end=1.75, note="loud")
    assert answer.status_code == 200, answer.text
    made = answer.json()
    assert [one["id"] for one in made["utterances"]] == ["u1"] and made["count"] == 5
    (one,) = made["utterances"]
    assert (one["speaker"], one["text"], one["label"], one["start"], one["end"], one["meta"]["note"]) == (
        *("Anna", "How odd!", "fear", 0.0, 1.75, "loud"),
    )
    assert one["correction"]["by"] == "Eve" and one["correction"]["predicted"] == "joy"
    assert labels(client, "corrected")[0] == "fear" and labels(client, "predicted")[0] == "joy"
    kept = Results.open(folder).timeline
    assert kept.utterances == talk().utterances and len({edit.at for edit in kept.edits}) == 1
    assert client.get(f"{AT}/timeline.json").json()["edits"] == made["edits"]
    assert client.get(f"{AT}/edits").json() == made
    assert "How odd!" in client.get(f"{AT}/timeline.srt").text
    assert "How very nice!" in client.get(f"{AT}/timeline.srt?layer=predicted").text
    assert "Set by Eve" in client.get(f"{AT}/report").text


def test_split_join_reject_and_undo(client: TestClient) -> None:
    assert patch(client, "u2", split=3.0).json()["ids"] == ["u1", "u2", "u2.2", "u3", "u4"]
    assert patch(client, "2", join="2.2").json()["ids"] == ["u1", "u2", "u3", "u4"]
    assert patch(client, "3", reject=True).json()["utterances"][0]["label"] is None
    gone = client.delete(f"{AT}/edits/last").json()
    assert [one["change"]["kind"] for one in gone["edits"]] == ["label"] and gone["count"] == 2
    assert gone["utterances"][0]["label"] == "anger"
    for _ in range(2):
        assert client.delete(f"{AT}/edits/last").status_code == 200
    empty = client.delete(f"{AT}/edits/last")
    assert (empty.status_code, "has no edit that could be undone" in empty.json()["detail"]) == (422, True)


def test_speakers_are_renamed_and_merged_together_or_not_at_all(client: TestClient) -> None:
    rename = {"kind": "rename", "old": "Speaker 1", "new": "Anna"}
    merge = {"kind": "merge", "speakers": ["Speaker 2", "Nobody"]}
    refused = client.post(f"{AT}/edits", json={"by": "Eve", "changes": [rename, merge]})
    assert refused.status_code == 422 and "no speaker 'Nobody'" in refused.json()["detail"]
    assert client.get(f"{AT}/edits").json()["edits"] == []
    merge["speakers"] = ["Speaker 2", "Speaker 3"]
    made = client.post(f"{AT}/edits", json={"by": "Eve", "changes": [rename, merge]}).json()
    assert [one["id"] for one in made["speakers"]] == ["Anna", "Speaker 2"]
    assert [one["id"] for one in made["utterances"]] == ["u1", "u3", "u4"]


def test_an_edit_of_a_state_that_has_passed_is_refused(client: TestClient) -> None:
    tag = client.get(f"{AT}/edits").headers["ETag"]
    first = client.patch(f"{AT}/utterances/1", json={"by": "Eve", "note": "a"}, headers={"If-Match": tag})
    late = client.patch(f"{AT}/utterances/1", json={"by": "Max", "note": "b"}, headers={"If-Match": tag})
    assert (first.status_code, late.status_code) == (200, 412)
    assert late.headers["content-type"] == "application/problem+json"
    assert late.headers["ETag"] == first.headers["ETag"] == client.get(f"{AT}/edits").headers["ETag"]
    assert late.json()["detail"].endswith("read it again, then make the edit")


@pytest.mark.parametrize(
    ("n", "fields", "status", "words"),
    [
        ("9", {"label": "joy"}, 404, "no utterance '9'"),
        ("1", {"label": "angry"}, 422, "unknown label 'angry': did you mean 'anger'"),
        ("1", {}, 422, "nothing to change in utterance u1"),
        ("1", {"start": 1.0}, 422, "has only one of start and end"),
        ("1", {"start": 2.0, "end": 1.0}, 422, "u1 would last from 2 to 1 s: expected an end 1 ms after"),
        ("1", {"split": 9.0}, 422, "cannot be split at 9 s"),
        ("1", {"join": "2"}, 422, "they have several speakers"),
        ("1", {"speaker": " "}, 422, "speaker of utterance u1 is empty"),
        ("1", {"labels": "joy"}, 422, "unknown field 'labels'"),
        ("1", {"by": "", "label": "joy"}, 422, "by is ''"),
    ],
)
def test_what_cannot_be_corrected_is_refused_in_words(
    client: TestClient, n: str, fields: dict[str, Any], status: int, words: str
) -> None:
    answer = patch(client, n, **fields)
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json")
    assert words in answer.json()["detail"]
    assert client.get(f"{AT}/edits").json()["edits"] == []


@pytest.mark.parametrize(
    ("path", "status", "words"),
    [
        ("/v1/analyses/none/timeline.json", 404, "there is no analysis 'none'"),
        (f"{AT}/timeline.doc", 404, "unknown format 'doc'"),
        (f"{AT}/timeline.csv?layer=both", 422, "layer is 'both': expected"),
        (f"{AT}/timeline.csv?without=hands", 422, "cannot leave out 'hands': expected words, voices, faces"),
    ],
)
def test_what_cannot_be_read_is_refused_in_words(client: TestClient, path: str, status: int, words: str) -> None:
    answer = client.get(path)
    assert (answer.status_code, words in answer.json()["detail"]) == (status, True), answer.text


def test_names_are_left_out_on_request(client: TestClient) -> None:
    answer = client.get(f"{AT}/timeline.csv?anonymise=true")
    assert "Speaker 1" not in answer.text and "P1" in answer.text
    assert answer.headers["content-disposition"].endswith("recording.csv")


def test_the_recording_is_given_in_ranges(client: TestClient) -> None:
    answer = client.get(f"{AT}/media", headers={"Range": "bytes=10-19"})
    assert (answer.status_code, answer.content) == (206, bytes(range(10, 20)))
    assert answer.headers["content-type"].startswith(("audio/", "video/"))


def test_only_a_recording_beside_the_results_is_given(tmp_path: Path) -> None:
    folder = tmp_path / "shared" / "call.merc"
    folder.mkdir(parents=True)
    (tmp_path / "secret.wav").write_bytes(b"secret")
    (folder.parent / "notes.txt").write_text("secret")
    (folder.parent / "link.wav").symlink_to(tmp_path / "secret.wav")
    (folder.parent / "talk.wav").write_bytes(b"sound")
    assert beside(folder, "talk.wav") == folder.parent / "talk.wav"
    hostile = (
        "../../secret.wav",
        str(tmp_path / "secret.wav"),
        "notes.txt",
        "link.wav",
        "..",
        "",
        "gone.wav",
        "a\0.wav",
    )
    assert [beside(folder, name) for name in hostile] == [None] * len(hostile)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"by": "", "label": "joy"}, "by is '': expected at least 1 characters"),
        ({"by": "E", "label": "joy", "reject": True}, "utterance u1 has both label and reject: expected one of them"),
        ({"by": "E", "speaker": "\0"}, "the speaker of utterance u1 is '\\x00': expected a name without control"),
        ({"by": "a\x07", "label": "joy"}, "the name of who makes an edit is 'a\\x07': expected a name without control"),
        (
            {"by": "E", "start": 2, "end": 1},
            "utterance u1 would last from 2 to 1 s: expected an end 1 ms after the start",
        ),
        ({"by": "E", "start": 0, "end": 1e308}, "utterance u1 would end at 1e+308 s: expected a time within the"),
        ({"by": "E", "start": -1, "end": 1}, "start is '-1': expected at least 0"),
        ([], "the body is '[]': expected an object, sent as JSON with 'Content-Type: application/json'"),
    ],
)
def test_corrections_that_cannot_be_made_are_refused_in_words(client: TestClient, body: Any, words: str) -> None:
    refused = client.patch(f"{AT}/utterances/1", json=body)
    assert (refused.status_code, refused.headers["content-type"]) == (422, "application/problem+json")
    assert refused.json()["detail"].startswith(words)


def test_changes_and_bodies_that_are_none_are_refused_in_words(client: TestClient) -> None:
    refused = client.post(f"{AT}/edits", json={"by": "E", "changes": [{"kind": "x"}]}).json()["detail"]
    assert "changes.0 is '{'kind': 'x'}': expected one of 'rename', 'merge'" in refused
    refused = client.post(f"{AT}/edits", json={"by": "E", "changes": []}).json()["detail"]
    assert refused == "changes is '[]': expected at least 1 of them"
    path, as_json = f"{AT}/utterances/1", {"Content-Type": "application/json"}
    refused = client.patch(path, content='{"by": "E"}', headers={"Content-Type": "text/plain"}).json()["detail"]
    assert refused.startswith('the body is \'{"by": "E"}\': expected an object, sent as JSON with \'Content-Type')
    refused = client.patch(path, content="[" * 100_000, headers=as_json)
    assert refused.status_code == 400 and "JSON that is not nested so deeply" in refused.json()["detail"]


@pytest.mark.parametrize(("given", "status"), [("bytes=99999999-", 416), ("lines=1-2", 400)])
def test_a_range_that_the_recording_does_not_have_is_a_problem(client: TestClient, given: str, status: int) -> None:
    refused = client.get(f"{AT}/media", headers={"Range": given})
    assert (refused.status_code, refused.headers["content-type"]) == (status, "application/problem+json")
    assert refused.json()["detail"].startswith(f"range is '{given}': expected bytes=FIRST-LAST of the ")
    assert refused.headers["content-range"].startswith("bytes */")


def test_agreement_with_the_model_and_with_another_annotator(client: TestClient, tmp_path: Path) -> None:
    patch(client, "1", label="fear")
    found = client.get(f"{AT}/agreement").json()
    assert found["different"] == [["u1", "fear", "joy"]] and found["utterances"] == 3
    other: Timeline = edited(talk(), Relabel("u1", "fear"), Relabel("u3", "joy"), by="Max")
    body = json.loads(formats.write(other, tmp_path / "other.json").read_text())
    found = client.post(f"{AT}/agreement", json=body).json()
    assert found["different"] == [["u3", "anger", "joy"]] and -1 <= found["alpha"] <= 1
    refused = client.post(f"{AT}/agreement", json={"schema": "merc-timeline/99"})
    assert (refused.status_code, "but this version of merc reads up to" in refused.json()["detail"]) == (422, True)
    away = formats.write(replace(other, utterances=(), predictions=(), edits=()), tmp_path / "none.json")
    refused = client.post(f"{AT}/agreement", json=json.loads(away.read_text()))
    assert "no utterance is in both" in refused.json()["detail"]


def test_labels_have_a_look_and_a_place(client: TestClient) -> None:
    found = client.get(f"{AT}/labels").json()
    assert [one["name"] for one in found] == list(talk().labels)
    assert sorted(one["place"] for one in found) == list(range(len(found)))
    assert found[4]["name"] == "neutral" and found[4]["place"] == 0
