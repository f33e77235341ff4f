"""Motion capture on its whole way: files of IEMOCAP's layout, ``merc prepare``, a training of Tripathi."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from merc.corpora.iemocap import conversations
from merc.corpora.iemocap_variants import COSMIC_VALID
from merc.features.encoder import ENCODERS
from merc.features.store import Store
from merc.prepare.options import PrepareOptions
from merc.prepare.prepare import checked, prepare
from merc.recipes.request import Prepared, Request
from merc.recipes.systems import score, train_fold
from tests.corpora.trees import motion, write

RATE, TURNS = 24, 8
CLASSES = ("ang", "exc", "neu", "sad")
DIALOGUES = (
    *COSMIC_VALID,
    *(f"Ses0{1 + n % 4}F_impro5{n}" for n in range(12)),
    *(f"Ses05F_impro5{n}" for n in range(6)),
)
WITHOUT = "Ses05F_impro55"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Whether the head or a hand moves, and in which half of the turn, tells the label; the last turn is of happiness.

    Half of all values are hidden, and one dialogue has no motion capture.
    """
    root = tmp_path_factory.mktemp("data")
    random = np.random.default_rng(0)
    for name in DIALOGUES:
        dialog = root / "iemocap" / f"Session{name[4]}" / "dialog"
        labels = [CLASSES[one] for one in random.integers(4, size=TURNS - 1)] + ["hap"]
        ids = [f"{name}_F{turn:03d}" for turn in range(TURNS)]
        said = [f"{one} [{turn:08.4f}-{turn + 1:08.4f}]: so." for turn, one in enumerate(ids)]
        rows = zip(ids, labels, strict=True)
        rated = [f"[{n:.4f} - {n + 1:.4f}]\t{one}\t{label}\t[3.0, 3.0, 3.0]" for n, (one, label) in enumerate(rows)]
        write(dialog / "transcriptions" / f"{name}.txt", "\n".join(said) + "\n")
        write(dialog / "EmoEvaluation" / f"{name}.txt", "\n".join(rated) + "\n")
        for stream, width, moved in (("MOCAP_head", 6, "ae"), ("MOCAP_hand", 18, "ns")):
            values = 0.3 * random.normal(size=(TURNS * RATE, width))
            for turn, label in enumerate(labels):
                if label[0] in moved:
                    late = label in ("exc", "sad")
                    values[turn * RATE + late * RATE // 2 :][: RATE // 2] += 2.0
            values[random.random(values.shape) < 0.5] = np.nan
            if name != WITHOUT:
                motion(dialog, stream, values, name=name, rate=RATE)
    prepare(conversations(root / "iemocap"), root / "store", options=PrepareOptions(encoders=("mocap",), workers=1))
    return root


def test_the_encoder_says_what_it_gives() -> None:
    encoder = ENCODERS["mocap"]()
    assert (encoder.modality, encoder.shape, encoder.sequence) == ("motion", (189,), True)
    assert encoder.describe()["bins"] == 200


def test_prepare_writes_a_picture_of_each_turn_or_the_reason(root: Path) -> None:
    store = Store.open(root / "store")
    (picture,) = store.get("mocap", ["Ses01M_impro01_F000"])
    assert picture is not None and picture.shape == (200, 189) and np.isfinite(picture).all()
    assert not picture[:, :165].any() and picture[:, 165:].any()  # the face has no file here
    assert "no motion capture of its time" in store.reasons("mocap")[f"{WITHOUT}_F000"]


def test_motion_alone_asks_for_no_check_of_recordings(root: Path, tmp_path: Path) -> None:
    assert checked(conversations(root / "iemocap"), tmp_path, options=PrepareOptions(encoders=("mocap",))) is None


def accuracy(root: Path, **options: object) -> float:
    """Of Tripathi trained on the store, on the turns of session 5 that have motion capture."""
    sizes = {"width": 16, "filters": (8, 8, 16), "bins": 8, "dropout": 0.0, **options}
    training = {"epochs": 8, "learning_rate": 1e-2, "batch": 16, "threads": 1}
    asked = Request("tripathi", "iemocap4-excited", f"motion={root / 'store'}:mocap", options=sizes, training=training)
    prepared = Prepared(Request(**{**{name: getattr(asked, name) for name in asked.__slots__}, "data": root}))
    (fold,) = prepared.folds()
    assert prepared.classes == ("angry", "excited", "neutral", "sad")
    trained = train_fold(prepared, fold)
    found, _ = score(trained, fold.valid, labels=prepared.classes)
    return float((found.true == found.predicted).mean())


def test_when_and_where_it_moves_beats_how_much(root: Path) -> None:
    """The picture in both axes; with one bin the half of the turn is lost, and half of the labels with it."""
    picture, flat = accuracy(root), accuracy(root, bins=1, filters=(8,))
    assert picture > 0.9 and flat < picture - 0.2
