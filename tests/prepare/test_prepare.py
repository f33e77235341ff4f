"""Preparing a corpus: a row for every utterance and feature, whatever the clip, and the same files after any stop."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import polars as pl
import pytest

from merc import sample
from merc.conversation import Conversation, Segment, Utterance
from merc.corpora import CONVERSATIONS
from merc.errors import InputError, MediaError, MissingExtra
from merc.execution import Row, Serial
from merc.features.encoder import ENCODERS, Encoder
from merc.features.text import TokenEncoder
from merc.prepare.clip import Clip, ClipEncoder, Encoded, Part, reason_of
from merc.prepare.options import PrepareOptions
from merc.prepare.prepare import checked, features, prepare
from merc.prepare.verdicts import Verdicts
from merc.progress import Progress

from ..media.making import Film, Sound, cut, record, tone

VOICE_FACE = ("campplus", "facenet", "facenet-expression")


class MadeUp:
    """Encodes a clip from its name: 'broken' cannot be decoded, 'deadly' ends the process, 'mute' has no vector."""

    def __init__(self, *, device: str) -> None:
        self.device = device

    def __call__(self, clip: Clip) -> Encoded:
        name = Path(clip.path).stem
        if name.startswith("broken"):
            raise MediaError(f"{name}.mp4: is no recording")
        if name.startswith("deadly"):
            os.kill(os.getpid(), signal.SIGKILL)
        result: Encoded = {}
        for feature in clip.features:
            for number, part in enumerate(clip.parts):
                if name.startswith("mute"):
                    result[f"{feature}/{number}/reason"] = np.array("no face in 3 frames")
                else:
                    result[f"{feature}/{number}"] = rows(name, feature, start=part.start)
        return result


def rows(name: str, feature: str, *, start: float | None = None) -> np.ndarray:
    width = {"campplus": 192, "facenet": 512, "facenet-expression": 5376}[feature]
    seed = sum(map(ord, name + feature)) + int(100 * (start or 0))
    shape = (width,) if feature == "campplus" else (1 + seed % 3, width)
    return np.random.default_rng(seed).normal(size=shape).astype(np.float32)


class Words(TokenEncoder):
    """Stands in for the token encoder: the number of letters of each word."""

    def encode(self, batch: Sequence[str], *, progress: Progress | None = None) -> list[np.ndarray]:
        return [np.array([[len(word)] + [1] * 767 for word in text.split()], np.float32) for text in batch]


class Here:
    """Stands in for the processes: measures in this one."""

    def __init__(self, count: int, *, timeout: float) -> None:
        pass

    def __enter__(self) -> Here:
        return self

    def __exit__(self, *error: object) -> None:
        return

    def map(self, make: Callable[[], Any], clips: Sequence[Any], *, kept: Any = None) -> Iterator[Row[Any, Any]]:
        return Serial().map(make, list(reversed(clips)), kept=kept)  # rows come in any order


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merc.execution.engine.Processes", Here)


@pytest.fixture
def made_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merc.prepare.prepare.ClipEncoder", MadeUp)
    monkeypatch.setitem(ENCODERS._entries, "mpnet-tokens", Words)
    monkeypatch.setattr("merc.weights.require", lambda names: None)


def corpus(*names: str) -> list[Conversation]:
    """A conversation whose utterances have clips of these names; 'none…' has no clip."""
    utterances = []
    for name in names:
        media: dict[str, Any] = {"media": f"clips/{name}.mp4"}
        if name.startswith("none"):
            media = {"media": None, "media_missing": "no folder of clips"}
        utterances.append(Utterance(f"d0/{name}", "Ann", f"words of {name}", meta=media))
    return [Conversation("d0", tuple(utterances))]


def files(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob("*")) if path.is_file()}


ONE = PrepareOptions(workers=1, corpus="made", licence="free")


def test_every_utterance_has_a_row_in_every_feature(made_up: None, tmp_path: Path) -> None:
    told: list[tuple[str, float, float]] = []
    names = ("a", "none1", "broken", "b", "deadly", "mute", "c")
    store = prepare(corpus(*names), tmp_path, options=ONE, progress=lambda *step: told.append(step))
    assert store.encoders == ("campplus", "facenet", "facenet-expression", "mpnet", "mpnet-tokens")
    assert store.verify() == []
    for feature in VOICE_FACE:
        assert store.ids(feature) == [f"d0/{name}" for name in names]
        assert store.reasons(feature) == {
            "d0/none1": "no folder of clips",
            "d0/broken": "broken.mp4: is no recording",
            "d0/deadly": "the process died (exit code -9)",
            "d0/mute": "no face in 3 frames",
        }
    (found,) = store.get("facenet", ["d0/b"])
    np.testing.assert_array_equal(found, rows("b", "facenet"))
    (tokens,) = store.get("mpnet-tokens", ["d0/none1"])
    assert tokens is not None and tokens[:, 0].tolist() == [5, 2, 5]
    mean = np.array([4] + [1] * 767) / np.sqrt(16 + 767)
    np.testing.assert_allclose(store.pooled("mpnet", ["d0/none1"])[0], mean, atol=1e-6)  # pooled from the tokens
    assert store.reasons("mpnet") == {}
    assert {step[0] for step in told} == {"texts", "sound", "faces"}
    assert ("sound", 7, 7) in told and ("faces", 7, 7) in told
    (row, *_) = store.info()
    assert row.feature.name == "campplus"
    assert (row.feature.corpus, row.feature.licence) == ("made", "corpus: free; encoder: Apache-2.0")


def test_a_stopped_run_ends_with_the_same_files(
    here: None, made_up: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("merc.prepare.prepare.SHARD", 3)
    monkeypatch.setattr("merc.prepare.prepare.TEXTS", 4)
    names = ["a", "none1", "b", "broken", *(f"c{n}" for n in range(8))]
    prepare(corpus(*names), tmp_path / "whole", options=ONE)
    for stage, place in (("texts", 4), ("sound", 7), ("faces", 2), ("faces", 10)):

        def stop(said: str, done: float, total: float, *, at: tuple[str, int] = (stage, place)) -> None:
            if (said, total - done) == (at[0], len(names) - at[1]) or (said, done) == at:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            prepare(corpus(*names), tmp_path / "parts", options=ONE, progress=stop)
    prepare(corpus(*names), tmp_path / "parts", options=ONE)
    assert files(tmp_path / "parts") == files(tmp_path / "whole")
    again: list[tuple[str, float, float]] = []
    prepare(corpus(*names), tmp_path / "parts", options=ONE, progress=lambda *step: again.append(step))
    assert again == []  # nothing is done twice


def test_a_shared_recording_is_cut_and_an_own_clip_is_not(here: None, made_up: None, tmp_path: Path) -> None:
    spans = (Segment(0.0, 1.0), Segment(1.5, 2.0))
    shared = [Utterance(f"s{n}", text="yes", segment=s, meta={"media": "long.mp4"}) for n, s in enumerate(spans)]
    alone = Utterance("own", text="no", segment=Segment(7.0, 8.0), meta={"media": "turn.wav", "video": "scene.avi"})
    store = prepare([Conversation("d", (*shared, alone))], tmp_path, options=ONE)
    first, second, own = store.get("campplus", ["s0", "s1", "own"])
    (scene,) = store.get("facenet", ["own"])
    np.testing.assert_array_equal(scene, rows("scene", "facenet", start=7.0))
    np.testing.assert_array_equal(first, rows("long", "campplus", start=0.0)[None])
    np.testing.assert_array_equal(second, rows("long", "campplus", start=1.5)[None])
    np.testing.assert_array_equal(own, rows("turn", "campplus")[None])


def test_text_without_words_and_patterns(here: None, made_up: None, tmp_path: Path) -> None:
    silent = Utterance("d0/blank", text="  ", meta={"media": None, "media_missing": "lost"})
    conversations = [Conversation("d0", (*corpus("a", "b")[0], silent))]
    options = PrepareOptions(encoders=("mpnet-tokens",), only=("d0/b*",))
    store = prepare(conversations, tmp_path, options=options)
    assert store.encoders == ("mpnet-tokens",)
    assert store.ids("mpnet-tokens") == ["d0/b", "d0/blank"]
    assert store.reasons("mpnet-tokens") == {"d0/blank": "no words are given"}


def table(folder: Path, *rows: tuple[str, str, str | None, str | None]) -> Path:
    path = folder / "verified.parquet"
    names = ("utterance", "verdict", "step", "reason")
    data = {name: [row[n] for row in rows] for n, name in enumerate(names)} | {"speaker": ["Ann"] * len(rows)}
    pl.DataFrame(data).write_parquet(path)
    return path


def test_what_a_check_removed_has_its_reason(here: None, made_up: None, tmp_path: Path) -> None:
    path = table(
        tmp_path,
        ("d0/a", "keep", None, None),
        ("d0/b", "remove", "face", "not the speaker"),
        ("d0/c", "remove", "text", "too unlike"),
    )
    verdicts = Verdicts.read(path)
    store = prepare(corpus("a", "b", "c", "new"), tmp_path / "store", options=ONE, verdicts=verdicts)
    assert store.verify() == []
    assert store.reasons("facenet") == {
        "d0/b": "removed by the check, step face: not the speaker",
        "d0/c": "removed by the check, step text: too unlike",
        "d0/new": "it was not checked",
    }
    assert set(store.reasons("campplus")) == set(store.reasons("mpnet")) == {"d0/c", "d0/new"}
    with pytest.raises(InputError, match="holds a feature made otherwise .*checked "):
        prepare(corpus("a"), tmp_path / "store", options=ONE)


def test_added_clips_are_prepared_when_asked(here: None, made_up: None, tmp_path: Path) -> None:
    assert "d0/a" in prepare(corpus("none1", "broken", "a"), tmp_path, options=ONE).ids("campplus")
    whole = [Conversation("d0", tuple(Utterance(u.id, meta={"media": "a.mp4"}) for u in corpus("none1", "a")[0]))]
    assert "d0/none1" in prepare(whole, tmp_path, options=ONE).reasons("campplus")
    retry = PrepareOptions(workers=1, corpus="made", licence="free", retry=True)
    assert "d0/none1" not in prepare(whole, tmp_path, options=retry).reasons("campplus")


def test_requests_that_make_no_sense(
    here: None, made_up: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    twice = [*corpus("a"), *corpus("a")]
    with pytest.raises(InputError, match="1 ids belong to several utterances, first 'd0/a': expected one id per"):
        prepare(twice, tmp_path, options=ONE)
    with pytest.raises(InputError, match="no utterance to prepare: the corpus is empty, or none of its ids matches"):
        prepare(corpus("a"), tmp_path, options=PrepareOptions(only=("x*",)))
    monkeypatch.setitem(__import__("sys").modules, "opensmile", None)
    with pytest.raises(MissingExtra, match=r"pip install 'merc\[prosody\]'"):
        prepare(corpus("a"), tmp_path, options=PrepareOptions(encoders=("egemaps",)))
    assert not list(tmp_path.iterdir())  # refused before anything is written


def test_the_features_say_what_they_depend_on() -> None:
    encoders = ("text", "voice", "face", "whisper-base", "whisper-base-frames")
    options = PrepareOptions(encoders=encoders, corpus="made")
    made = {feature.name: feature for feature in features(options)}
    assert {name: feature.shape for name, feature in made.items()} == {
        "mpnet": (768,),
        "mpnet-tokens": (768,),
        "campplus": (192,),
        "facenet": (512,),
        "facenet-expression": (5376,),
        "whisper-base": (7, 512),
        "whisper-base-frames": (7, 512),
    }
    assert all(len(str(feature.description["sha256"])) == 64 for feature in made.values())
    assert made["facenet"].description["choice"] == "most prominent"
    assert [name for name, feature in made.items() if feature.sequence] == [
        *("mpnet-tokens", "facenet", "facenet-expression", "whisper-base-frames")
    ]
    known = features(options, Verdicts(faces={"Ann": np.zeros(512)}))
    assert {f.name: f for f in known}["facenet"].description[
        "choice"
    ] == "the speaker's, cosine >= 0.3, no other speaker's"


def speech(seconds: float) -> np.ndarray:
    return np.asarray(sum(tone(150 * k, seconds, rate=16000, amplitude=0.2 / k) for k in range(1, 9)))[None]


@pytest.fixture
def meld(tmp_path: Path) -> Path:
    """A MELD.Raw of six utterances: whole, without sound, silent, damaged, absent, and too short."""
    root = tmp_path / "meld"
    head = "Sr No.,Utterance,Speaker,Emotion,Sentiment,Dialogue_ID,Utterance_ID,Season,Episode,StartTime,EndTime\n"
    line = '{n},"words {n}",Ann,neutral,neutral,0,{n},1,1,"00:00:00,000","00:00:01,000"\n'
    folder = root / "MELD.Raw" / "dev_splits_complete"
    folder.mkdir(parents=True)
    for split, count in (("train", 1), ("dev", 6), ("test", 1)):
        (root / f"{split}_sent_emo.csv").write_text(head + "".join(line.format(n=n) for n in range(count)))
    film, sound = Film(times=[n / 25 for n in range(25)], size=(320, 240)), Sound(speech(1.0), rate=16000)
    record(folder / "dia0_utt0.mp4", sound=sound, film=film)
    record(folder / "dia0_utt1.mp4", film=film)
    record(folder / "dia0_utt2.mp4", sound=Sound(np.zeros((1, 16000)), rate=16000))
    cut(record(folder / "dia0_utt3.mp4", sound=sound, film=film), 0.3)
    record(folder / "dia0_utt5.mp4", sound=Sound(speech(0.2), rate=16000), film=film)
    return root


def test_a_miniature_meld(here: None, meld: Path, tmp_path: Path, weight: Callable[..., None]) -> None:
    weight("campplus", "mtcnn", "facenet")
    options = PrepareOptions(encoders=("voice", "face"), workers=1)
    store = prepare(CONVERSATIONS["meld"](meld), tmp_path / "store", options=options)
    assert store.verify() == [] and len(store.ids("campplus")) == 8
    voice, face = store.reasons("campplus"), store.reasons("facenet")
    assert "dev/dia0_utt0" not in voice and np.isfinite(store.pooled("campplus", ["dev/dia0_utt0"])).all()
    assert "has no audio" in voice["dev/dia0_utt1"]
    assert voice["dev/dia0_utt2"] == "the sound is silence throughout"
    assert "dia0_utt3.mp4" in voice["dev/dia0_utt3"] and "dia0_utt3.mp4" in face["dev/dia0_utt3"]
    assert voice["dev/dia0_utt4"] == face["dev/dia0_utt4"] == "no clip in dev_splits_complete"
    assert "s of sound is too short (at least 0.4 s)" in voice["dev/dia0_utt5"]
    assert voice["train/dia0_utt0"] == "no folder MELD.Raw/train_splits"
    assert face["dev/dia0_utt0"] == "no face in 3 frames, nor just before or after them"
    assert face["dev/dia0_utt2"] == "dia0_utt2.mp4: holds no video; expected a video stream for faces"


def test_faces_of_a_shared_recording(weight: Callable[..., None]) -> None:
    weight("mtcnn", "facenet")
    encoder = ClipEncoder()
    film = str(sample.path())
    ada, ben = Part(0.9, 3.9), Part(4.3, 8.0)
    found = encoder(Clip(film, (ada, ben), ("facenet", "facenet-expression")))
    first, second = found["facenet/0"], found["facenet/1"]
    assert first.shape == (3, 512) and found["facenet-expression/0"].shape == (3, 5376)
    np.testing.assert_allclose(np.linalg.norm(second, axis=1), 1, atol=1e-4)
    bens = second.mean(axis=0) / np.linalg.norm(second.mean(axis=0))
    likely = (first @ bens).mean()
    known = Part(4.3, 8.0, face=bens.astype(np.float32).tobytes())
    stranger = Part(4.3, 8.0, face=(-bens).astype(np.float32).tobytes())
    again = encoder(Clip(film, (known, stranger), ("facenet",)))
    assert len(again["facenet/0"]) >= len(second) and (again["facenet/0"] @ bens).mean() > likely
    said = reason_of(again, "facenet", 1)
    assert said is not None and "is the speaker's (best cosine -" in said and "at least 0.3 wanted" in said


def test_whisper_gives_frames_and_means_in_one_pass(weight: Callable[..., None]) -> None:
    weight("whisper-base")
    found = ClipEncoder()(
        Clip(str(sample.path()), (Part(0.9, 1.9), Part(60, 61)), ("whisper-base", "whisper-base-frames"))
    )
    frames, means = found["whisper-base-frames/0"], found["whisper-base/0"]
    assert frames.shape == (50, 7, 512) and means.shape == (7, 512)
    np.testing.assert_allclose(means, frames.mean(axis=0), atol=1e-4)
    assert reason_of(found, "whisper-base", 1) == "the recording ends before the utterance"


def test_real_clips(here: None, data: Path, tmp_path: Path, weight: Callable[..., None]) -> None:
    weight("mpnet", "campplus", "mtcnn", "facenet")
    root = data / "meld"
    if not (root / "MELD.Raw" / "dev_splits_complete" / "dia29_utt0.mp4").exists():
        pytest.skip("no clips of MELD's dialogue 29")
    options = PrepareOptions(workers=1, only=("dev/dia29_utt0", "dev/dia29_utt3"))
    store = prepare(CONVERSATIONS["meld"](root), tmp_path, options=options)
    assert store.verify() == []
    assert all(not store.reasons(name) for name in store.encoders)
    monica, rachel = store.pooled("facenet", ["dev/dia29_utt0", "dev/dia29_utt3"])
    assert monica @ rachel < 0.5  # two people


def test_recordings_are_checked_before_they_are_encoded(
    here: None, meld: Path, tmp_path: Path, weight: Callable[..., None]
) -> None:
    weight("silero-vad", "whisper-base", "campplus", "mpnet", "mtcnn", "facenet")
    conversations, options = CONVERSATIONS["meld"](meld), PrepareOptions(encoders=("voice",), workers=1, only=("dev",))
    assert checked(conversations, tmp_path / "none", options=replace(options, encoders=("text",))) is None
    assert checked(conversations, tmp_path / "none", options=replace(options, only=("train",))) is None
    assert not (tmp_path / "none").exists()
    verdicts = checked(conversations, tmp_path / "check", options=options)
    assert verdicts is not None and (tmp_path / "check" / "report.html").exists()
    store = prepare(conversations, tmp_path / "store", options=options, verdicts=verdicts)
    assert set(verdicts.removed) == {f"dev/dia0_utt{number}" for number in range(6)}  # tones are not what was said
    assert all("removed by the check" in reason for reason in store.reasons("campplus").values())


class Talk(Encoder):
    """Stands in for an encoder of dialogues: how many words were said up to the end of each utterance."""

    name, modality, input, shape = "talk", "text", "dialogue", (1,)
    calls: ClassVar[list[int]] = []

    @property
    def licence(self) -> str:
        return "free"

    def describe(self) -> dict[str, Any]:
        return {"encoder": "talk", "width": 1}

    def encode(self, batch: Sequence[Conversation], *, progress: Progress | None = None) -> np.ndarray:
        Talk.calls.append(len(batch))
        words = [[len((turn.text or "").split()) for turn in one] for one in batch]
        return np.concatenate([np.cumsum(one) for one in words]).astype(np.float32)[:, None]


def test_utterances_are_encoded_in_their_dialogue(
    here: None, made_up: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(ENCODERS._entries, "talk", Talk)
    turns = [Utterance(f"d{n}/{k}", text=text) for n in range(3) for k, text in enumerate(("a b", "", "c"))]
    talks = [Conversation(f"d{n}", tuple(turns[3 * n : 3 * n + 3])) for n in range(3)]
    options = PrepareOptions(encoders=("talk",))
    verdicts = Verdicts(removed={"d1/2": ("speakers", "several people")}, speakers={one.id: "A" for one in turns})
    store = prepare(talks, tmp_path / "one", options=options, verdicts=verdicts)
    assert store.pooled("talk", ["d0/0", "d0/2"])[:, 0].tolist() == [2, 3], "the words before it count"
    assert store.reasons("talk") == {
        **{f"d{n}/1": "no words are given" for n in range(3)},
        "d1/2": "removed by the check, step speakers: several people",
    }
    assert Talk.calls == [1, 1, 1], "a dialogue at a time: a resumed run gives the same bytes"
    prepare(talks, tmp_path / "one", options=options, verdicts=verdicts)
    assert len(Talk.calls) == 3
