"""The face head from faces to files: offsets of persons are planted, so that by person must be better than alone."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from merc.cache import Cache
from merc.corpora import Item
from merc.errors import InputError
from merc.features.pictures import UprightFaces
from merc.heads.head import Head
from merc.labels import EKMAN7
from merc.recipes import face_head
from merc.recipes.face_head import FACE, FaceData, FaceOptions, FaceTrainings, fit_offsets, gather_faces
from merc.recipes.head_training import Examples
from merc.recipes.heads import fit
from merc.recipes.recipe import Folders
from merc.recipes.samples import Sample, Selection
from merc.reporting.cards import ModelCard

WIDTH = 24
QUICK = replace(
    FACE.settings({}),
    **{"seeds": (0,), "hidden": (32, 16), "components": 20, "epochs": 5, "batch": 32, "dropout": 0.2},
    **{"resamples": 20, "person_temperature": 4.0},
)


@pytest.fixture(scope="module")
def faces() -> FaceData:
    """RAF-DB without persons, and 24 persons of CK+ whose faces are all moved by the person's own offset."""
    random = np.random.default_rng(0)
    means = 1.0 * random.normal(size=(7, WIDTH))
    samples, rows = [], []
    parts = ["train"] * 8 + ["validation"] * 2 + ["test"] * 2
    for number in range(600):
        label = int(random.integers(7))
        samples.append(Sample("rafdb", Item(f"r{number}", ()), EKMAN7[label], parts[number % len(parts)]))
        rows.append(means[label] + 0.7 * random.normal(size=WIDTH))
    for person in range(24):
        offset = 1.2 * random.normal(size=WIDTH)
        for number, label in enumerate([0, 1, 2, 3, 5, 6] * 2):
            item = Item(f"c{person}-{number}", (), speaker=f"S{person:03}", group=f"S{person:03}_{number}")
            samples.append(Sample("ckplus", item, EKMAN7[label], ("train", "validation", "test")[person % 3]))
            rows.append(means[label] + offset + 0.5 * random.normal(size=WIDTH))
    vectors = np.array(rows, np.float32)
    examples = Examples(vectors, np.array([EKMAN7.index(one.label) for one in samples]))
    training = vectors[[n for n, one in enumerate(samples) if one.part == "train"]]
    copies = (training + 0.3 * random.normal(size=training.shape).astype("f4"),)
    description = {"encoder": "facenet", "sha256": "0" * 64, "width": WIDTH, "output": "made"}
    return FaceData("face", Selection(tuple(samples), {"rafdb": {}, "ckplus": {}}), examples, description, copies)


@pytest.fixture(scope="module")
def trained(faces: FaceData, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("face")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(face_head, "gather_faces", lambda *_, **__: faces)
        face_head.train_face(QUICK, Folders(folder, folder))
    return folder


def test_copies_are_in_the_training_part_alone_and_follow_their_faces(faces: FaceData) -> None:
    training = faces.part("train", ["ckplus"])
    count = len(faces.rows(parts=["train"], corpora=["ckplus"]))
    assert len(training.vectors) == 2 * count and len(faces.part("test").vectors) == len(faces.rows(parts=["test"]))
    apart = np.abs(training.vectors[:count] - training.vectors[count:]).mean()
    assert apart < 0.4, "a copy is near its face"
    assert (training.classes[:count] == training.classes[count:]).all()


def test_a_left_out_corpus_is_read_better_by_person(trained: Path) -> None:
    card = ModelCard.read(trained / "face.json")
    across = card.result("cross_corpus")
    alone, joint = (across.row(f"ckplus, {name}, all") for name in ("each face alone", "by person"))
    assert alone and joint and alone.items == joint.items == 288
    assert joint.value("unweighted_recall") > alone.value("unweighted_recall") + 0.05
    untouched = across.row("ckplus, by person, people that chose nothing")
    assert untouched and 0 < untouched.facts["people"] < 24
    assert 0 < across.figures["trust"] <= 1
    assert across.figures["log_loss_trusted"] <= across.figures["log_loss_ignored"]


def test_the_head_that_is_saved_takes_out_what_belongs_to_a_person(trained: Path, faces: FaceData) -> None:
    head = Head.load("face", folder=trained, conversation=False)
    assert head.width == WIDTH and head.person is not None
    rows = faces.rows(parts=["test"], corpora=["ckplus"])
    examples, people = faces.examples.at(rows), [str(faces.selection.samples[row].item.speaker) for row in rows]
    emotions = head.emotion_vector(examples.vectors)
    even = np.full((len(rows), 7), 1 / 7)
    moved = emotions - head.offsets(emotions, people, even)
    right = [(head.classify(one).argmax(1) == examples.classes).mean() for one in (emotions, moved)]
    assert right[1] > right[0], f"right alone {right[0]:.2f}, by person {right[1]:.2f}"
    assert not head.offsets(emotions[:1], ["somebody"]).any(), "nothing else of the person is seen"


def test_the_same_faces_give_the_same_bytes(faces: FaceData) -> None:
    once = replace(QUICK, epochs=2)
    first, second = (fit(faces, FaceTrainings(once)).best.head.weights for _ in range(2))  # type: ignore[union-attr]
    assert all(first[name].tobytes() == second[name].tobytes() for name in first)


def test_shares_of_the_variance(faces: FaceData) -> None:
    head = fit(faces, FaceTrainings(replace(QUICK, epochs=1))).best.head
    prior = np.full(7, 1 / 7)
    half, most = (
        fit_offsets(head, faces.part("validation"), prior, replace(QUICK, person_share=share))  # type: ignore[arg-type]
        for share in (0.5, 0.8)
    )
    assert half.spread[0] == pytest.approx(1) and most.spread[0] == pytest.approx(4)
    coordinates = half.coordinates(np.eye(16)[:3])
    np.testing.assert_allclose(half.vectors(coordinates + half.centre), np.eye(16)[:3], atol=1e-3)


def test_faces_are_read_upright_and_training_faces_again(
    corpora: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[int, int]] = []

    def vectors(self: UprightFaces, items: list[Item]) -> np.ndarray:
        asked.append((self.copy, len(items)))
        return np.full((len(items), self.encoder.width), self.copy, np.float32)

    samples = [Sample("rafdb", Item(f"r{n}", (), text=str(n)), "joy", part) for n, part in enumerate(("train", "test"))]
    monkeypatch.setattr(face_head, "select_faces", lambda *_: Selection(tuple(samples), {}))
    monkeypatch.setattr(UprightFaces, "vectors", vectors)
    found = gather_faces(corpora, replace(QUICK, copies=2), cache=Cache(tmp_path))
    assert asked == [(0, 2), (1, 1), (2, 1)]
    assert found.part("train").vectors[:, 0].tolist() == [0, 1, 2] and found.encoder["input"] == "face upright"


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"copies": -1}, "copies is -1"),
        ({"components": 0}, "components is 0"),
        ({"person_share": 1.0}, "person_share is 1.0"),
        ({"person_count": 0.0}, "person_count is 0.0"),
    ],
)
def test_options_out_of_range_are_refused(change: dict[str, float], message: str) -> None:
    with pytest.raises(InputError, match=message):
        FaceOptions(**change)  # type: ignore[arg-type]
