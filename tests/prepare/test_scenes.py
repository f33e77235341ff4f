"""Scenes: which frames are looked at, what stays of them, and features of a corpus that M2FNet is trained on."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from merc.cli import prepare, train
from merc.errors import InputError
from merc.features.store import Store
from merc.labels import EKMAN7
from merc.media.clip import Extent
from merc.people.faces import Faces
from merc.prepare.clip import Clip, ClipEncoder, Part, reason_of
from merc.prepare.options import PrepareOptions
from merc.prepare.scenes import scene_times, shots_of
from tests.features.test_m2fnet import run
from tests.media.making import Film, Sound, record, tone
from tests.recipes import test_from_media as from_media


def test_fifteen_frames_are_spread_over_the_utterance() -> None:
    times = scene_times(Extent(2.0, 5.0, 60.0))
    assert len(times) == 15 and times[0] == 2.1 and times[-1] == 4.9
    np.testing.assert_allclose(np.diff(times), 0.2, atol=1e-9)
    assert set(scene_times(Extent(4.0, 4.0, 60.0))) == {4.0}


@dataclass(frozen=True)
class At:
    time: float
    image: np.ndarray


class Two:
    """Finds two faces in bright frames, one twice as high and wide as the other, and none in dark ones."""

    def detect(self, image: np.ndarray) -> Faces:
        count = 2 if image.mean() > 100 else 0
        boxes = np.array([[0.0, 0.0, 40.0, 40.0], [50.0, 0.0, 70.0, 20.0]])[:count]
        eyes = np.array([[12.0, 15.0], [28.0, 15.0], [20.0, 24.0], [14.0, 30.0], [26.0, 30.0]])
        return Faces(boxes, np.ones(count), np.stack([eyes, eyes / 2 + [50, 0]])[:count])


def test_a_frame_keeps_all_its_faces_with_their_areas_and_serves_several_utterances() -> None:
    bright, dark = (np.full((90, 120, 3), level, np.uint8) for level in (200, 10))
    frames = [At(0.5, bright), At(1.5, dark), At(2.5, bright)]
    found = shots_of(frames, {0: [0.5, 1.5], 1: [1.5, 2.5, 2.5, 9.0], 2: [7.0]}, Two())  # type: ignore[arg-type]
    assert [len(own) for own in found.values()] == [2, 2, 0]
    lit, unlit = found[0]
    assert lit.picture.shape == (160, 160, 3) and lit.faces.shape == (2, 160, 160, 3)
    assert lit.areas.tolist() == [1600.0, 400.0]
    assert unlit.faces.shape == (0, 160, 160, 3) and found[1][0] is unlit


def test_a_clip_without_pictures_at_its_times_has_the_reason(tmp_path: Path) -> None:
    sound = Sound(tone(300, 2.0, rate=16000)[None], rate=16000)
    movie = record(tmp_path / "a.mp4", sound=sound, film=Film(tuple(n / 25 for n in range(50)), moving=True))
    encoder = ClipEncoder()
    encoder.__dict__["_detector"] = Two()
    looked: list[int] = []

    def encode(batch: list[list[object]]) -> np.ndarray:
        looked.append(len(batch[0]))
        return np.ones((1, 4), np.float32)

    encoder._encoder = lambda name: SimpleNamespace(input="scene", pooled_from="", encode=encode)  # type: ignore
    found = encoder(Clip(str(movie), (Part(0.2, 1.8), Part(50.0, 51.0)), ("m2fnet-face:x",)))
    assert found["m2fnet-face:x/0"].tolist() == [1, 1, 1, 1] and looked == [15]
    assert "before the utterance from 50.00 to 51.00 s" in str(reason_of(found, "m2fnet-face:x", 1))


def test_two_runs_of_one_encoder_need_two_stores(tmp_path: Path) -> None:
    folders = [run(tmp_path / name, speech=False) for name in "ab"]
    with pytest.raises(InputError, match="2 of them make the feature 'm2fnet-face'; prepare them into stores"):
        PrepareOptions(encoders=tuple(f"m2fnet-face:{one}" for one in folders))


def test_recordings_are_prepared_and_m2fnet_is_trained_on_them(tmp_path: Path, weight: Callable[..., None]) -> None:
    weight("mtcnn")
    first, film = from_media.script()[0], from_media.Film()
    lines = [replace(first, end=first.start + 0.4, label=label) for label in EKMAN7]
    root = from_media.meld(tmp_path, {"train": [lines], "dev": [lines[:2]], "test": [lines[2:3]]}, film.clip)
    voice, face = run(tmp_path / "mels", speech=True), run(tmp_path / "faces", speech=False)
    app = typer.Typer()
    app.command("prepare")(prepare.prepare)
    app.command("train")(train.train)
    out = ["--out", str(tmp_path / "store"), "--no-check", "--workers", "1"]
    chosen = ["--encoders", f"m2fnet-voice:{voice},m2fnet-face:{face}"]
    done = CliRunner().invoke(app, ["prepare", "meld", "--data", str(root), *out, *chosen, "--quiet"])
    assert done.exit_code == 0, done.output
    store = Store.open(tmp_path / "store")
    assert set(store.encoders) == {"m2fnet-voice", "m2fnet-face"}
    (vector,) = store.get("m2fnet-face", ["train/dia0_utt0"])
    assert np.asarray(vector).shape == (1, 12) and np.abs(np.asarray(vector)[0, 6:]).max() > 0  # a face is seen
    made = store.features["m2fnet-face"].description
    assert made["frames"] == 15 and made["choice"] == "every face by its area" and made["trained_on"] == ["rafdb"]
    source = f"text=mpnet,voice={tmp_path / 'store'}:m2fnet-voice,face={tmp_path / 'store'}:m2fnet-face"
    words = ["train", "m2fnet", "--data", str(root), "--features", source, "--out", str(tmp_path / "run"), "--quiet"]
    weight("mpnet")
    done = CliRunner().invoke(app, [*words, "--set", "epochs=1"])
    assert done.exit_code == 0, done.output
