"""M2FNet's vectors: area-weighted faces, maxima over frames, mel pictures, and the folder of a run that is none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from merc.cache import file_hash
from merc.errors import InputError, UnknownName
from merc.features.encoder import ENCODERS, OF_RUNS, names
from merc.features.m2fnet import ScenesAndFaces, Shot, VoicePictures, face_weights, scene_and_faces
from merc.nn.triplet import Extractor, ResNet18


def run(folder: Path, *, speech: bool, size: int = 6) -> Path:
    """What a training of an extractor leaves: weights, and of the card what is read."""
    folder.mkdir()
    name = "speech-picture-encoder" if speech else "picture-encoder"
    learned = ["savee" if speech else "rafdb"]
    options = {"side": 16, "widths": [4, 8], "size": size, "speech": speech, "corpora": learned}
    torch.manual_seed(0)
    network = Extractor(ResNet18(1 if speech else 3, widths=(4, 8)), size=size).eval()
    save_file(network.state_dict(), folder / f"{name}.safetensors")
    weights = {"sha256": file_hash(folder / f"{name}.safetensors")}
    card = {"training": {"options": options}, "weights": weights, "licence": "research"}
    (folder / f"{name}.json").write_text(json.dumps(card), encoding="utf-8")
    return folder


def shot(seed: int, *areas: float) -> Shot:
    random = np.random.default_rng(seed)
    faces = random.integers(0, 256, (len(areas), 160, 160, 3), np.uint8)
    return Shot(random.integers(0, 256, (160, 160, 3), np.uint8), faces, np.array(areas, float))


def test_weights_of_faces_are_their_share_of_the_area() -> None:
    np.testing.assert_allclose(face_weights(np.array([2.0, 1.0, 1.0])), [0.5, 0.25, 0.25])
    assert face_weights(np.array([9.0])).tolist() == [1.0]


def test_maxima_are_over_frames_and_frames_without_faces_have_no_say() -> None:
    scenes = np.array([[1.0, -5.0], [-2.0, -4.0], [0.0, -6.0]])
    faces = [np.array([[-1.0, -1.0], [-3.0, -5.0]]), np.zeros((0, 2)), np.array([[-2.0, -1.5]])]
    areas = [np.array([3.0, 1.0]), np.zeros(0), np.array([7.0])]
    assert scene_and_faces(scenes, faces, areas).tolist() == [1.0, -4.0, -1.5, -1.5]
    none = [np.zeros((0, 2))] * 3
    assert scene_and_faces(scenes, none, [np.zeros(0)] * 3).tolist() == [1.0, -4.0, 0.0, 0.0]


def test_an_utterance_is_the_same_alone_and_with_others(tmp_path: Path) -> None:
    one = ENCODERS[f"m2fnet-face:{run(tmp_path / 'run', speech=False)}"]()
    assert isinstance(one, ScenesAndFaces) and (one.name, one.shape, one.modality) == ("m2fnet-face", (12,), "face")
    first, second = [shot(1, 4.0, 2.0), shot(2)], [shot(3, 1.0)]
    both = one.encode([first, second])
    np.testing.assert_allclose(both[1], one.encode([second])[0], atol=1e-6)
    assert both.shape == (2, 12) and both.dtype == np.float32
    assert np.linalg.norm(both[1][:6]) == pytest.approx(1, abs=1e-5) == np.linalg.norm(both[1][6:])
    larger = Shot(first[0].picture, first[0].faces, np.array([4.0, 400.0]))
    changed = one.encode([[larger, first[1]]])[0]
    np.testing.assert_allclose(changed[:6], both[0][:6], atol=1e-6)
    assert np.abs(changed[6:] - both[0][6:]).max() > 1e-3


def test_a_sound_is_read_without_the_silence_around_it(tmp_path: Path) -> None:
    one = ENCODERS[f"m2fnet-voice:{run(tmp_path / 'run', speech=True)}"]()
    assert isinstance(one, VoicePictures) and one.shape == (6,)
    wave = np.sin(np.arange(16_000) / 9).astype(np.float32) / 2
    padded = np.concatenate([np.zeros(3200, np.float32), wave, np.zeros(1600, np.float32)])
    whole, silent, short = one.encode([wave, padded, wave[:80]])
    np.testing.assert_allclose(silent, whole, atol=1e-5)
    assert np.linalg.norm(short) == pytest.approx(1, abs=1e-5)
    assert one.describe()["trained_on"] == ["savee"] and one.licence == "research"


def test_what_is_no_run_is_refused_with_the_command(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"holds no picture-encoder.json; train one with 'merc train picture-encoder"):
        ENCODERS[f"m2fnet-face:{tmp_path}"]()
    folder = run(tmp_path / "run", speech=False)
    (folder / "picture-encoder.safetensors").write_bytes(b"other")
    with pytest.raises(InputError, match="is absent or not that of its card; train again with"):
        ENCODERS[f"m2fnet-face:{folder}"]().encode([[shot(0)]])
    with pytest.raises(UnknownName, match="known are .*m2fnet-face:…"):
        ENCODERS["m2fnet-mouth:x"]


def test_they_are_found_among_prepared_features_of_their_modality() -> None:
    assert [name for name in OF_RUNS if name in names("face")] == ["m2fnet-face"]
    assert names("voice")[-1] == "m2fnet-voice"
