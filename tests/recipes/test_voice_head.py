"""The voice head from sounds to card, on corpora made up for the purpose."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from merc.cache import Cache
from merc.errors import InputError
from merc.heads.voice import VoiceHead
from merc.recipes import voice_head
from merc.recipes.recipe import Folders
from merc.recipes.voice_head import KINDS, TRAINED_ON, VARIANTS, counts, gather, interval, left_out, recall, train_voice
from merc.recipes.voice_training import VoiceOptions

RAVDESS = {1: 0, 3: 4, 4: 5, 5: 1, 6: 2, 7: 3, 8: 6}
OPTIONS = VoiceOptions(components=16, penalty=0.1, resamples=20)


class Loudness:
    """An encoder that gives the levels of sixteen bands of frequency, so that no network is needed."""

    name, input, sequence, width, device = "bands", "sound", False, 16, "cpu"

    def describe(self) -> dict[str, object]:
        return {"encoder": self.name, "sha256": "0" * 64, "width": 16}

    def encode(self, batch: list[np.ndarray], *, progress: object = None) -> np.ndarray:
        bands = [np.array_split(np.abs(np.fft.rfft(sound)) ** 2, 16) for sound in batch]
        return np.array([[np.log(band.mean() + 1e-6) for band in own] for own in bands], np.float32)


def sing(path: Path, number: int, person: int) -> None:
    """A sound whose band is its label, over the person's own noise."""
    random = np.random.default_rng(number * 100 + person)
    time = np.arange(4000) / 16000
    tone = 0.2 * np.sin(2 * np.pi * (400 + 1000 * number) * time + random.uniform(0, 6))
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, tone + 0.02 * random.standard_normal(4000), 16000)


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("data")
    for person in range(1, 4):
        for code, number in RAVDESS.items():
            for take in (1, 2):
                sing(root / f"audio/ravdess/03-01-{code:02}-01-01-{take:02}-{person:02}.wav", number, person)
    for person, name in enumerate(("DC", "JE")):
        for number, code in enumerate(("a", "d", "f", "h", "n", "sa", "su")):
            for take in (1, 2, 3):
                sing(root / f"audio/savee/{name}_{code}{take:02}.wav", number, 10 + person)
    lines = ["file_id\traw_text\tgender\tage"]
    for person, name in enumerate(("EB0", "IC0")):
        for number, label in (
            (0, "anger"),
            (2, "fear"),
            (3, "happiness"),
            (4, "neutral"),
            (5, "sadness"),
            (6, "surprised"),
        ):
            for take in (1, 2, 3):
                lines.append(f"{name}_{label}_{take}.wav\tTak.\tfemale\t30")
                sing(root / f"audio/nemo/{name}_{label}_{take}.wav", number, 20 + person)
    (root / "audio/nemo/data.tsv").write_text("\n".join(lines) + "\n")
    return root


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from merc.features.of_items import OfItems

    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setattr(voice_head, "of_items", lambda name, threads, device: OfItems(Loudness()))  # type: ignore[arg-type]


def test_sounds_are_gathered_with_disturbed_copies_that_stay_the_same(small: None, data: Path, tmp_path: Path) -> None:
    first, second = (gather(TRAINED_ON, data, OPTIONS, cache=Cache(tmp_path / n)).voices for n in "ab")
    assert [copy.shape for copy in first.copies] == [(120, 16), (120, 16)]
    assert (first.corpora == "ravdess").sum() == 42 and len(set(first.people)) == 7
    for one, other in zip(first.copies, second.copies, strict=True):
        np.testing.assert_array_equal(one, other)
    assert np.abs(first.copies[0] - first.copies[1]).max() > 0.1


def test_head_and_card_are_written_and_hold_what_was_measured(small: None, data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    outcome = train_voice(OPTIONS, Folders(data, out))
    card = json.loads((out / "voice.json").read_text())
    head = VoiceHead.load(out)
    assert head.width == 16 and card["weights"]["sha256"] == outcome.card.weights.sha256  # type: ignore[union-attr]
    section = next(one for one in card["results"] if one["name"] == "conversation")
    assert [row["name"] for row in section["rows"]] == [
        f"{corpus}, {variant}" for variant in VARIANTS for corpus in (*TRAINED_ON, "mean")
    ]
    gathered = gather(TRAINED_ON, data, OPTIONS)
    found = left_out(gathered.voices, OPTIONS)
    row = next(one for one in section["rows"] if one["name"] == "savee, as shipped")
    for kind in KINDS:
        value, low, high = row["figures"][kind]
        assert value == round(recall(found["savee"], "as shipped", kind), 4)
        assert low <= value <= high
    assert 0 <= section["figures"]["trust"] <= 1
    assert sum(card["prior"].values()) == pytest.approx(1, abs=1e-4)
    assert "TESS" in (out / "voice.md").read_text()


def test_intervals_resample_people(small: None, data: Path) -> None:
    found = left_out(gather(TRAINED_ON, data, OPTIONS).voices, OPTIONS)["ravdess"]
    assert interval(found, "alone", KINDS[0], resamples=50) == interval(found, "alone", KINDS[0], resamples=50)
    right, there = counts(found, "alone", KINDS[0])
    assert there.shape == (3, 7) and there.sum() == (found.kinds == KINDS[0]).sum()
    assert recall(found, "alone", KINDS[0]) == pytest.approx((right.sum(0) / there.sum(0)).mean())


def test_a_missing_corpus_is_named(small: None, tmp_path: Path) -> None:
    with pytest.raises(InputError, match="corpus 'ravdess': no folder or file"):
        gather(("ravdess",), tmp_path, OPTIONS)
