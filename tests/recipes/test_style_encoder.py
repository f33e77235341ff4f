"""Style tokens from sounds to stores: which speakers are learned, what a batch holds, and what is left frozen."""

from __future__ import annotations

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
from merc.recipes import style_encoder
from merc.recipes.recipe import Folders
from merc.recipes.request import Request
from merc.recipes.style_encoder import (
    STYLE_ENCODER,
    Drawn,
    Spoken,
    StyleEncoderOptions,
    batch_of,
    cropped,
    divided,
    embedded,
    triplets_right,
)
from merc.recipes.systems import train
from merc.systems.speaker_style import StyleEncoder, StyleOptions


def spoken(speakers: int = 10, each: int = 3, *, corpus: str = "ravdess") -> Spoken:
    """Sounds of different lengths, each with its own level."""
    random = np.random.default_rng(0)
    ids = [f"{corpus}/{person}_{take}" for person in range(speakers) for take in range(each)]
    waves = [(3000 * random.normal(size=400 + 37 * row)).astype(np.int16) for row in range(len(ids))]
    return Spoken(tuple(ids), np.repeat(np.arange(speakers), each), tuple(waves))


def test_every_fifth_speaker_of_a_corpus_validates_and_is_not_learned_from() -> None:
    learned, held = divided(spoken())
    assert np.unique(held.people).tolist() == [4, 9] and np.unique(learned.people).tolist() == [0, 1, 2, 3, 5, 6, 7, 8]
    with pytest.raises(InputError, match="1 speakers left to validate on; expected at least two"):
        divided(spoken(5))


def test_a_batch_holds_a_few_utterances_of_each_of_a_few_speakers() -> None:
    options = StyleEncoderOptions(speakers=4, utterances=2, steps=3)
    drawn = Drawn(spoken(), options)
    plans = drawn.plan(1, torch.Generator().manual_seed(0))
    assert len(plans) == 3
    for plan in plans:
        sound, lengths, people = drawn.load(plan)
        assert sound.shape == (8, int(lengths.max())) and np.bincount(people.numpy()).max() == 2
        assert len(np.unique(people)) == 4 and len(set(plan.items)) == 8
    with pytest.raises(InputError, match="0 speakers of two utterances or more"):
        Drawn(spoken(3, 1), options)


def test_a_stretch_is_cut_out_of_each_sound_and_none_beyond_its_end() -> None:
    whole = batch_of(spoken(2, 2))
    sound, lengths, people = cropped(whole, 420, torch.Generator().manual_seed(0))
    assert lengths.tolist() == [400, 420, 420, 420] and people.tolist() == [0, 0, 1, 1]
    for row, (length, first) in enumerate(zip(lengths.tolist(), whole[1].tolist(), strict=True)):
        stretches = whole[0][row, :first].unfold(0, length, 1)
        assert bool((stretches == sound[row, :length]).all(1).any()) and not sound[row, length:].any()
    other = cropped(whole, 420, torch.Generator().manual_seed(1))[0]
    assert not torch.equal(sound, other)


def test_embeddings_are_in_the_order_of_the_sounds_and_the_encoder_stays_as_it_was() -> None:
    encoder, given = StyleEncoder(StyleOptions(width=16, heads=2)), spoken(3, 2)
    before = {name: value.clone() for name, value in encoder.state_dict().items()}
    together = embedded(encoder, given, batch=4)
    alone = np.concatenate([embedded(encoder, given.at([row])) for row in range(6)])
    np.testing.assert_allclose(together, alone, atol=1e-5)
    assert all(torch.equal(value, before[name]) for name, value in encoder.state_dict().items())


def test_triplets_are_right_where_speakers_are_apart() -> None:
    people = np.repeat(np.arange(4), 5)
    apart = np.eye(4, dtype=np.float32)[people]
    assert triplets_right(apart, people) == 1.0
    assert triplets_right(np.ones_like(apart), people) == 0.0  # a tie tells nobody apart


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """RAVDESS's layout: ten speakers with their own pitch, eight emotions, one take."""
    random = np.random.default_rng(0)
    for person in range(1, 11):
        for code in range(1, 9):
            time = np.arange(3200) / 16000
            wave = 0.3 * np.sin(2 * np.pi * 150 * 1.2**person * time) + 0.02 * random.normal(size=3200)
            path = tmp_path / f"data/audio/ravdess/03-01-{code:02}-01-01-01-{person:02}.wav"
            path.parent.mkdir(parents=True, exist_ok=True)
            soundfile.write(path, wave, 16000)
    return tmp_path / "data"


@pytest.mark.timeout(120)
def test_the_recipe_leaves_weights_card_and_embeddings_that_the_system_reads(
    data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    out = tmp_path / "style"
    values = {"corpora": ("ravdess",), "encode": ("ravdess",), "steps": 2, "epochs": 1, "seconds": 0.2, "device": "cpu"}
    outcome = STYLE_ENCODER.train(STYLE_ENCODER.settings(values), Folders(data, out))
    assert outcome.card.labels == () and "ravdess" in outcome.card.licence
    assert load_file(out / "style.safetensors")["tokens"].shape == (10, 256)
    assert Store.open(out / "ravdess").features["style"].shape == (256,)
    frozen = {path: path.read_bytes() for path in out.rglob("*.safetensors")}
    request = Request(
        "speaker_style",
        "ravdess-speaker",
        f"voice={out}/{{corpus}}:style",
        training={"epochs": 1, "device": "cpu"},
        options={"hierarchical": True},
        data=data,
    )
    (trained,) = train(request, tmp_path / "run", only=["fold-1"])
    assert trained.system.apart == EKMAN7.index("sadness"), "found by its name"
    assert {path: path.read_bytes() for path in out.rglob("*.safetensors")} == frozen


def test_items_without_a_speaker_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        style_encoder, "READERS", {"savee": lambda root: [Item("x", ("a",), source=Source(tmp_path / "x.wav"))]}
    )
    (tmp_path / "audio" / "savee").mkdir(parents=True)
    with pytest.raises(InputError, match="item 'x' of savee has no speaker; choose corpora that name theirs"):
        style_encoder.spoken(["savee"], tmp_path)
