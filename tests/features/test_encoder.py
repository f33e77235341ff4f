"""The contract and registry of encoders: a toy encoder appears in prepare, in features and on the page by one line."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer
from typer.testing import CliRunner

from merc.conversation import Conversation, Utterance
from merc.errors import InputError, UnknownName
from merc.features import encoder as encoders
from merc.features.encoder import ENCODERS, INPUTS, Encoder, as_float, check_sound, chosen, names
from merc.features.spec import FeatureSpec, Place
from merc.features.store import Store
from merc.prepare.options import PrepareOptions
from merc.prepare.prepare import prepare
from tests.backbones.made import other_default_device


class Letters(Encoder):
    """A toy: how many letters, and how many of them are capital."""

    name = "letters"
    modality = "text"
    input = "text"
    shape = (2,)
    summary = "Counts of letters."

    @property
    def licence(self) -> str:
        return "public domain"

    def describe(self) -> dict[str, Any]:
        return {"encoder": self.name, "sha256": "0" * 64, "width": self.width}

    def encode(self, batch: Sequence[str], *, progress: Any = None) -> np.ndarray:
        return np.array([[len(text), sum(map(str.isupper, text))] for text in batch], np.float32)


@pytest.fixture
def toy(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("MERC_CACHE", str(tmp_path / "cache"))
    monkeypatch.setitem(ENCODERS._entries, "letters", f"{__name__}:Letters")  # the line that adds an encoder


CORPUS = [Conversation("d", (Utterance("a", "Ann", "Oh No"), Utterance("b", "Ben", "yes"), Utterance("c", "Ann", " ")))]


def test_a_toy_encoder_appears_everywhere(toy: None, tmp_path: Path) -> None:
    from merc.cli import prepare as command

    app = typer.Typer()
    app.command()(command.prepare)
    assert "letters" in CliRunner().invoke(app, ["--list"]).output
    assert "| `letters` | text | text | 2 | public domain | Counts of letters. |" in encoders.page()
    store = prepare(CORPUS, tmp_path / "store", options=PrepareOptions(encoders=("letters",), workers=1))
    (row,) = store.get("letters", ["a"])
    assert row is not None and row.tolist() == [[5, 2]]
    assert Store.open(tmp_path / "store").features["letters"].licence == "encoder: public domain"
    found = FeatureSpec.parse("text=letters").load(CORPUS, place=Place("made", tmp_path))["text"]
    assert found.rows["b"].tolist() == [3, 0] and "c" not in found.rows
    assert "letters" in names("text")
    with pytest.raises(InputError, match=r"else an encoder \(mpnet, mpnet-tokens, .*letters"):
        FeatureSpec.parse("text=leters").load(CORPUS, place=Place("made", tmp_path))


def test_every_encoder_says_what_it_is_before_its_weights_are_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("merc.weights.path", lambda name: pytest.fail(f"{name} was loaded"))
    for name in ENCODERS:
        one = ENCODERS[name]()
        assert one.name == name and one.modality in ("text", "voice", "face", "motion") and one.input in INPUTS
        assert one.width == np.prod(one.shape) and one.summary and one.licence
        if encoders.describable(name) is None:
            assert one.describe()["encoder"] and one.describe() == ENCODERS[name]().describe()
        if one.pooled_from:
            whole = ENCODERS[one.pooled_from]()
            assert (whole.input, whole.shape, whole.sequence) == (one.input, one.shape, True), name
    described = [str(ENCODERS[name]().describe()) for name in ENCODERS if encoders.describable(name) is None]
    assert len(set(described)) == len(described)


def batch_for(kind: str) -> Any:
    """Something to encode of each kind of input."""
    generator = np.random.default_rng(0)
    return {
        "text": ["Yes.", "No, not that again!"],
        "dialogue": CORPUS,
        "sound": [generator.normal(0, 0.1, 9600).astype(np.float32)],
        "face": generator.integers(0, 256, (1, 160, 160, 3), dtype=np.uint8),
    }[kind]


@pytest.mark.parametrize(
    "name",
    [
        *("mpnet", "campplus", "egemaps", "whisper-base", "whisper-base-statistics", "whisper-base-middle"),
        *("facenet", "facenet-expression", "facenet-cells"),
        *("meld-warm", "texts-tokens"),
    ],
)
def test_no_tensor_is_made_on_another_device(name: str, weight: Callable[..., None]) -> None:
    import torch

    if (why := encoders.describable(name)) is not None:
        pytest.skip(why)
    one = ENCODERS[name]()
    weight(*one.weights)
    expected = one.encode(batch_for(one.input))
    before = torch.get_num_threads()
    with other_default_device():  # loading included
        found = ENCODERS[name]().encode(batch_for(one.input))
    assert torch.get_num_threads() == before and len(found) == len(expected)
    for row, wanted in zip(found, expected, strict=True):
        assert isinstance(row, np.ndarray) and row.shape[-len(one.shape) :] == one.shape
        np.testing.assert_array_equal(row, wanted)


def test_shipped_encoders_are_listed_and_unknown_ones_refused() -> None:
    assert {"meld-warm", "meld-warm-tokens", "texts"} <= set(ENCODERS) and "meld-warm" in ENCODERS
    assert len(list(ENCODERS)) == len(ENCODERS) and next(iter(ENCODERS)) == "mpnet"
    warm = ENCODERS["meld-warm"]().describe()
    assert "Apache-2.0; adapters: non-commercial research" in ENCODERS["meld-warm"]().licence
    assert (warm["protocol"], warm["fold"]) == ("meld-7", "official") and len(warm["sha256"]) == 64
    with pytest.raises(UnknownName, match="unknown encoder 'meld-worm': did you mean 'meld-warm'"):
        ENCODERS["meld-worm"]
    with pytest.raises(InputError, match="encoder 'campplus': threads is 0, expected 1 or more"):
        ENCODERS["campplus"](threads=0)
    with pytest.raises(InputError, match="encoder 'campplus' is not pooled from another encoder"):
        ENCODERS["campplus"]().pool(np.zeros((1, 192)))


def test_modalities_stand_for_their_default_encoders() -> None:
    assert chosen(("voice", "text", "mpnet")) == ("campplus", "mpnet", "mpnet-tokens")
    with pytest.raises(InputError, match=r"no encoders: expected modalities \(text, voice, face\) or names: mpnet"):
        chosen(())


def test_a_sound_is_one_channel_of_samples() -> None:
    np.testing.assert_array_equal(as_float(np.array([-32768, 16384], np.int16)), [-1, 0.5])
    check_sound(np.zeros(0, np.int16), 0)
    with pytest.raises(InputError, match=r"sound 3 of type float32, shape \(0,\): .* of at least one sample"):
        check_sound(np.zeros(0, np.float32), 3, empty=False)


def test_the_page_in_the_docs_is_the_one_that_is_made() -> None:
    page = Path(__file__).parents[2] / "docs" / "reference" / "encoders.md"
    assert page.read_text(encoding="utf-8") == encoders.page(), "run 'merc prepare --page > docs/reference/encoders.md'"
