from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from merc.server.store import Store
from tests.server.answering import Answering


def ask(client: TestClient, store: Store, tone: Path, reason: str | None = None, **values: Any) -> Any:
    with Answering(store, reason):
        data = {"model": "whisper-1", **values}
        return client.post("/v1/audio/transcriptions", files={"file": ("a.wav", tone.read_bytes())}, data=data)


def test_verbose_json_has_the_usual_fields_and_mercs(client: TestClient, store: Store, tone: Path) -> None:
    granularities = {"timestamp_granularities[]": ["word", "segment"]}
    found = ask(client, store, tone, response_format="verbose_json", temperature="0", **granularities).json()
    assert (found["task"], found["duration"], found["text"], found["words"]) == ("transcribe", 2.0, "How nice!", [])
    (segment,) = found["segments"]
    assert {name: segment[name] for name in ("id", "start", "end", "text", "speaker", "emotion", "confidence")} == {
        "id": 0,
        "start": 0.5,
        "end": 1.5,
        "text": "How nice!",
        "speaker": "Ann",
        "emotion": "joy",
        "confidence": 0.75,
    }
    assert segment["probabilities"] == {"joy": 0.75, "neutral": 0.25}


@pytest.mark.parametrize(
    ("shape", "expected"),
    [
        ("json", '{"text":"How nice!"}'),
        ("text", "How nice!\n"),
        ("srt", "1\n00:00:00,500 --> 00:00:01,500\nAnn: How nice! [joy .75]\n"),
        ("vtt", "WEBVTT"),
    ],
)
def test_the_other_shapes(client: TestClient, store: Store, tone: Path, shape: str, expected: str) -> None:
    assert ask(client, store, tone, response_format=shape).text.startswith(expected)


def test_nothing_is_kept(client: TestClient, store: Store, tone: Path) -> None:
    assert ask(client, store, tone).status_code == 200
    assert ask(client, store, tone, reason="a.wav: no speech").json()["detail"] == "a.wav: no speech"
    assert list((store.root / "analyses").iterdir()) == list(store.incoming.iterdir()) == []
    assert store.queue.counts() == {}


@pytest.mark.parametrize(
    ("values", "why"),
    [
        ({"model": "gpt-9"}, "model is 'gpt-9': expected one of whisper-1, tiny"),
        ({"response_format": "xml"}, "response_format is 'xml': expected one of json, text, srt, vtt, verbose_json"),
        ({"temperature": "0.7"}, "temperature is '0.7': merc does not support it; leave it out"),
        ({"prompt": "Names: Anna"}, "prompt is 'Names: Anna': merc does not support it"),
        ({"stream": "true"}, "stream is 'true': merc does not support it"),
        ({"timestamp_granularities[]": "line"}, "timestamp_granularities is 'line': expected one of word, segment"),
        ({"include[]": "logprobs"}, "unknown field 'include[]'"),
        ({"language": "german"}, "language is 'german': expected an ISO 639 code"),
    ],
)
def test_what_merc_cannot_do_is_refused(client: TestClient, tone: Path, values: dict[str, str], why: str) -> None:
    data = {"model": "whisper-1", **values}
    answer = client.post("/v1/audio/transcriptions", files={"file": ("a.wav", tone.read_bytes())}, data=data)
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith(why)


def test_a_file_is_required(client: TestClient) -> None:
    answer = client.post("/v1/audio/transcriptions", files={"files": ("a.wav", b"x")}, data={"model": "whisper-1"})
    assert answer.json()["detail"] == "file is missing: upload the recording as a form"
