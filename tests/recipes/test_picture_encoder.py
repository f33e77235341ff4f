"""M2FNet's extractor from pictures and sounds to stores: what is learned from, what a batch holds, what time does."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file

from merc.corpora import Item, Source
from merc.errors import InputError
from merc.features.store import Store
from merc.labels import EKMAN7
from merc.recipes import picture_encoder
from merc.recipes.picture_encoder import (
    SPEECH_PICTURE_ENCODER,
    Drawn,
    PictureOptions,
    Shown,
    divided,
    mel_picture,
    train_pictures,
    warped,
)
from merc.recipes.recipe import Folders

RATE = 16_000


def made(count: int = 48, *, named: bool = True) -> Shown:
    """Pictures of four classes, each with its own stripe, of people who say each class once."""
    random = np.random.default_rng(0)
    classes = np.arange(count) % 4
    values = random.integers(0, 40, size=(count, 16, 16, 1)).astype(np.uint8)
    for row, one in enumerate(classes):
        values[row, 4 * one : 4 * one + 4] += 120
    people = tuple(f"p{row // 4}" if named else None for row in range(count))
    return Shown(tuple(f"i{row}" for row in range(count)), classes, people, np.arange(count) >= count - 4, values)


def test_every_eighth_person_or_picture_validates_and_no_test_part_is_in_either() -> None:
    learned, held = divided(made())
    assert set(held.people) == {"p7"} and not set(held.people) & set(learned.people)
    assert "p11" not in {*learned.people, *held.people} and len(learned.ids) == 40
    alone = made(named=False)
    _, held = divided(replace(alone, classes=np.arange(48) // 8 % 4))
    assert held.ids == ("i7", "i15", "i23", "i31", "i39")


def test_too_few_classes_are_refused_with_the_part() -> None:
    given = made()
    with pytest.raises(InputError, match="picture-encoder: 1 classes in training; expected two or more of the seven"):
        divided(replace(given, classes=np.zeros_like(given.classes)))


def test_a_batch_holds_as_many_pictures_of_each_class_without_repeating_one() -> None:
    drawn = Drawn(made(), PictureOptions(each=3, steps=2))
    plans = drawn.plan(1, torch.Generator().manual_seed(0))
    assert len(plans) == 2 and plans[0] != plans[1]
    values, classes = drawn.load(plans[0])
    assert values.shape == (12, 1, 16, 16) and values.min() >= -1 and values.max() <= 1
    assert np.bincount(classes.numpy()).tolist() == [3, 3, 3, 3] and len(set(plans[0].items)) == 12


def test_a_mel_picture_shows_when_and_how_high() -> None:
    time = np.arange(RATE) / RATE
    rising = np.concatenate([np.sin(2 * np.pi * 300 * time), np.sin(2 * np.pi * 4000 * time)]).astype(np.float32) / 2
    picture = mel_picture(rising, 32)[..., 0].astype(int)
    assert picture.shape == (32, 32) and picture[:, 8].argmax() < 12 and picture[:, 24].argmax() > 20
    assert mel_picture(rising[:10], 32).shape == (32, 32, 1)  # shorter than a frame


def test_time_is_warped_around_the_middle_and_bands_stay() -> None:
    ramp = torch.linspace(-1, 1, 33).expand(8, 1, 5, 33)
    found, _ = warped((ramp, torch.zeros(8)), torch.Generator().manual_seed(0), warp=0.4, noise=0.0)
    torch.testing.assert_close(found[..., [0, -1]], ramp[..., [0, -1]])  # both ends stay
    assert (found.diff(dim=-1) > 0).all() and len({round(float(one), 3) for one in found[:, 0, 0, 16]}) == 8
    torch.testing.assert_close(found[:, :, 0], found[:, :, 4])
    same, _ = warped((ramp, torch.zeros(8)), torch.Generator().manual_seed(0), warp=0.0, noise=0.0)
    torch.testing.assert_close(same, ramp)
    noisy, _ = warped((ramp, torch.zeros(8)), torch.Generator().manual_seed(0), warp=0.0, noise=0.1)
    assert float((noisy - ramp).std()) == pytest.approx(0.1 * float(ramp.std()), rel=0.1)


def test_classes_are_told_apart_by_people_who_were_not_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """From wav files of the item corpora: a class is a pitch; the store holds vectors of every item."""
    (tmp_path / "data").mkdir()
    time, items = np.arange(RATE // 2) / RATE, []
    for person in range(8):
        for row, label in enumerate(("happiness", "sadness", "anger") * 2):
            path = tmp_path / "data" / f"{person}-{label}{row // 3}.wav"
            soundfile.write(path, 0.4 * np.sin(2 * np.pi * (300 * 3 ** (row % 3) + 20 * person + row) * time), RATE)
            items.append(Item(path.stem, (label,), source=Source(path), speaker=str(person)))
    monkeypatch.setattr(picture_encoder, "READERS", {"savee": lambda root: items})
    monkeypatch.setattr(picture_encoder, "corpus_root", lambda *given: tmp_path / "data")
    changes = {"corpora": ["savee"], "encode": ["savee"], "side": 16, "widths": [4, 8], "size": 8}
    options = SPEECH_PICTURE_ENCODER.settings({**changes, "each": 4, "steps": 8, "epochs": 2, "device": "cpu"})
    outcome = partial(train_pictures, "speech-picture-encoder")(options, Folders(tmp_path, tmp_path / "out"))
    assert outcome.card.results[0].rows[0].figures["accuracy"] > 0.9
    assert outcome.card.labels == EKMAN7 and "{corpus}:speech-picture-encoder" in outcome.lines[0]
    assert load_file(tmp_path / "out" / "speech-picture-encoder.safetensors")["project.weight"].shape == (8, 8)
    store = Store.open(tmp_path / "out" / "savee")
    assert len(store.ids("speech-picture-encoder")) == 48
    (vector,) = store.get("speech-picture-encoder", ["savee/0-sadness0"])
    assert np.linalg.norm(np.asarray(vector)) == pytest.approx(1, abs=1e-3)
