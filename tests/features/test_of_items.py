"""Items of one-modality corpora: read by what an encoder reads, cached by their bytes, refused by name."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.cache import Cache
from merc.corpora import Item, Source
from merc.errors import InputError, UnknownName
from merc.features.encoder import ENCODERS, Encoder
from merc.features.of_items import OfItems, features, of_items, sounds


class Counting(Encoder):
    """Gives the mean of what it reads, and counts how often it is asked."""

    name, modality, shape = "counting", "voice", (1,)

    def __init__(self, kind: str) -> None:
        super().__init__()
        self.input, self.calls = kind, 0

    def describe(self):
        return {"encoder": "counting", "sha256": "1" * 64, "width": 1}

    def encode(self, batch, *, progress=None):
        self.calls += 1
        if self.input == "text":
            return np.array([[len(text)] for text in batch], np.float32)
        return np.array([[np.abs(one).mean()] for one in batch], np.float32)


def wave(folder: Path, name: str, samples: np.ndarray, rate: int = 16000) -> Item:
    import soundfile

    soundfile.write(folder / f"{name}.wav", samples, rate, subtype="FLOAT")
    return Item(name, (), source=Source(folder / f"{name}.wav"))


def test_items_are_read_as_the_encoder_reads(tmp_path: Path) -> None:
    import cv2

    cv2.imwrite(str(tmp_path / "p.png"), np.full((40, 30, 3), 100, np.uint8))
    picture = Item("p", (), source=Source(tmp_path / "p.png"))
    assert OfItems(Counting("text")).vectors([Item("t", (), text="four")]).tolist() == [[4]]
    assert OfItems(Counting("face")).vectors([picture]).tolist() == [[100]]
    loud = wave(tmp_path, "s", np.full(3200, 0.5, np.float32))
    assert OfItems(Counting("sound")).vectors([loud])[0, 0] == pytest.approx(0.5)
    assert "trimmed" in OfItems(Counting("sound")).description["input"]


def test_silence_is_trimmed_and_other_rates_are_resampled(tmp_path: Path) -> None:
    noise = 0.5 * 10 ** (-45 / 20)  # 45 dB below the sound
    sound = np.concatenate([np.full(1600, noise), np.full(3200, 0.5), np.full(800, noise)]).astype(np.float32)
    (trimmed,) = sounds([wave(tmp_path, "a", sound)])
    assert len(trimmed) == 3200 and trimmed.min() == 0.5
    (slow,) = sounds([wave(tmp_path, "b", np.full(800, 0.5, np.float32), rate=8000)])
    assert abs(len(slow) - 1600) <= 320


def test_vectors_are_cached_by_the_bytes_of_the_items(tmp_path: Path) -> None:
    encoder, cache = Counting("text"), Cache(tmp_path)
    items = [Item("a", (), text="one"), Item("b", (), text="three")]
    first = features(items, OfItems(encoder), cache=cache)
    assert features(items, OfItems(encoder), cache=cache).tolist() == first.tolist() == [[3], [5]]
    assert encoder.calls == 1
    features([items[0]], OfItems(encoder), cache=cache)
    assert encoder.calls == 2


def test_refusals(tmp_path: Path) -> None:
    (tmp_path / "x.wav").write_bytes(b"no sound")
    broken = Item("x", (), source=Source(tmp_path / "x.wav"))
    with pytest.raises(InputError, match="cannot decode audio of item 'x': .*; fetch the corpus again"):
        list(sounds([broken]))
    with pytest.raises(
        InputError, match="'meld-warm' reads dialogues and cannot encode single items; choose one .*mpnet"
    ):
        OfItems(ENCODERS["meld-warm"]())
    with pytest.raises(InputError, match="'mpnet-tokens' gives any number of rows per item"):
        of_items("mpnet-tokens")
    with pytest.raises(UnknownName, match="unknown encoder 'voices'"):
        of_items("voices")
    assert of_items("face").encoder.name == "facenet-expression" and of_items("facenet").encoder.name == "facenet"
