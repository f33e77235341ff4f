"""The layers below an embedding have the widths that they name, and do not depend on what is encoded beside them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from merc.benchmarks.heads.inner_layers import CAMPPLUS_WIDTH, CELLS, FACE_WIDTH, FaceLayers, SpeechLayers, VoiceLayers
from merc.corpora import Item, Source
from merc.errors import InputError
from merc.features.expression import WIDTH

RATE = 16_000


@pytest.fixture
def tones(tmp_path: Path) -> list[Item]:
    """Three sounds: a second, a longer one, and one far too short for any network."""
    import soundfile

    generator = np.random.default_rng(0)
    items = []
    for name, seconds in (("a", 1.0), ("b", 1.7), ("c", 0.03)):
        time = np.arange(int(seconds * RATE)) / RATE
        wave = 0.3 * np.sin(2 * np.pi * 220 * time) + 0.05 * generator.normal(size=len(time))
        soundfile.write(tmp_path / f"{name}.wav", wave, RATE)
        items.append(Item(name, ("joy",), source=Source(tmp_path / f"{name}.wav")))
    return items


@pytest.mark.parametrize(
    ("kind", "name", "width"),
    [(VoiceLayers, "campplus", CAMPPLUS_WIDTH), (SpeechLayers, "whisper-base", WIDTH)],
)
def test_layers_of_a_voice(
    kind: type[VoiceLayers] | type[SpeechLayers], name: str, width: int, tones: list[Item], weight: Callable[..., None]
) -> None:
    weight(name)
    encoder = kind(1)
    found = encoder.vectors(tones)
    assert found.shape == (3, width) == (3, encoder.description["width"])
    assert found.dtype == np.float32 and np.isfinite(found).all()
    np.testing.assert_array_equal(encoder.vectors(tones[1:2])[0], found[1])
    assert encoder.description["encoder"] == name


def test_the_embedding_stands_last(tones: list[Item], weight: Callable[..., None]) -> None:
    weight("campplus")
    from merc.features.of_items import of_items

    inside, embedding = VoiceLayers(1).vectors(tones[:1])[0, -192:], of_items("campplus").vectors(tones[:1])[0]
    assert inside @ embedding > 0.95 * np.linalg.norm(inside) * np.linalg.norm(embedding)  # whole tenths there


def test_a_mirrored_face_has_mirrored_cells(tmp_path: Path, weight: Callable[..., None]) -> None:
    weight("facenet")
    import cv2

    picture = np.random.default_rng(0).integers(0, 255, size=(20, 20, 3), dtype=np.uint8)
    items = []
    for name, image in (("own", picture), ("turned", picture[:, ::-1])):
        large = cv2.resize(np.ascontiguousarray(image), (160, 160), interpolation=cv2.INTER_LINEAR)
        cv2.imwrite(str(tmp_path / f"{name}.png"), large)
        items.append(Item(name, ("joy",), source=Source(tmp_path / f"{name}.png")))
    own, turned = FaceLayers(1).vectors(items)
    assert own.shape == (FACE_WIDTH,)
    cells = own[: CELLS**2 * 896].reshape(CELLS, CELLS, 896)
    np.testing.assert_allclose(turned[: CELLS**2 * 896].reshape(CELLS, CELLS, 896), cells[:, ::-1], atol=1e-5)
    np.testing.assert_allclose(turned[-1792:], own[-1792:], atol=1e-5)
    plain = FaceLayers(1, flips=False)
    assert not np.allclose(plain.vectors(items[:1])[0], own)
    assert plain.description["output"] != FaceLayers(1).description["output"]


def test_what_is_no_sound_and_no_picture_is_refused(tmp_path: Path, weight: Callable[..., None]) -> None:
    weight("whisper-base", "facenet")
    (tmp_path / "noise").write_bytes(b"neither")
    items = [Item("noise", ("joy",), source=Source(tmp_path / "noise"))]
    with pytest.raises(InputError, match="cannot decode audio of item 'noise'"):
        SpeechLayers(1).vectors(items)
    with pytest.raises(InputError, match="cannot decode the picture of item 'noise'"):
        FaceLayers(1).vectors(items)
